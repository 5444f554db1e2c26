import { beforeEach, expect, it } from 'vitest'
import { memoryStorage, openStore } from '../../src/index.js'
import type { MemoryPlace } from '../../src/storage/index.js'
import { createFrom, type Machine, machine, on, run } from '../client/place.js'
import { createAt, outcome, placeOf, plaintext, rawKey } from '../support/stores.js'

const remembered = { plaintext: 'remembered' } as const

let place: MemoryPlace
let mine: Machine
const open = (from: Machine, extra = {}): Promise<unknown> =>
  outcome(
    openStore(memoryStorage({ place }), { ...on(from), unlock: remembered, ...extra }).then((store) => store.close()),
  )

beforeEach(() => {
  place = placeOf()
  mine = machine()
})

it('a store without encryption is not opened by who did not say that it is one', async () => {
  await (await createAt(place, plaintext)).close()
  expect(await open(mine)).toBe('KLOSET_NOT_ENCRYPTED')
  expect(await open(mine, { remember: false })).toBe('KLOSET_NOT_ENCRYPTED')
  expect(await open(mine, { unlock: plaintext })).toBe('done')
  // This machine was told, and remembers.
  expect(await open(mine)).toBe('done')
  expect(await open(mine, { remember: false })).toBe('KLOSET_NOT_ENCRYPTED')
})

it('whoever made it need not say so again, until another one is there', async () => {
  await run(createFrom(place, mine, plaintext))
  expect(await open(mine)).toBe('done')
  place.clear()
  await (await createAt(place, plaintext)).close()
  expect(await open(mine)).toBe('KLOSET_STORE_CHANGED')
  expect(await open(mine, { unlock: plaintext })).toBe('KLOSET_STORE_CHANGED')
})

it('one with the id of a store that was encrypted is not taken for it', async () => {
  await run(createFrom(place, mine))
  const plain = placeOf()
  await (await createAt(plain, plaintext)).close()
  for (const name of ['config', 'config.copy']) place.set(name, plain.get(name)!)
  expect(await open(mine)).toBe('KLOSET_NOT_ENCRYPTED')
  expect(await open(mine, { unlock: plaintext })).toBe('KLOSET_NOT_ENCRYPTED')
})

it('an encrypted store asks for its key', async () => {
  await run(createFrom(place, mine))
  expect(await open(mine)).toBe('KLOSET_LOCKED')
  expect(await open(machine())).toBe('KLOSET_LOCKED')
  expect(await open(mine, { unlock: rawKey })).toBe('done')
})

it('no store is made without encryption by a guess', async () => {
  await expect(createAt(place, remembered)).rejects.toThrow(TypeError)
  expect(place.size).toBe(0)
})
