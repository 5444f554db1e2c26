import { blake3 } from '@noble/hashes/blake3.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Bytes, concatBytes, toHex } from '../../src/bytes/index.js'
import { comparePaths } from '../../src/connector/paths.js'
import { encodeContent, encodeStat, keyOf, pathOfKey, TreeBuilder, TreeCursor } from '../../src/tree/index.js'
import {
  anyContent,
  anyStat,
  build,
  file,
  hash,
  type Item,
  inOrder,
  keys,
  manyFiles,
  Nodes,
  plainNode,
  plainValue,
  root,
  varint,
} from './support.js'

const segment = fc.oneof(
  fc.constantFrom('a', 'b', 'ab', 'a-b', 'a b', 'ü', '\udce9', '😀', '\uff41'),
  fc.string({ minLength: 1, maxLength: 5 }).map((name) => name.replace(/[/\0]/g, '_')),
)
const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => segments.join('/'))
const item: fc.Arbitrary<Item> = fc.record({ path, stat: anyStat, content: anyContent })
const items = fc
  .uniqueArray(item, { maxLength: 40, selector: (one) => toHex(keyOf(one.path)) })
  .map((some) => inOrder([root, ...some]))

describe('tree builder', () => {
  it('builds what docs/format.md says', async () => {
    await fc.assert(
      fc.asyncProperty(items, fc.nat(600), async (some, more) => {
        const all = inOrder([...some, ...Array.from({ length: more }, (_, i) => file(`more/${i * 7}`))])
        const unique = all.filter((one, i) => i === 0 || comparePaths(all[i - 1]!.path, one.path) < 0)
        const nodes = new Nodes()
        const built = await build(unique, nodes)
        const plain = plainTree(unique)
        expect(toHex(built.root)).toBe(plain.root)
        expect(new Set(nodes.map.keys())).toEqual(new Set(plain.nodes.keys()))
        for (const [id, encoded] of plain.nodes) expect(nodes.map.get(id)).toEqual(encoded)
        expect(built.depth).toBe(plain.depth)
      }),
      { numRuns: 60 },
    )
  })

  it('counts what it holds', async () => {
    const some: Item[] = [
      root,
      { path: 'd', stat: { type: 'directory' }, content: { form: 'none' } },
      {
        path: 'd/bad',
        stat: { type: 'file', error: { code: 'KLOSET_DENIED', message: '' } },
        content: { form: 'none' },
      },
      {
        path: 'd/hole',
        stat: { type: 'file' },
        content: { form: 'extents', extents: [{ length: 2 ** 40, id: undefined }] },
      },
      {
        path: 'd/list',
        stat: { type: 'file' },
        content: { form: 'list', id: hash(keyOf('x')), level: 1, length: 5_000, count: 20 },
      },
      { path: 'd/link', stat: { type: 'symlink', target: 'x' }, content: { form: 'none' } },
      { path: 'd/pipe', stat: { type: 'fifo', error: { code: '', message: '' } }, content: { form: 'none' } },
    ]
    const { totals, depth } = await build(inOrder(some))
    expect(totals).toEqual({ files: 3, directories: 2, others: 2, bytes: 2 ** 40 + 5_000, errors: 2 })
    expect(depth).toBe(1)
  })

  it('gives the same tree for the same entries, whatever was edited before', async () => {
    // A model of a folder that is edited; the tree is built anew from a cursor over the last one and the edits, as a backup does.
    const edit = fc.record({ at: fc.nat(2_000), kind: fc.constantFrom('put', 'remove'), salt: fc.nat(5) })
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(edit, { maxLength: 30 }), { maxLength: 6 }), async (rounds) => {
        const nodes = new Nodes()
        const now = new Map(manyFiles(1_500).map((one) => [one.path, one]))
        let tree = await build(inOrder(now.values()), nodes)
        for (const edits of rounds) {
          const changes = new Map<string, Item | undefined>()
          for (const { at, kind, salt } of edits) {
            const place = `folder-${Math.floor(at / 50)}/file-${at}.txt`
            changes.set(place, kind === 'put' ? file(place, salt) : undefined)
          }
          for (const [place, change] of changes) {
            if (change === undefined) now.delete(place)
            else now.set(place, change)
          }
          tree = await rebuilt(tree.root, changes, nodes)
          const fromScratch = await build(inOrder(now.values()))
          expect(toHex(tree.root)).toBe(toHex(fromScratch.root))
          expect(tree.totals).toEqual(fromScratch.totals)
        }
      }),
      { numRuns: 12 },
    )
  })

  it('rewrites about k × depth nodes for k changes', async () => {
    const attributes = { note: 'n'.repeat(1_400) }
    const all = manyFiles(12_000).map((one) => ({ ...one, stat: { ...one.stat, attributes } }))
    const nodes = new Nodes()
    const before = await build(all, nodes)
    expect(before.depth).toBe(3)
    for (const k of [1, 5, 20]) {
      const places = new Set(Array.from({ length: k }, (_, i) => Math.floor((i + 0.5) * (all.length / k))))
      for (const kind of ['changed', 'removed', 'added']) {
        const edited = all.flatMap((one, i) => {
          if (!places.has(i)) return [one]
          return kind === 'removed' ? [] : kind === 'changed' ? [file(one.path, 1)] : [one, file(`${one.path} added`)]
        })
        const after = new Nodes()
        await build(inOrder(edited), after)
        const fresh = [...after.map.keys()].filter((id) => !nodes.map.has(id))
        // Where the changed entry ended a node, or now does, two nodes change in place of one.
        expect(fresh.length).toBeLessThanOrEqual(k * before.depth + Math.ceil(k / 2) + 1)
      }
    }
  })

  it('comes to one root whatever the keys are', async () => {
    // Each key is so long that nearly every entry ends a node, on every level.
    const long = Array.from({ length: 60 }, (_, i) => file(`${String(i).padStart(3, '0')}${'x'.repeat(65_000)}`))
    const nodes = new Nodes()
    const all = [root, file('0'), ...long, file('z')]
    const { root: id, depth } = await build(all, nodes)
    expect(depth).toBeLessThanOrEqual(7)
    const cursor = new TreeCursor(id, nodes.fetch)
    const found: string[] = []
    for (await cursor.first(); !cursor.done; await cursor.advance()) found.push(pathOfKey(cursor.key))
    expect(found).toEqual(all.map((one) => one.path))
  })

  it('ends a node before it would exceed 256 KiB', async () => {
    const attributes = { note: 'n'.repeat(125_000) }
    const big = Array.from(
      { length: 40 },
      (_, i): Item => ({ ...file(`big/${i}`), stat: { type: 'file', attributes } }),
    )
    const nodes = new Nodes()
    const all = inOrder([root, ...big])
    expect(toHex((await build(all, nodes)).root)).toBe(plainTree(all).root)
    for (const encoded of nodes.map.values()) expect(encoded.length).toBeLessThanOrEqual(256 * 1024)
  })

  it('adopts leaves of the tree before, with the same result', async () => {
    const all = manyFiles(5_000)
    const nodes = new Nodes()
    const before = await build(all, nodes)
    for (const place of [undefined, 0, 2_500, 5_000]) {
      const changes = new Map(place === undefined ? [] : [[all[place]!.path, { ...file(all[place]!.path, 3) }]])
      const edited = all.map((one) => changes.get(one.path) ?? one)
      const expected = await build(edited)
      const builder = new TreeBuilder({ ...keys, write: nodes.write })
      const cursor = new TreeCursor(before.root, nodes.fetch)
      let adopted = 0
      for (await cursor.first(); !cursor.done; await cursor.nextLeaf()) {
        const { leaf } = cursor
        const inLeaf: Item[] = []
        for (; cursor.index < leaf.count; ) {
          const here = pathOfKey(cursor.key)
          inLeaf.push(edited.find((one) => one.path === here)!)
          if (cursor.index === leaf.count - 1) break
          await cursor.advance()
        }
        if (!inLeaf.some((one) => changes.has(one.path)) && builder.canAdopt(leaf)) {
          await builder.adopt(cursor.leafId, leaf)
          adopted++
          continue
        }
        for (const one of inLeaf) await builder.add(keyOf(one.path), encodeStat(one.stat), encodeContent(one.content))
      }
      const built = await builder.finish()
      expect(toHex(built.root)).toBe(toHex(expected.root))
      expect(built.totals).toEqual(expected.totals)
      expect(adopted).toBeGreaterThan(10)
    }
  })

  it('adopts nothing in the middle of a node, and nothing that comes before', async () => {
    const all = manyFiles(5_000)
    const nodes = new Nodes()
    const { root: id } = await build(all, nodes)
    const cursor = new TreeCursor(id, nodes.fetch)
    await cursor.first()
    const { leaf, leafId } = cursor
    const builder = new TreeBuilder({ ...keys, write: nodes.write })
    expect(builder.canAdopt(leaf)).toBe(true)
    await builder.adopt(leafId, leaf)
    expect(builder.canAdopt(leaf)).toBe(false)
    expect(() => builder.adopt(leafId, leaf)).toThrow(RangeError)
    await cursor.nextLeaf()
    await cursor.nextLeaf()
    await builder.add(cursor.key, cursor.stat, cursor.content)
    await cursor.nextLeaf()
    expect(builder.canAdopt(cursor.leaf)).toBe(false)
  })

  it('refuses entries out of order, twice, and without the root', async () => {
    const add = (builder: TreeBuilder, at: string): void | Promise<void> =>
      builder.add(keyOf(at), encodeStat(root.stat), encodeContent(root.content))
    for (const [first, second] of [
      ['a', 'a'],
      ['b', 'a'],
      ['a/b', 'a'],
      ['a-b', 'a/b'],
    ]) {
      const builder = new TreeBuilder({ ...keys, write: () => {} })
      await add(builder, '')
      await add(builder, first!)
      expect(() => add(builder, second!)).toThrow(RangeError)
    }
    expect(() => add(new TreeBuilder({ ...keys, write: () => {} }), 'a')).toThrow('starts with the root')
    await expect(new TreeBuilder({ ...keys, write: () => {} }).finish()).rejects.toThrow(RangeError)
  })

  it('refuses keys and values that are too long', async () => {
    const builder = new TreeBuilder({ ...keys, write: () => {} })
    await builder.add(keyOf(''), encodeStat(root.stat), encodeContent(root.content))
    const stat = encodeStat(root.stat)
    expect(() => builder.add(new Uint8Array(65_537).fill(0x61), stat, Uint8Array.of(0))).toThrow(RangeError)
    expect(() => builder.add(keyOf('a'), new Uint8Array(131_073), Uint8Array.of(0))).toThrow(RangeError)
  })

  it('tells when to wait, and passes on what a write throws', async () => {
    const nodes = new Nodes()
    let writing = 0
    const builder = new TreeBuilder({
      ...keys,
      write: async (id, encoded) => {
        writing++
        await new Promise((resolve) => setTimeout(resolve, 1))
        nodes.write(id, encoded)
        writing--
      },
    })
    const all = manyFiles(3_000)
    let waits = 0
    for (const one of all) {
      const waiting = builder.add(keyOf(one.path), encodeStat(one.stat), encodeContent(one.content))
      if (waiting === undefined) continue
      waits++
      await waiting
      expect(writing).toBe(0)
    }
    expect(toHex((await builder.finish()).root)).toBe(toHex((await build(all)).root))
    expect(waits).toBeGreaterThan(3)
    expect(waits).toBeLessThanOrEqual(nodes.map.size)

    const failing = new TreeBuilder({ ...keys, write: () => Promise.reject(new Error('disk full')) })
    await expect(
      (async () => {
        for (const one of all) await failing.add(keyOf(one.path), encodeStat(one.stat), encodeContent(one.content))
      })(),
    ).rejects.toThrow('disk full')
  })
})

