/** Whether the `length` bytes from `at` are all zero. */
export function isZero(bytes: Uint8Array, at: number, length: number): boolean {
  const start = bytes.byteOffset + at
  const end = start + length
  // By words as far as they lie on their borders: a chunk starts anywhere in kernel memory.
  const aligned = Math.min(end, (start + 3) & ~3)
  const words = new Int32Array(bytes.buffer, aligned, (end - aligned) >>> 2)
  const all = new Uint8Array(bytes.buffer)
  for (let i = start; i < aligned; i++) if (all[i] !== 0) return false
  for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false
  for (let i = aligned + 4 * words.length; i < end; i++) if (all[i] !== 0) return false
  return true
}
