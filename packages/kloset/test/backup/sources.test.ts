import { describe, expect, it } from 'vitest'
import { toHex } from '../../src/bytes/index.js'
import { sourceOf } from '../../src/connector/index.js'
import { keyedBlake3 } from '../../src/hash/index.js'
import {
  contents,
  errorsOf,
  expected,
  footers,
  keyringOf,
  newStore,
  noise,
  type Specs,
  scripted,
  sizes,
  storedTwice,
  told,
  treesOf,
} from './support.js'

const tree: Specs = { 'a/one': noise(5_000, 1), 'a/two': noise(40_000, 2), 'b/three': 'three', 'b-x': 'before b/three' }

describe('a source', () => {
  it('in order has each file read before its scan goes on', async () => {
    const { store } = await newStore()
    const happened: string[] = []
    const source = scripted(tree, {
      capabilities: { access: 'in-order' },
      batch: 1,
      onBatch: (number) => happened.push(`batch ${number}`),
      onRead: async (path) => {
        await new Promise((resolve) => setTimeout(resolve, 2))
        happened.push(path)
      },
    })
    await store.backup(source)
    const batchOf = (path: string): number =>
      Number(
        /\d+/.exec(
          happened
            .slice(0, happened.indexOf(path))
            .reverse()
            .find((each) => each.startsWith('batch'))!,
        )![0],
      )
    // Root, a, a/one, a/two, b, b/three, b-x: one entry a batch.
    expect(['a/one', 'a/two', 'b/three', 'b-x'].map(batchOf)).toEqual([2, 3, 5, 6])
    expect(await contents(store)).toEqual(expected(tree))
  })

  it('in any order gives the same tree as one in path order', async () => {
    const { store } = await newStore()
    const straight = await store.backup(scripted(tree))
    const mixed = scripted(tree, { capabilities: { order: 'any' }, order: (paths) => paths.reverse() })
    const result = await store.backup(mixed, { parent: null })
    expect(treesOf(result)).toEqual(treesOf(straight))
    expect(await contents(store)).toEqual(expected(tree))
  })

  it('of rows, in any order and read while it is scanned, is backed up', async () => {
    const { store } = await newStore()
    const rows = [7, 3, 9, 1].map((id) => ({ path: `rows/${id}.json`, version: `v${id}`, content: `row ${id}` }))
    const result = await store.backup(sourceOf({ type: 'rows', origin: 'tenant' }, () => rows))
    expect(result.failed).toEqual([])
    expect(await contents(store)).toEqual(
      expected(Object.fromEntries(rows.map(({ path, content }) => [path, content]))),
    )
    const again = await store.backup(sourceOf({ type: 'rows', origin: 'tenant' }, () => rows))
    expect(again.changes).toEqual({ new: 0, changed: 0, unchanged: 4 })
  })

  it('without directories has them when it is listed', async () => {
    const { store } = await newStore()
    await store.backup(scripted(tree, { bare: true }))
    expect(await contents(store)).toEqual(expected(tree))
    const second = scripted(tree, { bare: true })
    expect((await store.backup(second)).changes).toEqual({ new: 0, changed: 0, unchanged: 4 })
    expect(second.opened).toEqual([])
    expect(await errorsOf(store)).toEqual([])
  })

  it('with nothing in it gives a snapshot of an empty directory', async () => {
    const { store } = await newStore()
    const { snapshot, totals } = await store.backup(scripted({}, { bare: true }))
    expect(totals).toMatchObject({ files: 0, directories: 1, bytes: 0 })
    expect((await snapshot!.stat('')).type).toBe('directory')
    expect(await errorsOf(store)).toEqual([])
  })

  it('whose files have no size until they are read is read whole, each time', async () => {
    const { store } = await newStore()
    const dumps: Specs = {
      big: { content: noise(200_000, 3), size: undefined },
      none: { content: '', size: undefined },
      small: { content: 's', size: undefined },
    }
    const { result } = await told(store, scripted(dumps))
    expect(result.failed).toEqual([])
    expect(result.totals.bytes).toBe(200_001)
    expect(await contents(store)).toEqual(expected(dumps))
    const again = scripted(dumps)
    expect((await store.backup(again)).added).toMatchObject({ chunks: 0 })
    expect(await errorsOf(store)).toEqual([])
  })

  it.each([1, 7, 999, 65_536])('in pieces of %i bytes is cut the same', async (piece) => {
    const { store } = await newStore()
    const specs = { file: noise(30_000, 4) }
    const a = await store.backup(scripted(specs))
    const b = await store.backup(scripted(specs, { piece }), { parent: null })
    expect(treesOf(b)).toEqual(treesOf(a))
    expect(b.added.chunks).toBe(0)
  })
})

