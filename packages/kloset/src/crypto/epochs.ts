import { type Bytes, concatBytes, fromHex, MalformedError, u32 } from '../bytes/index.js'
import { KlosetError } from '../errors.js'
import { keyedBlake3 } from '../hash/index.js'
import { runtime } from '../runtime/index.js'
import { hkdf, subkey } from './kdf.js'
import { authTag, type OpenedSlot } from './slots.js'
import { loadWrapping } from './wrapping.js'

/** The keys that an epoch's object gives to the owner of a slot. */
export interface EpochKeys {
  /** The master key of the epoch. */
  readonly master: Bytes
  /** The store secret. */
  readonly secret: Bytes
  /** The auth key. */
  readonly auth: Bytes
}

/** What is in an epoch's object. */
export interface OpenedEpoch extends EpochKeys {
  /** What only who knew the master key of the epoch before can have made: see {@link verifyLink}. Zeros for epoch 0. */
  readonly link: Bytes
}

/** Which epoch is sealed to which slot. */
export interface EpochPlace {
  readonly storeId: Uint8Array
  readonly epoch: number
  /** 32 hexadecimal digits. */
  readonly slot: string
}

/** Name of the object with the keys of `epoch` for `slot`. */
export function epochObject(epoch: number, slot: string): string {
  return `epochs/${String(epoch).padStart(10, '0')}/${slot}`
}

/** Name of the object with the key of the epoch before. */
export function previousObject(epoch: number): string {
  return epochObject(epoch, 'previous')
}

/** Seals an epoch's keys so that only the slot's private key opens them. `previous` is the master key of the epoch before; epoch 0 has none. */
export async function sealEpoch(
  place: EpochPlace,
  publicKey: Uint8Array,
  keys: EpochKeys & { readonly previous?: Uint8Array | undefined },
  random: (length: number) => Bytes = runtime.randomBytes,
): Promise<Bytes> {
  const { master, secret, auth, previous } = keys
  if ((previous === undefined) !== (place.epoch === 0)) throw new RangeError('every epoch but 0 has one before it')
  const wrapping = await loadWrapping()
  const privateKey = random(32)
  const ephemeral = wrapping.publicKeyOf(privateKey)
  const key = hkdf(wrapping.sharedSecret(privateKey, publicKey), concatBytes(ephemeral, publicKey), epochInfo)
  const link = previous === undefined ? noLink : linkOf(place, keys, previous)
  // Every sealing has a key of its own, so the nonce may stay.
  const sealed = wrapping.seal(key, zeroNonce, epochData(place), concatBytes(master, secret, auth, link))
  const bytes = concatBytes(ephemeral, sealed)
  return concatBytes(bytes, macOf(place, bytes, auth))
}

/**
 * The keys sealed to a slot. Whoever knows the slot's public key can seal some to it, so its tag decides whether these are the store's.
 * @throws KLOSET_KEY_FORGED where somebody sealed other keys than the store's; KLOSET_KEY_CORRUPT where the object is damaged or of another place
 */
export async function openEpoch(place: EpochPlace, slot: OpenedSlot, bytes: Uint8Array): Promise<OpenedEpoch> {
  const wrapping = await loadWrapping()
  const object = epochObject(place.epoch, place.slot)
  return orCorrupt(object, () => {
    if (bytes.length !== epochLength) throw new MalformedError(`it has ${bytes.length} bytes`)
    const ephemeral = bytes.subarray(0, 32)
    const shared = wrapping.sharedSecret(slot.privateKey, ephemeral)
    const key = hkdf(shared, concatBytes(ephemeral, slot.publicKey), epochInfo)
    const opened = wrapping.open(key, zeroNonce, epochData(place), bytes.subarray(32, macAt))
    const [master, secret, auth, link] = [0, 32, 64, 96].map((at) => opened.slice(at, at + 32)) as [
      Bytes,
      Bytes,
      Bytes,
      Bytes,
    ]
    if (!runtime.timingSafeEqual(authTag(auth, place.storeId), slot.tag))
      throw forgedKeys(object, `they are not those that the key slot keys/${place.slot} was made for`)
    checkMac(place, bytes, auth)
    return { master, secret, auth, link }
  })
}

/**
 * Verifies that who made an epoch knew the master key of the one before it.
 * @throws KLOSET_KEY_FORGED
 */
