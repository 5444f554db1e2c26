import { describe, expect, it } from 'vitest'
import type { CreateOptions, SyncEvent } from '../../src/api.js'
import { runtime } from '../../src/runtime/index.js'
import { errorsOf, noise, scripted } from '../backup/support.js'
import { plaintext, rawKey } from '../support/stores.js'
import {
  broughtOver,
  codecsIn,
  encrypted,
  framesIn,
  idsOf,
  later,
  newPlaced,
  otherSizes,
  outcomeOf,
  type Placed,
  recordOf,
  reopened,
  rich,
  storedIds,
  storedTwice,
  told,
} from './support.js'

/** A store with two snapshots of one source and one of two others. */
async function given(options: Partial<CreateOptions> = {}): Promise<Placed> {
  const placed = await newPlaced(options)
  const { store } = placed
  await store.backup(scripted(rich), { tags: ['daily', 'full'], name: 'first', host: 'laptop', user: 'anna' })
  await store.backup(scripted(later), { tags: ['daily'], host: 'laptop', user: 'anna' })
  const two = [scripted({ a: noise(3_000, 50) }, { root: '/one' }), scripted({ b: noise(4_000, 51) }, { root: '/two' })]
  await store.backup(two, { host: 'server' })
  return placed
}

/** Whether two stores say the same of all snapshots. */
async function expectSame(one: Placed, other: Placed): Promise<void> {
  const ids = await idsOf(one.store)
  expect(await idsOf(other.store)).toEqual(ids)
  for (const id of ids) expect(await told(other.store, id)).toEqual(await told(one.store, id))
}

interface Case {
  readonly name: string
  readonly from?: Partial<CreateOptions>
  readonly to?: Partial<CreateOptions>
  readonly like: boolean
}

const cases: readonly Case[] = [
  { name: 'alike', like: true },
  { name: 'alike, encrypted', from: encrypted, to: encrypted, like: true },
  {
    name: 'alike, of another cipher',
    from: encrypted,
    to: { ...encrypted, encryption: 'chacha20-poly1305' },
    like: true,
  },
  { name: 'alike, with larger frames and packs', to: { frame: 64 * 1024, pack: 256 * 1024 }, like: true },
  { name: 'alike, with smaller frames and packs', to: { frame: 4 * 1024, pack: 4 * 1024 }, like: true },
  { name: 'of another family, with the same settings', like: false },
  { name: 'from plaintext to encrypted', to: encrypted, like: false },
  { name: 'from encrypted to plaintext', from: encrypted, like: false },
  { name: 'with smaller chunks', to: otherSizes, like: false },
  {
    name: 'with larger chunks',
    from: otherSizes,
    to: { chunker: { min: 4096, normal: 16_384, max: 65_536 } },
    like: false,
  },
  {
    name: 'with chunks, frames and packs of other sizes',
    from: { codec: 'lz4' },
    to: { ...otherSizes, frame: 64 * 1024, pack: 64 * 1024, codec: 'deflate' },
    like: false,
  },
]

describe.each(cases)('between stores $name', ({ from, to, like }) => {
  it('all snapshots come over as they are, and are recognised', async () => {
    const here = await given(from)
    const there = await newPlaced({ ...to, ...(like ? { like: here.store } : {}) })
    const events: SyncEvent[] = []
    const ids = await idsOf(here.store)
    const result = await here.store.syncTo(there.store, { onEvent: (event) => events.push(event) })
    expect(outcomeOf(result)).toEqual(broughtOver(ids, { rechunked: !like }))
    expect(events.flatMap((event) => (event.type === 'synchronized' ? [event.snapshot.id] : []))).toEqual(ids)
    expect(events.some((event) => event.type === 'notice' && event.code === 'rechunked')).toBe(!like)
    expect(events.some((event) => event.type === 'notice' && event.code !== 'rechunked')).toBe(false)
    await expectSame(here, there)
    expect(await errorsOf(there.store)).toEqual([])
    expect(storedTwice(there)).toEqual([])
    // What is the same in both snapshots did not have to be stored twice, or read.
    const total = result.synchronized.reduce((sum, { totals }) => sum + totals.bytes, 0)
    const stored = result.synchronized.reduce((sum, { written }) => sum + written.bytes, 0)
    expect(result.deduplicated).toBe(total - stored)
    expect(stored).toBeLessThan(0.65 * total)
    expect(result.sent).toBeGreaterThan(0)
    // Another client of each sees the same, and so does the next synchronization, in either direction.
    const again = await reopened(there, to?.unlock ?? plaintext)
    expect(outcomeOf(await here.store.syncTo(again))).toEqual(broughtOver([], { present: 3 }))
    expect(outcomeOf(await again.syncTo(here.store))).toEqual(broughtOver([], { present: 3 }))
    if (like) {
      expect(storedIds(there).sort()).toEqual(storedIds(here).sort())
      for (const id of ids) expect(treesOf(there, id)).toEqual(treesOf(here, id))
    }
  })

  it('what is new later comes over alone', async () => {
    const here = await newPlaced(from)
    const there = await newPlaced({ ...to, ...(like ? { like: here.store } : {}) })
    await here.store.backup(scripted(rich), { host: 'laptop' })
    await here.store.syncTo(there.store)
    await here.store.backup(scripted(later), { host: 'laptop' })
    const before = there.place.size
    const result = await here.store.syncTo(there.store)
    expect(outcomeOf(result)).toEqual(broughtOver([(await idsOf(here.store))[1]!], { present: 1, rechunked: !like }))
    await expectSame(here, there)
    expect(await errorsOf(there.store)).toEqual([])
    expect(there.place.size).toBeGreaterThan(before)
    const { written } = result.synchronized[0]!
    // Changed and new: 41,000 + 3,000 + 20,000; where it was cut anew, what was renamed is not read from the other store.
    expect(written.bytes).toBe(64_000)
    expect(result.deduplicated).toBe(result.synchronized[0]!.totals.bytes - 64_000)
  })
})

