import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { Notice } from '../../src/api.js'
import type { Connector } from '../../src/connector/index.js'
import { createStore, isKlosetError, memoryStorage, openStore } from '../../src/index.js'
import { runtime } from '../../src/runtime/index.js'
import type { MemoryPlace } from '../../src/storage/index.js'
import { files, sourceWith } from '../support/samples.js'
import { allOf, copyOfPlace, outcome, placeOf, plaintext, rawKey, tiny } from '../support/stores.js'
import { createFrom, type Machine, machine, on, openFrom, run } from './place.js'

let place: MemoryPlace
let mine: Machine

/** One more snapshot, by a machine. */
const commit = (at: MemoryPlace, from: Machine, content: string): Promise<unknown> =>
  run(openFrom(at, from), (store) => store.backup(sourceWith(files({ a: content }))))

const replace = (at: MemoryPlace, by: MemoryPlace): void => {
  at.clear()
  for (const [name, bytes] of by) at.set(name, bytes)
}

const snapshotsOf = async (at: MemoryPlace, from: Machine, extra = {}): Promise<number> => {
  let count = 0
  await run(openFrom(at, from, extra), async (store) => {
    count = (await allOf(store.snapshots())).length
  })
  return count
}

beforeEach(async () => {
  place = placeOf()
  mine = machine()
  await run(createFrom(place, mine))
  for (const content of ['1', '2', '3']) await commit(place, mine, content)
})

