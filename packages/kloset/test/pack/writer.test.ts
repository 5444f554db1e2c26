import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Bytes, concatBytes, toHex } from '../../src/bytes/index.js'
import type { Codec } from '../../src/compress/index.js'
import { keyedBlake3 } from '../../src/hash/index.js'
import { limits, openPack, PackWriter, packBlobs, type SealedPack } from '../../src/pack/index.js'
import { fixedKeyring } from '../crypto/helpers.js'
import { noise } from '../support/samples.js'

const keyring = fixedKeyring()

interface Sizes {
  readonly frameSize?: number
  readonly packSize?: number
  readonly codec?: Codec
}

/** The packs that blobs become. */
function packsOf(blobs: readonly Uint8Array[], sizes: Sizes = {}, closeEvery = Number.POSITIVE_INFINITY): SealedPack[] {
  const packs: SealedPack[] = []
  const writer = new PackWriter({
    keyring,
    class: 'data',
    frameSize: 4096,
    packSize: 16 * 1024,
    codec: 'none',
    ...sizes,
    // The file's memory may be used again once this returns.
    onPack: (pack) => packs.push({ ...pack, file: pack.file.slice() }),
  })
  for (const [i, blob] of blobs.entries()) {
    if (i % closeEvery === closeEvery - 1) writer.closeFrame()
    writer.addBytes(keyedBlake3(keyring.chunkKey, blob), blob)
  }
  writer.flush()
  writer.release()
  return packs
}

/** Everything in packs, verified. */
function blobsIn(packs: readonly SealedPack[]): Bytes[] {
  return packs.flatMap(({ name, file }) => {
    const blobs = [...packBlobs(openPack(keyring, name, file), file, keyring.chunkKey)]
    return blobs.map(({ bytes }) => bytes)
  })
}

/** Contents sorted: frames of large blobs come before the frame that was open. */
function sorted(blobs: readonly Uint8Array[]): string[] {
  return blobs.map(toHex).sort()
}

describe('a pack', () => {
  it.each<Codec>(['none', 'lz4', 'deflate'])('gives back any blobs that were put into it (%s)', (codec) => {
    const length = fc.oneof(
      fc.integer({ min: 1, max: 200 }),
      // Around half a frame, a frame and a pack.
      fc.constantFrom(2046, 2047, 2048, 2049, 4095, 4096, 4097, 8191, 16_384, 20_000),
    )
    const blob = fc
      .tuple(length, fc.integer(), fc.boolean())
      .map(([size, seed, flat]) => (flat ? new Uint8Array(size).fill(seed) : noise(size, seed)))
    fc.assert(
      fc.property(fc.array(blob, { maxLength: 40 }), fc.integer({ min: 1, max: 50 }), (blobs, closeEvery) => {
        const packs = packsOf(blobs, { codec }, closeEvery)
        expect(sorted(blobsIn(packs))).toEqual(sorted(blobs))
        for (const { file, frames, records, headerLength, name } of packs) {
          const { footer, opener } = openPack(keyring, name, file)
          expect(footer.frames).toEqual(frames)
          expect(footer.records).toEqual(records)
          expect(opener.headerLength).toBe(headerLength)
        }
      }),
      { numRuns: 60 },
    )
  })

  it('is closed once it is full, and frames once they are', () => {
    const packs = packsOf(Array.from({ length: 300 }, (_, i) => noise(100, i)))
    expect(packs).toHaveLength(2)
    for (const { file, frames } of packs) {
      for (let i = 0; i < frames.length; i += 3) expect(frames[i + 1]).toBeLessThanOrEqual(4096)
      expect(file.length).toBeLessThan(16 * 1024 + 4096 + 40 * 300)
    }
    expect(packs[0]!.file.length).toBeGreaterThanOrEqual(16 * 1024)
  })

  it('gives a large blob a frame of its own', () => {
    const [pack] = packsOf([noise(10, 1), noise(2048, 2), noise(10, 3), noise(10_000, 4), noise(2047, 5)])
    const counts = Array.from({ length: pack!.frames.length / 3 }, (_, i) => [
      pack!.frames[3 * i + 1],
      pack!.frames[3 * i + 2],
    ])
    expect(counts).toEqual([
      [2048, 1],
      [10_000, 1],
      [10 + 10 + 2047, 3],
    ])
  })

  it('does not keep what would not shrink, and shrinks what would', () => {
    const flat = new Uint8Array(4096)
    const rough = noise(4096, 1)
    for (const codec of ['lz4', 'deflate'] as const) {
      const [small] = packsOf([flat], { codec })
      const [large] = packsOf([rough], { codec })
      expect(small!.frames[0]).toBeLessThan(200)
      expect(large!.frames[0]).toBe(4096 + 13 + 16)
    }
  })

  it('has nothing where nothing was put', () => {
    expect(packsOf([])).toEqual([])
  })

  it('holds the largest blob there is, and refuses a larger one', () => {
    const largest = new Uint8Array(limits.rawFrame).fill(7)
    const packs = packsOf([largest], { codec: 'lz4' })
    expect(blobsIn(packs).map(({ length }) => length)).toEqual([limits.rawFrame])
    expect(() => packsOf([new Uint8Array(limits.rawFrame + 1)])).toThrow(RangeError)
  })

  it('refuses an empty blob, which no frame could hold', () => {
    expect(() => packsOf([new Uint8Array(0)])).toThrow(RangeError)
  })

  it('stays within the records and frames that a footer may have', () => {
    // One byte each: a pack of this size would otherwise hold far more.
    const many = 140_000
    const packs: SealedPack[] = []
    const packSize = 64 * 1024 * 1024
    const writer = new PackWriter({
      keyring,
      class: 'data',
      frameSize: 1024 * 1024,
      packSize,
      codec: 'none',
      onPack: (pack) => packs.push(pack),
    })
    const id = new Uint8Array(32)
    for (let i = 0; i < many; i++) {
      new DataView(id.buffer).setUint32(0, i)
      writer.addBytes(id, Uint8Array.of(i))
    }
    writer.flush()
    writer.release()
    expect(packs.map(({ records }) => records.length / 40)).toEqual([131_072, many - 131_072])
    for (const { name, file } of packs) expect(() => openPack(keyring, name, file)).not.toThrow()
  })

  it('has other bytes and another name each time', () => {
    const [one] = packsOf([noise(100, 1)])
    const [other] = packsOf([noise(100, 1)])
    expect(toHex(one!.name)).not.toBe(toHex(other!.name))
    expect(toHex(one!.file)).not.toBe(toHex(other!.file))
  })
})

