import { describe, expect, it } from 'vitest'
import type { Storage } from '../../src/connector/contract.js'
import { KlosetError } from '../../src/errors.js'
import { CommitLog, type EntryDraft, entryObject, type LogEntry, type LogOptions } from '../../src/log/index.js'
import { type MemoryPlace, memoryStorage } from '../../src/storage/index.js'
import { codeOfAsync, counted, fixedKeyring } from '../crypto/helpers.js'
import { snapshotDraft, snapshotRecord, summary } from './helpers.js'

const keyring = fixedKeyring()
const signal = new AbortController().signal
const unconditional = { putIfAbsent: false }

const open = (storage: Storage, more: Partial<LogOptions> = {}): Promise<CommitLog> =>
  CommitLog.open({ storage, keyring, writer: counted(16), signal, delays: [0, 0, 0], ...more })

const append = (log: CommitLog, draft: EntryDraft): Promise<LogEntry> =>
  log.append(draft, { signal, since: log.state.position, reconsider: () => draft })

const exclusive = (place: MemoryPlace): Promise<CommitLog> =>
  open(memoryStorage({ place, capabilities: unconditional }), { exclusive: true })

const idsIn = (log: CommitLog): string[] => [...log.state.snapshots.keys()]
const ids = (...seeds: number[]): string[] => seeds.map((seed) => snapshotRecord(seed).id)

describe('a log on a storage that cannot tell who was first', () => {
  it('is not written to without a promise, and the reason says what to do', async () => {
    const log = await open(memoryStorage({ capabilities: unconditional }))
    const failure = await append(log, snapshotDraft(1)).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'KLOSET_UNSUPPORTED', hint: expect.stringMatching(/exclusive/) })
  })

  it('is not written to where nothing can be listed either', async () => {
    const log = await open(memoryStorage({ capabilities: { ...unconditional, list: false } }), { exclusive: true })
    expect(await codeOfAsync(() => append(log, snapshotDraft(1)))).toBe('KLOSET_UNSUPPORTED')
  })

  it('has each entry by two names, so that nothing is overwritten and nobody has to list', async () => {
    const place: MemoryPlace = new Map()
    const log = await exclusive(place)
    for (const seed of [1, 2, 3]) await append(log, snapshotDraft(seed))
    const names = [...place.keys()]
    expect(names.filter((name) => /-[0-9a-f]{32}$/.test(name))).toHaveLength(3)
    for (const name of names) expect(place.get(name)).toEqual(place.get(name.replace(/-.*/, '')))
    for (const capabilities of [unconditional, {}, { list: false }]) {
      const reader = await open(memoryStorage({ place, capabilities }))
      expect([idsIn(reader), reader.damage]).toEqual([ids(1, 2, 3), undefined])
      expect(summary(reader.state)).toEqual(summary(log.state))
    }
  })

  it('is read by one who has no need to write without a listing', async () => {
    const place: MemoryPlace = new Map()
    const log = await exclusive(place)
    await append(log, snapshotDraft(1))
    const storage = memoryStorage({ place, capabilities: { ...unconditional, write: false } })
    let lists = 0
    const reader = await open(
      {
        ...storage,
        list: (prefix, how) => {
          lists++
          return storage.list(prefix, how)
        },
      },
      { known: log.state },
    )
    await append(log, snapshotDraft(2))
    await reader.refresh({ signal })
    expect([idsIn(reader), lists]).toEqual([ids(1, 2), 0])
  })

  it('gives an entry its plain name that a writer left without', async () => {
    const place: MemoryPlace = new Map()
    await append(await exclusive(place), snapshotDraft(1))
    place.delete(entryObject(1))
    for (const client of [await exclusive(new Map(place)), await open(memoryStorage({ place: new Map(place) }))]) {
      expect(idsIn(client)).toEqual(ids(1))
    }
    for (const options of [{ exclusive: true }, {}]) {
      const copy = new Map(place)
      const capabilities = options.exclusive === true ? unconditional : {}
      const log = await open(memoryStorage({ place: copy, capabilities }), options)
      await append(log, snapshotDraft(2))
      const reader = await open(memoryStorage({ place: copy, capabilities: { list: false } }))
      expect([idsIn(reader), reader.damage]).toEqual([ids(1, 2), undefined])
    }
  })

  it('can be read as long as one of the two is whole', async () => {
    const place: MemoryPlace = new Map()
    await append(await exclusive(place), snapshotDraft(1))
    for (const name of place.keys()) {
      const copy = new Map(place)
      copy.set(name, copy.get(name)!.slice(1))
      const log = await open(memoryStorage({ place: copy }))
      expect([idsIn(log), log.damage]).toEqual([ids(1), undefined])
    }
  })

  it('is read on, and goes on where another exclusive writer left off', async () => {
    const place: MemoryPlace = new Map()
    const [mine, theirs] = [await exclusive(place), await exclusive(place)]
    await append(mine, snapshotDraft(1))
    const considered: number[] = []
    await theirs.append(snapshotDraft(2), {
      signal,
      since: 0,
      reconsider: ({ position }) => {
        considered.push(position)
        return snapshotDraft(2)
      },
    })
    expect(considered).toEqual([1])
    expect((await mine.refresh({ signal })).map(({ position }) => position)).toEqual([2])
    expect(idsIn(mine)).toEqual(ids(1, 2))
  })

  it('can move to a storage that can tell, and have both kinds of names', async () => {
    const place: MemoryPlace = new Map()
    await append(await exclusive(place), snapshotDraft(1))
    const log = await open(memoryStorage({ place }))
    await append(log, snapshotDraft(2))
    expect(place.size).toBe(3)
    const other = await open(memoryStorage({ place }))
    await append(other, snapshotDraft(3))
    expect((await log.refresh({ signal })).map(({ position }) => position)).toEqual([3])
    await append(await exclusive(place), snapshotDraft(4))
    await log.refresh({ signal })
    expect(idsIn(log)).toEqual(ids(1, 2, 3, 4))
  })

  it.each(['lost-answer', 'late'])('puts an entry once although its first put met a fault (%s)', async (fate) => {
    const place: MemoryPlace = new Map()
    const storage = memoryStorage({ place, capabilities: unconditional })
    const late: (() => void)[] = []
    let puts = 0
    const log = await open(
      {
        ...storage,
        async put(name, body, how) {
          if (++puts > 1) return storage.put(name, body, how)
          const copy = body.slice()
          if (fate === 'late') late.push(() => place.set(name, copy))
          else await storage.put(name, body, how)
          throw new KlosetError('KLOSET_OFFLINE', 'the connection was lost')
        },
      },
      { exclusive: true },
    )
    await append(log, snapshotDraft(1))
    // Whenever it arrives, it changes nothing.
    for (const arrive of late) arrive()
    await append(log, snapshotDraft(2))
    const reader = await open(storage)
    expect([idsIn(reader), reader.damage, place.size]).toEqual([ids(1, 2), undefined, 4])
  })
})

