import type { Bytes } from '../bytes/index.js'
import { runtime, type X25519 } from '../runtime/index.js'

/** The primitives that protect keys: AES-256-GCM-SIV (RFC 8452) and X25519 (RFC 7748). */
export interface Wrapping extends X25519 {
  seal(key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, plaintext: Uint8Array): Bytes
  /** Throws where the tag does not fit. */
  open(key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, sealed: Uint8Array): Bytes
}

/** Loads them when a key is first wrapped or unwrapped: plaintext stores need neither. */
export async function loadWrapping(): Promise<Wrapping> {
  const { gcmsiv } = await import('@noble/ciphers/aes.js')
  return {
    seal: (key, nonce, ad, plaintext) => gcmsiv(key, nonce, ad).encrypt(plaintext),
    open: (key, nonce, ad, sealed) => gcmsiv(key, nonce, ad).decrypt(sealed),
    ...runtime.x25519,
  }
}