describe.each([
  ['with a cache', (): Machine => mine],
  // Not what is kept, but what is remembered counts.
  ['whose cache was removed', (): Machine => ({ ...machine(), state: mine.state })],
])('a machine %s', (_, same) => {
  it('refuses a store that went back, and says what it saw', async () => {
    const before = copyOfPlace(place)
    await commit(place, mine, '4')
    await commit(place, mine, '5')
    replace(place, before)
    const error = await openFrom(place, same()).catch((thrown: unknown) => thrown)
    expect(isKlosetError(error, 'KLOSET_LOG_CHANGED')).toBe(true)
    if (!isKlosetError(error)) return
    expect(error.context).toMatchObject({ entry: 3, seen: 5 })
    expect(error.message).toMatch(/entry 5.*3 entries.*committed on 20\d\d-/)
    expect(error.hint).toMatch(/trust/)
    // Again and again, until somebody says otherwise.
    expect(await outcome(openFrom(place, same()))).toBe('KLOSET_LOG_CHANGED')
    expect(await snapshotsOf(place, same(), { trust: true })).toBe(3)
    expect(await snapshotsOf(place, same())).toBe(3)
    await commit(place, same(), 'after')
    expect(await snapshotsOf(place, same())).toBe(4)
  })

  it('refuses a store that another history was put in the place of', async () => {
    const fork = copyOfPlace(place)
    const elsewhere = machine()
    for (const content of ['4', '5']) await commit(place, mine, content)
    for (const content of ['x', 'y', 'z']) await commit(fork, elsewhere, content)
    replace(place, fork)
    expect(await outcome(openFrom(place, same()))).toBe('KLOSET_LOG_CHANGED')
    expect(await snapshotsOf(place, same(), { trust: true })).toBe(6)
    expect(await snapshotsOf(place, same())).toBe(6)
    // Now it is the first one that is refused.
    replace(place, copyOfPlace(fork))
    expect(await outcome(openFrom(place, same()))).toBe('done')
  })

  it('refuses a fork of the same length, and one behind a checkpoint', async () => {
    const fork = copyOfPlace(place)
    await commit(place, mine, '4')
    await run(openFrom(fork, machine()), async (store) => {
      for (let i = 0; i < 70; i++) await store.backup(sourceWith(files({ a: 'same' })))
    })
    expect([...fork.keys()].some((name) => name.startsWith('checkpoints/'))).toBe(true)
    const short = new Map(
      [...fork].filter(([name]) => !/^(log|checkpoints)\//.test(name) || name <= 'log/00000000000000000004'),
    )
    for (const each of [short, fork]) {
      replace(place, each)
      expect(await outcome(openFrom(place, same()))).toBe('KLOSET_LOG_CHANGED')
    }
  })

  it('refuses a store whose newest entries were removed, or all of them', async () => {
    for (const last of ['3', '2', '1']) {
      place.delete(`log/0000000000000000000${last}`)
      expect(await outcome(openFrom(place, same()))).toBe('KLOSET_LOG_CHANGED')
    }
    expect(await snapshotsOf(place, same(), { trust: true })).toBe(0)
    expect(await snapshotsOf(place, same())).toBe(0)
  })

  it('sees that a store is gone, and that there is another one', async () => {
    place.clear()
    expect(await outcome(openFrom(place, same()))).toBe('KLOSET_NO_STORE')
    await (await createStore(memoryStorage({ place }), { ...tiny, unlock: rawKey })).close()
    // The same key opens it, so nothing but memory tells the two apart.
    const error = await openFrom(place, same()).catch((thrown: unknown) => thrown)
    expect(isKlosetError(error, 'KLOSET_STORE_CHANGED') && error.hint).toMatch(/trust/)
    expect(await outcome(openFrom(place, same()))).toBe('KLOSET_STORE_CHANGED')
    expect(await snapshotsOf(place, same(), { trust: true })).toBe(0)
    expect(await snapshotsOf(place, same())).toBe(0)
  })

  it('goes on with a store that others wrote to', async () => {
    const other = machine()
    for (let i = 0; i < 5; i++) await commit(place, other, `other ${i}`)
    expect(await snapshotsOf(place, same())).toBe(8)
    await commit(place, same(), 'mine')
    expect(await snapshotsOf(place, other)).toBe(9)
  })

  it('takes a damaged end for an older store, unless it is told to read what came before', async () => {
    const name = 'log/00000000000000000002'
    place.set(name, place.get(name)!.slice(0, 100))
    const from = { ...machine(), state: mine.state }
    const error = await openFrom(place, from).catch((thrown: unknown) => thrown)
    expect(isKlosetError(error, 'KLOSET_LOG_CHANGED') && error.message).toMatch(/damaged at entry 2/)
    const notices: Notice[] = []
    expect(await snapshotsOf(place, from, { damagedLog: true, notices })).toBe(1)
    expect(notices.map(({ code }) => code)).toEqual(['log-damaged'])
    // What is remembered is so still.
    expect(await outcome(openFrom(place, from))).toBe('KLOSET_LOG_CHANGED')
  })
})

describe('memory', () => {
  it('that is not there refuses nothing', async () => {
    const before = copyOfPlace(place)
    await commit(place, mine, '4')
    replace(place, before)
    expect(await snapshotsOf(place, mine, { remember: false })).toBe(3)
    expect(await snapshotsOf(place, machine())).toBe(3)
  })

  it('is two small files a store, and never goes back', async () => {
    const heads = join(mine.state, 'heads')
    const [store] = readdirSync(heads)
    expect(readdirSync(join(heads, store!))).toEqual(['00000000000000000002', '00000000000000000003'])
    // Two processes that saw different entries, the later one writing first.
    const old = await openFrom(place, mine)
    await commit(place, mine, '4')
    await commit(place, mine, '5')
    await old.close()
    expect(readdirSync(join(heads, store!))).toEqual(['00000000000000000004', '00000000000000000005'])
  })

  // A power cut can leave an empty file where the system does not sync what it was told to.
  it.each(['', '{', 'null', '{"hash":"no"}'])(
    'that is damaged (%j) is reported, leaves the one before, and is made anew',
    async (content) => {
      const heads = join(mine.state, 'heads')
      const file = join(heads, readdirSync(heads)[0]!, '00000000000000000003')
      const before = copyOfPlace(place)
      writeFileSync(file, content)
      // Rolled back behind what is still remembered.
      for (const last of ['3', '2']) place.delete(`log/0000000000000000000${last}`)
      expect(await outcome(openFrom(place, mine))).toBe('KLOSET_LOG_CHANGED')
      replace(place, before)
      const notices: Notice[] = []
      expect(await snapshotsOf(place, mine, { notices })).toBe(3)
      expect(notices.map(({ code }) => code)).toEqual(['memory-damaged'])
      notices.length = 0
      expect(await snapshotsOf(place, mine, { notices })).toBe(3)
      expect(notices).toEqual([])
    },
  )

  it('is on the disk before a store counts as opened', async () => {
    const { files } = runtime
    const order: string[] = []
    const written = vi.spyOn(files!, 'writeDurably').mockImplementation((path) => void order.push(path))
    try {
      const other = machine()
      await run(openFrom(place, other))
      expect(order.map((path) => path.slice(other.state.length).split('/')[1])).toEqual(['locations', 'keys', 'heads'])
    } finally {
      written.mockRestore()
    }
  })

  it('that cannot be written is told once', async () => {
    const state = join(mine.state, 'file')
    writeFileSync(state, '')
    const notices: Notice[] = []
    await run(openFrom(place, { ...mine, state }, { notices }), async (store) => {
      await store.backup(sourceWith(files({ a: 'x' })))
      await store.backup(sourceWith(files({ a: 'y' })))
    })
    expect(notices.map(({ code }) => code)).toEqual(['memory-unusable'])
  })

  it('of an encrypted store refuses one without encryption at its place', async () => {
    place.clear()
    await (await createStore(memoryStorage({ place }), { ...tiny, unlock: plaintext })).close()
    const open = (extra = {}): Promise<unknown> =>
      outcome(openStore(memoryStorage({ place }), { ...on(mine), unlock: plaintext, ...extra }))
    expect(await open()).toBe('KLOSET_NOT_ENCRYPTED')
    expect(await open({ remember: false })).toBe('done')
    expect(await open({ trust: true })).toBe('done')
    expect(await open()).toBe('done')
  })

  it('is of a store, not of a place: an older copy elsewhere is told as one', async () => {
    const elsewhere = copyOfPlace(place)
    await commit(place, mine, '4')
    const storage = memoryStorage({ place: elsewhere, location: 'memory:elsewhere' })
    const error = await openStore(storage, { ...on(mine), unlock: rawKey }).catch((thrown: unknown) => thrown)
    expect(isKlosetError(error, 'KLOSET_LOG_CHANGED') && error.message).toMatch(/saw entry 4 of it at memory:/)
    rmSync(mine.state, { recursive: true })
    expect(await outcome(openStore(storage, { ...on(mine), unlock: rawKey }))).toBe('done')
  })
})

describe('the memory of a connector', () => {
  const asked: (string | undefined)[] = []
  const connector: Connector = {
    contract: 1,
    name: 'remembering',
    protocols: ['remembering'],
    options: {
      endpoint: { type: 'string', describe: 'which server' },
      password: { type: 'string', describe: '', secret: true },
    },
    storage: async (at, { memory }) => {
      asked.push(await memory.get('probe'))
      await memory.set('probe', `of ${at.path}`)
      await memory.set('other', 'x')
      return memoryStorage({ place, location: at.toString() })
    },
  }
  const open = (remember: string | false, at = 'remembering:///here', options = {}): Promise<unknown> =>
    openStore(at, { unlock: rawKey, engine: tiny.engine!, connectors: [connector], remember, options }).then((store) =>
      store.close(),
    )

  it('is kept by location, where anything is remembered', async () => {
    asked.length = 0
    for (const remember of [mine.state, mine.state, false] as const) await open(remember)
    await open(mine.state, 'remembering:///there')
    expect(asked).toEqual([undefined, 'of /here', undefined, undefined])
    // Another server under the same name is another place; with another password it is the same.
    await open(mine.state, 'remembering:///here', { endpoint: 'elsewhere' })
    await open(mine.state, 'remembering:///here', { password: 'other' })
    expect(asked.slice(4)).toEqual([undefined, 'of /here'])
    const kept = join(mine.state, 'connectors')
    for (const name of readdirSync(kept, { recursive: true, encoding: 'utf8' }))
      if (name.includes('/')) writeFileSync(join(kept, name), '{"value":3')
    await open(mine.state)
    expect(asked.at(-1)).toBeUndefined()
    await open(mine.state)
    expect(asked.at(-1)).toBe('of /here')
  })
})

describe('a store that goes back while it is open', () => {
  it('is not written to any more', async () => {
    const before = copyOfPlace(place)
    await commit(place, mine, '4')
    const store = await openFrom(place, mine)
    await store.backup(sourceWith(files({ a: '5' })))
    replace(place, before)
    vi.useFakeTimers({ now: Date.now() + 120_000, toFake: ['Date'] })
    try {
      expect(await outcome(store.backup(sourceWith(files({ a: '6' }))))).toBe('KLOSET_LOG_CHANGED')
      expect([...place.keys()].filter((name) => name.startsWith('log/'))).toHaveLength(3)
    } finally {
      vi.useRealTimers()
    }
  })

  it('nor one that is exchanged for a fork', async () => {
    const fork = copyOfPlace(place)
    for (const content of ['x', 'y']) await commit(fork, machine(), content)
    const store = await openFrom(place, mine)
    await store.backup(sourceWith(files({ a: '4' })))
    replace(place, fork)
    expect(isKlosetError(await store.backup(sourceWith(files({ a: '5' }))).catch((error: unknown) => error))).toBe(true)
    expect(place.size).toBe(fork.size)
  })
})