function treesOf({ store }: Placed, id: string): string[] {
  return recordOf(store, id)!.sources.map(({ tree }) => tree)
}

describe('codecs', () => {
  const codecs = (['none', 'lz4', 'deflate', 'zstd'] as const).filter((codec) => codec !== 'zstd' || runtime.zstd)
  // What shrinks and what does not, in several frames.
  const some = {
    text: 'the same line again and again\n'.repeat(1_500),
    noise: noise(30_000, 1),
    ...Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`many/${i}`, `${i} is one of many `.repeat(50)])),
  }
  const pairs = codecs.flatMap((from) => [...codecs, 'auto' as const].map((to) => [from, to] as const))

  it.each(pairs)('%s to %s, alike: frames go on as they are where they suit', async (from, to) => {
    const here = await newPlaced({ codec: from })
    await here.store.backup(scripted(some))
    const there = await newPlaced({ codec: to, like: here.store })
    await here.store.syncTo(there.store)
    await expectSame(here, there)
    expect(await errorsOf(there.store)).toEqual([])
    const found = Object.keys(codecsIn(there)).sort()
    if (to !== 'none' && from !== 'none') expect(found).toContain(to === 'auto' ? from : to)
    const best = runtime.zstd === undefined ? 'lz4' : 'zstd'
    if (to === 'none') expect(found).toEqual(['none'])
    else if (to === 'auto') expect(['none', best, from]).toEqual(expect.arrayContaining(found))
    else expect(found).toEqual(['none', to].sort())
  })

  it.each(pairs)('%s to %s, cut anew', async (from, to) => {
    const here = await newPlaced({ codec: from })
    await here.store.backup(scripted(some))
    const there = await newPlaced({ ...otherSizes, codec: to })
    await here.store.syncTo(there.store)
    await expectSame(here, there)
    expect(await errorsOf(there.store)).toEqual([])
  })
})

describe('frames', () => {
  it('go on as they are between stores with frames of one size', async () => {
    const here = await given()
    const there = await newPlaced({ like: here.store })
    await here.store.syncTo(there.store)
    // Only the last frame of each pack is too small to be kept; those are gathered.
    const lengths = framesIn(here)
    const kept = framesIn(there).filter((length) => lengths.includes(length))
    expect(kept.length).toBeGreaterThan(0.8 * lengths.length)
  })

  it('are gathered anew where they would be far too small, and taken apart where far too large', async () => {
    const chunker = { min: 64, normal: 128, max: 256 }
    const files = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`${i}`, noise(1_500, i + 1)]))
    const small = await newPlaced({ chunker, frame: 4 * 1024, pack: 64 * 1024 })
    await small.store.backup(scripted(files))
    expect(Math.max(...framesIn(small))).toBeLessThan(8 * 1024)
    const large = await newPlaced({ frame: 128 * 1024, pack: 256 * 1024, like: small.store })
    await small.store.syncTo(large.store)
    expect(Math.max(...framesIn(large))).toBeGreaterThan(100 * 1024)
    const back = await newPlaced({ frame: 4 * 1024, pack: 64 * 1024, like: large.store })
    await large.store.syncTo(back.store)
    expect(Math.max(...framesIn(back))).toBeLessThan(8 * 1024)
    await expectSame(small, large)
    await expectSame(small, back)
  })

  it('are kept where only a part of them is wanted, by that part', async () => {
    const here = await newPlaced()
    await here.store.backup(scripted({ a: noise(600, 1), b: noise(600, 2), c: noise(600, 3), d: noise(600, 4) }))
    const there = await newPlaced({ like: here.store })
    await there.store.backup(scripted({ x: noise(600, 2), y: noise(600, 4) }, { root: '/x' }))
    const before = storedIds(there).length
    await here.store.syncTo(there.store)
    expect(storedTwice(there)).toEqual([])
    // Two chunks, and the only node of the tree.
    expect(storedIds(there).length - before).toBe(3)
    expect(await errorsOf(there.store)).toEqual([])
  })
})

describe('empty', () => {
  it.each([true, false])('snapshots, files and stores (alike: %s)', async (like) => {
    const here = await newPlaced()
    const there = await newPlaced(like ? { like: here.store } : {})
    expect(outcomeOf(await here.store.syncTo(there.store))).toEqual(broughtOver([]))
    const objects = there.place.size
    await here.store.backup(scripted({}))
    await here.store.backup(scripted({ nothing: '' }))
    await here.store.backup(scripted({ nothing: '' }, { root: '/elsewhere' }))
    await here.store.syncTo(there.store)
    await expectSame(here, there)
    expect(await errorsOf(there.store)).toEqual([])
    expect(there.place.size).toBeGreaterThan(objects)
  })
})

describe('a store opened with its key only', () => {
  it('is enough to bring snapshots from an encrypted store', async () => {
    const here = await given(encrypted)
    const there = await newPlaced({ ...encrypted, like: here.store })
    const [from, to] = [await reopened(here, rawKey), await reopened(there, rawKey)]
    expect(outcomeOf(await from.syncTo(to))).toEqual(broughtOver(await idsOf(from)))
    await expectSame(here, { store: to, place: there.place })
  })
})
