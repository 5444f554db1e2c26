import { blake3 as noble } from '@noble/hashes/blake3.js'
import fc from 'fast-check'
import { createBLAKE3 } from 'hash-wasm'
import { describe, expect, it } from 'vitest'
import { toHex, utf8 } from '../../src/bytes/index.js'
import { blake3Reference } from '../../src/kernels/index.js'
import { createKernels } from '../../src/kernels/kernels.js'
import { atEnd, noise, put, take } from './samples.js'

// The published test vectors: bytes i mod 251 of these lengths, hashed and keyed with this key.
const key = utf8('whats the Elvish word for friend')
const lengths = [
  ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 63, 64, 65, 127, 128, 129, 1023, 1024, 1025, 2048, 2049, 3072, 3073],
  ...[4096, 4097, 5120, 5121, 6144, 6145, 7168, 7169, 8192, 8193, 16384, 31744, 102400],
]
const input = Uint8Array.from({ length: 300_000 }, (_, i) => i % 251)

const published = new Map([
  [0, 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'],
  [1, '2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213'],
  [1024, '42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7'],
  [1025, 'd00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444'],
  [102400, 'bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085'],
])
const publishedKeyed = new Map([
  [0, '92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26'],
  [1024, '75c46f6f3d9eb4f55ecaaee480db732e6c2105546f1e675003687c31719c7ba4'],
])

describe.each([
  ['four lanes', true],
  ['word by word', false],
])('BLAKE3 kernel, %s', (_, simd) => {
  const kernels = createKernels(simd)
  const from = put(kernels, input)
  const keyAt = put(kernels, key)
  const out = kernels.reserve(32)
  const state = kernels.reserve(kernels.hashStateSize)
  // What is put at the end of the memory overwrites nothing of the above.
  kernels.reserve(200_000)

  const digest = (length: number, keyed: number): string => {
    kernels.hash(keyed, from, length, out)
    return toHex(take(kernels, out, 32))
  }

  it('gives the published digests', () => {
    for (const [length, expected] of published) expect(digest(length, 0)).toBe(expected)
    for (const [length, expected] of publishedKeyed) expect(digest(length, keyAt)).toBe(expected)
  })

  it('agrees with two other implementations at every published length', async () => {
    const wasm = await createBLAKE3()
    const wasmKeyed = await createBLAKE3(256, key)
    for (const length of lengths) {
      const bytes = input.subarray(0, length)
      expect(digest(length, 0)).toBe(toHex(noble(bytes)))
      expect(digest(length, 0)).toBe(wasm.init().update(bytes).digest())
      expect(digest(length, keyAt)).toBe(toHex(noble(bytes, { key })))
      expect(digest(length, keyAt)).toBe(wasmKeyed.init().update(bytes).digest())
    }
  })

  it('agrees with its twin', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 20_000 }), fc.boolean(), (length, keyed) => {
        const expected = blake3Reference(input.subarray(0, length), keyed ? key : undefined)
        expect(digest(length, keyed ? keyAt : 0)).toBe(toHex(expected))
      }),
      { numRuns: 40 },
    )
  })

  it('gives the same digest however the bytes come in, and while they do', () => {
    const size = fc.oneof(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 0, max: 150_000 }))
    fc.assert(
      fc.property(fc.array(size, { maxLength: 8 }), fc.boolean(), (sizes, keyed) => {
        kernels.hashStart(state, keyed ? keyAt : 0)
        let length = 0
        for (const size of sizes) {
          const piece = Math.min(size, input.length - length)
          kernels.hashUpdate(state, from + length, piece)
          length += piece
          kernels.hashFinish(state, out)
          expect(toHex(take(kernels, out, 32))).toBe(digest(length, keyed ? keyAt : 0))
        }
      }),
      { numRuns: 60 },
    )
  })

  it('goes no further than the last byte of the memory', () => {
    for (const length of [1, 64, 1000, 1025, 4097, 70_001]) {
      kernels.hash(0, atEnd(kernels, input.subarray(0, length)), length, out)
      expect(toHex(take(kernels, out, 32))).toBe(digest(length, 0))
    }
  })

  it('hashes long inputs of every shape of tree', () => {
    const long = put(kernels, noise(1_100_000))
    for (const length of [65_536, 65_537, 131_072, 262_145, 1_048_576, 1_048_577, 1_099_999]) {
      kernels.hash(0, long, length, out)
      expect(toHex(take(kernels, out, 32))).toBe(toHex(noble(take(kernels, long, length))))
    }
  })
})
