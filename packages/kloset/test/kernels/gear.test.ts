import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defaultGear } from '../../src/chunk/index.js'
import { cutReference, kernels } from '../../src/kernels/index.js'
import { atEnd, noise, put } from './samples.js'

const gear = defaultGear()
const values = Array.from({ length: 256 }, (_, i) => new DataView(gear.buffer).getBigUint64(8 * i, true))
const gearAt = put(kernels(), gear)

interface Sizes {
  readonly min: number
  readonly normal: number
  readonly max: number
}
const sizesOf = fc
  .record({ log: fc.integer({ min: 7, max: 10 }), below: fc.nat(), above: fc.nat() })
  .map(({ log, below, above }): Sizes => {
    const normal = 2 ** log
    return { min: 64 + (below % (normal - 64)), normal, max: normal + 1 + (above % (4 * normal)) }
  })
const bytesOf = fc.oneof(
  fc
    .record({ length: fc.integer({ min: 0, max: 6000 }), seed: fc.integer({ min: 1 }) })
    .map((x) => noise(x.length, x.seed)),
  // Without a cut point for long stretches, which random bytes never are.
  fc
    .record({ length: fc.integer({ min: 0, max: 6000 }), byte: fc.nat(255) })
    .map((x) => new Uint8Array(x.length).fill(x.byte)),
)

const area = kernels().reserve(8192)
// What is put at the end of the memory overwrites nothing of the above.
kernels().reserve(8192)
function place(bytes: Uint8Array, offset: number): number {
  kernels()
    .heap()
    .set(bytes, area + offset)
  return area + offset
}

describe('gear kernel', () => {
  it('cuts where its twin cuts', () => {
    fc.assert(
      fc.property(bytesOf, sizesOf, fc.nat(15), (bytes, { min, normal, max }, offset) => {
        const from = place(bytes, offset)
        const expected = cutReference(values, bytes, min, normal, max)
        expect(kernels().cut(gearAt, from, bytes.length, min, normal, max)).toBe(expected)
      }),
      { numRuns: 400 },
    )
  })

  it('goes on where an earlier scan stopped, reading no more than 64 bytes of what that one saw', () => {
    fc.assert(
      fc.property(bytesOf, sizesOf, fc.nat(), (bytes, { min, normal, max }, some) => {
        const expected = cutReference(values, bytes, min, normal, max)
        const scanned = some % (expected + 1)
        const overwritten = bytes.slice().fill(0xa5, 0, Math.max(0, scanned - 64))
        if (scanned === expected) return
        const from = place(scanned > min + 64 ? overwritten : bytes, 0)
        expect(kernels().cutAfter(gearAt, from, bytes.length, scanned, min, normal, max)).toBe(expected)
      }),
      { numRuns: 400 },
    )
  })

  it('goes no further than the last byte of the memory', () => {
    for (let length = 65; length < 600; length += 3) {
      const from = atEnd(kernels(), noise(length, length))
      const expected = cutReference(values, noise(length, length), 64, 128, 1024)
      expect(kernels().cut(gearAt, from, length, 64, 128, 1024)).toBe(expected)
    }
  })

  it('cuts a known stream at known places', () => {
    const bytes = noise(40_000, 7)
    const from = put(kernels(), bytes)
    const lengths: number[] = []
    for (let at = 0; at < bytes.length; at += lengths.at(-1)!) {
      lengths.push(kernels().cut(gearAt, from + at, bytes.length - at, 512, 2048, 8192))
    }
    expect(lengths).toEqual([
      ...[2980, 2174, 2497, 4639, 1757, 2156, 2866, 1061, 2250, 2438, 2078, 2087, 1397, 2576, 2236, 2545, 1326, 937],
    ])
  })
})
