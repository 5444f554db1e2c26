import { type Bytes, ByteWriter, concatBytes, fromHex, MalformedError } from '../bytes/index.js'
import { KlosetError } from '../errors.js'
import { keyedBlake3 } from '../hash/index.js'
import { runtime } from '../runtime/index.js'
import { hkdf, subkey } from './kdf.js'
import { loadWrapping } from './wrapping.js'

/** The keys that an epoch's object gives to the owner of a slot. */
export interface EpochKeys {
  /** The master key of the epoch. */
  readonly master: Bytes
  /** The store secret. */
  readonly secret: Bytes
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

/** Seals an epoch's keys so that only the slot's private key opens them. */
export async function sealEpoch(
  place: EpochPlace,
  publicKey: Uint8Array,
  keys: EpochKeys,
  random: (length: number) => Bytes = runtime.randomBytes,
): Promise<Bytes> {
  const wrapping = await loadWrapping()
  const privateKey = random(32)
  const ephemeral = wrapping.publicKeyOf(privateKey)
  const key = hkdf(wrapping.sharedSecret(privateKey, publicKey), concatBytes(ephemeral, publicKey), epochInfo)
  // Every sealing has a key of its own, so the nonce may stay.
  const sealed = wrapping.seal(key, zeroNonce, epochData(place), concatBytes(keys.master, keys.secret))
  const bytes = concatBytes(ephemeral, sealed)
  return concatBytes(bytes, macOf(place, bytes, keys.secret))
}

/** @throws KLOSET_KEY_CORRUPT unless it was sealed for this epoch to this slot, by who had the store open */
export async function openEpoch(
  place: EpochPlace,
  pair: { readonly privateKey: Uint8Array; readonly publicKey: Uint8Array },
  bytes: Uint8Array,
): Promise<EpochKeys> {
  const wrapping = await loadWrapping()
  return orCorrupt(epochObject(place.epoch, place.slot), () => {
    if (bytes.length !== epochLength) throw new MalformedError(`it has ${bytes.length} bytes`)
    const ephemeral = bytes.subarray(0, 32)
    const shared = wrapping.sharedSecret(pair.privateKey, ephemeral)
    const key = hkdf(shared, concatBytes(ephemeral, pair.publicKey), epochInfo)
    const opened = wrapping.open(key, zeroNonce, epochData(place), bytes.subarray(32, 112))
    const keys = { master: opened.slice(0, 32), secret: opened.slice(32) }
    checkMac(place, bytes, keys.secret)
    return keys
  })
}

/**
 * Verifies without any slot's private key that who wrote this object had the store open.
 * @throws KLOSET_KEY_CORRUPT
 */
export function verifyEpoch(place: EpochPlace, bytes: Uint8Array, secret: Uint8Array): void {
  orCorrupt(epochObject(place.epoch, place.slot), () => {
    if (bytes.length !== epochLength) throw new MalformedError(`it has ${bytes.length} bytes`)
    checkMac(place, bytes, secret)
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

const epochInfo = 'kloset/v1/epoch'
const zeroNonce = new Uint8Array(12)
const epochLength = 32 + 32 + 32 + 16 + 32
const previousLength = 12 + 32 + 16

function epochData({ storeId, epoch, slot }: EpochPlace): Bytes {
  return concatBytes(storeId, u32(epoch), fromHex(slot))
}

function macOf({ storeId, epoch, slot }: EpochPlace, bytes: Uint8Array, secret: Uint8Array): Bytes {
  return keyedBlake3(subkey(secret, storeId, 'slots'), concatBytes(u32(epoch), fromHex(slot), bytes))
}

function checkMac(place: EpochPlace, bytes: Uint8Array, secret: Uint8Array): void {
  const signed = bytes.subarray(0, epochLength - 32)
  if (!runtime.timingSafeEqual(macOf(place, signed, secret), bytes.subarray(epochLength - 32))) {
    throw new MalformedError('its MAC does not fit')
  }
}

function u32(value: number): Bytes {
  const writer = new ByteWriter(4)
  writer.u32(value)
  return writer.finish()
}

function orCorrupt<T>(object: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw new KlosetError('KLOSET_KEY_CORRUPT', `The sealed key ${object} is damaged: ${(cause as Error).message}`, {
      hint: 'Its copy, or another key slot of the store, still unlocks it.',
      context: { object },
      cause,
    })
  }
}
