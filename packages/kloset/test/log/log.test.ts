import { describe, expect, it } from 'vitest'
import { toHex } from '../../src/bytes/index.js'
import type { Storage } from '../../src/connector/contract.js'
import { isKlosetError, KlosetError } from '../../src/errors.js'
import {
  CommitLog,
  checkpointObject,
  type EntryDraft,
  entryObject,
  isReliable,
  type LogOptions,
  type LogState,
} from '../../src/log/index.js'
import { type MemoryPlace, memoryStorage } from '../../src/storage/index.js'
import { codeOfAsync, counted, fixedKeyring } from '../crypto/helpers.js'
import { numbers } from '../index/helpers.js'
import { type Fate, faultyStorage } from './faults.js'
import { chain, nameOf, snapshotDraft, snapshotRecord, stateAfter, summary } from './helpers.js'

const keyring = fixedKeyring()
const signal = new AbortController().signal

const open = (storage: Storage, more: Partial<LogOptions> = {}): Promise<CommitLog> =>
  CommitLog.open({ storage, keyring, writer: counted(16), signal, delays: [0, 0, 0], ...more })

/** Appends a draft as it is, whatever others did. */
const append = (log: CommitLog, draft: EntryDraft, since = log.state.position): ReturnType<CommitLog['append']> =>
  log.append(draft, { signal, since, reconsider: () => draft })

function placeOf(drafts: readonly EntryDraft[], history = 1): MemoryPlace {
  return new Map(chain(keyring, drafts, history).map(({ bytes }, i) => [entryObject(i + 1), bytes]))
}

const drafts = Array.from({ length: 12 }, (_, i) => snapshotDraft(i + 1, { segmentsAdded: [nameOf(i)] }))

describe('opening a log', () => {
  it('of an empty store gives the empty state', async () => {
    const log = await open(memoryStorage())
    expect(summary(log.state)).toEqual(summary(stateAfter(keyring, [])))
    expect([log.damage, log.refusal, log.sinceCheckpoint]).toEqual([undefined, undefined, 0])
  })

  it('reads every entry, listed or not', async () => {
    const place = placeOf(drafts)
    // Names that are none of the log's are passed over.
    for (const name of ['log/1', 'log/notes', `log/${'9'.repeat(20)}`, 'log2']) place.set(name, counted(3))
    for (const list of [true, false]) {
      const log = await open(memoryStorage({ place, capabilities: { list } }))
      expect(summary(log.state)).toEqual(summary(stateAfter(keyring, drafts)))
    }
  })

  it('starts from the newest checkpoint that can be read', async () => {
    const place = placeOf(drafts)
    const cut: MemoryPlace = new Map([...place].slice(0, 8))
    expect(await (await open(memoryStorage({ place: cut }))).checkpoint({ signal })).toBe(true)
    place.set(checkpointObject(8), cut.get(checkpointObject(8))!)
    place.set(checkpointObject(11), counted(500))
    const gets: string[] = []
    const storage = memoryStorage({ place })
    const log = await open({
      ...storage,
      get: (name, how) => {
        gets.push(name)
        return storage.get(name, how)
      },
    })
    expect(summary(log.state)).toEqual(summary(stateAfter(keyring, drafts)))
    expect(log.sinceCheckpoint).toBe(4)
    expect(log.damagedCheckpoints.map(({ code }) => code)).toEqual(['KLOSET_LOG_CORRUPT'])
    // A damaged one is read three times before that is believed.
    const damaged = Array.from({ length: 3 }, () => checkpointObject(11))
    expect(gets).toEqual([...damaged, checkpointObject(8), ...[9, 10, 11, 12].map(entryObject)])
  })

  it('reads a long log in pieces', async () => {
    const many = Array.from({ length: 600 }, (_, i) => snapshotDraft(i + 1))
    const log = await open(memoryStorage({ place: placeOf(many) }))
    expect([log.state.position, log.state.snapshots.size]).toEqual([600, 600])
  })

  it('passes on what the storage says', async () => {
    const storage = memoryStorage({ place: placeOf(drafts) })
    const offline = { ...storage, get: () => Promise.reject(new KlosetError('KLOSET_OFFLINE', 'no')) }
    expect(await codeOfAsync(() => open(offline))).toBe('KLOSET_OFFLINE')
  })
})

