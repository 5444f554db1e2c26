import { beforeEach, describe, expect, it } from 'vitest'
import type { Bytes } from '../../src/bytes/index.js'
import {
  createKeyring,
  createSlot,
  epochObject,
  type KeyMaterial,
  previousObject,
  sealEpoch,
} from '../../src/crypto/index.js'
import { createStore, memoryStorage } from '../../src/index.js'
import type { MemoryPlace } from '../../src/storage/index.js'
import { decodeConfig, encodeConfig } from '../../src/store/config.js'
import { folder, type Machine, machine, openFrom, run } from '../client/place.js'
import { counted } from '../crypto/helpers.js'
import { keyringOf } from '../support/damage.js'
import { files, sourceWith } from '../support/samples.js'
import { allOf, copyOfPlace, createAt, outcome, placeOf, rawKey, tiny } from '../support/stores.js'
import { Attacker } from './attacker.js'

let place: MemoryPlace
let mine: Machine
let before: MemoryPlace
let attacker: Attacker

/** What a backup into the store comes to; it must not have left anything that others than its owner can read. */
async function backup(from: Machine): Promise<unknown> {
  return outcome(run(openFrom(place, from), (store) => store.backup(sourceWith(files({ a: 'TOP SECRET' })))))
}

beforeEach(async () => {
  place = placeOf()
  mine = machine()
  await (await createStore(memoryStorage({ place }), { ...tiny, unlock: rawKey })).close()
  for (const content of ['1', '2'])
    await run(openFrom(place, mine), (store) => store.backup(sourceWith(files({ a: content }))))
  before = copyOfPlace(place)
  attacker = new Attacker(place)
})

const victims: readonly (readonly [string, () => Machine])[] = [
  ['a new client', machine],
  ['a client with memory and without cache', () => ({ cache: folder(), state: mine.state })],
  ['a client with memory and cache', () => mine],
]

describe.each(victims)('%s', (_, victim) => {
  /** Reading and writing are refused, again and again; with the right objects put back, all is as it was. */
  async function refuses(...codes: readonly string[]): Promise<void> {
    for (const act of [() => outcome(run(openFrom(place, victim()))), () => backup(victim()), () => backup(victim())])
      expect(codes).toContain(await act())
    for (const [name, bytes] of before) place.set(name, bytes)
    for (const name of [...place.keys()]) if (!before.has(name)) place.delete(name)
    expect(await backup(victim())).toBe('done')
    before = copyOfPlace(place)
  }

  it('refuses a store all of whose keys were replaced', async () => {
    const own = attacker.material(1)
    for (const prefix of ['epochs/', 'log/', 'packs/', 'index/', 'checkpoints/']) attacker.remove(prefix)
    attacker.signConfig(own)
    attacker.signSlot(own)
    await attacker.sealEpoch(0, own)
    await refuses('KLOSET_KEY_FORGED')
  })

  it('refuses an epoch that was added, with slot and config to match', async () => {
    const own = attacker.material(2)
    await attacker.sealEpoch(1, own)
    attacker.remove('epochs/0000000001/previous')
    attacker.signConfig(own)
    attacker.signSlot(own)
    await refuses('KLOSET_KEY_FORGED')
  })

  it('refuses an epoch that a forged log entry announces', async () => {
    const own = attacker.material(2)
    await attacker.sealEpoch(1, own)
    attacker.signConfig(own, ['config.copy'])
    attacker.signSlot(own)
    attacker.append(own)
    // A client that keeps keys asks for newer ones once it has met an entry that its own do not open.
    if (victim() === mine) expect(await backup(mine)).toBe('KLOSET_LOG_CORRUPT')
    await refuses('KLOSET_KEY_FORGED')
  })

  it('refuses keys of somebody who knows the store secret, as who can open another store of the family does', async () => {
    const { secret } = (await keyringOf(before)).material
    const own = attacker.material(1, { secret })
    attacker.signConfig(own)
    attacker.signSlot(own)
    await attacker.sealEpoch(0, own)
    await refuses('KLOSET_KEY_FORGED')
  })

  it('refuses a config that is signed with other keys, whatever it says', async () => {
    attacker.signConfig(attacker.material(1))
    await refuses('KLOSET_CONFIG_CORRUPT')
    const own = createKeyring(attacker.material(1)).configKey
    const config = decodeConfig(place.get('config')!)
    attacker.put('config', encodeConfig({ ...config, encryption: 'chacha20-poly1305' }, own))
    await refuses('KLOSET_CONFIG_CORRUPT', 'KLOSET_KEY_CORRUPT', 'KLOSET_LOG_CORRUPT')
  })

  it('refuses config, slots and sealed keys of another store with the same passphrase', async () => {
    const other = placeOf()
    await (await createAt(other, rawKey)).close()
    const of = (prefix: string): [string, Bytes][] => [...other].filter(([name]) => name.startsWith(prefix))
    for (const [name, bytes] of of('config')) place.set(name, bytes)
    await refuses('KLOSET_STORE_CHANGED', 'KLOSET_KEY_CORRUPT', 'KLOSET_WRONG_PASSPHRASE')

    const [theirs] = of('keys/').filter(([name]) => !name.endsWith('.copy'))
    const [keys] = of('epochs/').filter(([name]) => !name.endsWith('.copy'))
    attacker.put(epochObject(0, attacker.slot), keys![1])
    if (victim() !== mine) await refuses('KLOSET_KEY_CORRUPT')
    attacker.put(`keys/${attacker.slot}`, theirs![1])
    if (victim() !== mine) await refuses('KLOSET_KEY_CORRUPT', 'KLOSET_WRONG_PASSPHRASE')
  })
})

