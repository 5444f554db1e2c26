// A damaged newest log entry does not pass an older snapshot off as the latest: whoever remembers a later one refuses the store, whoever does not is refused selections.
import { beforeEach, describe, expect, it } from 'vitest'
import type { Notice, Store } from '../../src/api.js'
import { isKlosetError } from '../../src/index.js'
import type { MemoryPlace } from '../../src/storage/index.js'
import { createFrom, type Machine, machine, openFrom, run } from '../client/place.js'
import { files, sourceWith } from '../support/samples.js'
import { allOf, createAt, flipped, openAt, outcome, placeOf, rawKey } from '../support/stores.js'

const newest = 'log/00000000000000000002'
let place: MemoryPlace
let mine: Machine
let old: string

beforeEach(async () => {
  place = placeOf()
  mine = machine()
  await run(createFrom(place, mine), async (store) => {
    old = (await store.backup(sourceWith(files({ a: 'old' })))).snapshot!.id
    await store.backup(sourceWith(files({ a: 'renewed' })))
  })
})

const damages: [string, () => void][] = [
  ['a flipped bit', () => void place.set(newest, flipped(place.get(newest)!, 200))],
  ['an empty object', () => void place.set(newest, new Uint8Array(0))],
  ['a cut object', () => void place.set(newest, place.get(newest)!.slice(0, 100))],
]

async function read(store: Store, snapshot: string): Promise<string> {
  return (await (await store.snapshot(snapshot)).open('a')).text()
}

describe.each(damages)('%s', (_, damage) => {
  beforeEach(damage)

  it('is KLOSET_LOG_CHANGED to a machine that remembers more', async () => {
    const error = await openFrom(place, { ...machine(), state: mine.state }).catch((thrown: unknown) => thrown)
    expect(isKlosetError(error, 'KLOSET_LOG_CHANGED') && error.message).toMatch(/damaged at entry 2/)
  })

  it('is told to a machine whose cache knows the entry, which goes on reading and writes nothing', async () => {
    const notices: Notice[] = []
    const store = await openFrom(place, mine, { notices })
    expect(notices.map(({ code }) => code)).toEqual(['log-damaged'])
    expect(await read(store, 'latest')).toBe('renewed')
    expect(await store.select()).toHaveLength(2)
    expect(await outcome(store.backup(sourceWith(files({ a: 'newer' }))))).toBe('KLOSET_LOG_CORRUPT')
    await store.close()
    // Not only the first time.
    await run(openFrom(place, mine), async (again) => expect(await read(again, 'latest')).toBe('renewed'))
  })

  it('refuses `latest` and selections to others, not ids, nor those who say that they know', async () => {
    const store = await openFrom(place, machine())
    const refused: (() => Promise<unknown>)[] = [
      () => store.snapshot('latest'),
      () => store.snapshot('latest~1'),
      () => store.snapshot('ffffffff'),
      () => store.select(),
      () => store.select({ where: { host: 'x' } }),
      () => store.stats(),
      () => allOf(store.snapshots()),
      () => allOf(store.forgotten()),
      () => allOf(store.find()),
      () => allOf(store.versions()),
    ]
    for (const act of refused) expect(await outcome(act())).toBe('KLOSET_LOG_CORRUPT')
    const peer = await createAt(placeOf(), rawKey)
    expect(await outcome(store.syncTo(peer))).toBe('KLOSET_LOG_CORRUPT')
    expect(await read(store, old.slice(0, 8))).toBe('old')
    expect((await allOf(store.check())).map(({ code }) => code)).toContain('log-corrupt')
    await store.close()
    await run(openFrom(place, machine(), { damagedLog: true }), async (open) => {
      expect(await read(open, 'latest')).toBe('old')
    })
  })
})

it('is told where it is found after a state that was kept was used', async () => {
  await run(openFrom(place, machine()), (store) => store.backup(sourceWith(files({ a: 'third' }))))
  const third = 'log/00000000000000000003'
  place.set(third, flipped(place.get(third)!, 200))
  const notices: Notice[] = []
  const store = await openFrom(place, mine, { notices })
  expect(await outcome(store.snapshot('latest'))).toBe('KLOSET_LOG_CORRUPT')
  expect(notices.map(({ code }) => code)).toEqual(['log-damaged'])
  await store.close()
})

it('an open store whose newest entry is damaged later goes on from what it knows', async () => {
  const store = await openAt(place, rawKey)
  place.set(newest, flipped(place.get(newest)!, 200))
  expect(await read(store, 'latest')).toBe('renewed')
  await store.close()
})