describe('a damaged log', () => {
  const damages: readonly (readonly [string, (place: MemoryPlace) => void])[] = [
    [
      'with a byte changed',
      (place) => {
        place.get(entryObject(7))![90]! ^= 1
      },
    ],
    [
      'with a missing entry',
      (place) => {
        place.delete(entryObject(7))
      },
    ],
    [
      'with an empty entry',
      (place) => {
        place.set(entryObject(7), new Uint8Array(0))
      },
    ],
    [
      'with a huge entry',
      (place) => {
        place.set(entryObject(7), new Uint8Array(1_000_000))
      },
    ],
    [
      'with another entry in its place',
      (place) => {
        place.set(entryObject(7), place.get(entryObject(8))!)
      },
    ],
    [
      'with an entry of another history',
      (place) => {
        place.set(entryObject(7), placeOf(drafts, 2).get(entryObject(7))!)
      },
    ],
  ]

  it.each(damages)('%s is served up to there, and not written to', async (_, damage) => {
    const place = placeOf(drafts)
    damage(place)
    const log = await open(memoryStorage({ place }))
    expect(log.damage).toMatchObject({ code: 'KLOSET_LOG_CORRUPT' })
    expect([log.damage!.context.position, log.state.position]).toEqual([7, 6])
    const before = place.size
    expect(await codeOfAsync(() => append(log, snapshotDraft(99)))).toBe('KLOSET_LOG_CORRUPT')
    expect(place.size).toBe(before)
    expect(await log.refresh({ signal })).toEqual([])
  })

  it('that ends before its checkpoint is served from that, and not written to', async () => {
    const place = placeOf(drafts)
    await (await open(memoryStorage({ place }))).checkpoint({ signal })
    place.delete(entryObject(12))
    const log = await open(memoryStorage({ place }))
    expect([log.state.position, log.damage?.code]).toEqual([12, 'KLOSET_LOG_CORRUPT'])
    expect(await codeOfAsync(() => append(log, snapshotDraft(99)))).toBe('KLOSET_LOG_CORRUPT')
  })

  it('is noticed while reading on', async () => {
    const place = placeOf(drafts.slice(0, 3))
    const log = await open(memoryStorage({ place }))
    place.set(entryObject(4), counted(100))
    expect(await codeOfAsync(() => append(log, snapshotDraft(99)))).toBe('KLOSET_LOG_CORRUPT')
    expect(log.state.position).toBe(3)
  })

  it('with a gap is noticed while reading on', async () => {
    const all = placeOf(drafts)
    const place: MemoryPlace = new Map([...all].slice(0, 3))
    const log = await open(memoryStorage({ place }))
    for (const [name, bytes] of all) place.set(name, bytes)
    place.delete(entryObject(5))
    expect(await codeOfAsync(() => append(log, snapshotDraft(99)))).toBe('KLOSET_LOG_CORRUPT')
    expect([log.state.position, log.damage?.context.position]).toEqual([4, 5])
  })
})

describe('a remembered head', () => {
  const remembered = (position: number): LogOptions['remembered'] => ({
    position,
    hash: chain(keyring, drafts)[position - 1]!.entry.hash,
  })

  it('that is in the log is fine, wherever', async () => {
    for (const position of [1, 5, 12]) {
      const log = await open(memoryStorage({ place: placeOf(drafts) }), { remembered: remembered(position) })
      expect([log.damage, log.state.position]).toEqual([undefined, 12])
    }
  })

  it('shows that the store is older than it was', async () => {
    const log = await open(memoryStorage({ place: placeOf(drafts.slice(0, 5)) }), { remembered: remembered(6) })
    expect([log.damage?.code, log.damage?.context.position, log.state.position]).toEqual(['KLOSET_LOG_CHANGED', 6, 5])
  })

  it('shows that the store has another history', async () => {
    const log = await open(memoryStorage({ place: placeOf(drafts, 2) }), { remembered: remembered(5) })
    expect([log.damage?.code, log.damage?.context.position]).toEqual(['KLOSET_LOG_CHANGED', 5])
    expect(await codeOfAsync(() => append(log, snapshotDraft(99)))).toBe('KLOSET_LOG_CHANGED')
  })

  it('is not passed over by a newer checkpoint', async () => {
    const forked = placeOf(drafts, 2)
    await (await open(memoryStorage({ place: forked }))).checkpoint({ signal })
    const log = await open(memoryStorage({ place: forked }), { remembered: remembered(5) })
    expect(log.damage?.context.position).toBe(5)
  })

  it.each([1, 2])('is compared with a checkpoint of its own position (history %s)', async (history) => {
    const early = placeOf(drafts.slice(0, 5), history)
    await (await open(memoryStorage({ place: early }))).checkpoint({ signal })
    const place = new Map([...placeOf(drafts, history), ...early])
    const log = await open(memoryStorage({ place }), { remembered: remembered(5) })
    expect(log.sinceCheckpoint).toBe(7)
    expect(log.damage?.context.position).toBe(history === 1 ? undefined : 5)
  })
})

