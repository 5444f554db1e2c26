import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Bytes, concatBytes, toHex } from '../../src/bytes/index.js'
import { comparePaths } from '../../src/connector/paths.js'
import {
  contentAt,
  decodeEntry,
  entriesUnder,
  keyAt,
  keyOf,
  lookup,
  pathOfKey,
  statAt,
  TreeCursor,
  totalsUnder,
} from '../../src/tree/index.js'
import {
  build,
  file,
  hash,
  type Item,
  inOrder,
  manyFiles,
  Nodes,
  plainNode,
  plainValue,
  root,
  varint,
} from './support.js'

const corrupt = expect.objectContaining({ code: 'KLOSET_TREE_CORRUPT' })
const nodes = new Nodes()
let items: Item[]
let tree: Awaited<ReturnType<typeof build>>

beforeAll(async () => {
  const attributes = { note: 'n'.repeat(1_500) }
  items = inOrder([
    ...manyFiles(12_000),
    ...Array.from({ length: 40 }, (_, i): Item => {
      return { path: `folder-${i}`, stat: { type: 'directory' }, content: { form: 'none' } }
    }),
    file('folder-3-and-more'),
    file('folder-3 and more'),
  ]).map((one) => ({ ...one, stat: { ...one.stat, attributes } }))
  tree = await build(items, nodes)
  expect(tree.depth).toBe(3)
})

describe('tree cursor', () => {
  it('goes through all entries in order, without a promise for each', async () => {
    for (const prefetch of [0, 1, 4]) {
      const cursor = new TreeCursor(tree.root, nodes.fetch, { prefetch })
      expect(cursor.done).toBe(true)
      nodes.reads = []
      let waits = 0
      let i = 0
      for (await cursor.first(); !cursor.done; i++) {
        const { path, stat, content } = items[i]!
        expect(pathOfKey(cursor.key)).toBe(path)
        if (i % 50 === 0)
          expect(decodeEntry(cursor.key, cursor.stat, cursor.content)).toEqual({ path, ...stat, content })
        const waiting = cursor.advance()
        if (waiting === undefined) continue
        waits++
        await waiting
      }
      expect(i).toBe(items.length)
      expect(waits).toBeLessThan(nodes.map.size)
      // Each node once, whatever was fetched ahead.
      expect(nodes.reads.length).toBe(nodes.map.size)
      expect(new Set(nodes.reads).size).toBe(nodes.map.size)
    }
  })

  it('fetches ahead, but not further than told', async () => {
    const cursor = new TreeCursor(tree.root, nodes.fetch, { prefetch: 3 })
    nodes.reads = []
    await cursor.first()
    expect(nodes.reads.length).toBe(3)
    await cursor.nextLeaf()
    // The leaf, three more, and the next inner node.
    expect(nodes.reads.length).toBe(3 + 5)
    await cursor.nextLeaf()
    expect(nodes.reads.length).toBe(3 + 6)
  })

  it('finds every place, from any other', async () => {
    const anywhere = fc.oneof(
      fc.nat(items.length - 1).map((i) => items[i]!.path),
      fc.nat(items.length - 1).map((i) => `${items[i]!.path}!`),
      fc.constantFrom('', 'zzz', 'folder-3', 'folder-3/', 'a'),
    )
    const cursor = new TreeCursor(tree.root, nodes.fetch)
    await fc.assert(
      fc.asyncProperty(anywhere, fc.nat(3), async (path, steps) => {
        nodes.reads = []
        await cursor.seek(keyOf(path))
        expect(nodes.reads.length).toBeLessThanOrEqual(tree.depth)
        let at = items.findIndex((one) => comparePaths(one.path, path) >= 0)
        if (at < 0) at = items.length
        for (let step = 0; step <= steps; step++, at++) {
          expect(cursor.done).toBe(at >= items.length)
          if (cursor.done) return
          expect(pathOfKey(cursor.key)).toBe(items[at]!.path)
          await cursor.advance()
        }
      }),
      { numRuns: 300 },
    )
  })

  it('skips what is below an entry without reading it', async () => {
    const cursor = new TreeCursor(tree.root, nodes.fetch, { prefetch: 0 })
    for (const folder of ['folder-3', 'folder-39', 'folder-17']) {
      await cursor.seek(keyOf(folder))
      await cursor.skipSubtree()
      const next = items.find((one) => comparePaths(one.path, folder) > 0 && !one.path.startsWith(`${folder}/`))
      expect(pathOfKey(cursor.key)).toBe(next!.path)
    }
    await cursor.seek(keyOf('folder-3/file-151.txt'))
    await cursor.skipSubtree()
    expect(pathOfKey(cursor.key)).toBe('folder-3/file-152.txt')
    await cursor.first()
    await cursor.skipSubtree()
    expect(cursor.done).toBe(true)
  })

  it('of a tree of one leaf works the same', async () => {
    const { root: id } = await build([root, file('a'), file('b')], nodes)
    const cursor = new TreeCursor(id, nodes.fetch)
    await cursor.seek(keyOf('aa'))
    expect(pathOfKey(cursor.key)).toBe('b')
    await cursor.advance()
    expect(cursor.done).toBe(true)
    await cursor.first()
    expect(pathOfKey(cursor.key)).toBe('')
    await cursor.seek(keyOf('c'))
    expect(cursor.done).toBe(true)
  })

  it('goes on after a failed read', async () => {
    let fail = false
    const cursor = new TreeCursor(tree.root, async (id) => {
      if (fail) throw new Error('offline')
      return nodes.fetch(id)
    })
    await cursor.seek(keyOf('folder-20'))
    fail = true
    await expect(cursor.seek(keyOf('folder-30'))).rejects.toThrow('offline')
    expect(cursor.done).toBe(true)
    fail = false
    await cursor.seek(keyOf('folder-30'))
    expect(pathOfKey(cursor.key)).toBe('folder-30')
    await cursor.seek(keyOf('folder-20'))
    expect(pathOfKey(cursor.key)).toBe('folder-20')
  })
})

