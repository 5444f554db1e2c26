import { hkdf as hkdfOf } from '@noble/hashes/hkdf.js'
import { sha256 } from '@noble/hashes/sha2.js'
import type { Bytes } from '../../bytes/index.js'

/** HKDF in plain JavaScript. */
export function hkdf(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Bytes {
  return hkdfOf(sha256, ikm, salt, info, length)
}
