import { randomBytes } from 'node:crypto'
import { beforeEach, describe, expect, it, vi } from 'vitest'

const text = new TextEncoder().encode('what is said again and again compresses well; '.repeat(20_000))
const noise = new Uint8Array(randomBytes(900_000))
// Looks random at first, and repeats.
const repeated = new Uint8Array(Array.from({ length: 225 }, () => [...noise.subarray(0, 4000)]).flat())

// Kernel memory that has not grown yet: every new region makes it grow, and growing detaches views of it.
beforeEach(() => vi.resetModules())

describe('a frame made in fresh kernel memory', () => {
  it.each([
    ['lz4', 'text', text],
    ['deflate', 'text', text],
    ['deflate', 'noise', noise],
    ['deflate', 'repeated noise', repeated],
  ] as const)('is whole: %s, %s', async (codec, _, raw) => {
    const { kernels } = await import('../../src/kernels/index.js')
    const { takeRegion } = await import('../../src/pack/regions.js')
    const { packFrame, unpackFrame } = await import('../../src/pack/frame.js')
    const { at } = takeRegion(raw.length)
    kernels().heap().set(raw, at)
    const frame = packFrame(codec, at, raw.length)
    const plaintext = kernels()
      .heap()
      .slice(frame.at, frame.at + frame.length)
    const place = unpackFrame(plaintext.length, raw.length, (out) => {
      out.set(plaintext)
      return plaintext.length
    })
    expect(
      kernels()
        .heap()
        .slice(place.at, place.at + place.length),
    ).toEqual(raw)
  })
})
