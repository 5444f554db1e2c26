import { describe, expect, it } from 'vitest'
import type { Store } from '../../src/api.js'
import type { Storage } from '../../src/connector/index.js'
import { KlosetError } from '../../src/errors.js'
import { type MemoryPlace, memoryStorage } from '../../src/storage/memory.js'
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
  storedIds,
  storedTwice,
} from './support.js'

const before: Specs = { a: noise(30_000, 1), 'd/b': noise(9_000, 2), 'd/c': 'c' }
// Several data packs, new and shared content, and enough entries for several tree nodes.
const after: Specs = {
  ...before,
  ...Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`e/${i}`, noise(20_000 + i, 100 + i)])),
  'd/b': { content: noise(9_500, 3), mtime: longAgo + 1n },
  'd/copy': noise(30_000, 1),
}

/** What a storage does from some put on. */
interface Fault {
  /** Puts that still succeed. */
  readonly puts: number
  /** What the next ones throw, and with `forAll` every other call too. */
  readonly error: unknown
  readonly forAll: boolean
}

/** A storage that starts to fail once `fault` is set. */
function breakable(storage: Storage): { storage: Storage; puts: string[]; fail: (fault: Fault) => void } {
  const puts: string[] = []
  let fault: Fault | undefined
  const alive = (isPut: boolean): void => {
    if (fault === undefined || puts.length < fault.puts) return
    if (isPut || fault.forAll) throw fault.error
  }
  return {
    puts,
    fail(next) {
      puts.length = 0
      fault = next
    },
    storage: {
      ...storage,
      async put(name, body, how) {
        alive(true)
        puts.push(name)
        return storage.put(name, body, how)
      },
      async get(name, how) {
        alive(false)
        return storage.get(name, how)
      },
      async stat(name, how) {
        alive(false)
        return storage.stat(name, how)
      },
      async *list(prefix, how) {
        alive(false)
        yield* storage.list(prefix, how)
      },
    },
  }
}

/** A storage that takes its time, so that several puts are under way at once, as over a network. */
function slow(storage: Storage): Storage {
  return {
    ...storage,
    async put(name, body, how) {
      await new Promise((resolve) => setTimeout(resolve, 1))
      return storage.put(name, body, how)
    },
  }
}

async function started(concurrency: number): Promise<{
  store: Store
  place: MemoryPlace
  first: string
  broken: ReturnType<typeof breakable>
}> {
  const { store: healthy, place } = await newStore()
  const { snapshot } = await healthy.backup(scripted(before))
  const broken = breakable(slow(memoryStorage({ place, capabilities: { concurrency } })))
  return { store: await reopen(place, () => broken.storage), place, first: snapshot!.id, broken }
}

async function idsOf(store: Store): Promise<string[]> {
  const ids: string[] = []
  for await (const { id } of store.snapshots()) ids.push(id)
  return ids
}

/** How many puts the second backup makes. */
async function putsOf(concurrency: number): Promise<number> {
  const { store, broken } = await started(concurrency)
  broken.fail({ puts: Number.POSITIVE_INFINITY, error: undefined, forAll: false })
  await store.backup(scripted(after))
  return broken.puts.length
}

// The log does not try again after this one, so that these tests need not wait.
const killed = new KlosetError('KLOSET_DENIED', 'the machine is off')
const full = new KlosetError('KLOSET_FULL', 'the disk is full')

describe.each([1, 16])('a storage that does %i puts at once and stops after put', async (concurrency) => {
  const count = await putsOf(concurrency)

  it.each(Array.from({ length: count + 1 }, (_, k) => k))(
    '%i leaves a whole store, and the next backup stores nothing twice',
    async (k) => {
      const { store, place, first, broken } = await started(concurrency)
      broken.fail({ puts: k, error: killed, forAll: true })
      const outcome = await store.backup(scripted(after)).then(
        () => 'done',
        (error) => error.code,
      )
      // How many puts there are depends a little on how fast they are: with the last ones it may just be done.
      expect(outcome).toBe(broken.puts.some((name) => name.startsWith('log/')) ? 'done' : 'KLOSET_DENIED')
      const again = await reopen(place)
      const committed = await idsOf(again)
      expect(committed).toHaveLength(outcome === 'done' ? 2 : 1)
      expect(await errorsOf(again)).toEqual([])
      expect(await contents(again, first)).toEqual(expected(before))
      const result = await again.backup(scripted(after))
      expect(result.failed).toEqual([])
      expect(await idsOf(again)).toEqual([...committed, result.snapshot!.id])
      expect(await contents(again)).toEqual(expected(after))
      expect(await contents(again, first)).toEqual(expected(before))
      expect(await errorsOf(again)).toEqual([])
      expect(await storedTwice(again, place)).toEqual([])
      // All that was left over is part of the store now.
      expect(await findings(await reopen(place))).toEqual([])
    },
  )

  it('that is the log entry, applied but not acknowledged, commits once', async () => {
    const { place, first } = await started(concurrency)
    const storage = memoryStorage({ place })
    let lost = 0
    const store = await reopen(place, () => ({
      ...storage,
      async put(name, body, how) {
        const outcome = await storage.put(name, body, how)
        if (name.startsWith('log/') && lost++ === 0) throw new Error('the connection was reset')
        return outcome
      },
    }))
    const { snapshot } = await store.backup(scripted(after))
    expect(lost).toBeGreaterThan(0)
    expect(await idsOf(await reopen(place))).toEqual([first, snapshot!.id])
    expect(await errorsOf(await reopen(place))).toEqual([])
  })
})

