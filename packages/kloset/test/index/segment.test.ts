import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Bytes, ByteWriter, compareBytes, concatBytes, toHex } from '../../src/bytes/index.js'
import { newHeader, readHeader, sealer } from '../../src/crypto/index.js'
import { blake3 } from '../../src/hash/index.js'
import { decodeSegment, encodeSegment, recordLength, type Segment } from '../../src/index/index.js'
import { codeOf, counted, fixedKeyring, mutations } from '../crypto/helpers.js'
import { idOf, makeSegment, packRecords } from './helpers.js'

const keyring = fixedKeyring()

function rowsOf(records: Uint8Array): Uint8Array[] {
  return Array.from({ length: records.length / recordLength }, (_, i) =>
    records.subarray(i * recordLength, (i + 1) * recordLength),
  )
}

describe('a segment', () => {
  it('gives back what was put in, sorted by id', () => {
    const shapes = fc.record({
      packs: fc.nat(4),
      frames: fc.nat(5),
      records: fc.oneof(fc.nat(20), fc.nat(200)),
      first: fc.nat(1e6),
    })
    fc.assert(
      fc.property(shapes, fc.constantFrom('data', 'metadata'), fc.nat(65_535), (shape, ofClass, domain) => {
        const segment: Segment = { ...makeSegment(shape), class: ofClass as 'data', domain }
        const { name, bytes } = encodeSegment(keyring, segment)
        expect(name).toBe(toHex(blake3(bytes)))
        const read = decodeSegment(keyring, name, bytes)
        expect({ ...read, records: 0 }).toEqual({ ...segment, records: 0 })
        const sorted = rowsOf(segment.records).sort(compareBytes)
        expect(toHex(read.records)).toBe(toHex(concatBytes(...sorted)))
      }),
      { numRuns: 40 },
    )
  })

  it('keeps several places of one id, in an order of their own', () => {
    const id = idOf(1)
    const { packs } = makeSegment({ packs: 1, frames: 2, records: 100 })
    const places = Array.from({ length: 200 }, (_, i) => ({
      id,
      frame: (i * 7) % 2,
      offset: (i * 13) % 200,
      length: 5,
    }))
    const one = encodeSegment(keyring, { class: 'data', domain: 0, packs, records: packRecords(places) }, counted(32))
    const other = encodeSegment(
      keyring,
      { class: 'data', domain: 0, packs, records: packRecords(places.reverse()) },
      counted(32),
    )
    expect(other.name).toBe(one.name)
    const read = rowsOf(decodeSegment(keyring, one.name, one.bytes).records).map(toHex)
    expect(read.length).toBe(200)
    expect(new Set(read)).toEqual(new Set(rowsOf(packRecords(places)).map(toHex)))
  })

  it('is as the format says', () => {
    const segment = makeSegment({ packs: 2, frames: 1, records: 150 })
    const { bytes } = encodeSegment(keyring, segment, counted(32))
    const header = readHeader('index', bytes)
    const parts = sealer(keyring, header, 'index')
    const view = new DataView(bytes.buffer)
    const sealedTable = view.getUint32(46, true)
    const table = parts.open(1, 0, bytes.subarray(50, 50 + sealedTable))
    const ids = rowsOf(segment.records).sort(compareBytes)
    const expected = new ByteWriter()
    expected.u8(1)
    expected.u16(0)
    for (const count of [300, 2, 2]) expected.u32(count)
    for (const { name } of segment.packs) {
      expected.bytes(name)
      expected.u32(1_106)
      expected.u32(1)
    }
    for (let pack = 0; pack < 2; pack++) for (const number of [46, 1_000, 15_000]) expected.u32(number)
    expected.bytes(ids[0]!.subarray(0, 32))
    expected.bytes(ids[256]!.subarray(0, 32))
    expect(toHex(table)).toBe(toHex(expected.finish()))
    const first = 50 + sealedTable
    const second = first + 256 * recordLength + 16
    expect(toHex(parts.open(0, 0, bytes.subarray(first, second)))).toBe(toHex(concatBytes(...ids.slice(0, 256))))
    expect(toHex(parts.open(0, 1, bytes.subarray(second)))).toBe(toHex(concatBytes(...ids.slice(256))))
  })

  it.each([
    ['aes-256-gcm', '8a126e2c3f101eca25391a6ebfa2f38395697658493ebf99ff35ed2660d5ef3b'],
    ['chacha20-poly1305', 'fe31241fbda76d0b3a02c1299e2cae8a64129e795986942b418f35b22bb67161'],
    ['none', '21b56b9ce32d71651fb9351169c7c8151a804f69c414054ba9da860b0b8fc975'],
  ] as const)('is pinned, %s', (encryption, name) => {
    const segment = makeSegment({ packs: 2, frames: 3, records: 50 })
    expect(encodeSegment(fixedKeyring(encryption), segment, counted(32)).name).toBe(name)
  })

  it('sorts a million records, and no more are allowed', () => {
    const records = new Uint8Array((1024 * 1024 + 1) * recordLength)
    const view = new DataView(records.buffer)
    for (let at = 0, i = 0; at < records.length; at += recordLength, i++) {
      view.setUint32(at, Math.imul(i, 0x9e3779b1), true)
      view.setUint32(at + 4, i, true)
    }
    const packs = [{ name: counted(32), size: 1_000, frames: Uint32Array.of(46, 100, 1_000) }]
    const most = records.subarray(recordLength)
    const { name, bytes } = encodeSegment(keyring, { class: 'data', domain: 0, packs, records: most })
    expect(decodeSegment(keyring, name, bytes).records.length).toBe(most.length)
    expect(codeOf(() => encodeSegment(keyring, { class: 'data', domain: 0, packs, records }))).toBe('KLOSET_LIMIT')
  })
})

