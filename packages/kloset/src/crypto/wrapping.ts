import type { Bytes } from '../bytes/index.js'

/** The primitives that protect keys: AES-256-GCM-SIV (RFC 8452) and X25519 (RFC 7748). */
export interface Wrapping {
  seal(key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, plaintext: Uint8Array): Bytes
  /** Throws where the tag does not fit. */
  open(key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, sealed: Uint8Array): Bytes
  publicKeyOf(privateKey: Uint8Array): Bytes
  /** Throws where `publicKey` has a small order: whatever the private key, the secret would be zero. */
  sharedSecret(privateKey: Uint8Array, publicKey: Uint8Array): Bytes
}

/** Loads them when a key is first wrapped or unwrapped: together they cost 40 ms, and plaintext stores need neither. */
export async function loadWrapping(): Promise<Wrapping> {
  const [{ gcmsiv }, { x25519 }] = await Promise.all([
    import('@noble/ciphers/aes.js'),
    import('@noble/curves/ed25519.js'),
  ])
  return {
    seal: (key, nonce, ad, plaintext) => gcmsiv(key, nonce, ad).encrypt(plaintext),
    open: (key, nonce, ad, sealed) => gcmsiv(key, nonce, ad).decrypt(sealed),
    publicKeyOf: (privateKey) => x25519.getPublicKey(privateKey),
    sharedSecret: (privateKey, publicKey) => x25519.getSharedSecret(privateKey, publicKey),
  }
}
