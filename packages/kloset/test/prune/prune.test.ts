import { afterEach, describe, expect, it, vi } from 'vitest'
import type { PruneOptions, PruneResult, Store } from '../../src/api.js'
import { KlosetError } from '../../src/errors.js'
import { openedStore } from '../../src/facade.js'
import { checkpointObject, positionOf } from '../../src/log/index.js'
import { memoryStorage } from '../../src/storage/memory.js'
import {
  contents,
  errorsOf,
  expected,
  findings,
  listing,
  longAgo,
  newStore,
  noise,
  reopen,
  type Specs,
  scripted,
  storedTwice,
} from '../backup/support.js'
import { outcome } from '../support/stores.js'

const day = 86_400_000

const first: Specs = { a: noise(60_000, 1), 'd/b': noise(50_000, 2), 'd/c': 'c' }
const second: Specs = { ...first, a: { content: noise(60_000, 3), mtime: longAgo + 1n }, e: noise(40_000, 4) }
const other: Specs = { x: noise(45_000, 5), y: noise(50_000, 2) }

/** Deletes at once whatever nobody needs. */
const now: PruneOptions = { delay: 0, grace: 0 }

/** A result without its duration. */
async function pruned(store: Store, options: PruneOptions = {}): Promise<Omit<PruneResult, 'duration'>> {
  const { duration, ...result } = await store.prune(options)
  expect(duration).toBeGreaterThanOrEqual(0)
  return result
}

function packsIn(place: ReadonlyMap<string, Uint8Array>): Map<string, number> {
  return new Map([...place].filter(([name]) => name.startsWith('packs/')).map(([name, { length }]) => [name, length]))
}

const nothing = { packs: 0, bytes: 0 }

/** Nobody tries again after this one. */
const off = new KlosetError('KLOSET_DENIED', 'the machine is off')

/** The same file at another time, with other content. */
const version = (number: number): Specs => ({
  a: { content: noise(3_000, number), mtime: longAgo + BigInt(number) },
})