describe('entries under a path', () => {
  it('are the entry and what is below it', async () => {
    for (const path of [
      '',
      'folder-3',
      'folder-39',
      'folder-100',
      'folder-3/file-150.txt',
      'folder-3 and more',
      'nothing',
    ]) {
      const found: string[] = []
      for await (const { leaf, from, to } of entriesUnder(tree.root, nodes.fetch, keyOf(path))) {
        expect(to).toBeGreaterThan(from)
        for (let i = from; i < to; i++) found.push(pathOfKey(keyAt(leaf, i)))
      }
      expect(found).toEqual(items.map((one) => one.path).filter((one) => isUnder(one, path)))
    }
  })
})

describe('lookup', () => {
  it('finds each entry, and nothing else', async () => {
    for (const i of [0, 1, 777, items.length - 1]) {
      const { path, stat, content } = items[i]!
      nodes.reads = []
      const raw = await lookup(tree.root, nodes.fetch, keyOf(path))
      expect(nodes.reads.length).toBe(tree.depth)
      expect(decodeEntry(raw!.key, raw!.stat, raw!.content)).toEqual({ path, ...stat, content })
    }
    for (const path of ['a', 'folder-3/', 'folder-100/nothing', 'zzz']) {
      expect(await lookup(tree.root, nodes.fetch, keyOf(path))).toBeUndefined()
    }
  })
})

describe('totals under a path', () => {
  it('are those of the entry and everything below, in two reads a level', async () => {
    const paths = [
      '',
      'folder-3',
      'folder-39',
      'folder-100',
      'folder-3/file-150.txt',
      'folder-3 and more',
      'nothing',
      'zzz',
    ]
    for (const path of paths) {
      const below = items.filter((one) => isUnder(one.path, path))
      nodes.reads = []
      expect(await totalsUnder(tree.root, nodes.fetch, keyOf(path))).toEqual({
        files: below.filter((one) => one.stat.type === 'file').length,
        directories: below.filter((one) => one.stat.type === 'directory').length,
        others: 0,
        bytes: 1_000 * below.filter((one) => one.stat.type === 'file').length,
        errors: 0,
      })
      expect(nodes.reads.length).toBeLessThanOrEqual(2 * tree.depth)
    }
  })
})

