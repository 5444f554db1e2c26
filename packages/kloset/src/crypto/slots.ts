import {
  ByteReader,
  type Bytes,
  concatBytes,
  equalBytes,
  fromHex,
  MalformedError,
  text,
  toHex,
  u32,
  utf8,
} from '../bytes/index.js'
import { KlosetError } from '../errors.js'
import { keyedBlake3 } from '../hash/index.js'
import { runtime } from '../runtime/index.js'
import { base64, bytesOfBase64 } from './base64.js'
import { hkdf, subkey } from './kdf.js'
import type { KeyMaterial } from './keyring.js'
import { type Argon2Costs, defaultCosts, passphraseKey, refusedCosts } from './passphrase.js'
import { decodeSlotHead, encodeSlotHead, type SlotHead } from './slot-head.js'
import { loadWrapping } from './wrapping.js'

/** What a person or a server has to unlock a store. */
export type Secret = { readonly passphrase: string } | { readonly key: Uint8Array }

/** A key slot as it is stored: one way to unlock the store. */
export interface KeySlot {
  readonly head: SlotHead
  /** The exact first line, without its line feed: associated data of the private key. */
  readonly line: Bytes
  /** Commitment (32), nonce (12), and sealed: private key (32), tag of the auth key (32), `since` (4), tag of that epoch's master key (32). */
  readonly wrapped: Bytes
}

/** What only the owner of a slot can read in it, and only who knew the store's auth key can have put there. */
export interface OpenedSlot {
  readonly privateKey: Bytes
  readonly publicKey: Bytes
  /** What {@link authTag} gives of the store's auth key. */
  readonly tag: Bytes
  /** The newest epoch when the slot was written: keys of an earlier one are not the store's newest. */
  readonly since: number
  /** What {@link masterTag} gives of the master key of that epoch. */
  readonly sinceTag: Bytes
}

/** What {@link createSlot} makes. */
export interface NewSlot {
  /** 32 hexadecimal digits; the object is `keys/<id>`. */
  readonly id: string
  readonly bytes: Bytes
  /** What the keys of epochs are sealed to. */
  readonly publicKey: Bytes
}

/** What {@link createSlot} takes. */
export interface NewSlotOptions {
  /** The keys of the store: the slot commits to its auth key and to its newest epoch. */
  readonly material: KeyMaterial
  readonly secret: Secret
  readonly label: string
  /** Milliseconds since 1970. */
  readonly created: number
  readonly costs?: Argon2Costs
  /** Where random bytes come from, to make the same slot again in tests. */
  readonly random?: (length: number) => Bytes
}

/** A new slot with a key pair of its own. @throws RangeError for an empty passphrase, a key not of 32 bytes, or refused costs */
export async function createSlot(options: NewSlotOptions): Promise<NewSlot> {
  const { material, secret, label, created, costs = defaultCosts, random = runtime.randomBytes } = options
  const { storeId, auth, epochs } = material
  if ('passphrase' in secret && secret.passphrase === '') throw new RangeError('a passphrase must not be empty')
  if ('key' in secret && secret.key.length !== 32) throw new RangeError('a raw key has 32 bytes')
  const wrapping = await loadWrapping()
  const id = random(16)
  const privateKey = random(32)
  const publicKey = wrapping.publicKeyOf(privateKey)
  const head: SlotHead = {
    store: toHex(storeId),
    slot: toHex(id),
    label,
    created: new Date(created).toISOString(),
    kdf: 'passphrase' in secret ? { name: 'argon2id', salt: random(16), ...costs } : { name: 'none' },
    publicKey,
  }
  const line = encodeSlotHead(head)
  const unlocking = await unlockingKey(head, secret, passphraseKey)
  const nonce = random(12)
  const since = epochs.length - 1
  const own = concatBytes(privateKey, authTag(auth, storeId), u32(since), masterTag(epochs[since]!, storeId))
  const sealed = wrapping.seal(hkdf(unlocking, id, wrapInfo), nonce, line, own)
  const commitment = hkdf(unlocking, id, commitInfo)
  const signed = concatBytes(line, lineFeed, utf8(base64(concatBytes(commitment, nonce, sealed))), lineFeed)
  const bytes = concatBytes(signed, utf8(toHex(keyedBlake3(subkey(auth, storeId, 'slots'), signed))), lineFeed)
  if (bytes.length > mostBytes) throw new RangeError('the label of a key slot is too long')
  return { id: head.slot, bytes, publicKey }
}

/**
 * Reads a slot without opening it. `expected` is what its place says.
 * @throws KLOSET_KEY_CORRUPT where it is damaged, of another place, or asks for absurd costs; KLOSET_VERSION
 */
export function readSlot(bytes: Uint8Array, expected: { readonly id: string; readonly storeId: Uint8Array }): KeySlot {
  return orCorrupt(expected.id, () => {
    const [line, second] = linesOf(bytes)
    const head = decodeSlotHead(line)
    if (head.slot !== expected.id) throw new MalformedError(`it is the slot ${head.slot}`)
    if (head.store !== toHex(expected.storeId)) throw new MalformedError(`it belongs to the store ${head.store}`)
    const refused = head.kdf.name === 'argon2id' ? refusedCosts(head.kdf) : undefined
    if (refused !== undefined) throw new MalformedError(`it asks for Argon2id with ${refused}`)
    const wrapped = bytesOfBase64(text(second))
    if (wrapped.length !== wrappedLength) throw new MalformedError('its private key has a wrong length')
    return { head, line: new Uint8Array(line), wrapped }
  })
}

