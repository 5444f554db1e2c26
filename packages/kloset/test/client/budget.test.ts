import { describe, expect, it } from 'vitest'
import type { BackupResult, Requests, Store } from '../../src/api.js'
import { createStore, KlosetError, memoryStorage, openStore } from '../../src/index.js'
import { checkpointEvery } from '../../src/log/index.js'
import type { MemoryPlace } from '../../src/storage/index.js'
import { workerRecorder } from '../support/recorder.js'
import { files, noise, sourceWith } from '../support/samples.js'
import { allOf, engine, findingsOf, placeOf, rawKey } from '../support/stores.js'
import { type Machine, machine, on, openFrom, run, total } from './place.js'

const content = Object.fromEntries(
  Array.from({ length: 400 }, (_, i) => [`folder-${i % 9}/file-${i}`, noise(3_000 + 40 * i, i)]),
)

/** Sizes with which what is above makes a few packs. */
const sizes = { chunker: { min: 16_384, normal: 65_536, max: 262_144 }, frame: 262_144, pack: 1_048_576 }

function create(place: MemoryPlace, from: Machine): Promise<Store> {
  return createStore(memoryStorage({ place }), { ...sizes, ...on(from), unlock: rawKey })
}

/** Runs a backup as one command does: what it asked of the storage, and what the store has more. */
async function backedUp(
  place: MemoryPlace,
  from: Machine,
  what: Readonly<Record<string, string | Uint8Array>>,
): Promise<{ requests: Requests; packs: number; segments: number; result: BackupResult }> {
  const before = new Set(place.keys())
  let result: BackupResult | undefined
  const requests = await run(openFrom(place, from), async (store) => {
    result = await store.backup(sourceWith(files(what)))
  })
  const added = [...place.keys()].filter((name) => !before.has(name))
  const count = (prefix: string): number => added.filter((name) => name.startsWith(prefix)).length
  return { requests, packs: count('packs/'), segments: count('index/'), result: result! }
}

const none = { put: 0, get: 0, stat: 0, list: 0, remove: 0, usage: 0 }
const counts = ({ put, get, stat, list, remove, usage }: Requests): typeof none => ({
  put,
  get,
  stat,
  list,
  remove,
  usage,
})

async function full(): Promise<{ place: MemoryPlace; mine: Machine }> {
  const [place, mine] = [placeOf(), machine()]
  await run(create(place, mine))
  await backedUp(place, mine, content)
  return { place, mine }
}

