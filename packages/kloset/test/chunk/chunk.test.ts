import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Bytes, concatBytes, toHex } from '../../src/bytes/index.js'
import { type ChunkSizes, chunks, createChunker, defaultGear, defaultSizes } from '../../src/chunk/index.js'
import { blake3 } from '../../src/hash/index.js'
import { cutReference, kernels } from '../../src/kernels/index.js'
import { noise, put } from '../kernels/samples.js'

const small: ChunkSizes = { min: 64, normal: 256, max: 1024 }

function valuesOf(gear: Bytes): bigint[] {
  return Array.from({ length: 256 }, (_, i) => new DataView(gear.buffer).getBigUint64(8 * i, true))
}

/** The chunks of `bytes` by the twin of the kernel. */
function expectedChunks(bytes: Bytes, sizes: ChunkSizes, gear = defaultGear()): Bytes[] {
  const found: Bytes[] = []
  for (let at = 0; at < bytes.length; at += found.at(-1)!.length) {
    const rest = bytes.subarray(at, at + sizes.max)
    found.push(rest.slice(0, cutReference(valuesOf(gear), rest, sizes.min, sizes.normal, sizes.max)))
  }
  return found
}

/** Lengths and digests: what chunks are compared by, as comparing long arrays item by item takes seconds. */
function summary(found: readonly Bytes[]): string[] {
  return found.map((chunk) => `${chunk.length} ${toHex(blake3(chunk))}`)
}

async function collect(stream: AsyncIterable<Bytes>): Promise<Bytes[]> {
  const collected: Bytes[] = []
  for await (const chunk of stream) collected.push(chunk)
  return collected
}

/** `bytes` in pieces of these sizes, again and again. All in one buffer, as streams that reuse theirs hand them out. */
async function* inPieces(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(Math.max(...sizes))
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const piece = bytes.subarray(at, at + sizes[i % sizes.length]!)
    buffer.set(piece)
    yield buffer.subarray(0, piece.length)
    at += piece.length
  }
}

describe('chunks', () => {
  it('are the same however the stream comes in pieces', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 30_000 }),
        fc.integer({ min: 1, max: 1000 }),
        fc.array(fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 5000 })), {
          minLength: 1,
          maxLength: 5,
        }),
        async (length, seed, sizes) => {
          const bytes = noise(length, seed)
          const found = await collect(chunks(inPieces(bytes, sizes), { sizes: small }))
          expect(summary(found)).toEqual(summary(expectedChunks(bytes, small)))
        },
      ),
      { numRuns: 60 },
    )
  })

  it('are the same for large ones, which the kernel sees in parts', async () => {
    const sizes = { min: 200_000, normal: 262_144, max: 600_000 }
    const bytes = concatBytes(noise(1_500_000, 2), new Uint8Array(700_000))
    const expected = expectedChunks(bytes, sizes)
    expect(expected.some((chunk) => chunk.length === sizes.max)).toBe(true)
    for (const pieces of [[65_536], [2_500_000], [1, 300_000]]) {
      expect(summary(await collect(chunks(inPieces(bytes, pieces), { sizes })))).toEqual(summary(expected))
    }
  })

  it('are found in places known for ever with the default sizes and table', async () => {
    expect(toHex(blake3(defaultGear()))).toBe('2ce499c65066462ea8db37909a00a5a63b04a2f9caf4962f5084bac75e96f863')
    const found = await collect(chunks([noise(9_000_000)]))
    expect(found.map((chunk) => chunk.length)).toEqual([
      688_197, 1_305_994, 1_151_127, 1_084_266, 1_039_458, 1_148_157, 1_235_775, 900_311, 446_715,
    ])
  })

  it('come back in their places after bytes were put in front', async () => {
    const bytes = noise(60_000)
    const before = new Set((await collect(chunks([bytes], { sizes: small }))).map((chunk) => toHex(blake3(chunk))))
    const after = await collect(chunks([noise(333, 9), bytes], { sizes: small }))
    const kept = after.filter((chunk) => before.has(toHex(blake3(chunk))))
    expect(kept.length).toBeGreaterThan(after.length - 8)
  })

  it('keep their sizes', async () => {
    const found = await collect(chunks([noise(100_000), new Uint8Array(5000)], { sizes: small }))
    for (const chunk of found.slice(0, -1)) {
      expect(chunk.length).toBeGreaterThan(small.min)
      expect(chunk.length).toBeLessThanOrEqual(small.max)
    }
    expect(found.reduce((sum, chunk) => sum + chunk.length, 0)).toBe(105_000)
  })

  it('depend on the gear table, and two tables may be used in turn', async () => {
    const bytes = noise(20_000)
    const other = noise(2048, 77)
    const mine = createChunker({ sizes: small })
    const theirs = createChunker({ sizes: small, gear: other })
    for (let at = 0; at < 19_000; at += 1000) {
      const rest = bytes.subarray(at)
      expect(mine.cut(rest, true)).toBe(expectedChunks(rest.slice(0, 1024), small)[0]!.length)
      expect(theirs.cut(rest, true)).toBe(expectedChunks(rest.slice(0, 1024), small, other)[0]!.length)
    }
  })

  it('pass on what the stream throws, and end it when the reader leaves', async () => {
    let ended = false
    async function* failing(): AsyncGenerator<Uint8Array> {
      try {
        yield noise(10_000)
        throw new Error('the disk is gone')
      } finally {
        ended = true
      }
    }
    await expect(collect(chunks(failing(), { sizes: small }))).rejects.toThrow('the disk is gone')
    ended = false
    for await (const _ of chunks(failing(), { sizes: small })) break
    expect(ended).toBe(true)
  })

  it('are none in an empty stream', async () => {
    expect(await collect(chunks([]))).toEqual([])
    expect(await collect(chunks([new Uint8Array(0)]))).toEqual([])
  })
})

