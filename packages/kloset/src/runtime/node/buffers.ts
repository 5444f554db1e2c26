import type { Bytes } from '../../bytes/index.js'

/** The bytes of `buffer` over memory of their own: small Buffers may share a pool, which cannot move between threads. */
export function owned(buffer: Uint8Array): Bytes {
  const { byteOffset, length } = buffer
  // Of its pool a Buffer takes less than half.
  const memory = buffer.buffer as ArrayBuffer
  return memory.byteLength < 2 * length ? new Uint8Array(memory, byteOffset, length) : new Uint8Array(buffer)
}
