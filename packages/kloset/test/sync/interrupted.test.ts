import { describe, expect, it } from 'vitest'
import type { Storage } from '../../src/connector/index.js'
import { KlosetError } from '../../src/errors.js'
import { memoryStorage } from '../../src/storage/index.js'
import { errorsOf, findings, noise, type Specs, scripted, settings } from '../backup/support.js'
import { plaintext } from '../support/stores.js'
import { idsOf, newPlaced, otherSizes, type Placed, reopened, storedTwice, told } from './support.js'

const first: Specs = { a: noise(50_000, 1), 'd/b': noise(9_000, 2), 'd/c': 'c' }
const second: Specs = { ...first, 'd/e': noise(70_000, 3) }
const third: Specs = { ...second, 'f/g': noise(3_000, 4) }

// The log does not try again after this one, so that these tests need not wait.
const killed = new KlosetError('KLOSET_DENIED', 'the machine is off')

/** A storage that does nothing any more after so many puts, and one that takes its time, as over a network. */
function breakable(storage: Storage): { storage: Storage; puts: string[]; most: number } {
  const state = { storage, puts: [] as string[], most: Number.POSITIVE_INFINITY }
  const alive = (): void => {
    if (state.puts.length >= state.most) throw killed
  }
  state.storage = {
    ...storage,
    async put(name, body, how) {
      alive()
      state.puts.push(name)
      await new Promise((resolve) => setTimeout(resolve, 1))
      return storage.put(name, body, how)
    },
    async get(name, how) {
      alive()
      return storage.get(name, how)
    },
    async *list(prefix, how) {
      alive()
      yield* storage.list(prefix, how)
    },
  }
  return state
}

async function started(like: boolean, concurrency: number) {
  const here = await newPlaced({ codec: 'lz4' })
  for (const specs of [first, second, third]) await here.store.backup(scripted(specs))
  const there = await newPlaced(like ? { like: here.store } : otherSizes)
  const broken = breakable(memoryStorage({ place: there.place, capabilities: { concurrency } }))
  const store = await reopened(there, plaintext, () => broken.storage)
  broken.puts.length = 0
  return { here, there, store, broken }
}

async function putsOf(like: boolean, concurrency: number): Promise<number> {
  const { here, store, broken } = await started(like, concurrency)
  await here.store.syncTo(store)
  return broken.puts.length
}

const ways = [
  { name: 'alike', like: true, concurrency: 1 },
  { name: 'alike', like: true, concurrency: 16 },
  { name: 'not alike', like: false, concurrency: 1 },
  { name: 'not alike', like: false, concurrency: 16 },
]

describe.each(ways)('stores $name, of which one does $concurrency puts at once and stops after put', async (way) => {
  const count = await putsOf(way.like, way.concurrency)

  it.each(Array.from({ length: count + 1 }, (_, k) => k))(
    '%i: whole snapshots are there, and nothing is stored twice later',
    async (k) => {
      const { here, there, store, broken } = await started(way.like, way.concurrency)
      const all = await idsOf(here.store)
      broken.most = k
      const outcome = await here.store.syncTo(store).then(
        () => 'done',
        (error) => error.code,
      )
      const again: Placed = { store: await reopened(there), place: there.place }
      const committed = await idsOf(again.store)
      // How many puts there are depends a little on how fast they are.
      if (committed.length < 3) expect(outcome).toBe('KLOSET_DENIED')
      expect(committed).toEqual(all.slice(0, committed.length))
      expect(await errorsOf(again.store)).toEqual([])
      const result = await here.store.syncTo(again.store)
      expect(result.synchronized.map(({ id }) => id)).toEqual(all.slice(committed.length))
      for (const id of all) expect(await told(again.store, id)).toEqual(await told(here.store, id))
      expect(storedTwice(again)).toEqual([])
      // All that was left over is part of the store now, unless nothing was left to do.
      if (result.synchronized.length > 0) expect(await findings(await reopened(there))).toEqual([])
    },
  )
})

describe.each([true, false])('a synchronization that is aborted (alike: %s)', (like) => {
  it.each([0, 1, 3, 8])('after %i puts throws the reason and leaves whole snapshots', async (puts) => {
    const { here, there, store, broken } = await started(like, 4)
    const stop = new AbortController()
    const { put } = broken.storage
    Object.assign(broken.storage, {
      put: (...args: Parameters<Storage['put']>) => {
        if (broken.puts.length === puts) stop.abort(new Error('enough'))
        return put(...args)
      },
    })
    const slow = await reopened(there, plaintext, () => broken.storage)
    broken.puts.length = 0
    await expect(here.store.syncTo(slow, { signal: stop.signal })).rejects.toThrow('enough')
    const fresh = await reopened(there)
    expect(await errorsOf(fresh)).toEqual([])
    const all = await idsOf(here.store)
    expect(await idsOf(fresh)).toEqual(all.slice(0, (await idsOf(fresh)).length))
    // The same client goes on.
    await here.store.syncTo(store)
    expect(await idsOf(store)).toEqual(all)
    expect(storedTwice({ store, place: there.place })).toEqual([])
    expect(await errorsOf(await reopened(there))).toEqual([])
  })
})

describe('a storage that is full', () => {
  it.each([true, false])('says so (alike: %s)', async (like) => {
    const here = await newPlaced()
    await here.store.backup(scripted(second))
    const there = await newPlaced(like ? { like: here.store } : otherSizes)
    const full = new KlosetError('KLOSET_FULL', 'the disk is full')
    const storage = memoryStorage({ place: there.place })
    const store = await reopened(there, plaintext, () => ({
      ...storage,
      async put(name, body, how) {
        if (name.startsWith('packs/')) throw full
        return storage.put(name, body, how)
      },
    }))
    await expect(here.store.syncTo(store)).rejects.toBe(full)
    expect(await idsOf(await reopened(there))).toEqual([])
  })
})

it('a store that was opened for reading gets nothing', async () => {
  const here = await newPlaced()
  await here.store.backup(scripted(first))
  const { place } = await newPlaced()
  const { openStore } = await import('../../src/index.js')
  const there = await openStore(memoryStorage({ place }), { ...settings, mode: 'read' })
  const objects = place.size
  await expect(here.store.syncTo(there)).rejects.toMatchObject({ code: 'KLOSET_READ_ONLY' })
  expect(place.size).toBe(objects)
})