describe('a hostile store', () => {
  const leaf = (...some: Item[]): Bytes =>
    plainNode(
      0,
      some.map((one) => ({ key: keyOf(one.path), value: plainValue(one) })),
    )
  const inner = (level: number, ...children: [string, Uint8Array, number[]][]): Bytes =>
    plainNode(
      level,
      children.map(([last, id, totals]) => ({
        key: keyOf(last),
        value: concatBytes(id, Uint8Array.from(totals.flatMap(varint))),
      })),
    )
  const first = leaf(root, file('a'))
  const firstTotals = [1, 1, 0, 1_000, 0]
  const second = leaf(file('b'), file('c'))
  const secondTotals = [2, 0, 0, 2_000, 0]

  async function readAll(id: Uint8Array, store: Nodes): Promise<number> {
    let count = 0
    const cursor = new TreeCursor(id, store.fetch)
    for (await cursor.first(); !cursor.done; await cursor.advance()) count++
    return count
  }

  it('may hold this', async () => {
    const store = new Nodes()
    const id = store.put(inner(1, ['a', store.put(first), firstTotals], ['c', store.put(second), secondTotals]))
    expect(await readAll(id, store)).toBe(4)
  })

  it('leads nowhere in a circle', async () => {
    const store = new Nodes()
    // A store need not have the ids it claims: here each node claims to be its own child.
    for (const level of [1, 2, 15]) {
      const self = hash(Uint8Array.of(level))
      store.map.set(toHex(self), inner(level, ['c', self, [2, 2, 0, 0, 0]]))
      store.reads = []
      await expect(readAll(self, store)).rejects.toEqual(corrupt)
      expect(store.reads.length).toBeLessThanOrEqual(2)
    }
    // A chain of all levels, whose lowest leads back to the top.
    const ids = Array.from({ length: 16 }, (_, level) => hash(Uint8Array.of(100, level)))
    for (let level = 1; level < 16; level++) {
      store.map.set(toHex(ids[level]!), inner(level, ['c', level === 1 ? ids[15]! : ids[level - 1]!, [2, 2, 0, 0, 0]]))
    }
    store.reads = []
    await expect(readAll(ids[15]!, store)).rejects.toEqual(corrupt)
    expect(store.reads.length).toBe(16)
    await expect(lookup(ids[15]!, store.fetch, keyOf('c'))).rejects.toEqual(corrupt)
    await expect(totalsUnder(ids[15]!, store.fetch, keyOf('c'))).rejects.toEqual(corrupt)
  })

  it('is found out where nodes are not in their place', async () => {
    const store = new Nodes()
    const a = store.put(first)
    const b = store.put(second)
    const wrong = [
      inner(1, ['b', b, secondTotals]),
      inner(1, ['a', a, firstTotals], ['d', b, secondTotals]),
      inner(1, ['a', b, secondTotals], ['c', a, firstTotals]),
      inner(1, ['a', a, firstTotals], ['a/x', a, firstTotals]),
      inner(1, ['a', a, firstTotals], ['c', b, [2, 0, 0, 2_001, 0]]),
      inner(2, ['a', a, firstTotals], ['c', b, secondTotals]),
      leaf(file('a')),
    ]
    for (const bytes of wrong) await expect(readAll(store.put(bytes), store)).rejects.toEqual(corrupt)
    // The second leaf starts where the first one still is, which only the key before the whole inner node tells.
    const early = store.put(inner(1, ['c', store.put(leaf(file('a'), file('c'))), [2, 0, 0, 2_000, 0]]))
    const left = store.put(inner(1, ['a', a, firstTotals]))
    await expect(
      readAll(store.put(inner(2, ['a', left, firstTotals], ['c', early, [2, 0, 0, 2_000, 0]])), store),
    ).rejects.toEqual(corrupt)
  })

  it('is found out where a node is damaged', async () => {
    const store = new Nodes()
    for (const [id, encoded] of nodes.map) store.map.set(id, encoded)
    const victims = [...nodes.map.keys()].filter((_, i) => i % 97 === 0)
    for (const victim of victims) {
      const whole = store.map.get(victim)!
      store.map.set(victim, whole.slice(0, -1))
      // Only what is in this tree matters.
      if (await isOf(tree.root, victim)) await expect(readAll(tree.root, store)).rejects.toEqual(corrupt)
      store.map.set(victim, whole)
    }
  })
})

async function isOf(id: Bytes, victim: string): Promise<boolean> {
  nodes.reads = []
  for await (const { leaf } of entriesUnder(id, nodes.fetch, keyOf('')))
    expect(contentAt(leaf, 0).length + statAt(leaf, 0).length).toBeGreaterThan(0)
  return nodes.reads.includes(victim)
}

function isUnder(path: string, folder: string): boolean {
  return folder === '' || path === folder || path.startsWith(`${folder}/`)
}