/** Whether `secret` is of the kind this slot asks for. */
export function fitsSlot(slot: KeySlot, secret: Secret): boolean {
  return slot.head.kdf.name === ('passphrase' in secret ? 'argon2id' : 'none')
}

/**
 * What is sealed in the slot. `derive` may compute Argon2id elsewhere, in a worker.
 * @throws KLOSET_WRONG_PASSPHRASE where `secret` does not open it; KLOSET_KEY_CORRUPT where it does but the slot was changed
 */
export async function openSlot(
  slot: KeySlot,
  secret: Secret,
  derive: typeof passphraseKey = passphraseKey,
): Promise<OpenedSlot> {
  const { head, line, wrapped } = slot
  if (!fitsSlot(slot, secret) || ('passphrase' in secret && secret.passphrase === '')) throw wrongSecret(secret)
  const id = fromHex(head.slot)
  // Its tables take a while to be made, and the key takes longer.
  const [unlocking, wrapping] = await Promise.all([unlockingKey(head, secret, derive), loadWrapping()])
  // GCM-SIV does not commit to its key: without this, one slot could be made to open with several passphrases.
  if (!runtime.timingSafeEqual(hkdf(unlocking, id, commitInfo), wrapped.subarray(0, 32))) throw wrongSecret(secret)
  return orCorrupt(head.slot, () => {
    const own = wrapping.open(hkdf(unlocking, id, wrapInfo), wrapped.subarray(32, 44), line, wrapped.subarray(44))
    const privateKey = own.slice(0, 32)
    const { publicKey } = head
    if (!equalBytes(wrapping.publicKeyOf(privateKey), publicKey)) throw new MalformedError('its keys are no pair')
    const since = new ByteReader(own.subarray(64, 68)).u32()
    return { privateKey, publicKey, tag: own.slice(32, 64), since, sinceTag: own.slice(68) }
  })
}

/** What a slot says of the store's auth key: enough to recognise it, and nothing of it. */
export function authTag(auth: Uint8Array, storeId: Uint8Array): Bytes {
  return subkey(auth, storeId, 'slot/auth')
}

/** The same of the master key of the epoch that was the newest when the slot was written. */
export function masterTag(master: Uint8Array, storeId: Uint8Array): Bytes {
  return subkey(master, storeId, 'slot/master')
}

/**
 * Verifies that who wrote this slot had the store open: before a key is sealed to it, and when a store is checked.
 * @throws KLOSET_KEY_CORRUPT
 */
export function verifySlot(id: string, bytes: Uint8Array, slotsKey: Uint8Array): void {
  orCorrupt(id, () => {
    const [line, second, third] = linesOf(bytes)
    const mac = keyedBlake3(slotsKey, bytes.subarray(0, line.length + second.length + 2))
    if (!runtime.timingSafeEqual(utf8(toHex(mac)), third)) throw new MalformedError('its MAC does not fit')
  })
}

const mostBytes = 16 * 1024
const wrappedLength = 32 + 12 + (32 + 32 + 4 + 32) + 16
const lineFeed = utf8('\n')
const wrapInfo = 'kloset/v1/slot/wrap'
const commitInfo = 'kloset/v1/slot/commit'

async function unlockingKey(head: SlotHead, secret: Secret, derive: typeof passphraseKey): Promise<Uint8Array> {
  if ('key' in secret) return secret.key
  if (head.kdf.name === 'none') throw wrongSecret(secret)
  return derive(secret.passphrase, head.kdf.salt, head.kdf)
}

function linesOf(bytes: Uint8Array): readonly [Uint8Array, Uint8Array, Uint8Array] {
  if (bytes.length > mostBytes) throw new MalformedError(`it has ${bytes.length} bytes, where ${mostBytes} are allowed`)
  const first = bytes.indexOf(0x0a)
  const second = bytes.indexOf(0x0a, first + 1)
  const third = bytes.indexOf(0x0a, second + 1)
  if (first < 0 || second <= first || third <= second || third !== bytes.length - 1) {
    throw new MalformedError('it does not have three lines')
  }
  return [bytes.subarray(0, first), bytes.subarray(first + 1, second), bytes.subarray(second + 1, third)]
}

function wrongSecret(secret: Secret): KlosetError {
  return 'passphrase' in secret
    ? new KlosetError('KLOSET_WRONG_PASSPHRASE', 'This passphrase does not open the key slot', {
        hint: 'Check the keyboard layout and capitals, and that this is the passphrase of this store.',
      })
    : new KlosetError('KLOSET_WRONG_PASSPHRASE', 'This key does not open the key slot', {
        hint: 'Check that this is the key of this store: 32 bytes, not their hexadecimal digits.',
      })
}

function orCorrupt<T>(id: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (cause instanceof KlosetError) throw cause
    throw new KlosetError('KLOSET_KEY_CORRUPT', `The key slot keys/${id} is damaged: ${(cause as Error).message}`, {
      hint: 'Another key slot of the store, or the copy of this one, still unlocks it.',
      context: { object: `keys/${id}` },
      cause,
    })
  }
}
