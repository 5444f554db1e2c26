import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Bytes, toHex } from '../../src/bytes/index.js'
import { comparePaths } from '../../src/connector/paths.js'
import { diff, encodeStat, pathOfKey } from '../../src/tree/index.js'
import { build, file, type Item, inOrder, manyFiles, Nodes, root } from './support.js'

describe('diff', () => {
  it('says what is different, in path order', async () => {
    const edit = fc.record({ at: fc.nat(900), kind: fc.constantFrom('put', 'touch', 'remove'), salt: fc.nat(2) })
    const start = new Map(manyFiles(800).map((one) => [one.path, one]))
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { maxLength: 60 }), fc.array(edit, { maxLength: 20 }), async (left, right) => {
        const nodes = new Nodes()
        const a = edited(start, left)
        const b = edited(start, right)
        const before = await build(inOrder(a.values()), nodes)
        const after = await build(inOrder(b.values()), nodes)
        expect(await changes(before.root, after.root, nodes)).toEqual(plainDiff(a, b))
      }),
      { numRuns: 40 },
    )
  })

  it('tells changed from touched', async () => {
    const nodes = new Nodes()
    const link: Item = { path: 'b', stat: { type: 'symlink', target: 'x' }, content: { form: 'none' } }
    const before = await build([root, file('a'), link], nodes)
    const after = await build(
      [root, { ...file('a'), stat: { type: 'file', mtime: 5n } }, { ...link, stat: { type: 'fifo' } }],
      nodes,
    )
    expect(await changes(before.root, after.root, nodes)).toEqual(['metadata a', 'changed b'])
    expect(await changes(before.root, before.root, nodes)).toEqual([])
  })

  it('gives both sides of an entry', async () => {
    const nodes = new Nodes()
    const before = await build([root, file('a', 1), file('b')], nodes)
    const after = await build([root, file('a', 2), file('c')], nodes)
    const found = []
    for await (const change of diff(before.root, after.root, nodes.fetch)) found.push(change)
    expect(found.map(({ before: was, after: is }) => [was?.stat, is?.stat])).toEqual([
      [encodeStat(file('a', 1).stat), encodeStat(file('a', 2).stat)],
      [encodeStat(file('b').stat), undefined],
      [undefined, encodeStat(file('c').stat)],
    ])
  })

  it('reads only what is different', async () => {
    const nodes = new Nodes()
    const all = manyFiles(12_000)
    const before = await build(all, nodes)
    expect(nodes.map.size).toBeGreaterThan(30)
    nodes.reads = []
    expect(await changes(before.root, before.root, nodes)).toEqual([])
    expect(nodes.reads).toEqual([])
    for (const at of [1, 6_000, 12_000]) {
      const after = await build(
        all.map((one, i) => (i === at ? file(one.path, 1) : one)),
        nodes,
      )
      nodes.reads = []
      expect(await changes(before.root, after.root, nodes)).toEqual([`changed ${all[at]!.path}`])
      expect(nodes.reads.length).toBeLessThanOrEqual(2 * before.depth + 2)
    }
  })

  it('of trees of different depth and of nothing in common is everything', async () => {
    const nodes = new Nodes()
    const small = [root]
    const large = manyFiles(3_000)
    const a = await build(small, nodes)
    const b = await build(large, nodes)
    expect(a.depth).toBeLessThan(b.depth)
    const added = large.slice(1).map((one) => `added ${one.path}`)
    expect(await changes(a.root, b.root, nodes)).toEqual(added)
    expect(await changes(b.root, a.root, nodes)).toEqual(added.map((line) => line.replace('added', 'removed')))
  })

  it('passes on damage', async () => {
    const nodes = new Nodes()
    const before = await build(manyFiles(3_000), nodes)
    const known = new Set(nodes.map.keys())
    const after = await build([...manyFiles(3_000), file('z')], nodes)
    for (const [id, encoded] of nodes.map)
      if (!known.has(id) && id !== toHex(after.root)) nodes.map.set(id, encoded.slice(1))
    await expect(changes(before.root, after.root, nodes)).rejects.toEqual(
      expect.objectContaining({ code: 'KLOSET_TREE_CORRUPT' }),
    )
  })
})

async function changes(before: Bytes, after: Bytes, nodes: Nodes): Promise<string[]> {
  const lines: string[] = []
  for await (const { kind, before: was, after: is } of diff(before, after, nodes.fetch)) {
    lines.push(`${kind} ${pathOfKey((was ?? is)!.key)}`)
    if (was !== undefined && is !== undefined) expect(was.key).toEqual(is.key)
  }
  return lines
}

function edited(
  start: ReadonlyMap<string, Item>,
  edits: readonly { at: number; kind: string; salt: number }[],
): Map<string, Item> {
  const now = new Map(start)
  for (const { at, kind, salt } of edits) {
    const path = `folder-${Math.floor(at / 50)}/file-${at}.txt`
    if (kind === 'remove') now.delete(path)
    else if (kind === 'put') now.set(path, file(path, salt))
    else now.set(path, { ...file(path), stat: { ...file(path).stat, mode: 0o600 + salt } })
  }
  return now
}

function plainDiff(a: ReadonlyMap<string, Item>, b: ReadonlyMap<string, Item>): string[] {
  const lines: string[] = []
  const salt = (one: Item): unknown => one.content
  for (const path of [...new Set([...a.keys(), ...b.keys()])].sort(comparePaths)) {
    const was = a.get(path)
    const is = b.get(path)
    if (was === undefined) lines.push(`added ${path}`)
    else if (is === undefined) lines.push(`removed ${path}`)
    else if (!sameJson(salt(was), salt(is))) lines.push(`changed ${path}`)
    else if (!sameJson(was.stat, is.stat)) lines.push(`metadata ${path}`)
  }
  return lines
}

function sameJson(a: unknown, b: unknown): boolean {
  const plain = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value)
  return JSON.stringify(a, plain) === JSON.stringify(b, plain)
}
