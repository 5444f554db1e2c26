import fc from 'fast-check'
import type { Bytes } from '../../src/bytes/index.js'
import type { Kernels } from '../../src/kernels/index.js'

/** Bytes that look random and are the same in every run (xorshift32). */
export function noise(length: number, seed = 1): Bytes {
  const bytes = new Uint8Array(length)
  let x = seed
  for (let i = 0; i < length; i++) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    bytes[i] = x
  }
  return bytes
}

/** Bytes with repeats near and far: what compressors and chunkers meet. */
export const lumpyBytes: fc.Arbitrary<Bytes> = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map((bytes) => ({ bytes, times: 1 })),
      fc.record({ bytes: fc.uint8Array({ minLength: 1, maxLength: 20 }), times: fc.integer({ min: 1, max: 80 }) }),
      fc.record({ bytes: fc.integer({ min: 1, max: 9 }).map((seed) => noise(300, seed)), times: fc.constant(1) }),
    ),
    { maxLength: 30 },
  )
  .map((lumps) =>
    Uint8Array.from(
      lumps.flatMap(({ bytes, times }) =>
        Array(times)
          .fill([...bytes])
          .flat(),
      ),
    ),
  )

/** The address of a copy of `bytes`. */
export function put(kernels: Kernels, bytes: Uint8Array): number {
  const at = kernels.reserve(bytes.length)
  kernels.heap().set(bytes, at)
  return at
}

/** The address of a copy of `bytes` that ends with the memory: reading on from there would trap. */
export function atEnd(kernels: Kernels, bytes: Uint8Array): number {
  const at = kernels.heap().length - bytes.length
  kernels.heap().set(bytes, at)
  return at
}

/** A copy of `length` bytes at `from`. */
export function take(kernels: Kernels, from: number, length: number): Bytes {
  return kernels.heap().slice(from, from + length)
}