describe('files of every length around the sizes of chunks', () => {
  const lengths = [0, 1, 2, sizes.min, sizes.normal, sizes.max, 2 * sizes.max, 8 * 1024]
    .flatMap((length) => [length - 1, length, length + 1])
    .filter((length) => length >= 0)

  it.each(['noise', 'zeros'])('come back exactly (%s)', async (kind) => {
    const { store, place } = await newStore()
    const specs: Specs = Object.fromEntries(
      lengths.map((length, i) => [`f${i}`, kind === 'zeros' ? new Uint8Array(length) : noise(length, i + 1)]),
    )
    const result = await store.backup(scripted(specs))
    expect(result.totals.bytes).toBe(lengths.reduce((sum, length) => sum + length, 0))
    expect(await contents(store)).toEqual(expected(specs))
    expect(await storedTwice(store, place)).toEqual([])
    expect(await errorsOf(store)).toEqual([])
  })
})

describe('equal content', () => {
  it('is stored once, within a source, across sources and across snapshots', async () => {
    const { store, place } = await newStore()
    const shared = noise(60_000, 6)
    const first = await store.backup(scripted({ a: shared, 'b/copy': shared }))
    expect(first.added.bytes).toBe(60_000)
    const second = await store.backup([
      scripted({ x: shared, own: noise(100, 8) }, { root: '/x' }),
      scripted({ y: shared, own: noise(100, 8) }, { root: '/y' }),
    ])
    expect(second.added).toMatchObject({ chunks: 1, bytes: 100 })
    expect(await storedTwice(store, place)).toEqual([])
  })
})

describe('several sources', () => {
  const left: Specs = { 'same/name': 'left', many: noise(50_000, 11), tiny: 'l' }
  const right: Specs = { 'same/name': 'right', many: noise(50_000, 12), tiny: 'r' }

  it('are in one snapshot, each in a folder of its own', async () => {
    const { store } = await newStore()
    const result = await store.backup([scripted(right, { root: '/srv/data' }), scripted(left, { root: '/home/data' })])
    const folders = result.snapshot!.sources.map(({ at }) => at).sort()
    expect(folders).toEqual(['data', 'data-2'])
    const found = await contents(store)
    const under = (folder: string, specs: Specs): Record<string, string> =>
      Object.fromEntries(Object.entries(expected(specs)).map(([path, hex]) => [`${folder}/${path}`, hex]))
    expect(found).toEqual({ ...under('data', right), ...under('data-2', left) })
    expect(result.totals).toMatchObject({ files: 6, directories: 4 })
    expect(await errorsOf(store)).toEqual([])
  })

  it('never share a frame', async () => {
    const { store, place } = await newStore()
    const names = ['p', 'q', 'r']
    const specs = names.map((name, n) =>
      Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`${name}${i}`, noise(100 + i, 1_000 * n + i + 1)])),
    )
    await store.backup(specs.map((each, n) => scripted(each, { root: `/${names[n]}` })))
    const { chunkKey } = keyringOf(store)
    const sourceOfId = new Map<string, number>()
    specs.forEach((each, n) => {
      for (const content of Object.values(each)) sourceOfId.set(toHex(keyedBlake3(chunkKey, content)), n)
    })
    let seen = 0
    for (const { class: packClass, frames, records } of await footers(store, place)) {
      if (packClass !== 'data') continue
      let record = 0
      for (let frame = 0; frame < frames.length; frame += 3) {
        const within = new Set<number>()
        for (let left = frames[frame + 2]!; left > 0; left--, record++) {
          within.add(sourceOfId.get(toHex(records.subarray(40 * record, 40 * record + 32)))!)
          seen++
        }
        expect(within.size).toBe(1)
      }
    }
    expect(seen).toBe(120)
  })

  it('each find their own parent', async () => {
    const { store } = await newStore()
    await store.backup(scripted(left, { root: '/l' }))
    await store.backup(scripted(right, { root: '/r' }))
    const [l, r] = [scripted(left, { root: '/l' }), scripted(right, { root: '/r' })]
    expect((await store.backup([r, l])).changes).toEqual({ new: 0, changed: 0, unchanged: 6 })
    expect([...l.opened, ...r.opened]).toEqual([])
  })
})
