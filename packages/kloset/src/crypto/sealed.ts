import { type Bytes, ByteWriter, concatBytes, MalformedError } from '../bytes/index.js'
import { KlosetError } from '../errors.js'
import { createHasher } from '../hash/index.js'
import { type Aead, runtime, tagLength } from '../runtime/index.js'
import { names, type SealedHeader } from './header.js'
import { hkdf } from './kdf.js'
import type { Keyring, SealLabel } from './keyring.js'

/**
 * Seals and opens the parts of one object with one key. A part is named by its kind (0 to 255) and ordinal (0 to 2^53 − 1);
 * each name is sealed once only: it is the nonce.
 */
export interface Sealer {
  /** How much longer a sealed part is than its plaintext, in bytes. */
  readonly overhead: 16
  seal(part: number, ordinal: number, plaintext: Uint8Array): Bytes
  /** @throws KLOSET_OBJECT_CORRUPT where it is not what was sealed under this name in this object. */
  open(part: number, ordinal: number, sealed: Uint8Array): Bytes
  /** As `seal`, into the start of `out`; returns how many bytes were written. `out` may start where `plaintext` does. */
  sealInto(part: number, ordinal: number, plaintext: Uint8Array, out: Uint8Array): number
  /**
   * As `open`, into the start of `out`; returns how many bytes were written. `out` may start where `sealed` does.
   * Where it throws, `out` holds bytes that were not authenticated.
   */
  openInto(part: number, ordinal: number, sealed: Uint8Array, out: Uint8Array): number
}

/** The sealer for the parts under `label` of the object that starts with `header`. */
export function sealer(keyring: Keyring, header: SealedHeader, label: SealLabel): Sealer {
  const { encryption, storeId } = keyring.material
  const key = hkdf(keyring.masterKey(header.epoch, label), header.salt, 'kloset/v1/object')
  const aead = encryption === 'none' ? checksum : runtime.aead(encryption)
  const ad = concatBytes(header.bytes, storeId)
  const nonce = new Uint8Array(12)
  const nonceView = new DataView(nonce.buffer)

  // The ordinal is an 11-byte big-endian number; only its lowest seven bytes are ever used.
  const nonceOf = (part: number, ordinal: number): Uint8Array => {
    nonce[0] = part
    nonceView.setUint32(4, Math.floor(ordinal / 0x1_0000_0000))
    nonceView.setUint32(8, ordinal % 0x1_0000_0000)
    return nonce
  }
  const openedBy = <T>(part: number, ordinal: number, open: () => T): T => {
    try {
      return open()
    } catch (cause) {
      if (!(cause instanceof MalformedError)) throw cause
      throw new KlosetError('KLOSET_OBJECT_CORRUPT', `A sealed part of a ${names[header.kind]} is damaged`, {
        hint: 'Either its bytes changed, or it was sealed with other keys.',
        context: { part, ordinal, label },
        cause,
      })
    }
  }

  return {
    overhead: tagLength,
    seal: (part, ordinal, plaintext) => aead.seal(key, nonceOf(part, ordinal), ad, plaintext),
    sealInto: (part, ordinal, plaintext, out) => aead.sealInto(key, nonceOf(part, ordinal), ad, plaintext, out),
    open: (part, ordinal, sealed) => openedBy(part, ordinal, () => aead.open(key, nonceOf(part, ordinal), ad, sealed)),
    openInto: (part, ordinal, sealed, out) =>
      openedBy(part, ordinal, () => aead.openInto(key, nonceOf(part, ordinal), ad, sealed, out)),
  }
}

/** What seals a plaintext store: a keyed BLAKE3 of 16 bytes after bytes that stay as they are. */
const checksum: Aead = {
  seal(key, nonce, ad, plaintext) {
    const out = new Uint8Array(plaintext.length + tagLength)
    checksum.sealInto(key, nonce, ad, plaintext, out)
    return out
  },

  open(key, nonce, ad, sealed) {
    const out = new Uint8Array(Math.max(0, sealed.length - tagLength))
    checksum.openInto(key, nonce, ad, sealed, out)
    return out
  },

  sealInto(key, nonce, ad, plaintext, out) {
    const tag = tagOf(key, nonce, ad, plaintext)
    out.set(plaintext)
    out.set(tag, plaintext.length)
    return plaintext.length + tagLength
  },

  openInto(key, nonce, ad, sealed, out) {
    const length = sealed.length - tagLength
    if (length < 0) throw new MalformedError('sealed bytes are shorter than their tag')
    const plaintext = sealed.subarray(0, length)
    if (!runtime.timingSafeEqual(tagOf(key, nonce, ad, plaintext), sealed.subarray(length))) {
      throw new MalformedError('sealed bytes fail authentication')
    }
    out.set(plaintext)
    return length
  },
}

function tagOf(key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, plaintext: Uint8Array): Bytes {
  const before = new ByteWriter(4 + ad.length + nonce.length)
  before.u32(ad.length)
  before.bytes(ad)
  before.bytes(nonce)
  return createHasher(key).update(before.view()).update(plaintext).digest().slice(0, tagLength)
}
