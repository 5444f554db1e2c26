import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Bytes } from '../../src/bytes/index.js'
import { lz4CompressReference, lz4DecompressReference } from '../../src/kernels/index.js'
import { createKernels } from '../../src/kernels/kernels.js'
import { atEnd, lumpyBytes, noise, take } from './samples.js'

const kernels = createKernels(true)
const { lz4Bound, lz4Compress, lz4Decompress } = kernels
const table = kernels.reserve(kernels.lz4TableSize)
const room = 1 << 18
const input = kernels.reserve(room)
// Bytes around the output show whether anything is written outside.
const guard = 64
const output = kernels.reserve(room + 2 * guard) + guard
// What is put at the end of the memory overwrites nothing of the above.
kernels.reserve(room)

function compress(raw: Uint8Array, capacity = lz4Bound(raw.length), scratch = table): Bytes | undefined {
  kernels.heap().set(raw, input)
  fence(capacity)
  const size = lz4Compress(input, raw.length, output, capacity, scratch)
  expectFence(capacity)
  return size === 0 ? undefined : take(kernels, output, size)
}

function decompress(block: Uint8Array, rawLength: number): Bytes | undefined {
  kernels.heap().set(block, input)
  fence(rawLength)
  const result = lz4Decompress(input, block.length, output, rawLength)
  expectFence(rawLength)
  expect([-1, rawLength]).toContain(result)
  return result === -1 ? undefined : take(kernels, output, rawLength)
}

function fence(length: number): void {
  kernels.heap().fill(0xee, output - guard, output + length + guard)
}

function expectFence(length: number): void {
  expect(take(kernels, output - guard, guard).every((byte) => byte === 0xee)).toBe(true)
  expect(take(kernels, output + length, guard).every((byte) => byte === 0xee)).toBe(true)
}

function referenceOf(block: Uint8Array, rawLength: number): Bytes | undefined {
  try {
    return lz4DecompressReference(block, rawLength)
  } catch {
    return undefined
  }
}

describe('LZ4 kernel', () => {
  it('makes blocks that it and its twin decompress', () => {
    fc.assert(
      fc.property(lumpyBytes, (raw) => {
        const block = compress(raw)!
        expect(decompress(block, raw.length)).toEqual(raw)
        expect(lz4DecompressReference(block, raw.length)).toEqual(raw)
      }),
      { numRuns: 200 },
    )
  })

  it('decompresses what its twin makes', () => {
    fc.assert(
      fc.property(lumpyBytes, (raw) => {
        expect(decompress(lz4CompressReference(raw), raw.length)).toEqual(raw)
      }),
      { numRuns: 100 },
    )
  })

  it('repeats matches at every short distance', () => {
    for (let distance = 1; distance <= 40; distance++) {
      for (const length of [distance + 13, distance + 30, distance + 200, distance + 2000]) {
        const raw = Uint8Array.from({ length }, (_, i) => (i % distance) * 7 + 1)
        expect(decompress(compress(raw)!, length)).toEqual(raw)
        // A match that ends the block's fast part, with only a few literals after it.
        const tail = new Uint8Array([...raw, 250, 251, 252, 253, 254, 255])
        expect(decompress(lz4CompressReference(tail), tail.length)).toEqual(tail)
      }
    }
  })

  it('finds matches as far as the format reaches, and none further', () => {
    const repeated = noise(40)
    const [within, beyond] = [65_535, 65_536].map((distance) => {
      const raw = new Uint8Array(distance + 60)
      raw.set(repeated)
      raw.set(repeated, distance)
      const block = compress(raw)!
      expect(decompress(block, raw.length)).toEqual(raw)
      return block.length
    })
    expect(within).toBeLessThan(beyond! - 30)
  })

  it('gives the same block whatever is in the table', () => {
    const scratch = kernels.reserve(kernels.lz4TableSize)
    fc.assert(
      fc.property(lumpyBytes, fc.integer({ min: 1 }), (raw, seed) => {
        kernels.heap().set(noise(kernels.lz4TableSize, seed), scratch)
        expect(compress(raw, lz4Bound(raw.length), scratch)).toEqual(compress(raw))
      }),
      { numRuns: 50 },
    )
  })

  it('never writes beyond its capacity, and gives up only where the block is larger', () => {
    fc.assert(
      fc.property(lumpyBytes, fc.nat(), (raw, some) => {
        const whole = compress(raw)!
        const capacity = some % (whole.length + 30)
        expect(compress(raw, capacity)).toEqual(capacity < whole.length ? undefined : whole)
      }),
      { numRuns: 300 },
    )
  })

  it('never needs more than its bound', () => {
    for (let length = 0; length < 600; length++) expect(compress(noise(length, length + 1))).toBeDefined()
    expect(compress(noise(70_000))).toBeDefined()
  })

  it('accepts exactly what its twin accepts of damaged blocks', () => {
    fc.assert(
      fc.property(
        lumpyBytes,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
        fc.nat(),
        (raw, flips, cut) => {
          const block = compress(raw)!
          for (const [at, value] of flips) block[at % block.length] = value
          const damaged = cut % 3 === 0 ? block.subarray(0, cut % block.length) : block
          expect(decompress(damaged, raw.length)).toEqual(referenceOf(damaged, raw.length))
        },
      ),
      { numRuns: 500 },
    )
  })

  it('accepts exactly what its twin accepts of any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(600), (block, rawLength) => {
        expect(decompress(block, rawLength)).toEqual(referenceOf(block, rawLength))
      }),
      { numRuns: 1000 },
    )
  })

  it('goes no further than the last byte of the memory', () => {
    fc.assert(
      fc.property(lumpyBytes, (raw) => {
        const block = compress(raw)!
        expect(lz4Compress(atEnd(kernels, raw), raw.length, output, block.length, table)).toBe(block.length)
        expect(lz4Decompress(atEnd(kernels, block), block.length, output, raw.length)).toBe(raw.length)
        kernels.heap().set(block, input)
        const last = atEnd(kernels, new Uint8Array(raw.length))
        expect(lz4Decompress(input, block.length, last, raw.length)).toBe(raw.length)
        kernels.heap().set(raw, input)
        expect(lz4Compress(input, raw.length, atEnd(kernels, block), block.length, table)).toBe(block.length)
      }),
      { numRuns: 100 },
    )
  })

  it('refuses a block that gives more or fewer bytes than it should', () => {
    const raw = new Uint8Array(5000).fill(7)
    const block = compress(raw)!
    for (const wrong of [0, 1, 4000, 4999, 5001, 6000]) expect(decompress(block, wrong)).toBeUndefined()
  })

  it('refuses lengths that would wrap around', () => {
    const huge = new Uint8Array(200_000).fill(255)
    expect(decompress(huge, 1000)).toBeUndefined()
    huge[0] = 0x0f
    expect(decompress(huge, 1000)).toBeUndefined()
  })
})
