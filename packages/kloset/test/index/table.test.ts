import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Bytes, concatBytes, toHex } from '../../src/bytes/index.js'
import { decodeSegment, IndexTable, type Location, type Segment, SegmentBuilder } from '../../src/index/index.js'
import { counted, fixedKeyring } from '../crypto/helpers.js'
import { idOf, makeSegment, packRecords } from './helpers.js'

const missing = idOf(0x7fff_ffff)

function placesOf(locations: readonly Location[]): unknown {
  return locations.map(({ frame, offset, length }) => [toHex(frame.pack), frame.ordinal, offset, length])
}

describe('an index table', () => {
  it('finds what a map finds, over several segments and while it grows', () => {
    const shapes = fc.array(
      fc.record({ packs: fc.nat(3), frames: fc.nat(3), records: fc.nat(150), first: fc.nat(300), name: fc.nat(3) }),
      { maxLength: 6 },
    )
    fc.assert(
      fc.property(shapes, (all) => {
        const table = new IndexTable()
        const expected = new Map<string, Set<string>>()
        for (const shape of all) {
          const segment = makeSegment(shape)
          table.add(segment)
          for (const [id, place] of plainPlaces(segment)) {
            const places = expected.get(id) ?? new Set()
            expected.set(id, places.add(place))
          }
        }
        for (const reader of [table, IndexTable.join(table.share())]) {
          expect(reader.size).toBe([...expected.values()].reduce((sum, places) => sum + places.size, 0))
          for (const [id, places] of expected) {
            const found = reader.locateAll(Buffer.from(id, 'hex'))
            const told = found.map(({ frame, offset, length }) =>
              [
                toHex(frame.pack),
                frame.packSize,
                frame.offset,
                frame.sealedLength,
                frame.rawLength,
                frame.ordinal,
                offset,
                length,
              ].join(),
            )
            expect(new Set(told)).toEqual(places)
            expect(told.length).toBe(places.size)
          }
          expect(reader.has(missing)).toBe(false)
          expect(reader.locate(missing)).toBeUndefined()
        }
      }),
      { numRuns: 30 },
    )
  })

  it('reads ids at any offset', () => {
    const table = new IndexTable()
    table.add(makeSegment({ packs: 1, frames: 1, records: 3 }))
    for (let offset = 0; offset < 9; offset++) {
      const bytes = concatBytes(counted(offset), idOf(2), counted(5))
      expect(table.has(bytes, offset)).toBe(true)
      expect(table.has(bytes, offset === 0 ? 1 : offset - 1)).toBe(false)
    }
  })

  it('compares whole ids', () => {
    const table = new IndexTable()
    const id = idOf(5)
    const { packs } = makeSegment({ packs: 1, frames: 1, records: 1 })
    table.add({ class: 'data', domain: 0, packs, records: packRecords([{ id, frame: 0, offset: 0, length: 1 }]) })
    for (let at = 0; at < 32; at++) {
      const similar = id.slice()
      similar[at]! ^= 0x80
      expect(table.has(similar)).toBe(false)
    }
  })

  it('finds everything where all ids start alike', () => {
    const ids = Array.from({ length: 700 }, (_, i) => concatBytes(new Uint8Array(28), packNumber(i)))
    const records = packRecords(ids.map((id, i) => ({ id, frame: 0, offset: i, length: 1 })))
    const packs = [{ name: idOf(1), size: 1_000, frames: Uint32Array.of(46, 100, 1_000) }]
    const table = new IndexTable()
    table.add({ class: 'data', domain: 0, packs, records })
    expect(ids.map((id) => table.locate(id)?.offset)).toEqual(ids.map((_, i) => i))
  })

  it('does not rely on barred packs, and names them last', () => {
    const table = new IndexTable()
    const one = makeSegment({ packs: 1, frames: 1, records: 4, name: 1 })
    const other = makeSegment({ packs: 1, frames: 1, records: 2, name: 2 })
    table.add(one)
    table.add(other)
    const joined = IndexTable.join(table.share())
    table.bar(one.packs[0]!.name)
    table.bar(idOf(99))
    for (const reader of [table, joined]) {
      expect([0, 1, 2, 3].map((i) => reader.has(idOf(i)))).toEqual([true, true, false, false])
      expect(placesOf(reader.locateAll(idOf(0)))).toEqual([
        [toHex(other.packs[0]!.name), 0, 0, 100],
        [toHex(one.packs[0]!.name), 0, 0, 100],
      ])
      expect(reader.locateAll(idOf(3)).length).toBe(1)
    }
    const late = makeSegment({ packs: 1, frames: 1, records: 1, first: 500, name: 3 })
    table.bar(late.packs[0]!.name)
    table.add(late)
    expect([table.has(idOf(500)), table.locateAll(idOf(500)).length]).toEqual([false, 1])
  })

  it('lists its packs, each once', () => {
    const table = new IndexTable()
    const segment = { ...makeSegment({ packs: 3, frames: 2, records: 1 }), class: 'metadata' as const }
    table.add(segment)
    table.add(segment)
    expect([...table.packs()]).toEqual(segment.packs.map((pack) => ({ ...pack, class: 'metadata' })))
    expect(table.size).toBe(6)
  })

  it('is added to by its owner alone; who joined before still finds what was there then', () => {
    const table = new IndexTable()
    table.add(makeSegment({ packs: 1, frames: 1, records: 100 }))
    const joined = IndexTable.join(table.share())
    // Many more pages of records, frames and packs than the other thread has.
    table.add(makeSegment({ packs: 300, frames: 60, records: 2, first: 1_000, name: 1_000 }))
    expect(Array.from({ length: 100 }, (_, i) => joined.has(idOf(i))).every(Boolean)).toBe(true)
    for (let i = 1_000; i < 37_000; i += 100) joined.locateAll(idOf(i))
    const again = IndexTable.join(table.share())
    for (let i = 1_000; i < 37_000; i += 100) expect(again.locate(idOf(i))!.length).toBe(100)
    expect(() => joined.add(makeSegment({ packs: 1, frames: 1, records: 1 }))).toThrow(TypeError)
  })
})

