import { cpSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Unlock } from '../../src/api.js'
import {
  createKeyring,
  createSlot,
  epochObject,
  previousObject,
  sealEpoch,
  sealPrevious,
} from '../../src/crypto/index.js'
import { createStore, memoryStorage, openStore } from '../../src/index.js'
import { encodeEntry, entryObject } from '../../src/log/index.js'
import type { MemoryPlace } from '../../src/storage/index.js'
import { counted } from '../crypto/helpers.js'
import { keyringOf, logOf } from '../support/damage.js'
import { files, sourceWith } from '../support/samples.js'
import { allOf, engine, outcome, placeOf, plaintext, rawKey, tiny } from '../support/stores.js'
import { folder, type Machine, machine, on, openFrom, run } from './place.js'

async function count(place: MemoryPlace, from: Machine): Promise<number> {
  const store = await openFrom(place, from)
  const snapshots = await allOf(store.snapshots())
  await store.close()
  return snapshots.length
}

async function storeWith(unlock: Unlock): Promise<{ place: MemoryPlace; mine: Machine }> {
  const place = placeOf()
  const mine = machine()
  const options = { ...tiny, ...on(mine), unlock, argon2: { memoryKiB: 8192, passes: 1 } }
  await (await createStore(memoryStorage({ place }), options)).close()
  await run(openFrom(place, mine, { unlock }), (store) => store.backup(sourceWith(files({ a: '1' }))))
  return { place, mine }
}

describe('keys that are kept', () => {
  it.each<[string, Unlock, Unlock]>([
    ['a key', rawKey, { key: counted(32, 8) }],
    ['a passphrase', { passphrase: 'correct horse' }, { passphrase: 'correct house' }],
  ])('open the store with %s without reading a slot, and with no other', async (_, right, wrong) => {
    const { place, mine } = await storeWith(right)
    const locked = new Map([...place].filter(([name]) => /^(keys|epochs)\//.test(name)))
    for (const name of locked.keys()) place.delete(name)
    expect((await run(openFrom(place, mine, { unlock: right }))).get).toBe(2)
    // What is kept opens nothing for another: the store is asked, and has nothing either.
    expect(await outcome(openFrom(place, mine, { unlock: wrong }))).toBe('KLOSET_WRONG_PASSPHRASE')
    expect(await outcome(openFrom(place, mine, { unlock: plaintext }))).toBe('KLOSET_LOCKED')
    for (const [name, bytes] of locked) place.set(name, bytes)
    expect(await outcome(openFrom(place, mine, { unlock: wrong }))).toBe('KLOSET_WRONG_PASSPHRASE')
    expect((await run(openFrom(place, mine, { unlock: right }))).list).toBe(0)
  })

  it('are sealed as they are in the store', async () => {
    const { place, mine } = await storeWith(rawKey)
    const store = readdirSync(mine.cache).find((name) => /^[0-9a-f]{32}$/.test(name))!
    const kept = readdirSync(join(mine.cache, store), { recursive: true, encoding: 'utf8' })
    const keys = kept.filter((name) => /^(keys|epochs)\/.*[0-9a-f]{32}$/.test(name))
    expect(keys.sort()).toEqual([...place.keys()].filter((name) => /^(keys|epochs)\/.*[0-9a-f]{32}$/.test(name)).sort())
  })

  it('give way to newer ones when the log has an entry that needs them', async () => {
    const { place, mine } = await storeWith(rawKey)
    const { material } = await keyringOf(place)
    const { storeId, secret, auth, epochs } = material
    const masters = [...epochs, counted(32, 99)]
    const rotated = createKeyring({ ...material, epochs: masters })
    // As whoever replaces the keys does: the new one sealed to each slot, the one before sealed with it.
    const slot = await createSlot({
      material: rotated.material,
      secret: rawKey as { key: Uint8Array },
      label: '',
      created: Date.now(),
      costs: { memoryKiB: 8192, passes: 1, lanes: 1 },
    })
    place.set(`keys/${slot.id}`, slot.bytes)
    for (const [epoch, master] of masters.entries())
      place.set(
        epochObject(epoch, slot.id),
        await sealEpoch({ storeId, epoch, slot: slot.id }, slot.publicKey, {
          master,
          secret,
          auth,
          previous: masters[epoch - 1],
        }),
      )
    place.set(previousObject(1), await sealPrevious(storeId, 1, masters[1]!, masters[0]!))
    for (const name of [...place.keys()]) if (name.startsWith('keys/') && !name.includes(slot.id)) place.delete(name)
    const { state } = await logOf(place)
    const next = { position: 2, previous: state.hash, nonce: counted(16), writer: counted(16), time: Date.now() }
    const setting = { content: { kind: 'setting', name: 'rotated', value: true } } as const
    place.set(entryObject(2), encodeEntry(rotated, next, setting))

    // Where the entry is met while the store is opened, nobody notices.
    const half = { ...machine(), cache: folder() }
    cpSync(mine.cache, half.cache, { recursive: true })
    for (const name of readdirSync(half.cache, { recursive: true, encoding: 'utf8' }))
      if (name.includes('checkpoints/')) rmSync(join(half.cache, name))
    expect(await count(place, half)).toBe(1)
    // Where it is met later, the store has to be opened once more.
    await run(openFrom(place, mine), async (store) => {
      expect(await outcome(store.backup(sourceWith(files({ a: '2' }))))).toBe('KLOSET_LOG_CORRUPT')
    })
    for (const machine of [mine, half]) {
      await run(openFrom(place, machine), (store) => store.backup(sourceWith(files({ a: '2' }))))
      expect((await run(openFrom(place, machine))).list).toBe(0)
    }
    expect(await count(place, mine)).toBe(3)
  })

  it('are not needed', async () => {
    const { place } = await storeWith(rawKey)
    const without = await openStore(memoryStorage({ place }), { unlock: rawKey, engine })
    expect(await allOf(without.snapshots())).toHaveLength(1)
  })
})