describe('until a segment tells of it', () => {
  it('no pack is put, so that none can be lost', async () => {
    const { place } = await newStore()
    const storage = memoryStorage({ place })
    let packs = 0
    let packsBeforeSegment: number | undefined
    const store = await reopen(place, () => ({
      ...storage,
      async put(name, body, how) {
        if (name.startsWith('packs/')) packs++
        if (name.startsWith('index/')) packsBeforeSegment ??= packs
        // Long enough for all of the packs to be waiting.
        else await new Promise((resolve) => setTimeout(resolve, 50))
        return storage.put(name, body, how)
      },
    }))
    await store.backup(scripted(after))
    expect(packs).toBeGreaterThan(5)
    expect(packsBeforeSegment).toBe(0)
  })
})

describe('a storage that is full', () => {
  it.each([0, 2, 3, 6])('after %i puts says so, commits nothing, and what it took is used later', async (puts) => {
    const { store, place, first, broken } = await started(4)
    broken.fail({ puts, error: full, forAll: false })
    await expect(store.backup(scripted(after))).rejects.toMatchObject({ code: 'KLOSET_FULL' })
    expect(await idsOf(store)).toEqual([first])
    const kept = await storedIds(store, place)
    broken.fail({ puts: Number.POSITIVE_INFINITY, error: undefined, forAll: false })
    // The same client goes on once there is room.
    const result = await store.backup(scripted(after))
    expect(result.failed).toEqual([])
    expect(await storedTwice(store, place)).toEqual([])
    expect(await storedIds(store, place)).toEqual(expect.arrayContaining(kept))
    expect(await contents(store)).toEqual(expected(after))
    expect(await errorsOf(await reopen(place))).toEqual([])
  })

  it('is no failure of the files that were being read, and they are not read in vain', async () => {
    const { store, place, broken } = await started(1)
    broken.fail({ puts: 0, error: full, forAll: false })
    const many = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`f${i}`, noise(40_000, i + 500)]))
    const source = scripted(many)
    const failed: string[] = []
    const work = store.backup(source, { onEvent: (event) => void (event.type === 'failed' && failed.push(event.path)) })
    await expect(work).rejects.toMatchObject({ code: 'KLOSET_FULL' })
    expect(failed).toEqual([])
    expect(source.opened.length).toBeLessThan(250)
    expect(await errorsOf(await reopen(place))).toEqual([])
  })
})

describe('a backup that is aborted', () => {
  it.each([1, 4, 9, 13])(
    'at file %i throws the reason, commits nothing, and the next one goes on from there',
    async (at) => {
      const { store, place } = await newStore()
      const stop = new AbortController()
      let read = 0
      const failed: string[] = []
      const source = scripted(after, {
        onRead: () => {
          if (++read === at) stop.abort(new Error('enough'))
        },
      })
      const work = store.backup(source, {
        signal: stop.signal,
        onEvent: (event) => void (event.type === 'failed' && failed.push(event.path)),
      })
      await expect(work).rejects.toThrow('enough')
      expect(failed).toEqual([])
      expect(await idsOf(store)).toEqual([])
      expect(await errorsOf(store)).toEqual([])
      const kept = await storedIds(store, place)
      const result = await store.backup(scripted(after))
      expect(result.failed).toEqual([])
      expect(await storedTwice(store, place)).toEqual([])
      expect(await storedIds(store, place)).toEqual(expect.arrayContaining(kept))
      expect(await contents(store)).toEqual(expected(after))
      expect(await findings(await reopen(place))).toEqual([])
    },
  )

  it('before it begins reads and stores nothing', async () => {
    const { store, place } = await newStore()
    const objects = listing(place)
    const source = scripted(after)
    await expect(store.backup(source, { signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow('no')
    expect(source.opened).toEqual([])
    expect(listing(place)).toEqual(objects)
  })
})

describe('two clients that back up at the same time', () => {
  it('both commit, and the store is whole', async () => {
    const { place } = await newStore()
    const [one, two] = [await reopen(place, slow), await reopen(place, slow)]
    const results = await Promise.all([
      one.backup(scripted(after, { root: '/one' })),
      two.backup(scripted(after, { root: '/two' })),
    ])
    const fresh = await reopen(place)
    expect((await idsOf(fresh)).sort()).toEqual(results.map(({ snapshot }) => snapshot!.id).sort())
    expect(await contents(fresh)).toEqual(expected(after))
    expect(await errorsOf(fresh)).toEqual([])
  })
})
