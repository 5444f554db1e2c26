import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { isKlosetError } from '../../src/errors.js'
import { base64 as blake3 } from '../../src/kernels/blake3.generated.js'
import { base64 as blake3Scalar } from '../../src/kernels/blake3-scalar.generated.js'
import { base64 as gear } from '../../src/kernels/gear.generated.js'
import { addressOf, kernels, Region } from '../../src/kernels/index.js'
import { createKernels } from '../../src/kernels/kernels.js'
import { base64 as lz4 } from '../../src/kernels/lz4.generated.js'
import { hasSimd } from '../../src/kernels/module.js'

const sources = new URL('../../kernels/', import.meta.url)

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

afterEach(() => vi.unstubAllGlobals())

describe('kernels', () => {
  it('are one instance', () => {
    expect(kernels()).toBe(kernels())
  })

  it('reserve aligned regions of zeros that do not overlap, and keep what is in them while memory grows', () => {
    const own = createKernels(true)
    const sizes = [1, 64, 65, 3_000_000, 0, 10]
    const regions = sizes.map((size, i) => {
      const at = own.reserve(size)
      expect(
        own
          .heap()
          .subarray(at, at + size)
          .every((byte) => byte === 0),
      ).toBe(true)
      own.heap().fill(i + 1, at, at + size)
      return at
    })
    regions.forEach((at, i) => {
      expect(at % 64).toBe(0)
      expect(
        own
          .heap()
          .subarray(at, at + sizes[i]!)
          .every((byte) => byte === i + 1),
      ).toBe(true)
    })
  })

  it('show the whole memory after it grew', () => {
    const own = createKernels(true)
    const before = own.heap()
    expect(own.heap()).toBe(before)
    const at = own.reserve(before.length)
    expect(own.heap().length).toBeGreaterThanOrEqual(at + before.length)
    expect(own.heap().length).toBe(own.memory.buffer.byteLength)
  })

  it('say so where memory cannot grow', () => {
    const own = createKernels(true)
    const error = (() => {
      try {
        return own.reserve(2 ** 33)
      } catch (thrown) {
        return thrown
      }
    })()
    expect(isKlosetError(error, 'KLOSET_LIMIT')).toBe(true)
    expect(own.reserve(64) % 64).toBe(0)
  })

  it('say so where there is no WebAssembly', () => {
    vi.stubGlobal('WebAssembly', undefined)
    expect(() => createKernels(false)).toThrow(expect.objectContaining({ code: 'KLOSET_UNSUPPORTED' }))
  })

  it('find SIMD where this test runs', () => {
    expect(hasSimd()).toBe(true)
  })
})

describe('compiled bytes', () => {
  const lock = JSON.parse(readFileSync(new URL('kernels.lock.json', sources), 'utf8'))

  it.each([
    ['gear', gear],
    ['blake3', blake3],
    ['blake3-scalar', blake3Scalar],
    ['lz4', lz4],
  ])('of %s are those of the lock file, made of the source there, and import nothing but memory', (name, base64) => {
    const { source, sourceSha256, sha256 } = lock.kernels[name]
    const bytes = Buffer.from(base64, 'base64')
    expect(digest(bytes)).toBe(sha256)
    expect(digest(readFileSync(new URL(source, sources)))).toBe(sourceSha256)
    expect(WebAssembly.Module.imports(new WebAssembly.Module(bytes))).toEqual([
      { module: 'env', name: 'memory', kind: 'memory' },
    ])
  })
})

describe('region', () => {
  it('stays where it is until more is asked for', () => {
    const region = new Region()
    const at = region.at(100)
    expect(region.at(4000)).toBe(at)
    expect(region.at(5000)).not.toBe(at)
  })

  it('knows which bytes are in the memory', () => {
    const at = new Region().at(100)
    expect(
      addressOf(
        kernels()
          .heap()
          .subarray(at, at + 5),
      ),
    ).toBe(at)
    expect(addressOf(new Uint8Array(5))).toBeUndefined()
  })
})