describe('cut', () => {
  const chunker = createChunker({ sizes: small })

  it('waits for more bytes while the cut may depend on them', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), fc.nat(1500), (seed, length) => {
        const bytes = noise(2000, seed)
        const whole = chunker.cut(bytes, false)
        const found = chunker.cut(bytes.subarray(0, length), false)
        if (length > whole) expect(found).toBe(whole)
        else expect([0, whole]).toContain(found)
        expect(chunker.cut(bytes.subarray(0, length), true)).toBe(Math.min(whole, length))
      }),
      { numRuns: 300 },
    )
  })

  it('never waits with as many bytes as a chunk can have', () => {
    const zeros = new Uint8Array(small.max)
    expect(chunker.cut(zeros, false)).toBeGreaterThan(0)
    expect(chunker.cut(zeros.subarray(1), false)).toBe(0)
    expect(chunker.cut(zeros.subarray(0, 0), true)).toBe(0)
  })

  it('takes bytes that are in the memory of the kernels where they are', () => {
    const bytes = noise(3000, 4)
    const at = put(kernels(), bytes)
    const inside = kernels()
      .heap()
      .subarray(at, at + bytes.length)
    expect(chunker.cut(inside, false)).toBe(chunker.cut(bytes, false))
  })
})

describe('options', () => {
  it.each([
    { min: 63, normal: 256, max: 1024 },
    { min: 256, normal: 256, max: 1024 },
    { min: 64, normal: 300, max: 1024 },
    { min: 64, normal: 256, max: 256 },
    { min: 64, normal: 256, max: 16 * 1024 * 1024 + 1 },
    { min: 64.5, normal: 256, max: 1024 },
    { min: Number.NaN, normal: 256, max: 1024 },
  ])('refuse the sizes %o', (sizes) => {
    expect(() => createChunker({ sizes })).toThrow(RangeError)
  })

  it('accept the least and the largest sizes', () => {
    createChunker({ sizes: { min: 64, normal: 128, max: 129 } })
    createChunker({ sizes: { min: 64, normal: 8_388_608, max: 16_777_216 } })
    expect(createChunker().sizes).toEqual(defaultSizes)
  })

  it('refuse gear tables of another length', () => {
    expect(() => createChunker({ gear: new Uint8Array(2047) })).toThrow(RangeError)
  })

  it('are not changed by what the caller does to them later', () => {
    const gear = noise(2048, 5)
    const chunker = createChunker({ sizes: small, gear })
    const before = chunker.cut(noise(3000), true)
    gear.fill(0)
    expect(chunker.cut(noise(3000), true)).toBe(before)
  })
})