describe('appending', () => {
  it('puts entries one after the other', async () => {
    const place: MemoryPlace = new Map()
    const log = await open(memoryStorage({ place }))
    for (const [i, draft] of drafts.entries()) {
      const entry = await append(log, draft)
      expect(entry.position).toBe(i + 1)
      expect(toHex(entry.writer)).toBe(toHex(counted(16)))
    }
    expect([...place.keys()]).toEqual(drafts.map((_, i) => entryObject(i + 1)))
    const reopened = await open(memoryStorage({ place }))
    expect(summary(reopened.state)).toEqual(summary(log.state))
    expect([...reopened.state.snapshots.keys()]).toEqual(drafts.map((_, i) => snapshotRecord(i + 1).id))
  })

  it('asks again when others were first, before every put', async () => {
    const place: MemoryPlace = new Map()
    const [mine, theirs] = [await open(memoryStorage({ place })), await open(memoryStorage({ place }))]
    const asked: number[] = []
    const condemn = (pack: string): EntryDraft => ({ content: { kind: 'condemn' }, packs: [pack] })
    await append(theirs, condemn(nameOf(1)))
    const reconsider = async (state: LogState): Promise<EntryDraft> => {
      asked.push(state.position)
      // While this one thinks, the other writes again: twice.
      if (asked.length < 3) await append(theirs, condemn(nameOf(1 + asked.length)))
      const lost = [1, 2, 3].map(nameOf).filter((pack) => !isReliable(state, pack))
      return snapshotDraft(lost.length)
    }
    const entry = await mine.append(snapshotDraft(9), { signal, since: 0, reconsider })
    expect(asked).toEqual([1, 2, 3])
    expect(entry).toMatchObject({ position: 4, content: { snapshot: { id: snapshotRecord(3).id } } })
    expect((await theirs.refresh({ signal })).map(({ position }) => position)).toEqual([4])
  })

  it('asks also where the log moved on before the call', async () => {
    const log = await open(memoryStorage())
    const since = log.state.position
    await append(log, snapshotDraft(1))
    await log.append(snapshotDraft(2), { signal, since, reconsider: () => snapshotDraft(3) })
    expect([...log.state.snapshots.keys()]).toEqual([snapshotRecord(1).id, snapshotRecord(3).id])
  })

  it('puts nothing where the caller then refuses', async () => {
    const place = placeOf(drafts.slice(0, 2))
    const log = await open(memoryStorage({ place }))
    const refuse = (): never => {
      throw new KlosetError('KLOSET_CHUNK_MISSING', 'gone')
    }
    const attempt = log.append(snapshotDraft(9), { signal, since: 1, reconsider: refuse })
    expect(await codeOfAsync(() => attempt)).toBe('KLOSET_CHUNK_MISSING')
    expect(place.size).toBe(2)
  })

  it.each<[string, Fate[]]>([
    ['answers that are lost', ['lost-answer']],
    ['puts that are lost', ['lost', 'lost']],
    ['puts that are lost, then an answer', ['lost', 'lost-answer']],
  ])('survives %s, and puts once', async (_, fates) => {
    const place: MemoryPlace = new Map()
    const log = await open(faultyStorage(place, fates))
    expect((await append(log, snapshotDraft(1))).position).toBe(1)
    expect((await append(log, snapshotDraft(2))).position).toBe(2)
    expect(place.size).toBe(2)
  })

  it('finds its own entry when the put was applied late', async () => {
    const place: MemoryPlace = new Map()
    const faulty = faultyStorage(place, ['late', 'fine'])
    const log = await open({
      ...faulty,
      // It arrives while the log is read before the second try.
      get: (name, how) => {
        faulty.settle()
        return faulty.get(name, how)
      },
    })
    expect((await append(log, snapshotDraft(1))).position).toBe(1)
    expect(place.size).toBe(1)
  })

  it('finds its own entry when the late put arrives between reading and putting', async () => {
    const place: MemoryPlace = new Map()
    const faulty = faultyStorage(place, ['late', 'fine'])
    let puts = 0
    const log = await open({
      ...faulty,
      put: (name, body, how) => {
        if (++puts === 2) faulty.settle()
        return faulty.put(name, body, how)
      },
    })
    const entry = await log.append(snapshotDraft(1), {
      signal,
      since: 0,
      reconsider: () => {
        throw new Error('nobody else wrote')
      },
    })
    expect([entry.position, place.size, puts]).toEqual([1, 1, 2])
  })

  it('finds its own entry behind those of others', async () => {
    const place: MemoryPlace = new Map()
    const other = await open(memoryStorage({ place }))
    const faulty = faultyStorage(place, ['lost-answer'])
    const log = await open({
      ...faulty,
      put: async (name, body, how) => {
        try {
          return await faulty.put(name, body, how)
        } finally {
          for (const seed of [7, 8]) await append(other, snapshotDraft(seed))
        }
      },
    })
    expect((await append(log, snapshotDraft(1))).position).toBe(1)
    expect([place.size, log.state.position]).toEqual([3, 3])
  })

  it('tells a failure that stays, after looking once more', async () => {
    const place: MemoryPlace = new Map()
    const lost = await open(faultyStorage(place, () => 'lost'))
    expect(await codeOfAsync(() => append(lost, snapshotDraft(1)))).toBe('KLOSET_OFFLINE')
    expect(place.size).toBe(0)
    const refused = await open(faultyStorage(place, ['refused']))
    expect(await codeOfAsync(() => append(refused, snapshotDraft(1)))).toBe('KLOSET_DENIED')
    const last = await open(faultyStorage(place, ['lost', 'lost', 'lost', 'lost-answer']))
    expect((await append(last, snapshotDraft(1))).position).toBe(1)
    expect(place.size).toBe(1)
  })

  it('waits where an entry exists that cannot be read yet', async () => {
    const place = placeOf(drafts.slice(0, 1))
    const storage = memoryStorage({ place })
    let hidden = 3
    const log = await open({
      ...storage,
      async *list() {},
      get: (name, how) => {
        if (name === entryObject(1) && hidden-- > 0) throw new KlosetError('KLOSET_NOT_FOUND', 'not yet')
        return storage.get(name, how)
      },
    })
    expect((await append(log, snapshotDraft(9))).position).toBe(2)
  })

  it('stops when it is told to', async () => {
    const abort = new AbortController()
    const log = await open(
      faultyStorage(new Map(), () => 'lost'),
      { delays: [60_000] },
    )
    const attempt = log.append(snapshotDraft(1), { signal: abort.signal, since: 0, reconsider: () => snapshotDraft(1) })
    setTimeout(() => abort.abort(new Error('enough')), 20)
    await expect(attempt).rejects.toThrow('enough')
  })

  it('is refused with a reason', async () => {
    const place: MemoryPlace = new Map()
    const unconditional = await open(memoryStorage({ place, capabilities: { putIfAbsent: false } }))
    const failure = await append(unconditional, snapshotDraft(1)).catch((error: unknown) => error)
    expect(isKlosetError(failure, 'KLOSET_UNSUPPORTED') && failure.hint).toMatch(/conditional writes/)
    const readOnly = await open(memoryStorage({ place, capabilities: { write: false } }))
    expect(await codeOfAsync(() => append(readOnly, snapshotDraft(1)))).toBe('KLOSET_READ_ONLY')
    expect(place.size).toBe(0)
  })
})