export function verifyLink(place: EpochPlace, keys: OpenedEpoch, previous: Uint8Array | undefined): void {
  const expected = previous === undefined ? noLink : linkOf(place, keys, previous)
  if (!runtime.timingSafeEqual(expected, keys.link))
    throw forgedKeys(epochObject(place.epoch, place.slot), 'they do not follow from those of the epoch before')
}

/**
 * Verifies without any slot's private key that who wrote this object had the store open.
 * @throws KLOSET_KEY_CORRUPT
 */
export function verifyEpoch(place: EpochPlace, bytes: Uint8Array, auth: Uint8Array): void {
  orCorrupt(epochObject(place.epoch, place.slot), () => {
    if (bytes.length !== epochLength) throw new MalformedError(`it has ${bytes.length} bytes`)
    checkMac(place, bytes, auth)
  })
}

/** Seals the master key of the epoch before `epoch` with that of `epoch`, so that who has the newest has all. */
export async function sealPrevious(
  storeId: Uint8Array,
  epoch: number,
  master: Uint8Array,
  previous: Uint8Array,
  random: (length: number) => Bytes = runtime.randomBytes,
): Promise<Bytes> {
  const wrapping = await loadWrapping()
  const nonce = random(12)
  const data = concatBytes(storeId, u32(epoch))
  return concatBytes(nonce, wrapping.seal(subkey(master, storeId, 'previous'), nonce, data, previous))
}

/** The master key of the epoch before `epoch`. @throws KLOSET_KEY_CORRUPT */
export async function openPrevious(
  storeId: Uint8Array,
  epoch: number,
  master: Uint8Array,
  bytes: Uint8Array,
): Promise<Bytes> {
  const wrapping = await loadWrapping()
  return orCorrupt(previousObject(epoch), () => {
    if (bytes.length !== previousLength) throw new MalformedError(`it has ${bytes.length} bytes`)
    const data = concatBytes(storeId, u32(epoch))
    return wrapping.open(subkey(master, storeId, 'previous'), bytes.subarray(0, 12), data, bytes.subarray(12))
  })
}

/** Keys that are not those of the store. Whoever can write to the store can have put them there. */
export function forgedKeys(object: string, why: string): KlosetError {
  return new KlosetError('KLOSET_KEY_FORGED', `The keys in ${object} are not the store's: ${why}`, {
    hint:
      'Somebody who can write to the store may have exchanged them, to read what you back up next or to have you restore what is theirs. ' +
      'Nothing was used of them. Restore the folders keys/ and epochs/ from another copy of the store.',
    context: { object },
  })
}

const epochInfo = 'kloset/v1/epoch'
const zeroNonce = new Uint8Array(12)
const noLink = new Uint8Array(32)
// Ephemeral key; master key, secret, auth key, link; tag.
const macAt = 32 + 4 * 32 + 16
const epochLength = macAt + 32
const previousLength = 12 + 32 + 16

function epochData({ storeId, epoch, slot }: EpochPlace): Bytes {
  return concatBytes(storeId, u32(epoch), fromHex(slot))
}

function linkOf({ storeId, epoch }: EpochPlace, { master, auth }: EpochKeys, previous: Uint8Array): Bytes {
  return keyedBlake3(subkey(previous, storeId, 'next'), concatBytes(u32(epoch), master, auth))
}

function macOf({ storeId, epoch, slot }: EpochPlace, bytes: Uint8Array, auth: Uint8Array): Bytes {
  return keyedBlake3(subkey(auth, storeId, 'slots'), concatBytes(u32(epoch), fromHex(slot), bytes))
}

function checkMac(place: EpochPlace, bytes: Uint8Array, auth: Uint8Array): void {
  if (!runtime.timingSafeEqual(macOf(place, bytes.subarray(0, macAt), auth), bytes.subarray(macAt))) {
    throw new MalformedError('its MAC does not fit')
  }
}

function orCorrupt<T>(object: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (cause instanceof KlosetError) throw cause
    throw new KlosetError('KLOSET_KEY_CORRUPT', `The sealed key ${object} is damaged: ${(cause as Error).message}`, {
      hint: 'Its copy, or another key slot of the store, still unlocks it.',
      context: { object },
      cause,
    })
  }
}