describe('requests of a machine with a cache', () => {
  it('create: one look at the place, and what is stored', async () => {
    const place = placeOf()
    // The config, the prefixes that would show a damaged store, and those in which an earlier try may have left keys; the config, a key slot and a sealed key, each twice.
    expect(counts(await run(create(place, machine())))).toEqual({ ...none, get: 1, list: 5, put: 6 })
  })

  it('backup: packs, index segments, and at most 5 more', async () => {
    const [place, mine] = [placeOf(), machine()]
    await run(create(place, mine))
    const first = await backedUp(place, mine, content)
    expect(first.packs).toBeGreaterThan(3)
    // The config; checkpoints, log and index, of which nothing is known yet; the entry.
    expect(total(first.requests)).toBeLessThanOrEqual(first.packs + first.segments + 5)
    const second = await backedUp(place, mine, {
      ...content,
      'folder-3/file-3': noise(500_000, 1),
      more: noise(2_500_000, 2),
    })
    expect(second.packs).toBeGreaterThan(2)
    expect(counts(second.requests)).toEqual({ ...none, get: 3, put: second.packs + second.segments + 1 })
    // Nothing of what is in the store comes back for it: the newest log entry is all.
    expect(second.requests.downloaded).toBeLessThan(4_000)
  })

  it('backup of what has not changed: at most 5, and nothing is stored but the entry', async () => {
    const { place, mine } = await full()
    for (let i = 0; i < 3; i++) {
      const { requests, result } = await backedUp(place, mine, content)
      expect(result.changes).toEqual({ new: 0, changed: 0, unchanged: 400 })
      expect(counts(requests)).toEqual({ ...none, get: 3, put: 1 })
      expect(requests.downloaded + requests.uploaded).toBeLessThan(8_000)
    }
  })

  it('a checkpoint now and then: one more', async () => {
    const { place, mine } = await full()
    const more: number[] = []
    for (let i = 0; i < checkpointEvery; i++) more.push((await backedUp(place, mine, content)).requests.put - 1)
    expect(more.reduce((sum, each) => sum + each, 0)).toBe(1)
    expect([...place.keys()].filter((name) => name.startsWith('checkpoints/'))).toHaveLength(1)
  })

  it('ls: at most 3', async () => {
    const { place, mine } = await full()
    const ls = (): Promise<Requests> => run(openFrom(place, mine), (store) => allOf(store.snapshots()))
    expect(counts(await ls())).toEqual({ ...none, get: 3 })
    // What others added is read, each entry once.
    const other = machine()
    await run(openFrom(place, other), async (store) => {
      for (let i = 0; i < 5; i++) await store.backup(sourceWith(files(content)))
    })
    expect((await ls()).get).toBeLessThanOrEqual(3 + 5 + 8)
    expect(counts(await ls())).toEqual({ ...none, get: 3 })
  })

  it('ls of a folder, and of everything: at most 3', async () => {
    const { place, mine } = await full()
    const inside = await run(openFrom(place, mine), async (store) => allOf((await store.snapshot('latest')).walk()))
    expect(counts(inside)).toEqual({ ...none, get: 3 })
  })

  it('restore of one small file: at most 5, and hardly more bytes than the frame that it is in', async () => {
    const { place, mine } = await full()
    const path = 'folder-4/file-112'
    for (const to of [undefined, workerRecorder()]) {
      const requests = await run(openFrom(place, mine), async (store) => {
        const snapshot = await store.snapshot('latest')
        if (to === undefined) expect((await (await snapshot.open(path)).bytes()).length).toBe(7_480)
        else expect((await store.restore(snapshot, to, { path })).totals.files).toBe(1)
      })
      expect(requests).toMatchObject({ put: 0, stat: 0, list: 0, remove: 0 })
      // The config, the newest entry, that there is none after it, and the frame with the beginning of its pack or after it.
      expect(requests.get).toBeLessThanOrEqual(5)
      expect(requests.downloaded).toBeLessThan(700_000)
    }
  })

  it('counts what is tried again', async () => {
    const { place, mine } = await full()
    let failures = 0
    const storage = memoryStorage({ place })
    const flaky = {
      ...storage,
      get: async (...call: Parameters<typeof storage.get>) => {
        if (call[0] === 'config' && failures++ < 2) throw new KlosetError('KLOSET_OFFLINE', 'gone', { retry: 'later' })
        return storage.get(...call)
      },
    }
    const requests = await run(openStore(flaky, { unlock: rawKey, ...on(mine) }), (store) => allOf(store.snapshots()))
    expect(requests.get).toBe(5)
  })
})

describe('requests of a machine without a cache', () => {
  const open = (place: MemoryPlace): Promise<Store> => openStore(memoryStorage({ place }), { unlock: rawKey, engine })

  it('are few, and never look at packs one by one', async () => {
    const { place } = await full()
    const segments = [...place.keys()].filter((name) => name.startsWith('index/')).length
    const ls = await run(open(place), (store) => allOf(store.snapshots()))
    // The config, a key slot and a sealed key with their copies, the entry, and that there is no other.
    expect(counts(ls)).toEqual({ ...none, get: 7, list: 4 })
    const inside = await run(open(place), async (store) => allOf((await store.snapshot('latest')).list('folder-1')))
    expect(inside.get).toBeLessThanOrEqual(7 + segments + 2)
    expect(inside.list).toBe(4)
    const unchanged = await run(open(place), (store) => store.backup(sourceWith(files(content))))
    expect(unchanged.list).toBe(5)
    expect(unchanged.get).toBeLessThanOrEqual(7 + segments + 2)
  })

  it('list packs only to check them', async () => {
    const { place } = await full()
    const store = await open(place)
    const listed: string[] = []
    const storage = memoryStorage({ place })
    const watched = await openStore(
      {
        ...storage,
        list: (prefix, how) => {
          listed.push(prefix)
          return storage.list(prefix, how)
        },
      },
      { unlock: rawKey, engine },
    )
    await watched.backup(sourceWith(files(content)))
    await watched.info()
    const snapshot = await watched.snapshot('latest')
    await allOf(snapshot.walk())
    await watched.restore(snapshot, workerRecorder(), { overwrite: 'always' })
    expect(listed.filter((prefix) => prefix.startsWith('packs'))).toEqual([])
    expect(await findingsOf(watched)).toEqual([])
    expect(listed.filter((prefix) => prefix.startsWith('packs'))).not.toEqual([])
    await store.close()
  })
})