describe('a damaged segment', () => {
  const { name, bytes } = encodeSegment(keyring, makeSegment({ packs: 2, frames: 2, records: 70 }), counted(32))

  it('is told by its name', () => {
    for (const changed of mutations(bytes, 101)) {
      expect(codeOf(() => decodeSegment(keyring, name, changed))).toBe('KLOSET_INDEX_CORRUPT')
    }
    expect(codeOf(() => decodeSegment(keyring, toHex(counted(32)), bytes))).toBe('KLOSET_INDEX_CORRUPT')
  })

  it('is told even where its name is right', () => {
    const read = (changed: Bytes): unknown => codeOf(() => decodeSegment(keyring, toHex(blake3(changed)), changed))
    for (const changed of mutations(bytes, 7))
      expect(['KLOSET_INDEX_CORRUPT', 'KLOSET_VERSION']).toContain(read(changed))
    for (let end = 0; end < bytes.length; end += 11) expect(read(bytes.slice(0, end))).toBe('KLOSET_INDEX_CORRUPT')
    expect(read(concatBytes(bytes, counted(1)))).toBe('KLOSET_INDEX_CORRUPT')
    const other = fixedKeyring('chacha20-poly1305')
    expect(codeOf(() => decodeSegment(other, name, bytes))).toBe('KLOSET_INDEX_CORRUPT')
  })
})

describe('a forged segment, rightly sealed,', () => {
  interface Forgery {
    class?: number
    counts?: [number, number, number]
    packs?: [size: number, frames: number][]
    frames?: [number, number, number][]
    records?: Bytes
    fences?: Uint8Array[]
    tail?: Uint8Array
  }
  const ids = [idOf(1), idOf(2)].sort(compareBytes)
  const record = (id: Uint8Array, frame = 0, offset = 0, length = 10): Bytes =>
    packRecords([{ id, frame, offset, length }])

  function forge(forgery: Forgery): unknown {
    const records = forgery.records ?? concatBytes(record(ids[0]!), record(ids[1]!))
    const packs = forgery.packs ?? [[1_000, 1]]
    const frames = forgery.frames ?? [[46, 100, 100]]
    const table = new ByteWriter()
    table.u8(forgery.class ?? 1)
    table.u16(0)
    for (const n of forgery.counts ?? [records.length / recordLength, packs.length, frames.length]) table.u32(n)
    for (const [size, count] of packs) {
      table.bytes(counted(32))
      table.u32(size)
      table.u32(count)
    }
    for (const n of frames.flat()) table.u32(n)
    for (const id of forgery.fences ?? [ids[0]!]) table.bytes(id)
    const extension = new ByteWriter()
    extension.u32(table.length + 16)
    const header = newHeader('index', 0, extension.finish())
    const parts = sealer(keyring, header, 'index')
    const bytes = concatBytes(
      header.bytes,
      parts.seal(1, 0, table.finish()),
      records.length === 0 ? new Uint8Array(0) : parts.seal(0, 0, records),
      forgery.tail ?? new Uint8Array(0),
    )
    return codeOf(() => decodeSegment(keyring, toHex(blake3(bytes)), bytes).records.length)
  }

  it('is read where nothing is wrong with it', () => {
    expect(forge({})).toBe(2 * recordLength)
    expect(forge({ records: new Uint8Array(0), fences: [] })).toBe(0)
    expect(forge({ records: concatBytes(record(ids[0]!), record(ids[0]!)) })).toBe(2 * recordLength)
  })

  it.each<[string, Forgery]>([
    ['of an unknown class', { class: 3 }],
    ['with too few records', { counts: [3, 1, 1] }],
    ['with 4 Gi records', { counts: [2 ** 32 - 1, 1, 1] }],
    ['with 4 Gi packs', { counts: [2, 2 ** 32 - 1, 1] }],
    ['with 4 Gi frames', { counts: [2, 1, 2 ** 32 - 1] }],
    ['with a frame too many', { packs: [[1_000, 2]] }],
    ['with a frame too few', { packs: [[1_000, 0]] }],
    ['with a pack too large', { packs: [[256 * 1024 * 1024 + 1, 1]] }],
    ['with a frame too large', { packs: [[128 * 2 ** 20, 1]], frames: [[46, 17 * 2 ** 20, 100]] }],
    ['with a raw frame too large', { frames: [[46, 100, 16 * 2 ** 20 + 1]] }],
    ['with a frame beyond its pack', { frames: [[901, 100, 100]] }],
    ['with a frame far beyond its pack', { frames: [[2 ** 32 - 50, 100, 100]] }],
    ['with a record in no frame', { records: concatBytes(record(ids[0]!), record(ids[1]!, 1)) }],
    ['with a record beyond its frame', { records: concatBytes(record(ids[0]!, 0, 91), record(ids[1]!)) }],
    [
      'with a record far beyond its frame',
      { records: concatBytes(record(ids[0]!, 0, 2 ** 32 - 1, 2 ** 32 - 1), record(ids[1]!)) },
    ],
    ['that is not sorted', { records: concatBytes(record(ids[1]!), record(ids[0]!)), fences: [ids[1]!] }],
    ['with another fence', { fences: [ids[1]!] }],
    ['with a fence too many', { fences: ids }],
    ['with half a record', { records: concatBytes(record(ids[0]!), record(ids[1]!).subarray(1)), counts: [2, 1, 1] }],
    ['that something follows', { tail: counted(1) }],
  ])('%s is refused', (_, forgery) => {
    expect(forge(forgery)).toBe('KLOSET_INDEX_CORRUPT')
  })
})
