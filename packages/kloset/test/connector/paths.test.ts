import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  checkPath,
  compareKeys,
  comparePaths,
  nanoseconds,
  pathFromBytes,
  pathToBytes,
  safeSegment,
  writePath,
} from '../../src/connector/paths.js'

// Bytes that are often nearly UTF-8: whole sequences, and pieces of them.
const pieces = fc.oneof(
  fc.constantFrom<number[]>(
    [0x2f],
    [0x61],
    [0x2e],
    [0x2d],
    [0xc3, 0xa9],
    [0xc3],
    [0xe2, 0x82, 0xac],
    [0xe2, 0x82],
    [0xed, 0xa0, 0x80],
    [0xed, 0xb2, 0x80],
    [0xee, 0x80, 0x80],
    [0xef, 0xbb, 0xbf],
    [0xef, 0xbf, 0xbd],
    [0xf0, 0x9f, 0x98, 0x80],
    [0xf0, 0x9f],
    [0xf4, 0x90, 0x80, 0x80],
    [0xc0, 0xaf],
    [0x80],
  ),
  fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 4 }),
)
const nearlyUtf8 = fc.array(pieces, { maxLength: 12 }).map((parts) => Uint8Array.from(parts.flat()))

const sign = (value: number): number => Math.sign(value)
const keyOrder = (a: Uint8Array, b: Uint8Array): number => compareKeys(a, 0, a.length, b, 0, b.length)

describe('bytes of paths', () => {
  it('come back exactly, whatever they are', () => {
    fc.assert(
      fc.property(nearlyUtf8, (bytes) => {
        expect(pathToBytes(pathFromBytes(bytes))).toEqual(bytes)
      }),
      { numRuns: 2_000 },
    )
  })

  it('decode as UTF-8 where they are UTF-8', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (path) => {
        const bytes = new TextEncoder().encode(path)
        expect(pathFromBytes(bytes)).toBe(path)
        expect(pathToBytes(path)).toEqual(bytes)
      }),
    )
  })

  it('escape single bytes as Python does', () => {
    expect(pathFromBytes(Uint8Array.of(0x66, 0xe9, 0x2f, 0xf0, 0x9f, 0x98, 0x80, 0x80))).toBe('f\udce9/😀\udc80')
    expect(pathFromBytes(Uint8Array.of(0xed, 0xa0, 0x80))).toBe('\udced\udca0\udc80')
    expect(pathFromBytes(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61))).toBe('\ufeffa')
  })

  it('do not exist for surrogates that stand for no byte', () => {
    for (const path of ['\ud800', 'a\udc7f', 'a\udd00b', '\udbff/x']) expect(() => pathToBytes(path)).toThrow(TypeError)
  })

  it('are written in place, also when long', () => {
    const path = `${'ü'.repeat(30_000)}\udcff`
    const into = new Uint8Array(path.length * 3 + 5)
    const end = writePath(path, into, 5)
    expect(end).toBe(5 + 60_001)
    expect(into.slice(5, end)).toEqual(pathToBytes(path))
  })
})

describe('path order', () => {
  it('is the order of the bytes with / lowest', () => {
    fc.assert(
      fc.property(nearlyUtf8, nearlyUtf8, nearlyUtf8, (start, a, b) => {
        const left = Uint8Array.of(...start, ...a)
        const right = Uint8Array.of(...start, ...b)
        // The plain twin: the bytes as numbers, with / moved below zero.
        const rank = (bytes: Uint8Array): number[] => Array.from(bytes, (byte) => (byte === 0x2f ? -1 : byte))
        const plain = compareLists(rank(left), rank(right))
        expect(sign(keyOrder(left, right))).toBe(plain)
        expect(sign(comparePaths(pathFromBytes(left), pathFromBytes(right)))).toBe(plain)
      }),
      { numRuns: 3_000 },
    )
  })

  it('puts a directory just before what it holds', () => {
    const sorted = ['', 'a', 'a/x', 'a/x/y', 'a/z', 'a b', 'a!', 'a-b', 'a.txt', 'a0', 'b']
    expect([...sorted].reverse().sort(comparePaths)).toEqual(sorted)
  })

  it('puts U+FF41 before an emoji, and a raw byte by its value', () => {
    expect(comparePaths('a/\uff41', 'a/😀')).toBeLessThan(0)
    expect(comparePaths('😀a', '😁')).toBeLessThan(0)
    expect(comparePaths('\udc80', 'é')).toBeLessThan(0)
    expect(comparePaths('\udcff', '😀')).toBeGreaterThan(0)
    expect(comparePaths('😀', '😀\udc80')).toBeLessThan(0)
  })

  it('compares parts of larger arrays', () => {
    const bytes = new TextEncoder().encode('xa/by a/c')
    expect(compareKeys(bytes, 1, 4, bytes, 6, 9)).toBeLessThan(0)
    expect(compareKeys(bytes, 1, 3, bytes, 6, 8)).toBe(0)
    expect(compareKeys(bytes, 1, 4, bytes, 6, 8)).toBeGreaterThan(0)
  })
})

describe('which paths entries may have', () => {
  it('are those without empty, . and .. segments', () => {
    for (const path of ['', 'a', '...', 'a/..b', '.a/b.', 'ü/\udce9', 'a\\..\\b', 'x'.repeat(65_536)]) {
      expect(checkPath(path)).toBe(path)
    }
    const refused = [
      '/',
      '/a',
      'a/',
      'a//b',
      '.',
      '..',
      'a/.',
      './a',
      'a/../b',
      '../a',
      'a\0',
      '\ud800',
      'x'.repeat(65_537),
    ]
    for (const path of [...refused, 'ü'.repeat(32_769)]) {
      expect(() => checkPath(path)).toThrow(expect.objectContaining({ code: 'KLOSET_PATH_UNSAFE' }))
    }
  })

  it('agrees with what a segment may be', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', '.', '..', '', '\0', 'b.', '-'), { minLength: 1 }), (segments) => {
        const path = segments.join('/')
        fc.pre(path !== '')
        let taken = true
        try {
          checkPath(path)
        } catch {
          taken = false
        }
        expect(taken).toBe(segments.every(safeSegment))
      }),
    )
    expect(safeSegment('a/b')).toBe(false)
  })
})

describe('nanoseconds', () => {
  it('keep the fraction of a millisecond', () => {
    expect(nanoseconds(1_700_000_000_123.5)).toBe(1_700_000_000_123_500_000n)
    expect(nanoseconds(new Date('1969-12-31T23:59:59.999Z'))).toBe(-1_000_000n)
    expect(nanoseconds(-0.25)).toBe(-250_000n)
    expect(() => nanoseconds(new Date('never'))).toThrow(RangeError)
  })
})

function compareLists(a: number[], b: number[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i] !== b[i]) return Math.sign(a[i]! - b[i]!)
  return Math.sign(a.length - b.length)
}