describe('a log that was forked', () => {
  /** Two writers who both thought they were alone, after a common beginning. */
  async function fork(): Promise<{ place: MemoryPlace; one: CommitLog }> {
    const place: MemoryPlace = new Map()
    const one = await exclusive(place)
    await append(one, snapshotDraft(1))
    const before = new Map(place)
    const two = await exclusive(before)
    await append(two, snapshotDraft(2))
    await append(two, snapshotDraft(3))
    await append(one, snapshotDraft(4))
    // One of them puts the plain names last.
    for (const [name, bytes] of before) if (!place.has(name)) place.set(name, bytes)
    return { place, one }
  }

  it('is served up to the fork, whichever side is longer, and not written to', async () => {
    const { place } = await fork()
    for (const capabilities of [unconditional, {}]) {
      const log = await open(memoryStorage({ place, capabilities }), { exclusive: true })
      expect([idsIn(log), log.damage?.code, log.damage?.context.position]).toEqual([ids(1), 'KLOSET_LOG_CORRUPT', 2])
      expect(log.damage?.message).toMatch(/forked/)
      expect(await codeOfAsync(() => append(log, snapshotDraft(9)))).toBe('KLOSET_LOG_CORRUPT')
    }
  })

  it('is noticed by who had read one side of it', async () => {
    const { place, one } = await fork()
    expect(one.damage).toBeUndefined()
    const objects = place.size
    expect(await codeOfAsync(() => append(one, snapshotDraft(9)))).toBe('KLOSET_LOG_CORRUPT')
    expect([idsIn(one), place.size]).toEqual([ids(1, 4), objects])
  })

  it('also where one side did not have to list', async () => {
    const place: MemoryPlace = new Map()
    await append(await exclusive(place), snapshotDraft(1))
    const before = new Map(place)
    await append(await exclusive(before), snapshotDraft(2))
    await append(await open(memoryStorage({ place })), snapshotDraft(3))
    for (const [name, bytes] of before) if (!place.has(name)) place.set(name, bytes)
    const log = await open(memoryStorage({ place }))
    expect([idsIn(log), log.damage?.context.position]).toEqual([ids(1), 2])
  })

  it('never comes from overwriting: a plain name that appeared meanwhile stays', async () => {
    const place: MemoryPlace = new Map()
    const storage = memoryStorage({ place, capabilities: unconditional })
    const other = await open(memoryStorage({ place }))
    const log = await open(
      {
        ...storage,
        async put(name, body, how) {
          if (other.state.position === 0) await append(other, snapshotDraft(2))
          return storage.put(name, body, how)
        },
      },
      { exclusive: true },
    )
    expect(await codeOfAsync(() => append(log, snapshotDraft(1)))).toBe('KLOSET_LOG_CORRUPT')
    await other.refresh({ signal })
    expect([idsIn(other), other.damage]).toEqual([ids(2), undefined])
  })

  it('an entry under the name of another is damage', async () => {
    const place: MemoryPlace = new Map()
    await append(await exclusive(place), snapshotDraft(1))
    const bytes = place.get(entryObject(1))!
    place.clear()
    place.set(`${entryObject(1)}-${'ab'.repeat(16)}`, bytes)
    expect((await open(memoryStorage({ place }))).damage?.context.position).toBe(1)
  })
})

