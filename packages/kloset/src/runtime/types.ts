import type { Bytes } from '../bytes/index.js'

/** The ciphers a runtime offers; both take keys of 32 bytes and nonces of 12, and add a tag of 16. */
export type AeadName = 'aes-256-gcm' | 'chacha20-poly1305'

/** Length of the tag that sealing appends, in bytes. */
export const tagLength = 16

/** Authenticated encryption with associated data (RFC 5116). A nonce must never repeat under a key. */
export interface Aead {
  /** The ciphertext of `plaintext`, followed by the tag over it and `ad`. */
  seal(key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, plaintext: Uint8Array): Bytes
  /** The plaintext of `sealed`. @throws MalformedError where the tag does not fit. */
  open(key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, sealed: Uint8Array): Bytes
  /**
   * As `seal`, into the start of `out`; returns how many bytes were written. `out` may start where `plaintext` starts, and
   * must not overlap it in another way.
   */
  sealInto(key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, plaintext: Uint8Array, out: Uint8Array): number
  /**
   * As `open`, into the start of `out`, with the same rule; returns how many bytes were written.
   * Where it throws, `out` holds bytes that were not authenticated: do not use them.
   */
  openInto(key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, sealed: Uint8Array, out: Uint8Array): number
}

/** Zstandard as the runtime has it natively. */
export interface Zstd {
  compress(raw: Uint8Array, level: number): Bytes
  /** @throws MalformedError unless `stored` is whole and gives exactly `rawLength` bytes. */
  decompress(stored: Uint8Array, rawLength: number): Bytes
}

/** Diffie-Hellman on Curve25519 (RFC 7748); keys have 32 bytes. */
export interface X25519 {
  publicKeyOf(privateKey: Uint8Array): Bytes
  /** Throws where `publicKey` has a small order: whatever the private key, the secret would be zero. */
  sharedSecret(privateKey: Uint8Array, publicKey: Uint8Array): Bytes
}

/** What the engine needs from the place it runs in. All calls are synchronous and may be made in any thread. */
export interface Runtime {
  /** Bytes from the system's cryptographic generator. */
  randomBytes(length: number): Bytes
  aead(name: AeadName): Aead
  readonly x25519: X25519
  /** Absent where there is only the slow decoder of {@link Runtime.unzstd}. */
  readonly zstd?: Zstd
  /** Decodes zstd in every runtime, without a native one in plain JavaScript. Throws as {@link Zstd.decompress}. */
  unzstd(stored: Uint8Array, rawLength: number): Bytes
  /** Raw deflate (RFC 1951), `level` 1 to 9. */
  deflate(raw: Uint8Array, level: number): Bytes
  /** @throws MalformedError unless `stored` is whole and gives exactly `rawLength` bytes; never allocates much more. */
  inflate(stored: Uint8Array, rawLength: number): Bytes
  /** Whether `a` and `b` are equal, in a time that tells only whether their lengths are. */
  timingSafeEqual(a: Uint8Array, b: Uint8Array): boolean
}
