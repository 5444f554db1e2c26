import { beforeEach, describe, expect, it } from 'vitest'
import { type Bytes, ByteWriter, fromHex } from '../../src/bytes/index.js'
import type { MemoryPlace } from '../../src/storage/index.js'
import { encodeContent, encodeStat, noContent } from '../../src/tree/index.js'
import { knownStore } from '../support/damage.js'
import { childValue, Forger, forgedNode, leafValue } from '../support/forge.js'
import { recorder } from '../support/recorder.js'
import { files, sourceWith } from '../support/samples.js'
import { allOf, codesOf, createAt, findingsOf, openAt, outcome, placeOf, plaintext } from '../support/stores.js'

const directory = leafValue(encodeStat({ type: 'directory' }), noContent)
const empty = encodeContent({ form: 'extents', extents: [] })
const file = leafValue(encodeStat({ type: 'file', size: 0 }), empty)

/** Trees that no builder makes, whose nodes all have the right ids. */
describe('a tree that is not one', () => {
  let place: MemoryPlace
  let forger: Forger
  beforeEach(async () => {
    place = placeOf()
    const store = await createAt(place, plaintext)
    await store.backup(sourceWith(files({ good: 'good' })), {})
    forger = await Forger.of(place)
  })

  /** What check and restore say of a snapshot with this tree; the good snapshot beside it must not suffer. */
  async function verdict(
    root: Bytes,
    nodes: readonly Bytes[],
  ): Promise<{ codes: string[]; restore: unknown; failed: string[] }> {
    const id = forger.snapshot(root, nodes)
    const store = await openAt(place, plaintext)
    const findings = await findingsOf(store)
    for (const { affects, code } of findings) {
      if (code.startsWith('tree')) expect(affects!.every(({ snapshot }) => snapshot === id)).toBe(true)
    }
    const to = recorder()
    const failed: string[] = []
    const restore = await outcome(
      store.restore(id, to).then((result) => failed.push(...result.failed.map(({ path }) => path))),
    )
    await outcome(allOf((await store.snapshot(id)).walk())).then((walked) => expect(walked).not.toBeInstanceOf(Error))
    const good = recorder()
    expect((await store.restore('latest~1', good)).failedCount).toBe(0)
    expect(good.found.get('good')?.bytes).toHaveLength(4)
    return { codes: codesOf(findings), restore, failed }
  }

  it.each<[string, readonly string[]]>([
    ['is out of order', ['', 'b', 'a']],
    ['has a key twice', ['', 'a', 'a']],
    ['orders / as other bytes', ['', 'a', 'a!', 'a/b']],
    ['does not start with its root', ['a', 'b']],
  ])('%s', async (_, keys) => {
    const leaf = forgedNode(
      0,
      keys.map((key) => ({ key, value: key === '' ? directory : file })),
    )
    expect(await verdict(leaf, [leaf])).toEqual({ codes: ['tree-corrupt'], restore: 'KLOSET_TREE_CORRUPT', failed: [] })
  })

  it('leads back to a node above: a level that does not go down', async () => {
    const leaf = forgedNode(0, [
      { key: '', value: directory },
      { key: 'a', value: file },
    ])
    const inner = forgedNode(1, [{ key: 'a', value: childValue(forger.idOf(leaf), [1, 1, 0, 0, 0]) }])
    const root = forgedNode(1, [{ key: 'a', value: childValue(forger.idOf(inner), [1, 1, 0, 0, 0]) }])
    expect(await verdict(root, [leaf, inner, root])).toMatchObject({
      codes: ['tree-corrupt'],
      restore: 'done',
      failed: ['a'],
    })
  })

  it('is deeper than any', async () => {
    const nodes = [forgedNode(0, [{ key: '', value: directory }])]
    for (let level = 1; level <= 16; level++) {
      nodes.push(forgedNode(level, [{ key: '', value: childValue(forger.idOf(nodes.at(-1)!), [0, 1, 0, 0, 0]) }]))
    }
    expect(await verdict(nodes.at(-1)!, nodes)).toMatchObject({
      codes: ['tree-corrupt'],
      restore: 'KLOSET_TREE_CORRUPT',
    })
  })

  it('does not add up to its totals', async () => {
    const leaf = forgedNode(0, [
      { key: '', value: directory },
      { key: 'a', value: file },
    ])
    const root = forgedNode(1, [{ key: 'a', value: childValue(forger.idOf(leaf), [9_000, 1, 0, 0, 0]) }])
    expect(await verdict(root, [leaf, root])).toMatchObject({ codes: ['tree-corrupt'], restore: 'done', failed: ['a'] })
  })

  it('has the same leaf in a second place, where it does not belong', async () => {
    const leaf = forgedNode(0, [
      { key: '', value: directory },
      { key: 'a', value: file },
    ])
    const child = childValue(forger.idOf(leaf), [1, 1, 0, 0, 0])
    const root = forgedNode(1, [
      { key: 'a', value: child },
      { key: 'b', value: child },
    ])
    expect(await verdict(root, [leaf, root])).toMatchObject({ codes: ['tree-corrupt'], restore: 'done', failed: ['b'] })
  })

  it('names a node that the store never had', async () => {
    const leaf = forgedNode(0, [{ key: '', value: directory }])
    expect(await verdict(leaf, [])).toMatchObject({ codes: ['tree-missing'], restore: 'KLOSET_CHUNK_MISSING' })
  })

  it.each(['..', 'a/../../b', 'a//b', '/etc/passwd', './a'])('has the path %s, which leads elsewhere', async (key) => {
    const leaf = forgedNode(0, [
      { key: '', value: directory },
      { key, value: file },
    ])
    const { codes, restore, failed } = await verdict(leaf, [leaf])
    expect(codes).toEqual(['tree-corrupt'])
    expect(restore).toBe('done')
    expect(failed).toHaveLength(1)
  })

  it('has a stat that is damaged: the other entries are there', async () => {
    const bad = leafValue(Uint8Array.of(0, 1), empty)
    const leaf = forgedNode(0, [
      { key: '', value: directory },
      { key: 'a', value: file },
      { key: 'b', value: bad },
    ])
    const { codes } = await verdict(leaf, [leaf])
    expect(codes).toEqual(['tree-corrupt'])
  })

  it('has files whose chunks the store never had, or of another length', async () => {
    const [good] = (await knownStore(place, plaintext)).snapshots
    const known = fromHex([...good!.files.get('good')!.ids][0]!)
    const contentOf = (id: Uint8Array, length: number): Bytes =>
      encodeContent({ form: 'extents', extents: [{ id, length }] })
    const value = (id: Uint8Array, length: number): Bytes =>
      leafValue(encodeStat({ type: 'file', size: length }), contentOf(id, length))
    const leaf = forgedNode(0, [
      { key: '', value: directory },
      { key: 'absent', value: value(new Uint8Array(32), 4) },
      { key: 'long', value: value(known, 5) },
      { key: 'right', value: value(known, 4) },
    ])
    const id = forger.snapshot(leaf, [leaf])
    const again = await openAt(place, plaintext)
    const findings = await findingsOf(again)
    const affects = Object.fromEntries(findings.map((each) => [each.code, each.affects!.map(({ path }) => path)]))
    expect(affects).toEqual({ 'chunk-missing': ['absent'], 'chunk-length': ['long'] })
    const to = recorder()
    expect((await again.restore(id, to)).failed.map(({ path }) => path).sort()).toEqual(['absent', 'long'])
    expect(to.found.get('right')?.bytes).toHaveLength(4)
  })

  it('has an extended attribute whose chunks the store never had', async () => {
    const storedXattrs = { 'user.long': [{ id: new Uint8Array(32), length: 2_000 }] }
    const value = leafValue(encodeStat({ type: 'file', size: 0, storedXattrs }), empty)
    const leaf = forgedNode(0, [
      { key: '', value: directory },
      { key: 'a', value },
    ])
    expect((await verdict(leaf, [leaf])).codes).toEqual(['chunk-missing'])
  })

  it('has a list whose lengths lie, and one that is only holes', async () => {
    const hole = (length: number): Bytes => {
      const list = new ByteWriter()
      list.u8(1)
      list.u8(0)
      list.varint(2)
      list.varint(length * 2 + 1)
      list.varint(length * 2 + 1)
      return list.finish()
    }
    const list = hole(1000)
    const value = (length: number): Bytes =>
      leafValue(
        encodeStat({ type: 'file', size: length }),
        encodeContent({ form: 'list', id: forger.idOf(list), level: 0, length, count: 2 }),
      )
    const leaf = forgedNode(0, [
      { key: '', value: directory },
      { key: 'lies', value: value(1_000_000_000_000) },
      { key: 'right', value: value(2000) },
    ])
    const { codes, failed, restore } = await verdict(leaf, [leaf, list])
    expect({ codes, failed, restore }).toEqual({ codes: ['tree-corrupt'], failed: ['lies'], restore: 'done' })
  })
})
