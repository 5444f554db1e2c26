import { blake3 as noble } from '@noble/hashes/blake3.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex, utf8 } from '../../src/bytes/index.js'
import { blake3, createHasher, keyedBlake3 } from '../../src/hash/index.js'
import { kernels } from '../../src/kernels/index.js'
import { noise, put } from '../kernels/samples.js'

const key = utf8('whats the Elvish word for friend')
const input = noise(700_000)

describe('BLAKE3 of ordinary bytes', () => {
  it('agrees with another implementation below, at and above the size of a piece', () => {
    for (const length of [0, 1, 60, 1024, 1025, 131_071, 131_072, 131_073, 262_144, 700_000]) {
      const bytes = input.subarray(0, length)
      expect(toHex(blake3(bytes))).toBe(toHex(noble(bytes)))
      expect(toHex(keyedBlake3(key, bytes))).toBe(toHex(noble(bytes, { key })))
    }
  })

  it('takes views into larger buffers', () => {
    expect(blake3(input.subarray(3, 1003))).toEqual(blake3(input.slice(3, 1003)))
  })

  it('takes bytes that are in the memory of the kernels where they are', () => {
    const at = put(kernels(), input)
    const inside = kernels()
      .heap()
      .subarray(at, at + input.length)
    expect(blake3(inside)).toEqual(noble(input))
    expect(createHasher(key).update(inside).digest()).toEqual(noble(input, { key }))
  })

  it('gives digests that later calls leave alone', () => {
    const first = blake3(utf8('a'))
    const copy = first.slice()
    blake3(utf8('b'))
    expect(first).toEqual(copy)
  })

  it('refuses keys of another length', () => {
    expect(() => keyedBlake3(new Uint8Array(31), input)).toThrow(RangeError)
    expect(() => createHasher(new Uint8Array(33))).toThrow(RangeError)
  })
})

describe('hashers', () => {
  it('keep apart when many are alive', () => {
    const size = fc.oneof(fc.nat(200), fc.nat(5000), fc.nat(140_000))
    const step = fc.record({ which: fc.nat(3), size })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 15 }), (steps) => {
        const hashers = [createHasher(), createHasher(key), createHasher(), createHasher(input.subarray(0, 32))]
        const lengths = [0, 0, 0, 0]
        for (const { which, size } of steps) {
          const from = lengths[which]!
          lengths[which] = Math.min(input.length, from + size)
          expect(hashers[which]!.update(input.subarray(from, lengths[which]))).toBe(hashers[which])
          blake3(utf8('something else in between'))
        }
        const seen = lengths.map((length) => input.subarray(0, length))
        expect(hashers.map((hasher) => hasher.digest())).toEqual([
          blake3(seen[0]!),
          keyedBlake3(key, seen[1]!),
          blake3(seen[2]!),
          keyedBlake3(input.subarray(0, 32), seen[3]!),
        ])
      }),
      { numRuns: 40 },
    )
  })

  it('go on after a digest', () => {
    const hasher = createHasher().update(input.subarray(0, 5000))
    expect(hasher.digest()).toEqual(blake3(input.subarray(0, 5000)))
    expect(hasher.digest()).toEqual(hasher.digest())
    expect(hasher.update(input.subarray(5000, 9000)).digest()).toEqual(blake3(input.subarray(0, 9000)))
  })
})
