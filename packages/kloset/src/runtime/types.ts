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

/** Raw deflate of bytes that come in parts. */
export interface Deflater {
  /** What comes next of the deflated bytes, with those of an earlier part perhaps. */
  push(raw: Uint8Array): Bytes
  /** The last of them. */
  end(): Bytes
}

/** Diffie-Hellman on Curve25519 (RFC 7748); keys have 32 bytes. */
export interface X25519 {
  publicKeyOf(privateKey: Uint8Array): Bytes
  /** Throws where `publicKey` has a small order: whatever the private key, the secret would be zero. */
  sharedSecret(privateKey: Uint8Array, publicKey: Uint8Array): Bytes
}

/** What Argon2 (RFC 9106) is given. */
export interface Argon2Input {
  readonly password: Uint8Array
  readonly salt: Uint8Array
  readonly memoryKiB: number
  readonly passes: number
  readonly lanes: number
}

/** An open file on this machine. It stays readable where somebody removes its name meanwhile. */
export interface LocalFile {
  /** Length in bytes when it was opened. */
  readonly size: number
  /** Reads into all of `into` from `at`; returns how many bytes there were, fewer only at the end. */
  read(into: Uint8Array, at: number): number
  /** What other threads of this process read the same file with, as long as this one is open: see {@link LocalFiles.shared}. */
  readonly handle: number
  close(): void
}

/** A file that {@link LocalFiles.list} found. */
export interface ListedFile {
  /** Below the folder that was listed, with `/` between its segments. */
  readonly name: string
  readonly size: number
  /** When it was last used: written, or touched; in ms since 1970. */
  readonly used: number
}

/** Files that are this machine's own: what it keeps of stores and remembers of them. Errors are those of the system. */
export interface LocalFiles {
  /** Undefined where there is none. */
  open(path: string): LocalFile | undefined
  /** The file that another thread has open; whoever opened it closes it. */
  shared(handle: number): LocalFile
  /** Undefined where there is none. */
  read(path: string): Bytes | undefined
  /** Writes a file, all or nothing: whoever looks sees the old one or the new one. A part is written before the next is asked for. Only its owner can read it, and the folders made for it. */
  write(path: string, parts: Iterable<Uint8Array>): void
  /** As `write`, and what was written is there after a power cut, under its name, once this returns. */
  writeDurably(path: string, parts: Iterable<Uint8Array>): void
  /** Absent is fine. */
  remove(path: string): void
  /** All files below a folder, half-written ones included; none where there is no such folder. */
  list(folder: string): ListedFile[]
  /** It was used now. Absent is fine. */
  touch(path: string): void
  /** A path below a folder. */
  join(folder: string, ...names: readonly string[]): string
  /** Where what can be had again is kept: `$XDG_CACHE_HOME/kloset`, by default `~/.cache/kloset` (XDG Base Directory Specification). */
  cacheHome(): string
  /** Where what should last is kept: `$XDG_STATE_HOME/kloset`, by default `~/.local/state/kloset`. */
  stateHome(): string
}

/** What the engine needs from the place it runs in. All calls but one are synchronous, and may be made in any thread. */
export interface Runtime {
  /** Bytes from the system's cryptographic generator. */
  randomBytes(length: number): Bytes
  aead(name: AeadName): Aead
  readonly x25519: X25519
  /** HKDF-SHA-256 (RFC 5869). */
  hkdf(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Bytes
  /** The tag of 32 bytes of Argon2id, computed on another thread. Absent where the runtime has none. Rejects where it turns out not to have it, and for lack of memory. */
  readonly argon2id?: (input: Argon2Input) => Promise<Bytes>
  /** Absent where there is only the slow decoder of {@link Runtime.unzstd}. */
  readonly zstd?: Zstd
  /** Decodes zstd in every runtime, without a native one in plain JavaScript. Throws as {@link Zstd.decompress}. */
  unzstd(stored: Uint8Array, rawLength: number): Bytes
  /** Raw deflate (RFC 1951), `level` 1 to 9. */
  deflate(raw: Uint8Array, level: number): Bytes
  /** As {@link Runtime.deflate}, for what is too large to be had at once. */
  deflater(level: number): Deflater
  /** @throws MalformedError unless `stored` is whole and gives exactly `rawLength` bytes; never allocates much more. */
  inflate(stored: Uint8Array, rawLength: number): Bytes
  /** Whether `a` and `b` are equal, in a time that tells only whether their lengths are. */
  timingSafeEqual(a: Uint8Array, b: Uint8Array): boolean
  /** Absent where there is no filesystem. */
  readonly files?: LocalFiles
}
