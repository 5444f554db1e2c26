import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteWriter, toHex } from '../../src/bytes/index.js'
import { decodeStat, encodeStat, hasError, longXattrs, type Stat, writeStat } from '../../src/tree/index.js'
import { anyStat, mutated } from './support.js'

const corrupt = expect.objectContaining({ code: 'KLOSET_TREE_CORRUPT' })

describe('stat', () => {
  it('comes back as it was', () => {
    fc.assert(
      fc.property(anyStat, (stat) => {
        const encoded = encodeStat(stat)
        expect(decodeStat(encoded)).toEqual(stat)
        expect(hasError(encoded)).toBe(stat.error !== undefined)
      }),
      { numRuns: 500 },
    )
  })

  it('has the bytes of docs/format.md', () => {
    const stat: Stat = {
      type: 'symlink',
      size: 300,
      mode: 0o755,
      mtime: 1n,
      owner: { uid: 1, user: 'é' },
      inode: { device: 2n ** 64n - 1n, number: 3n, links: 1 },
      target: 'a\udcff',
      attributes: { b: '2', a: '1' },
      error: { code: 'C', message: 'm' },
    }
    const flags = (1 << 0) | (1 << 1) | (1 << 2) | (1 << 5) | (1 << 7) | (1 << 9) | (1 << 10) | (1 << 13) | (1 << 15)
    expect(flags).toBe(0xa6a7)
    expect(toHex(encodeStat(stat))).toBe(
      [
        '02',
        'a7cd02',
        'ac02',
        'ed03',
        '0100000000000000',
        '01',
        '02c3a9',
        `${'ff'.repeat(8)}030000000000000001`,
        '0261ff',
        '02' + '0161' + '0131' + '0162' + '0132',
        '0143' + '016d',
      ].join(''),
    )
  })

  it('is written behind what is there, and equal for equal stats', () => {
    const writer = new ByteWriter()
    writer.u8(1)
    writeStat(writer, { type: 'file', xattrs: { b: Uint8Array.of(1), a: Uint8Array.of(2) }, attributes: {}, owner: {} })
    expect(writer.finish().subarray(1)).toEqual(
      encodeStat({ type: 'file', size: undefined, xattrs: { a: Uint8Array.of(2), b: Uint8Array.of(1) } }),
    )
  })

  it('keeps long xattrs as extents beside short ones', () => {
    const stat: Stat = {
      type: 'file',
      xattrs: { 'user.b': new Uint8Array(1_024).fill(1) },
      storedXattrs: { 'user.a': [{ length: 70_000, id: new Uint8Array(32).fill(2) }], 'user.c': [] },
    }
    expect(decodeStat(encodeStat(stat))).toEqual(stat)
  })

  it('chooses the same long xattrs whatever order they come in', () => {
    const xattrs = { c: new Uint8Array(500), a: new Uint8Array(600), b: new Uint8Array(500), d: new Uint8Array(24) }
    expect(longXattrs(xattrs)).toEqual(['b', 'c'])
    expect(longXattrs(Object.fromEntries(Object.entries(xattrs).reverse()))).toEqual(longXattrs(xattrs))
    expect(longXattrs({ a: new Uint8Array(1_024), b: new Uint8Array(0) })).toEqual([])
  })

  it('keeps names that mean something to JavaScript', () => {
    const stat: Stat = {
      type: 'file',
      xattrs: Object.fromEntries([['__proto__', Uint8Array.of(1)]]),
      attributes: Object.fromEntries([['__proto__', 'x'] as const, ['constructor', 'y'] as const]),
    }
    const decoded = decodeStat(encodeStat(stat))
    expect(Object.entries(decoded.attributes!)).toEqual(Object.entries(stat.attributes!))
    expect(Object.keys(decoded.xattrs!)).toEqual(['__proto__'])
    expect(Object.getPrototypeOf(decoded.attributes)).toBe(Object.prototype)
  })

  it('shares no memory with what it was decoded from', () => {
    const bytes = encodeStat({ type: 'file', xattrs: { a: Uint8Array.of(5) } })
    const { xattrs } = decodeStat(bytes)
    bytes.fill(0)
    expect(xattrs!.a).toEqual(Uint8Array.of(5))
  })

  it('refuses what it cannot keep', () => {
    const refused: [Stat, unknown][] = [
      [{ type: 'door' as 'file' }, TypeError],
      [{ type: 'file', size: -1 }, RangeError],
      [{ type: 'file', size: 1.5 }, RangeError],
      [{ type: 'file', mode: 0o100644 }, RangeError],
      [{ type: 'file', mtime: 2n ** 63n }, RangeError],
      [{ type: 'file', inode: { device: 0n, number: -1n, links: 1 } }, RangeError],
      [{ type: 'file', version: '\ud800' }, TypeError],
      [{ type: 'symlink', target: '\ud800' }, TypeError],
      [{ type: 'file', xattrs: { a: new Uint8Array(1_025) } }, RangeError],
      [{ type: 'file', xattrs: { a: new Uint8Array(1) }, storedXattrs: { a: [] } }, RangeError],
      [{ type: 'symlink', target: 'x'.repeat(65_537) }, expect.objectContaining({ code: 'KLOSET_LIMIT' })],
      [{ type: 'file', attributes: { a: 'x'.repeat(130_000) } }, expect.objectContaining({ code: 'KLOSET_LIMIT' })],
    ]
    for (const [stat, error] of refused) expect(() => encodeStat(stat)).toThrow(error as Error)
  })

  it('keeps what it can of owners and errors that are not text', () => {
    const stat = encodeStat({
      type: 'file',
      owner: { user: '\udce9' },
      error: { code: 'X', message: `\udce9${'m'.repeat(9_000)}` },
    })
    const decoded = decodeStat(stat)
    expect(decoded.owner).toEqual({ user: '\ufffd' })
    expect(decoded.error!.message.length).toBe(2_000)
  })

  it('is never read from damaged bytes as something it is not', () => {
    fc.assert(
      fc.property(mutated(anyStat.map(encodeStat)), (bytes) => {
        let stat: Stat
        try {
          stat = decodeStat(bytes)
        } catch (error) {
          expect(error).toEqual(corrupt)
          return
        }
        // What is accepted is a stat, and can be written again.
        expect(decodeStat(encodeStat(stat))).toEqual(stat)
      }),
      { numRuns: 3_000 },
    )
  })

  it('takes an empty record for none', () => {
    for (const bytes of [Uint8Array.of(0, 0x80, 0x20, 0), Uint8Array.of(0, 0x80, 0x40, 0)]) {
      expect(decodeStat(bytes)).toEqual({ type: 'file' })
    }
  })

  it('refuses counts and lengths that cannot be', () => {
    const hostile = [
      [],
      [7, 0],
      [0, 0x80, 0x80, 4],
      [0, 1],
      [0, 1, 0x80, 0],
      [0, 2, 0x80, 0x20],
      // 2^50 xattrs; an xattr of 1,025 bytes; names out of order; an attribute twice
      [0, 0x80, 0x20, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02],
      [0, 0x80, 0x20, 1, 1, 0x61, 0, 0x81, 8, ...new Array(1_025).fill(0)],
      [0, 0x80, 0x40, 2, 1, 0x62, 0, 1, 0x61, 0],
      [0, 0x80, 0x40, 2, 1, 0x61, 0, 1, 0x61, 0],
      [0, 0x80, 0x40, 1, 1, 0xff, 0],
      [0, 0, 0],
    ]
    for (const bytes of hostile) expect(() => decodeStat(Uint8Array.from(bytes))).toThrow(corrupt)
  })
})
