import type { Bytes } from '../../bytes/index.js'

/** The bytes of `buffer` over memory of their own: small Buffers may share a pool, which cannot move between threads. */
export function owned(buffer: Uint8Array): Bytes {
  const memory = buffer.buffer as ArrayBuffer
  return memory.byteLength === buffer.length ? new Uint8Array(memory) : new Uint8Array(buffer)
}