describe('an opened pack', () => {
  it('is refused where any one byte of it is another', () => {
    const [{ name, file }] = packsOf([noise(50, 1), noise(60, 2), noise(2048, 3)]) as [SealedPack]
    for (let at = 0; at < file.length; at += 7) {
      const changed = file.slice()
      changed[at]! ^= 1 << (at & 7)
      expect(() => openPack(keyring, name, changed)).toThrow(expect.objectContaining({ code: 'KLOSET_PACK_CORRUPT' }))
    }
    expect(() => openPack(keyring, name, concatBytes(file, Uint8Array.of(0)))).toThrow('damaged')
    expect(() => openPack(keyring, name, new Uint8Array(0))).toThrow('damaged')
  })

  it('is refused with the keys of another store, or under another name', () => {
    const [one, other] = [packsOf([noise(50, 1)])[0]!, packsOf([noise(50, 1)])[0]!]
    expect(() => openPack(fixedKeyring('chacha20-poly1305'), one.name, one.file)).toThrow('damaged')
    expect(() => openPack(fixedKeyring('none'), one.name, one.file)).toThrow('damaged')
    expect(() => openPack(keyring, other.name, one.file)).toThrow('damaged')
  })

  it('keeps frames apart: none opens in the place of another', () => {
    const [{ name, file, frames, headerLength }] = packsOf([noise(2048, 1), noise(2048, 2)]) as [SealedPack]
    const { opener } = openPack(keyring, name, file)
    const first = file.subarray(headerLength, headerLength + frames[0]!)
    expect(opener.frameBytes(0, first, 2048)).toEqual(noise(2048, 1))
    for (const [ordinal, raw] of [
      [1, 2048],
      [0, 2047],
      [0, 2049],
      [0, limits.rawFrame + 1],
    ] as const) {
      expect(() => opener.frame(ordinal, first, raw)).toThrow(expect.objectContaining({ code: 'KLOSET_PACK_CORRUPT' }))
    }
  })
})
