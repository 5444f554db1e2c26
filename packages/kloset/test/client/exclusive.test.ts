import { beforeEach, describe, expect, it } from 'vitest'
import { createStore, memoryStorage, openStore } from '../../src/index.js'
import type { MemoryPlace } from '../../src/storage/index.js'
import { files, sourceWith } from '../support/samples.js'
import { allOf, copyOfPlace, findingsOf, outcome, placeOf, rawKey, tiny } from '../support/stores.js'
import { type Extra, type Machine, machine, on, run } from './place.js'

let place: MemoryPlace
let mine: Machine

const weak = (at: MemoryPlace): ReturnType<typeof memoryStorage> =>
  memoryStorage({ place: at, capabilities: { putIfAbsent: false } })

const open = (from: Machine, extra: Extra = {}): ReturnType<typeof openStore> =>
  openStore(weak(place), { ...on(from), unlock: rawKey, exclusive: true, ...extra })

const backup = (content: string): Promise<unknown> =>
  run(open(mine), (store) => store.backup(sourceWith(files({ a: content }))))

beforeEach(async () => {
  place = placeOf()
  mine = machine()
  await run(createStore(weak(place), { ...tiny, ...on(mine), unlock: rawKey, exclusive: true }))
  for (const content of ['1', '2', '3']) await backup(content)
})

describe('a store at a place that cannot tell who was first', () => {
  it('is written to by who promises to be alone, with a cache and a memory as any other', async () => {
    await run(open(machine()), async (store) => {
      expect(await allOf(store.snapshots())).toHaveLength(3)
      expect(await findingsOf(store)).toEqual([])
    })
    const requests = await run(open(mine), (store) => allOf(store.snapshots()))
    expect(requests.put + requests.stat).toBe(0)
    expect(requests.get + requests.list).toBeLessThan(10)
  })

  it('is only read by everybody else', async () => {
    await run(open(mine, { exclusive: false }), async (store) => {
      expect(await allOf(store.snapshots())).toHaveLength(3)
      expect(await outcome(store.backup(sourceWith(files({ a: '4' }))))).toBe('KLOSET_UNSUPPORTED')
    })
  })

  it('is refused where it went back', async () => {
    const before = copyOfPlace(place)
    await backup('4')
    place = before
    expect(await outcome(open(mine))).toBe('KLOSET_LOG_CHANGED')
    expect(await outcome(open(mine, { trust: true }))).toBe('done')
    expect(await outcome(open(mine))).toBe('done')
  })
})
