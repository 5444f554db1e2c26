import { type Bytes, equalBytes } from '../bytes/index.js'
import { isKlosetError, KlosetError } from '../errors.js'
import { type EpochKeys, epochObject, openEpoch, openPrevious, previousObject } from './epochs.js'
import { subkey } from './kdf.js'
import type { Encryption, KeyMaterial } from './keyring.js'
import { passphraseKey } from './passphrase.js'
import { fitsSlot, type KeySlot, openSlot, readSlot, type Secret, verifySlot } from './slots.js'

/** What is known of a locked store. */
export interface LockedStore {
  readonly storeId: Bytes
  readonly encryption: Exclude<Encryption, 'none'>
  /** The key slots. An id comes more than once where there is a copy of its object. */
  readonly slots: readonly { readonly id: string; readonly bytes: Uint8Array }[]
  /** Names of the objects below `epochs/`, copies included. */
  readonly epochs: readonly string[]
  /** Every version there is of an object: itself, its copy, neither. */
  fetch(name: string): Promise<readonly Uint8Array[]>
}

/** An unlocked store. */
export interface Unlocked {
  readonly material: KeyMaterial
  /** The slot that opened it. */
  readonly slot: string
  /** What was found damaged on the way and did not matter. */
  readonly damaged: readonly KlosetError[]
}

/**
 * Tries each slot of the fitting kind until one opens; then every epoch's key follows from the newest. A damaged slot or sealed key
 * is passed over where another serves. `derive` may compute Argon2id elsewhere, in a worker.
 * @throws KLOSET_WRONG_PASSPHRASE where `secret` opens no slot; KLOSET_KEY_CORRUPT where damage is why it does not
 */
export async function unlock(
  store: LockedStore,
  secret: Secret,
  derive: typeof passphraseKey = passphraseKey,
): Promise<Unlocked> {
  const damaged: KlosetError[] = []
  let wrong: KlosetError | undefined
  let opened = false
  const tried: Uint8Array[] = []
  for (const { id, bytes } of store.slots) {
    // A copy that is the same would cost the time of Argon2 to learn nothing.
    if (tried.some((other) => equalBytes(other, bytes))) continue
    tried.push(bytes)
    try {
      const slot = readSlot(bytes, { id, storeId: store.storeId })
      if (!fitsSlot(slot, secret)) continue
      const privateKey = await openSlot(slot, secret, derive)
      opened = true
      const keys = await keysOf(store, slot, privateKey, damaged)
      noteDamagedMac(id, bytes, subkey(keys.secret, store.storeId, 'slots'), damaged)
      return { material: { encryption: store.encryption, storeId: store.storeId, ...keys }, slot: id, damaged }
    } catch (error) {
      if (isKlosetError(error, 'KLOSET_WRONG_PASSPHRASE')) wrong = error
      else if (isKlosetError(error, 'KLOSET_KEY_CORRUPT') || isKlosetError(error, 'KLOSET_VERSION')) damaged.push(error)
      else throw error
    }
  }
  throw refusal(secret, opened ? undefined : wrong, damaged)
}

/** The store secret, and every master key from the newest that is sealed to this slot down to that of epoch 0. */
async function keysOf(
  store: LockedStore,
  slot: KeySlot,
  privateKey: Bytes,
  damaged: KlosetError[],
): Promise<{ secret: Bytes; epochs: readonly Bytes[] }> {
  const { storeId } = store
  const id = slot.head.slot
  const pair = { privateKey, publicKey: slot.head.publicKey }
  const sealed = (epoch: number): Promise<EpochKeys | undefined> =>
    firstGood(store, epochObject(epoch, id), damaged, (bytes) => openEpoch({ storeId, epoch, slot: id }, pair, bytes))
  const before = (epoch: number, master: Bytes): Promise<Bytes | undefined> =>
    firstGood(store, previousObject(epoch), damaged, (bytes) => openPrevious(storeId, epoch, master, bytes))

  for (const newest of epochsOf(store.epochs, id)) {
    const keys = await sealed(newest)
    if (keys === undefined) continue
    const epochs: Bytes[] = []
    let master: Bytes | undefined = keys.master
    for (let epoch = newest; master !== undefined; epoch--) {
      epochs.unshift(master)
      if (epoch === 0) return { secret: keys.secret, epochs }
      master = (await before(epoch, master)) ?? (await sealed(epoch - 1))?.master
    }
  }
  throw new KlosetError('KLOSET_KEY_CORRUPT', `The key slot keys/${id} opens, but the keys sealed to it do not`, {
    hint: 'Unlock with another key slot, or restore the folder epochs/ from another copy of the store.',
    context: { object: `keys/${id}` },
    cause: damaged.at(-1),
  })
}

/** What `open` makes of the first version of an object that it does not refuse; damage is noted. */
async function firstGood<T>(
  store: LockedStore,
  name: string,
  damaged: KlosetError[],
  open: (bytes: Uint8Array) => Promise<T>,
): Promise<T | undefined> {
  for (const bytes of await store.fetch(name)) {
    try {
      return await open(bytes)
    } catch (error) {
      if (!isKlosetError(error, 'KLOSET_KEY_CORRUPT')) throw error
      damaged.push(error)
    }
  }
  return undefined
}

/** The epochs sealed to a slot, newest first. */
function epochsOf(names: readonly string[], slot: string): readonly number[] {
  const epochs = new Set<number>()
  for (const name of names) {
    const [, digits, id] = /^epochs\/(\d{10})\/([0-9a-f]{32})(?:\.copy)?$/.exec(name) ?? []
    if (id === slot) epochs.add(Number(digits))
  }
  return [...epochs].sort((a, b) => b - a)
}

/** A slot whose own MAC does not fit still opened with its owner's secret, which nobody else can arrange: it is only noted. */
function noteDamagedMac(id: string, bytes: Uint8Array, slotsKey: Uint8Array, damaged: KlosetError[]): void {
  try {
    verifySlot(id, bytes, slotsKey)
  } catch (error) {
    damaged.push(error as KlosetError)
  }
}

function refusal(secret: Secret, wrong: KlosetError | undefined, damaged: readonly KlosetError[]): KlosetError {
  const what = 'passphrase' in secret ? 'passphrase' : 'key'
  const slots = damaged.length === 1 ? 'a damaged key slot' : `${damaged.length} damaged key slots`
  if (wrong !== undefined) {
    return new KlosetError('KLOSET_WRONG_PASSPHRASE', `This ${what} does not open the store`, {
      hint:
        damaged.length === 0
          ? (wrong.hint ?? '')
          : `The store also has ${slots}: if the ${what} is right, restore the folder keys/ from another copy of the store.`,
      context: { damaged: damaged.length },
      cause: wrong,
    })
  }
  if (damaged.length > 0) return damaged.at(-1)!
  return new KlosetError('KLOSET_WRONG_PASSPHRASE', `No key slot of this store opens with a ${what}`, {
    hint: `Unlock with a ${what === 'key' ? 'passphrase' : 'key'}, or add a key slot for a ${what} first.`,
  })
}