describe('prune', () => {
  it('of a store where everything is needed does nothing', async () => {
    const { store, place } = await newStore()
    await store.backup(scripted(first))
    const before = listing(place)
    const packs = packsIn(place)
    const bytes = [...packs.values()].reduce((sum, size) => sum + size, 0)
    expect(await pruned(store, now)).toEqual({
      purged: nothing,
      condemned: nothing,
      waiting: { ...nothing, until: undefined },
      suspects: nothing,
      kept: { packs: packs.size, bytes },
      unused: 0,
      segments: 0,
    })
    expect(listing(place)).toEqual(before)
  })

  it('condemns first, deletes after the delay, and leaves what others need', async () => {
    const { store, place } = await newStore()
    const { snapshot } = await store.backup(scripted(first))
    await store.backup(scripted(second))
    await store.backup(scripted(other, { root: '/other' }))
    const before = packsIn(place)
    expect((await store.forget([snapshot!.id])).map(({ id }) => id)).toEqual([snapshot!.id])
    const dry = await pruned(store, { dryRun: true })
    expect(packsIn(place)).toEqual(before)
    const result = await pruned(store)
    expect(result.condemned).toEqual(dry.condemned)
    expect(result.condemned.packs).toBeGreaterThan(0)
    expect(result.waiting).toMatchObject(result.condemned)
    expect(Math.abs(result.waiting.until!.getTime() - Date.now() - day)).toBeLessThan(60_000)
    expect(result.purged).toEqual(nothing)
    expect(packsIn(place)).toEqual(before)
    expect(await errorsOf(store)).toEqual([])
    // Nothing new, and too early to delete.
    expect(await pruned(store)).toMatchObject({ condemned: nothing, purged: nothing, waiting: result.condemned })
    const end = await pruned(await reopen(place), { delay: 0 })
    expect(end).toMatchObject({
      condemned: nothing,
      purged: result.condemned,
      waiting: { ...nothing, until: undefined },
    })
    expect(packsIn(place).size).toBe(before.size - result.condemned.packs)
    expect(end.kept.packs).toBe(packsIn(place).size)
    const fresh = await reopen(place)
    expect(await findings(fresh)).toEqual([])
    expect(await contents(fresh)).toEqual(expected(other))
    expect(await contents(fresh, 'latest~1')).toEqual(expected(second))
    expect(await pruned(fresh, now)).toMatchObject({ condemned: nothing, purged: nothing, segments: 0 })
  })

  it('deletes all of a store without snapshots, with delay 0 in one go', async () => {
    const { store, place } = await newStore()
    await store.backup(scripted(first))
    await store.backup(scripted(second))
    await store.forget(['latest', 'latest~1'])
    const packs = packsIn(place)
    const bytes = [...packs.values()].reduce((sum, size) => sum + size, 0)
    const all = { packs: packs.size, bytes }
    const expectedResult = {
      purged: all,
      condemned: all,
      kept: nothing,
      unused: 0,
      waiting: { ...nothing, until: undefined },
    }
    expect(await pruned(store, { delay: 0, dryRun: true })).toMatchObject(expectedResult)
    const result = await pruned(store, { delay: 0 })
    expect(result).toMatchObject(expectedResult)
    expect(result.segments).toBeGreaterThan(0)
    expect([...place.keys()].filter((name) => /^(packs|index)/.test(name))).toEqual([])
    // The next backup starts anew, in the same process and in another.
    await store.backup(scripted(first))
    await (await reopen(place)).backup(scripted(second))
    expect(await findings(await reopen(place))).toEqual([])
    expect(await contents(store)).toEqual(expected(second))
  })

  it('counts what nobody needs in packs that somebody needs, and frees it only with the pack', async () => {
    const { store, place } = await newStore({ pack: 256 * 1024 })
    await store.backup(scripted({ a: noise(60_000, 1), b: noise(20_000, 2) }))
    await store.backup(scripted({ b: noise(20_000, 2) }))
    await store.forget(['latest~1'])
    const result = await pruned(store, now)
    // The data pack stays for b; the old tree goes.
    expect(result).toMatchObject({ purged: { packs: 1 }, kept: { packs: 2 } })
    expect(result.unused).toBeGreaterThan(60_000)
    expect(result.unused).toBeLessThan(60_500)
    expect(await findings(await reopen(place))).toEqual([])
  })

  it('deletes one of two packs that say the same', async () => {
    const { place } = await newStore()
    const clients = [await reopen(place), await reopen(place)]
    await Promise.all(clients.map((client, i) => client.backup(scripted(first, { root: `/${i}` }))))
    const store = await reopen(place)
    expect((await storedTwice(store, place)).length).toBeGreaterThan(0)
    const before = packsIn(place)
    const dry = await pruned(store, { ...now, dryRun: true })
    const result = await pruned(store, now)
    expect(result).toEqual(dry)
    expect(result.purged.packs).toBe(before.size / 2)
    expect(await storedTwice(await reopen(place), place)).toEqual([])
    expect(await findings(await reopen(place))).toEqual([])
    expect(await contents(store)).toEqual(expected(first))
  })

  it('writes segments anew of which too much is about what is gone, and merges many small ones', async () => {
    const { store, place } = await newStore()
    for (let i = 0; i < 33; i++) await store.backup(scripted(version(i + 10)))
    const segments = (): number => [...place.keys()].filter((name) => name.startsWith('index/')).length
    expect(segments()).toBe(66)
    await store.forget(Array.from({ length: 10 }, (_, i) => `latest~${i + 5}`))
    const dry = await pruned(store, { ...now, dryRun: true })
    const result = await pruned(store, now)
    expect(result.segments).toBe(dry.segments)
    // Ten went with all they named; the others fit into one of each class only once there are enough of them.
    expect([result.segments, segments()]).toEqual([20, 46])
    for (let i = 0; i < 50; i++) await store.backup(scripted(version(i + 100)))
    expect(await pruned(store, now)).toMatchObject({ segments: 146, purged: nothing })
    expect(segments()).toBe(2)
    const fresh = await reopen(place)
    expect(await findings(fresh)).toEqual([])
    expect(await contents(fresh)).toEqual(expected(version(149)))
    expect(await contents(fresh, 'latest~72')).toEqual(expected(version(10)))
    // What it has in memory of the index is of use no more, and it knows.
    await store.backup(scripted(version(12)))
    expect(await findings(await reopen(place))).toEqual([])
  })

  it('leaves the newest two checkpoints', async () => {
    const { store, place } = await newStore()
    const { log } = openedStore(store)
    for (let i = 0; i < 4; i++) {
      await store.backup(scripted({ a: `${i}` }))
      await log.checkpoint({ signal: new AbortController().signal })
    }
    await pruned(store)
    const kept = [...place.keys()].filter((name) => name.startsWith('checkpoints/'))
    expect(kept.sort()).toEqual([3, 4].map(checkpointObject))
    for (let i = 0; i < 16; i++) await store.backup(scripted({ a: `${i + 10}` }))
    await pruned(store)
    const newest = Math.max(
      ...[...place.keys()].filter((name) => name.startsWith('checkpoints/')).map((name) => positionOf(name)!),
    )
    expect(newest).toBe(20)
  })
})

