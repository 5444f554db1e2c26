import type { Bytes } from '../../bytes/index.js'
import type { Runtime } from '../types.js'
import { aead } from './aead.js'
import { deflate, deflater, inflate } from './deflate.js'
import { hkdf } from './hkdf.js'
import { x25519 } from './x25519.js'
import { unzstd } from './zstd.js'

/** Plain JavaScript and web standards only: the readable twin of the native runtime, and what serves where it is absent. */
export const portableRuntime: Runtime = {
  randomBytes,
  aead,
  x25519,
  hkdf,
  unzstd,
  deflate,
  deflater,
  inflate,
  timingSafeEqual,
}

// Web Crypto refuses to give more in one call.
const mostRandom = 65_536

function randomBytes(length: number): Bytes {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at += mostRandom) {
    globalThis.crypto.getRandomValues(bytes.subarray(at, at + mostRandom))
  }
  return bytes
}

function timingSafeEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!
  return difference === 0
}
