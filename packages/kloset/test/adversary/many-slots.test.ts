import { describe, expect, it } from 'vitest'
import { type Bytes, toHex, utf8 } from '../../src/bytes/index.js'
import {
  createSlot,
  epochObject,
  type LockedStore,
  mostSlots,
  passphraseKey,
  sealEpoch,
  unlock,
} from '../../src/crypto/index.js'
import { encodeSlotHead } from '../../src/crypto/slot-head.js'
import { isKlosetError } from '../../src/errors.js'
import { cheap, codeOfAsync, counted, fixedKeyring } from '../crypto/helpers.js'

const { material: full } = fixedKeyring()
const material = { ...full, epochs: full.epochs.slice(0, 1) }
const { storeId, secret, auth, epochs } = material
const passphrase = { passphrase: 'correct horse' }

/** A slot that anybody can write: it asks for a derivation, and opens with nothing. */
function forgedSlot(number: number, costs: typeof cheap): { id: string; bytes: Bytes } {
  const id = toHex(new Uint8Array(16).fill(number))
  const created = '2026-01-31T12:00:00.000Z'
  const kdf = { name: 'argon2id', salt: counted(16, number), ...costs } as const
  const line = encodeSlotHead({ store: toHex(storeId), slot: id, label: '', created, kdf, publicKey: counted(32) })
  const wrapped = Buffer.from(new Uint8Array(160)).toString('base64')
  return { id, bytes: new Uint8Array([...line, ...utf8(`\n${wrapped}\n${'0'.repeat(64)}\n`)]) }
}

/** A store with a slot of the owner's among forged ones, which come first in order of their names. */
async function storeWith(forged: LockedStore['slots']): Promise<{ store: LockedStore; own: string }> {
  const slot = await createSlot({ material, secret: passphrase, label: '', created: 0, costs: { ...cheap, passes: 2 } })
  const place = { storeId, epoch: 0, slot: slot.id }
  const keys = { master: epochs[0]!, secret, auth }
  const sealed = await sealEpoch(place, slot.publicKey, keys)
  const object = epochObject(0, slot.id)
  const slots = [...forged, { id: slot.id, bytes: slot.bytes }]
  const fetch = async (name: string): Promise<Uint8Array[]> => (name === object ? [sealed] : [])
  return { store: { storeId, encryption: 'aes-256-gcm', slots, epochs: [object], fetch }, own: slot.id }
}

/** What each derivation was asked to cost; forged slots are not computed, which would take as long as the attacker wants. */
function counting(): { readonly costs: number[]; readonly derive: typeof passphraseKey } {
  const costs: number[] = []
  return {
    costs,
    derive: async (what, salt, asked) => {
      costs.push(asked.memoryKiB * asked.passes)
      return asked.passes === 2 && asked.memoryKiB === cheap.memoryKiB ? passphraseKey(what, salt, asked) : counted(32)
    },
  }
}

const most = { memoryKiB: 1024 * 1024, passes: 4, lanes: 4 }

describe('slots that somebody added', () => {
  it('are tried after cheaper ones, so expensive ones cost nothing where the passphrase is right', async () => {
    const { store } = await storeWith([1, 2, 3].map((number) => forgedSlot(number, most)))
    const { costs, derive } = counting()
    expect((await unlock(store, passphrase, { derive })).material).toEqual(material)
    expect(costs).toEqual([cheap.memoryKiB * 2])
  })

  it('together cost a wrong passphrase no more than 8 GiB times a pass', async () => {
    const { store } = await storeWith(Array.from({ length: 200 }, (_, i) => forgedSlot(i, most)))
    const { costs, derive } = counting()
    const error = await unlock(store, { passphrase: 'wrong' }, { derive }).catch((thrown: unknown) => thrown)
    expect(isKlosetError(error, 'KLOSET_WRONG_PASSPHRASE')).toBe(true)
    expect(isKlosetError(error) && error.hint).toMatch(/somebody may have added them/)
    expect(costs.reduce((sum, each) => sum + each, 0)).toBeLessThanOrEqual(8 * 1024 * 1024)
  })

  it('are at most as many as are considered', async () => {
    const { store } = await storeWith(Array.from({ length: 255 }, (_, i) => forgedSlot(i, { ...cheap, passes: 3 })))
    const { costs, derive } = counting()
    expect(await codeOfAsync(() => unlock(store, { passphrase: 'wrong' }, { derive }))).toBe('KLOSET_WRONG_PASSPHRASE')
    expect(costs.length).toBe(mostSlots)
  })

  it('do not come before the slot that opened the store last time', async () => {
    const { store, own } = await storeWith(Array.from({ length: 100 }, (_, i) => forgedSlot(i, cheap)))
    const { costs, derive } = counting()
    expect(await unlock(store, passphrase, { derive, first: own })).toMatchObject({ slot: own })
    expect(costs).toEqual([cheap.memoryKiB * 2])
  })

  it('are not tried any more once the caller gives up', async () => {
    const { store } = await storeWith([1, 2, 3].map((number) => forgedSlot(number, cheap)))
    const controller = new AbortController()
    const { costs, derive } = counting()
    const stopping: typeof derive = (...what) => {
      // As a signal of the system does, which is heard between two derivations that block the thread.
      setTimeout(() => controller.abort(new Error('stopped')))
      return derive(...what)
    }
    const { signal } = controller
    await expect(unlock(store, { passphrase: 'wrong' }, { derive: stopping, signal })).rejects.toThrow('stopped')
    expect(costs.length).toBe(1)
  })
})