describe('a prune of a damaged store', () => {
  it('condemns nothing where a tree cannot be read', async () => {
    const { store, place } = await newStore()
    await store.backup(scripted(first))
    const before = new Set(packsIn(place).keys())
    await store.backup(scripted(second))
    await store.forget(['latest~1'])
    // The newest pack of metadata.
    const metadata = [...packsIn(place)].filter(([name]) => !before.has(name)).sort((a, b) => a[1] - b[1])[0]![0]
    const body = place.get(metadata)!
    place.delete(metadata)
    const objects = listing(place)
    const fresh = await reopen(place)
    await expect(fresh.prune(now)).rejects.toThrow(/Nothing was pruned/)
    await expect(fresh.prune({ ...now, dryRun: true })).rejects.toThrow(/Nothing was pruned/)
    expect(listing(place)).toEqual(objects)
    place.set(metadata, body)
    expect((await pruned(await reopen(place), now)).purged.packs).toBeGreaterThan(0)
    expect(await findings(await reopen(place))).toEqual([])
  })

  it('condemns nothing where a segment cannot be read: what it names would look as if nobody named it', async () => {
    const { store, place } = await newStore()
    await store.backup(scripted(first))
    const segment = [...place.keys()].find((name) => name.startsWith('index/'))!
    place.get(segment)![100]! ^= 1
    const objects = listing(place)
    await expect((await reopen(place)).prune(now)).rejects.toMatchObject({ code: 'KLOSET_INDEX_CORRUPT' })
    expect(listing(place)).toEqual(objects)
  })

  it('tells of packs that are missing, and counts on no copy in them', async () => {
    const { place } = await newStore()
    const clients = [await reopen(place), await reopen(place)]
    await Promise.all(clients.map((client, i) => client.backup(scripted({ a: noise(9_000, 1) }, { root: `/${i}` }))))
    const data = [...packsIn(place)].filter(([, size]) => size > 9_000).map(([name]) => name)
    expect(data).toHaveLength(2)
    place.set(data[0]!, place.get(data[0]!)!.slice(0, -1))
    const notices: string[] = []
    const store = await reopen(place)
    await store.prune({ ...now, onEvent: ({ code }) => void notices.push(code) })
    expect(notices).toEqual(['packs-missing'])
    expect(place.has(data[1]!)).toBe(true)
    expect(await contents(store)).toEqual(expected({ a: noise(9_000, 1) }))
  })
})