describe('checkpoints', () => {
  it('are written of the newest entry, once', async () => {
    const place: MemoryPlace = new Map()
    const log = await open(memoryStorage({ place }))
    expect(await log.checkpoint({ signal })).toBe(false)
    await append(log, snapshotDraft(1))
    expect([await log.checkpoint({ signal }), await log.checkpoint({ signal })]).toEqual([true, true])
    expect([place.size, log.sinceCheckpoint]).toEqual([2, 0])
    await append(log, { content: { kind: 'condemn' }, packs: [nameOf(1)] })
    expect([await log.checkpoint({ signal }), log.sinceCheckpoint, place.size]).toEqual([true, 0, 4])
  })
})

describe('many writers on a bad network', () => {
  it.each([1, 2, 3, 4, 5, 6])('put every entry once, in one chain (%s)', async (seed) => {
    const place: MemoryPlace = new Map()
    const random = numbers(seed)
    const fates: Fate[] = ['lost-answer', 'lost', 'late', 'fine', 'fine', 'fine', 'fine', 'fine']
    const storages = Array.from({ length: 4 }, () => faultyStorage(place, () => fates[random() % fates.length]!))
    const outcomes = new Map<string, boolean>()
    const settling = setInterval(() => storages.at(random() % 4)!.settle(), 1)
    await Promise.all(
      storages.map(async (storage, client) => {
        const log = await open(storage, { delays: Array(6).fill(1) })
        for (let i = 0; i < 8; i++) {
          const id = 1 + client * 100 + i
          const done = append(log, snapshotDraft(id)).then(
            () => true,
            () => false,
          )
          outcomes.set(snapshotRecord(id).id, await done)
        }
      }),
    )
    clearInterval(settling)
    for (const storage of storages) storage.settle()
    const log = await open(memoryStorage({ place }))
    expect(log.damage).toBeUndefined()
    const committed = [...log.state.snapshots.keys()]
    for (const [id, told] of outcomes) if (told) expect(committed).toContain(id)
    expect(log.state.position).toBe(committed.length)
    expect(committed.every((id) => outcomes.has(id))).toBe(true)
  })
})