describe('a segment builder', () => {
  const keyring = fixedKeyring()
  const packOf = (seed: number, counts: readonly number[]): Parameters<SegmentBuilder['add']>[0] => {
    const frames = Uint32Array.from(counts.flatMap((count) => [1_000, 100 * Math.max(1, count), count]))
    const records: Bytes[] = []
    let next = seed
    for (const count of counts) {
      for (let i = 0; i < count; i++) records.push(concatBytes(idOf(next++), packNumber(100 * i), packNumber(100)))
    }
    const file = { length: 46 + 1_000 * counts.length + 100 }
    return { name: idOf(-seed - 1), file, frames, records: concatBytes(...records), headerLength: 46 }
  }

  it('tells where everything is', () => {
    const builder = new SegmentBuilder(keyring, 'metadata')
    expect(builder.take()).toEqual([])
    builder.add(packOf(0, [3, 0, 300]))
    builder.add(packOf(1_000, [1]))
    expect(builder.records).toBe(304)
    const [segment, ...others] = builder.take()
    expect(others).toEqual([])
    expect(builder.records).toBe(0)
    expect(builder.take()).toEqual([])
    const read = decodeSegment(keyring, segment!.name, segment!.bytes)
    expect(read.class).toBe('metadata')
    expect(read.packs.map(({ size, frames }) => [size, ...frames])).toEqual([
      [3_146, 46, 1_000, 300, 1_046, 1_000, 100, 2_046, 1_000, 30_000],
      [1_146, 46, 1_000, 100],
    ])
    const table = new IndexTable()
    table.add(read)
    expect(placesOf(table.locateAll(idOf(2)))).toEqual([[toHex(idOf(-1)), 0, 200, 100]])
    expect(placesOf(table.locateAll(idOf(302)))).toEqual([[toHex(idOf(-1)), 2, 29_900, 100]])
    expect(placesOf(table.locateAll(idOf(1_000)))).toEqual([[toHex(idOf(-1_001)), 0, 0, 100]])
  })

  it('makes several segments where one would be too large', () => {
    const builder = new SegmentBuilder(keyring, 'data')
    const records = new Uint8Array(400_000 * 40)
    const view = new DataView(records.buffer)
    for (let at = 0; at < records.length; at += 40) view.setUint32(at, Math.imul(at, 0x9e3779b1))
    for (let i = 0; i < 3; i++) {
      const frames = Uint32Array.of(1_000, 1_000, 400_000)
      builder.add({ name: idOf(i), file: { length: 2_000 }, frames, records, headerLength: 46 })
    }
    const segments = builder.take().map(({ name, bytes }) => decodeSegment(keyring, name, bytes))
    expect(segments.map((segment) => segment.packs.length)).toEqual([2, 1])
  })
})

function packNumber(value: number): Bytes {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value, true)
  return bytes
}

function* plainPlaces({ packs, records }: Segment): Generator<[string, string]> {
  const view = new DataView(records.buffer, records.byteOffset, records.length)
  const frames = packs.flatMap(({ name, size, frames }) =>
    Array.from({ length: frames.length / 3 }, (_, i) =>
      [toHex(name), size, ...frames.subarray(3 * i, 3 * i + 3), i].join(),
    ),
  )
  for (let at = 0; at < records.length; at += 44) {
    const place = `${frames[view.getUint32(at + 32, true)]},${view.getUint32(at + 36, true)},${view.getUint32(at + 40, true)}`
    yield [toHex(records.subarray(at, at + 32)), place]
  }
}