describe('appending without looking first', () => {
  /** Counts what is asked of a place. */
  function counting(place: MemoryPlace): { storage: Storage; calls: string[] } {
    const storage = memoryStorage({ place })
    const calls: string[] = []
    return {
      calls,
      storage: {
        ...storage,
        put: (name, body, how) => {
          calls.push(`put ${name}`)
          return storage.put(name, body, how)
        },
        get: (name, how) => {
          calls.push(`get ${name}`)
          return storage.get(name, how)
        },
      },
    }
  }

  it('takes one request where nobody else wrote', async () => {
    const { storage, calls } = counting(new Map())
    const log = await open(storage)
    await append(log, snapshotDraft(1))
    await append(log, snapshotDraft(2))
    expect(calls).toEqual([1, 2].map((position) => `put ${entryObject(position)}`))
  })

  it('reads on only where somebody did', async () => {
    const place: MemoryPlace = new Map()
    const { storage, calls } = counting(place)
    const log = await open(storage)
    await append(await open(memoryStorage({ place })), snapshotDraft(1))
    await append(log, snapshotDraft(2))
    expect(calls.filter((each) => each.startsWith('put'))).toEqual(
      [1, 2].map((position) => `put ${entryObject(position)}`),
    )
    expect(idsIn(log)).toEqual(ids(1, 2))
  })

  it('is not read again so soon where that is not wanted', async () => {
    const place: MemoryPlace = new Map()
    const { storage, calls } = counting(place)
    const log = await open(storage)
    expect(await log.refresh({ signal }, 60_000)).toEqual([])
    expect(calls).toEqual([])
    await append(await open(memoryStorage({ place })), snapshotDraft(1))
    expect(await log.refresh({ signal }, 60_000)).toEqual([])
    expect((await log.refresh({ signal })).length).toBe(1)
  })

  it('tells who follows of everything that came, by whichever call', async () => {
    const place: MemoryPlace = new Map()
    const [log, other] = [await open(memoryStorage({ place })), await open(memoryStorage({ place }))]
    await append(log, snapshotDraft(1))
    const following = log.follow()
    await append(log, snapshotDraft(2))
    await append(other, snapshotDraft(3))
    await log.refresh({ signal })
    following.end()
    await append(log, snapshotDraft(4))
    expect(following.since.position).toBe(1)
    expect(following.entries.map(({ position }) => position)).toEqual([2, 3])
  })

  it('lets eight writers through that never wait for each other', async () => {
    const place: MemoryPlace = new Map()
    await Promise.all(
      Array.from({ length: 8 }, async (_, client) => {
        const { storage } = counting(place)
        const slow: Storage = {
          ...storage,
          put: async (name, body, how) => {
            await new Promise((resolve) => setImmediate(resolve))
            return storage.put(name, body, how)
          },
        }
        const log = await open(slow)
        for (let i = 0; i < 10; i++) await append(log, snapshotDraft(1 + client * 100 + i))
      }),
    )
    const log = await open(memoryStorage({ place }))
    expect([log.state.position, log.state.snapshots.size, log.damage]).toEqual([80, 80, undefined])
  })
})