describe('after the keys were rotated', () => {
  let material: KeyMaterial
  /** The slot is written anew, as a rotation does; without, it is as one that was not there when the keys were rotated. */
  async function rotate(how: { readonly slotAnew: boolean }): Promise<void> {
    const old = (await keyringOf(place)).material
    material = { ...old, epochs: [...old.epochs, counted(32, 99)] }
    let { slot, publicKey } = attacker
    if (how.slotAnew) {
      const made = await createSlot({ material, secret: rawKey as { key: Uint8Array }, label: '', created: 0 })
      attacker.remove('keys/')
      attacker.remove('epochs/')
      attacker.put(`keys/${made.id}`, made.bytes)
      slot = made.id
      publicKey = made.publicKey
    }
    const { storeId, secret, auth, epochs } = material
    for (const [epoch, master] of epochs.entries())
      attacker.put(
        epochObject(epoch, slot),
        await sealEpoch({ storeId, epoch, slot }, publicKey, { master, secret, auth, previous: epochs[epoch - 1] }),
      )
    await new Attacker(place).sealEpoch(1, material)
    const anew = { ...mine, cache: folder() }
    await run(openFrom(place, anew), (store) => store.backup(sourceWith(files({ a: '3' }))))
    before = copyOfPlace(place)
    attacker = new Attacker(place)
  }

  it('a slot that knows of the new epoch refuses the one before, also without memory', async () => {
    await rotate({ slotAnew: true })
    attacker.remove('epochs/0000000001/')
    for (const [, victim] of victims.slice(0, 2)) expect(await backup(victim())).toBe('KLOSET_KEY_CORRUPT')
  })

  it('a client that remembers the new epoch refuses the one before, whatever the slot knows', async () => {
    await rotate({ slotAnew: false })
    attacker.remove('epochs/0000000001/')
    for (const name of [...place.keys()])
      if (name.startsWith('log/') && name > 'log/00000000000000000002') place.delete(name)
    for (const [, victim] of victims.slice(1)) {
      const from = victim()
      expect(await backup({ ...from, cache: folder() })).toBe('KLOSET_KEYS_CHANGED')
    }
    expect(await outcome(run(openFrom(place, { ...mine, cache: folder() }, { trust: true })))).toBe('done')
    expect(await backup({ ...mine, cache: folder() })).toBe('done')
  })

  describe('a former reader, who has every key of the epochs before,', () => {
    /** Epoch 1 as he would have it; he knows the auth key, the secret and master 0, so every MAC and link fits. */
    const forge = async (epoch: number): Promise<void> => {
      const known = { secret: material.secret, auth: material.auth }
      const masters = [material.epochs[0]!, ...Array.from({ length: epoch }, (_, i) => counted(32, 50 + i))]
      for (let each = 1; each <= epoch; each++)
        await attacker.sealEpoch(each, { ...attacker.material(1, known), epochs: masters })
    }

    it('cannot put an epoch of his own in the place of the new one', async () => {
      await rotate({ slotAnew: true })
      await forge(1)
      for (const [, victim] of victims.slice(0, 2)) expect(await backup(victim())).toBe('KLOSET_KEY_FORGED')
    })

    it('nor after it', async () => {
      await rotate({ slotAnew: true })
      await forge(2)
      for (const [, victim] of victims.slice(0, 2)) expect(await backup(victim())).toBe('KLOSET_KEY_FORGED')
      // Without what he cannot seal: the key of the epoch that he does not know.
      attacker.remove(previousObject(2))
      for (const [name, bytes] of before) if (name.startsWith('epochs/0000000001/')) place.set(name, bytes)
      for (const [, victim] of victims.slice(0, 2)) expect(await backup(victim())).toBe('KLOSET_KEY_FORGED')
    })

    it('deceives no client that remembers the new one through a slot that does not know of it', async () => {
      await rotate({ slotAnew: false })
      await forge(1)
      expect(await backup({ ...mine, cache: folder() })).toBe('KLOSET_KEYS_CHANGED')
    })
  })
})

describe('two slots with one passphrase', () => {
  it('open the same store, and none is taken for the other', async () => {
    const { material } = await keyringOf(place)
    const { storeId, secret, auth, epochs } = material
    const second = await createSlot({ material, secret: rawKey as { key: Uint8Array }, label: '', created: 0 })
    const sealed = await sealEpoch({ storeId, epoch: 0, slot: second.id }, second.publicKey, {
      master: epochs[0]!,
      secret,
      auth,
    })
    attacker.put(`keys/${second.id}`, second.bytes)
    attacker.put(epochObject(0, second.id), sealed)
    expect(await backup(machine())).toBe('done')
    // One in the place of the other opens nothing, and the whole one serves.
    attacker.put(epochObject(0, attacker.slot), sealed)
    expect(await backup(machine())).toBe('done')
    attacker.put(`keys/${attacker.slot}`, second.bytes)
    expect(await backup(machine())).toBe('done')
    attacker.remove(`keys/${second.id}`)
    expect(await backup(machine())).toBe('KLOSET_KEY_CORRUPT')
  })
})

it('snapshots are those of the owner after every refusal', async () => {
  const store = await openFrom(before, machine())
  expect(await allOf(store.snapshots())).toHaveLength(2)
  await store.close()
})