describe('what interrupted backups left', () => {
  afterEach(() => void vi.useRealTimers())

  async function interrupted(puts: number): Promise<{ store: Store; place: Map<string, Uint8Array<ArrayBuffer>> }> {
    const { store, place } = await newStore()
    await store.backup(scripted({ x: noise(9_000, 9) }, { root: '/x' }))
    const storage = memoryStorage({ place, capabilities: { concurrency: 1 } })
    let left = puts
    const broken = await reopen(place, () => ({
      ...storage,
      put: (name, body, how) => (left-- > 0 ? storage.put(name, body, how) : Promise.reject(off)),
    }))
    await broken.backup(scripted(first)).catch(() => undefined)
    return { store: await reopen(place), place }
  }

  it('is suspected first, condemned after the grace, and deleted after the delay, with its segments', async () => {
    const { store, place } = await interrupted(3)
    const left = packsIn(place).size - 2
    expect(left).toBe(2)
    vi.useFakeTimers({ toFake: ['Date'] })
    expect(await pruned(store)).toMatchObject({ suspects: { packs: left }, condemned: nothing })
    vi.setSystemTime(Date.now() + 6.9 * day)
    expect(await pruned(store)).toMatchObject({ suspects: { packs: left }, condemned: nothing })
    vi.setSystemTime(Date.now() + 0.2 * day)
    expect(await pruned(store, { dryRun: true })).toMatchObject({ suspects: nothing, condemned: { packs: left } })
    expect(await pruned(store)).toMatchObject({ suspects: nothing, condemned: { packs: left }, purged: nothing })
    vi.setSystemTime(Date.now() + 1.1 * day)
    expect(await pruned(store)).toMatchObject({ purged: { packs: left }, waiting: nothing })
    expect(packsIn(place).size).toBe(2)
    expect(await findings(await reopen(place))).toEqual([])
    await store.backup(scripted(first))
    expect(await contents(store)).toEqual(expected(first))
    expect(await findings(await reopen(place))).toEqual([])
  })

  it('of which only the mark is there goes the same way', async () => {
    const { store, place } = await interrupted(1)
    const segments = (): number => [...place.keys()].filter((name) => name.startsWith('index/')).length
    expect([packsIn(place).size, segments()]).toEqual([2, 3])
    await pruned(store, now)
    expect([packsIn(place).size, segments()]).toEqual([2, 2])
  })

  it('is used by a backup, which ends the suspicion', async () => {
    const { store, place } = await interrupted(3)
    await pruned(store)
    const { log } = openedStore(store)
    expect([...log.state.packs.values()].map(({ fate }) => fate)).toContain('suspect')
    await store.backup(scripted(first))
    expect(await storedTwice(store, place)).toEqual([])
    expect([...log.state.packs.values()].map(({ fate }) => fate)).not.toContain('suspect')
    expect(await pruned(store, now)).toMatchObject({ condemned: nothing })
    expect(await findings(await reopen(place))).toEqual([])
  })
})

describe('a prune that is interrupted', () => {
  it.each(Array.from({ length: 14 }, (_, i) => i))(
    'after %i changes leaves a whole store, and the next one finishes',
    async (changes) => {
      const { store, place } = await newStore()
      await store.backup(scripted(first))
      await store.backup(scripted(second))
      await store.backup(scripted(other, { root: '/other' }))
      await store.forget(['latest~2'])
      const storage = memoryStorage({ place })
      let left = changes
      const change = <T>(act: () => Promise<T>): Promise<T> => (left-- > 0 ? act() : Promise.reject(off))
      const broken = await reopen(place, () => ({
        ...storage,
        put: (name, body, how) => change(() => storage.put(name, body, how)),
        remove: (names, how) => change(() => storage.remove(names, how)),
      }))
      await broken.prune(now).catch(() => undefined)
      expect(await errorsOf(await reopen(place))).toEqual([])
      expect(await contents(await reopen(place), 'latest~1')).toEqual(expected(second))
      await pruned(await reopen(place), now)
      const fresh = await reopen(place)
      expect(await findings(fresh)).toEqual([])
      expect(await pruned(fresh, { ...now, dryRun: true })).toMatchObject({
        purged: nothing,
        condemned: nothing,
        segments: 0,
      })
      expect(await outcome(fresh.undelete([[...openedStore(fresh).log.state.forgotten.keys()][0]!]))).toBe(
        'KLOSET_SNAPSHOT_PRUNED',
      )
    },
  )
})
