import { type Bytes, equalBytes } from '../bytes/index.js'
import { isKlosetError, KlosetError } from '../errors.js'
import {
  type EpochPlace,
  epochObject,
  forgedKeys,
  type OpenedEpoch,
  openEpoch,
  openPrevious,
  previousObject,
  verifyLink,
} from './epochs.js'
import { subkey } from './kdf.js'
import type { Encryption, KeyMaterial } from './keyring.js'
import { passphraseKey } from './passphrase.js'
import {
  fitsSlot,
  type KeySlot,
  masterTag,
  type OpenedSlot,
  openSlot,
  readSlot,
  type Secret,
  verifySlot,
} from './slots.js'

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

/** How a store is unlocked. */
export interface UnlockOptions {
  /** May compute Argon2id elsewhere, in a worker. */
  readonly derive?: typeof passphraseKey | undefined
  /** The slot that opened the store last time: it is tried first. */
  readonly first?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/** How many slots of the fitting kind are considered: whoever can write to a store can add any number. */
export const mostSlots = 64

/** What trying all slots of a store may cost, in KiB of memory × passes of Argon2id: forty times what a new slot costs. */
const mostWork = 8 * 1024 * 1024

/**
 * Tries the slots of the fitting kind, the one that opened the store last time and then the cheapest first, until one opens; then every
 * epoch's key follows from the newest. A damaged slot or sealed key is passed over where another serves. Each link of the chain from what the
 * caller has to the keys is authenticated by the one before it: the slot by the passphrase or key, the auth key by the slot, the epochs by the auth key and
 * by each other. The caller has to verify the config with what comes out before it believes any of it.
 * @throws KLOSET_WRONG_PASSPHRASE where `secret` opens no slot; KLOSET_KEY_CORRUPT where damage is why it does not; KLOSET_KEY_FORGED where
 * somebody put other keys into the store
 */
export async function unlock(store: LockedStore, secret: Secret, options: UnlockOptions = {}): Promise<Unlocked> {
  const { derive = passphraseKey, signal } = options
  const { slots, damaged, passedOver } = slotsToTry(store, secret, options.first)
  let wrong: KlosetError | undefined
  let opened = false
  for (const { slot, bytes } of slots) {
    signal?.throwIfAborted()
    try {
      const own = await openSlot(slot, secret, derive)
      opened = true
      const id = slot.head.slot
      const keys = await keysOf(store, id, own, damaged)
      noteDamagedMac(id, bytes, subkey(keys.auth, store.storeId, 'slots'), damaged)
      return { material: { encryption: store.encryption, storeId: store.storeId, ...keys }, slot: id, damaged }
    } catch (error) {
      if (isKlosetError(error, 'KLOSET_WRONG_PASSPHRASE')) {
        wrong = error
        // Where the derivation blocked this thread, an abort is heard only now.
        await new Promise((resolve) => setTimeout(resolve))
      } else if (isKlosetError(error, 'KLOSET_KEY_CORRUPT') || isKlosetError(error, 'KLOSET_VERSION'))
        damaged.push(error)
      else throw error
    }
  }
  throw refusal(secret, opened ? undefined : wrong, damaged, passedOver)
}

interface Candidate {
  readonly slot: KeySlot
  readonly bytes: Uint8Array
}

/** Which slots are tried in which order, which could not be read, and how many are too many. */
function slotsToTry(
  store: LockedStore,
  secret: Secret,
  first: string | undefined,
): { readonly slots: readonly Candidate[]; readonly damaged: KlosetError[]; readonly passedOver: number } {
  const damaged: KlosetError[] = []
  const found: Candidate[] = []
  for (const { id, bytes } of store.slots) {
    // A copy that is the same would cost the time of Argon2 to learn nothing.
    if (found.some((other) => other.slot.head.slot === id && equalBytes(other.bytes, bytes))) continue
    try {
      const slot = readSlot(bytes, { id, storeId: store.storeId })
      if (fitsSlot(slot, secret)) found.push({ slot, bytes })
    } catch (error) {
      if (!isKlosetError(error, 'KLOSET_KEY_CORRUPT') && !isKlosetError(error, 'KLOSET_VERSION')) throw error
      damaged.push(error)
    }
  }
  const rank = ({ slot }: Candidate): number => (slot.head.slot === first ? -1 : workOf(slot))
  found.sort((a, b) => rank(a) - rank(b))
  let work = 0
  const slots = found.slice(0, mostSlots).filter(({ slot }) => {
    work += workOf(slot)
    return work <= mostWork
  })
  return { slots, damaged, passedOver: found.length - slots.length }
}

function workOf({ head: { kdf } }: KeySlot): number {
  return kdf.name === 'argon2id' ? kdf.memoryKiB * kdf.passes : 0
}

/** Store secret and auth key, and every master key from the newest that is sealed to this slot down to that of epoch 0. */
async function keysOf(
  store: LockedStore,
  id: string,
  slot: OpenedSlot,
  damaged: KlosetError[],
): Promise<{ readonly secret: Bytes; readonly auth: Bytes; readonly epochs: readonly Bytes[] }> {
  const { storeId } = store
  const place = (epoch: number): EpochPlace => ({ storeId, epoch, slot: id })
  const sealed = (epoch: number): Promise<OpenedEpoch | undefined> =>
    firstGood(store, epochObject(epoch, id), damaged, (bytes) => openEpoch(place(epoch), slot, bytes))
  const before = (epoch: number, master: Bytes): Promise<Bytes | undefined> =>
    firstGood(store, previousObject(epoch), damaged, (bytes) => openPrevious(storeId, epoch, master, bytes))

  // An older one in place of the newest would be a rollback.
  const newest = newestEpoch(store.epochs, id)
  const newestKeys = newest === undefined || newest < slot.since ? undefined : await sealed(newest)
  if (newest === undefined || newestKeys === undefined) throw unusable(id, slot.since, damaged)

  const { secret, auth } = newestKeys
  const epochs = [newestKeys.master]
  let keys: OpenedEpoch | undefined = newestKeys
  for (let epoch = newest; epoch > 0; epoch--) {
    let master = await before(epoch, epochs[0]!)
    const own = master === undefined ? await sealed(epoch - 1) : undefined
    if (own !== undefined && !equalBytes(own.secret, secret))
      throw forgedKeys(epochObject(epoch - 1, id), 'the store secret is another one than in the newest epoch')
    master ??= own?.master
    if (master === undefined) throw unusable(id, slot.since, damaged)
    if (keys !== undefined) verifyLink(place(epoch), keys, master)
    epochs.unshift(master)
    keys = own
  }
  if (keys !== undefined) verifyLink(place(0), keys, undefined)
  // A former reader knows the auth key, and could make an epoch of his own in the place of one that he was not told of.
  if (!equalBytes(masterTag(epochs[slot.since]!, storeId), slot.sinceTag))
    throw forgedKeys(epochObject(slot.since, id), `epoch ${slot.since} is another one than when the key slot was made`)
  return { secret, auth, epochs }
}

function unusable(id: string, since: number, damaged: readonly KlosetError[]): KlosetError {
  return new KlosetError(
    'KLOSET_KEY_CORRUPT',
    `The key slot keys/${id} opens, but the keys sealed to it are damaged or missing`,
    {
      hint: 'Unlock with another key slot, or restore the folder epochs/ from another copy of the store.',
      context: { object: `keys/${id}`, since },
      cause: damaged.at(-1),
    },
  )
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

/** The newest epoch that is sealed to a slot. */
function newestEpoch(names: readonly string[], slot: string): number | undefined {
  let newest: number | undefined
  for (const name of names) {
    const [, digits, id] = /^epochs\/(\d{10})\/([0-9a-f]{32})(?:\.copy)?$/.exec(name) ?? []
    if (id === slot) newest = Math.max(newest ?? 0, Number(digits))
  }
  return newest
}

/** The MAC of a slot is for others than its owner, whom the seal has told that it is whole: damage to it is only noted. */
function noteDamagedMac(id: string, bytes: Uint8Array, slotsKey: Uint8Array, damaged: KlosetError[]): void {
  try {
    verifySlot(id, bytes, slotsKey)
  } catch (error) {
    damaged.push(error as KlosetError)
  }
}

function refusal(
  secret: Secret,
  wrong: KlosetError | undefined,
  damaged: readonly KlosetError[],
  passedOver: number,
): KlosetError {
  const what = 'passphrase' in secret ? 'passphrase' : 'key'
  const slots = damaged.length === 1 ? 'a damaged key slot' : `${damaged.length} damaged key slots`
  if (wrong !== undefined && passedOver > 0) {
    return new KlosetError('KLOSET_WRONG_PASSPHRASE', `This ${what} opens none of the key slots that were tried`, {
      hint:
        `The store has ${passedOver} more, which together would cost too much to try: somebody may have added them. ` +
        'Compare the folder keys/ with another copy of the store.',
      context: { damaged: damaged.length, passedOver },
      cause: wrong,
    })
  }
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
