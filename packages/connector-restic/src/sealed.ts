import { createCipheriv, createDecipheriv, timingSafeEqual } from 'node:crypto'
import { poly1305 } from '@noble/ciphers/_poly1305.js'

/**
 * Keys for AES-256-CTR and Poly1305-AES (restic's design, "Keys, Encryption and MAC"): 32 bytes to encrypt with; and of a MAC key 16 bytes for AES
 * and 16 that are Poly1305's `r`.
 */
export interface SealKeys {
  readonly encrypt: Uint8Array
  readonly k: Uint8Array
  readonly r: Uint8Array
}

/** What sealing adds: 16 bytes in front, with which CTR starts, and a MAC of 16 at the end. */
export const sealedExtra = 32

/** What is in sealed bytes; undefined where they do not authenticate. */
export function openSealed(keys: SealKeys, sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.length < sealedExtra) return undefined
  const start = sealed.subarray(0, 16)
  const tag = poly1305(sealed.subarray(16, -16), macKey(keys, start))
  if (!timingSafeEqual(tag, sealed.subarray(-16))) return undefined
  return decrypt(keys, sealed)
}

/** As {@link openSealed}, without authenticating: only for bytes that are compared with their digest before anything is made of them. */
export function decrypt({ encrypt }: SealKeys, sealed: Uint8Array): Uint8Array {
  const cipher = createDecipheriv('aes-256-ctr', encrypt, sealed.subarray(0, 16))
  return cipher.update(sealed.subarray(16, -16))
}

/** Poly1305-AES (Bernstein 2005, section 2): the one-time key is `r`, and AES under `k` of the nonce. */
function macKey({ k, r }: SealKeys, nonce: Uint8Array): Uint8Array {
  const aes = createCipheriv('aes-128-ecb', k, null).setAutoPadding(false)
  const key = new Uint8Array(32)
  key.set(r)
  key.set(aes.update(nonce), 16)
  return key
}