// Merges the entries of a tree with changes, without keeping any of them.
async function rebuilt(
  before: Bytes,
  changes: ReadonlyMap<string, Item | undefined>,
  nodes: Nodes,
): Promise<Awaited<ReturnType<TreeBuilder['finish']>>> {
  const builder = new TreeBuilder({ ...keys, write: nodes.write })
  const cursor = new TreeCursor(before, nodes.fetch)
  const left = [...changes].sort(([a], [b]) => comparePaths(a, b))
  await cursor.first()
  while (!cursor.done || left.length > 0) {
    const [place, change] = left[0] ?? []
    const order = cursor.done ? 1 : place === undefined ? -1 : comparePaths(pathOfKey(cursor.key), place)
    if (order < 0) await builder.add(cursor.key, cursor.stat, cursor.content)
    else {
      if (change !== undefined)
        await builder.add(keyOf(change.path), encodeStat(change.stat), encodeContent(change.content))
      left.shift()
    }
    if (order <= 0) await cursor.advance()
  }
  return builder.finish()
}

// The plain twin of the builder: level by level over arrays, with noble's BLAKE3, as the format's text goes.
function plainTree(all: readonly Item[]): { root: string; depth: number; nodes: Map<string, Bytes> } {
  type Row = { key: Uint8Array; value: Uint8Array; totals: number[] }
  const nodes = new Map<string, Bytes>()
  let rows: Row[] = all.map((one) => ({ key: keyOf(one.path), value: plainValue(one), totals: plainTotals(one) }))
  for (let level = 0; ; level++) {
    const groups: Row[][] = [[]]
    let size = 0
    for (const row of rows) {
      const own = 4 + row.key.length + row.value.length
      if (size + own > 256 * 1024) {
        groups.push([])
        size = 0
      }
      const group = groups.at(-1)!
      group.push(row)
      size += own
      const h = new DataView(blake3(Uint8Array.of(level, ...row.key), { key: keys.splitKey }).buffer).getUint32(0, true)
      if (h < (2 ** 32 * own) / 32_768 && (level === 0 || group.length >= 2)) {
        groups.push([])
        size = 0
      }
    }
    rows = groups
      .filter((group) => group.length > 0)
      .map((group) => {
        const encoded = plainNode(level, group)
        const id = hash(encoded)
        nodes.set(toHex(id), encoded)
        const totals = group.reduce((sum, row) => sum.map((value, i) => value + row.totals[i]!), [0, 0, 0, 0, 0])
        return { key: group.at(-1)!.key, value: concatBytes(id, Uint8Array.from(totals.flatMap(varint))), totals }
      })
    if (rows.length === 1) return { root: toHex(rows[0]!.value.subarray(0, 32)), depth: level + 1, nodes }
  }
}

function plainTotals({ stat, content }: Item): number[] {
  const bytes =
    content.form === 'none'
      ? 0
      : content.form === 'list'
        ? content.length
        : content.extents.reduce((sum, one) => sum + one.length, 0)
  const kinds = [stat.type === 'file', stat.type === 'directory', stat.type !== 'file' && stat.type !== 'directory']
  return [...kinds.map(Number), bytes, stat.error === undefined ? 0 : 1]
}
