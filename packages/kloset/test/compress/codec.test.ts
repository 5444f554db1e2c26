import fc from 'fast-check'
import lz4 from 'lz4-wasm-nodejs'
import { describe, expect, it } from 'vitest'
import { concatBytes, fromHex, MalformedError, toHex } from '../../src/bytes/index.js'
import { bestCodec, type Codec, codecNumber, codecOfNumber, compress, decompress } from '../../src/compress/index.js'
import { blake3 } from '../../src/hash/index.js'
import { kernels } from '../../src/kernels/index.js'
import { runtime } from '../../src/runtime/index.js'
import { lumpyBytes, noise, put } from '../kernels/samples.js'

const codecs: readonly Codec[] = ['none', 'lz4', 'zstd', 'deflate']
const made: readonly Codec[] = runtime.zstd === undefined ? ['lz4', 'deflate'] : ['lz4', 'zstd', 'deflate']
const words = new TextEncoder().encode('the quick brown fox jumps over the lazy dog; '.repeat(3000)).slice()

// What `zstd -1` makes of the first 450 of them: with its checksum, from a stream, with the length of its content, with neither.
const zstdFrames = [
  '28b52ffd0448b50100d40274686520717569636b2062726f776e20666f78206a756d7073206f76657220746865206c617a7920646f673b2001009584aa2a0380788b7c',
  '28b52ffd64c200bd0100c40274686520717569636b2062726f776e20666f78206a756d7073206f76657220746865206c617a7920646f673b02008e5029c010661980788b7c',
  '28b52ffd60c200bd0100c40274686520717569636b2062726f776e20666f78206a756d7073206f76657220746865206c617a7920646f673b02008e5029c0106619',
  '28b52ffd0048b50100d40274686520717569636b2062726f776e20666f78206a756d7073206f76657220746865206c617a7920646f673b2001009584aa2a03',
]

describe('codecs', () => {
  it('have the numbers of the format', () => {
    expect(codecs.map(codecNumber)).toEqual([0, 1, 2, 3])
    expect([0, 1, 2, 3].map(codecOfNumber)).toEqual(codecs)
    expect(() => codecOfNumber(4)).toThrow(MalformedError)
  })

  it('choose what the runtime does best', () => {
    expect(bestCodec()).toBe(runtime.zstd === undefined ? 'lz4' : 'zstd')
  })

  it.each(made)('%s gives back what it was given', (codec) => {
    fc.assert(
      fc.property(lumpyBytes, (raw) => {
        const stored = compress(codec, raw)
        if (stored === undefined) return
        expect(stored.length).toBeLessThanOrEqual(raw.length * 0.97)
        expect(decompress(codec, stored, raw.length)).toEqual(raw)
      }),
      { numRuns: 60 },
    )
    const stored = compress(codec, words)!
    expect(decompress(codec, stored, words.length)).toEqual(words)
  })

  it.each(made)('%s leaves alone what does not shrink', (codec) => {
    expect(compress(codec, noise(10_000))).toBeUndefined()
    expect(compress(codec, new Uint8Array(0))).toBeUndefined()
    expect(compress(codec, new Uint8Array(1))).toBeUndefined()
  })

  it('stores bytes as they are with none', () => {
    expect(compress('none', words)).toBeUndefined()
    const copy = decompress('none', words, words.length)
    expect(copy).toEqual(words)
    expect(copy.buffer).not.toBe(words.buffer)
    expect(() => decompress('none', words, words.length - 1)).toThrow(MalformedError)
  })

  it.each(made)('%s refuses another length, missing and damaged bytes', (codec) => {
    const stored = compress(codec, words)!
    for (const length of [0, 1, words.length - 1, words.length + 1, 2 ** 31]) {
      expect(() => decompress(codec, stored, length)).toThrow(MalformedError)
    }
    for (const length of [0, 1, 10, stored.length - 1]) {
      expect(() => decompress(codec, stored.subarray(0, length), words.length)).toThrow(MalformedError)
    }
    fc.assert(
      fc.property(fc.nat(stored.length - 1), fc.nat(255), (at, value) => {
        const damaged = stored.slice()
        damaged[at] = value
        try {
          expect(decompress(codec, damaged, words.length).length).toBe(words.length)
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedError)
        }
      }),
      { numRuns: 100 },
    )
  })

  it('refuses lengths that no input of that size can become, before taking memory for them', () => {
    for (const codec of codecs) {
      expect(() => decompress(codec, new Uint8Array(100), 2 ** 40)).toThrow(MalformedError)
    }
  })

  it('makes and reads the LZ4 blocks that other programs read and make', () => {
    const stored = compress('lz4', words)!
    const size = new Uint8Array(new Uint32Array([words.length]).buffer)
    expect(new Uint8Array(lz4.decompress(concatBytes(size, stored)))).toEqual(words)
    expect(decompress('lz4', lz4.compress(words).slice(4), words.length)).toEqual(words)
  })

  it('takes bytes that are in the memory of the kernels, also where that has to grow', () => {
    const raw = concatBytes(...Array.from({ length: 40 }, () => words))
    const at = put(kernels(), raw)
    const inside = kernels()
      .heap()
      .subarray(at, at + raw.length)
    const stored = compress('lz4', inside)!
    expect(stored).toEqual(compress('lz4', raw))
    const storedAt = put(kernels(), stored)
    const storedInside = kernels()
      .heap()
      .subarray(storedAt, storedAt + stored.length)
    expect(toHex(blake3(decompress('lz4', storedInside, raw.length)))).toBe(toHex(blake3(raw)))
  })

  it.each(zstdFrames)('reads the zstd frames of other programs: %s', (frame) => {
    expect(decompress('zstd', fromHex(frame), 450)).toEqual(words.slice(0, 450))
    expect(() => decompress('zstd', fromHex(frame), 449)).toThrow(MalformedError)
    expect(() => decompress('zstd', fromHex(frame.slice(0, -4)), 450)).toThrow(MalformedError)
  })

  it.runIf(runtime.zstd === undefined)('says so where zstd cannot be made', () => {
    expect(() => compress('zstd', words)).toThrow(expect.objectContaining({ code: 'KLOSET_UNSUPPORTED' }))
  })
})
