import { randomBytes, timingSafeEqual } from 'node:crypto'
import { unzstd } from '../portable/zstd.js'
import type { Runtime } from '../types.js'
import { aead } from './aead.js'
import { owned } from './buffers.js'
import { deflate, deflater, inflate } from './deflate.js'
import { argon2id, hkdf } from './derivation.js'
import { localFiles } from './files.js'
import { x25519 } from './x25519.js'
import { nativeZstd } from './zstd.js'

/** Node's own cryptography and compression: what Bun and Deno offer under the same names too. */
export const nodeRuntime: Runtime = {
  randomBytes: (length) => owned(randomBytes(length)),
  aead,
  x25519,
  hkdf,
  ...(argon2id && { argon2id }),
  ...(nativeZstd && { zstd: nativeZstd }),
  unzstd: nativeZstd?.decompress ?? unzstd,
  deflate,
  deflater,
  inflate,
  timingSafeEqual: (a, b) => a.length === b.length && timingSafeEqual(a, b),
  files: localFiles,
}
