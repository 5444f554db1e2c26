import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { concatBytes, MalformedError, toHex } from '../../src/bytes/index.js'
import { createKeyring, type Keyring } from '../../src/crypto/index.js'
import { decodeSegment, encodeSegment, IndexTable, type Location, type Segment } from '../../src/index/index.js'
import { lastBelow } from '../../src/index/sorted/fences.js'
import { SortedFile } from '../../src/index/sorted/sorted-file.js'
import { FileSource, SegmentSource } from '../../src/index/sorted/sources.js'
import { sortedFile } from '../../src/index/sorted/write.js'
import { runtime } from '../../src/runtime/index.js'
import { counted, fixedKeyring } from '../crypto/helpers.js'
import { idOf, makeSegment, numbers, packRecords } from './helpers.js'

const keyring = fixedKeyring()
let folder: string
let made = 0
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kloset-sorted-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('a sorted file', () => {
  it('answers as a table in memory does, with everything in one file, in several, or some of it in memory', () => {
    fc.assert(
      fc.property(shapes, fc.integer({ min: 0, max: 2 ** 31 }), (all, seed) => {
        const segments = all.map(stored)
        const memory = new IndexTable()
        for (const segment of segments) memory.add(segment)
        const half = segments.length >> 1
        const tables = [
          tableOf([segments], []),
          tableOf([segments.slice(0, half), segments.slice(half)], []),
          tableOf([segments.slice(0, half)], segments.slice(half)),
          tableOf([segments], segments),
        ]
        const ids = [...segments.flatMap(idsOf), ...Array.from({ length: 20 }, (_, i) => idOf(seed + i))]
        for (const { table, close } of tables) {
          for (const reader of [table, IndexTable.join(table.share())]) {
            for (const id of ids) {
              expect(reader.has(id)).toBe(memory.has(id))
              expect(plain(reader.locateAll(id))).toEqual(plain(memory.locateAll(id)))
            }
          }
          expect(packsOf(table)).toEqual(packsOf(memory))
          close()
        }
      }),
      { numRuns: 40 },
    )
  })

  it('is the same merged from files as from segments', () => {
    fc.assert(
      fc.property(shapes, (all) => {
        const segments = all.map(stored)
        const half = segments.length >> 1
        const parts = [segments.slice(0, half), segments.slice(half), segments].map((some) => open(write(some)))
        const merged = open(writeFrom(parts.map((file) => new FileSource(file))))
        const direct = open(write(segments))
        expect([merged.records, merged.packCount, merged.layout]).toEqual([
          direct.records,
          direct.packCount,
          direct.layout,
        ])
        const [one, other] = [new IndexTable(), new IndexTable()]
        one.files = [merged]
        other.files = [direct]
        for (const id of segments.flatMap(idsOf)) expect(plain(one.locateAll(id))).toEqual(plain(other.locateAll(id)))
        expect(packsOf(one)).toEqual(packsOf(other))
        for (const file of [...parts, merged, direct]) file.close()
      }),
      { numRuns: 20 },
    )
  })

  it('compares whole ids, also of many that start alike', () => {
    const next = numbers(7)
    const ids = Array.from({ length: 300 }, (_, i) => {
      const id = new Uint8Array(32).fill(0x55)
      // Alike in the first 8 bytes, in the first 28, in all but the last; some are below and above those.
      const view = new DataView(id.buffer)
      if (i % 3 === 0) view.setUint32(8, next())
      view.setUint32(28, i)
      if (i > 290) id[0] = i & 1 ? 0x54 : 0x56
      return id
    })
    const packs = [{ name: idOf(1), size: 10_000, frames: Uint32Array.of(46, 100, 1_000) }]
    const records = packRecords(ids.map((id, i) => ({ id, frame: 0, offset: i, length: 1 })))
    const { table, close } = tableOf([[stored2({ class: 'data', domain: 0, packs, records })]], [])
    expect(ids.map((id) => table.locate(id)?.offset)).toEqual(ids.map((_, i) => i))
    for (const id of ids) {
      for (const at of [0, 3, 4, 8, 27, 28, 31]) {
        const similar = id.slice()
        similar[at]! ^= 0x80
        expect(table.has(similar)).toBe(ids.some((other) => toHex(other) === toHex(similar)))
        expect(table.has(concatBytes(counted(at), id, counted(5)), at)).toBe(true)
      }
    }
    close()
  })

  it('finds the neighbours of its first and last ids', () => {
    const segment = stored({ packs: 1, frames: 1, records: 200 })
    const { table, close } = tableOf([[segment]], [])
    for (const id of idsOf(segment)) {
      for (const step of [-1, 1]) {
        const next = id.slice()
        next[31] = (next[31]! + step) & 0xff
        expect(table.has(next)).toBe(false)
      }
    }
    for (const byte of [0, 255]) expect(table.locateAll(new Uint8Array(32).fill(byte))).toEqual([])
    close()
  })

  it('does not rely on barred packs, and names them last; knows which ones it was asked for', () => {
    const one = stored({ packs: 50, frames: 1, records: 4, name: 1_000 })
    const other = stored({ packs: 1, frames: 1, records: 2, name: 2_000 })
    const late = stored({ packs: 1, frames: 1, records: 1, first: 500, name: 3_000 })
    const { table, close } = tableOf([[one], [other]], [])
    const joined = IndexTable.join(table.share())
    const first = one.packs[0]!.name
    expect(table.relies(other.packs[0]!.name)).toBe(false)
    table.bar(first)
    table.bar(late.packs[0]!.name)
    for (const reader of [table, joined]) {
      expect([0, 1, 2, 3, 4].map((i) => reader.has(idOf(i)))).toEqual([true, true, false, false, true])
      expect(reader.locateAll(idOf(0)).map(({ frame }) => toHex(frame.pack))).toEqual([
        toHex(other.packs[0]!.name),
        toHex(first),
      ])
      expect(reader.locateAll(idOf(3)).length).toBe(1)
    }
    expect(table.relies(other.packs[0]!.name)).toBe(true)
    expect(table.relies(one.packs[1]!.name)).toBe(true)
    expect([first, ...one.packs.slice(2).map(({ name }) => name)].some((name) => table.relies(name))).toBe(false)
    expect(table.relies(idOf(99))).toBe(false)
    const file = open(write([late]))
    table.files = [file]
    expect([table.has(idOf(500)), table.locateAll(idOf(500)).length]).toEqual([false, 1])
    // What was found in files that were exchanged since was relied on all the same.
    expect(joined.has(idOf(8))).toBe(true)
    expect(table.relies(one.packs[2]!.name)).toBe(true)
    file.close()
    close()
  })

  it('refuses those of other stores and keys', () => {
    const path = write([stored({ packs: 1, frames: 1, records: 10 })])
    const { material } = keyring
    const others: Keyring[] = [
      createKeyring({ ...material, auth: counted(32, 99) }),
      createKeyring({ ...material, storeId: counted(16, 99) }),
    ]
    for (const other of others) expect(() => SortedFile.open(other, path)).toThrow(MalformedError)
    expect(SortedFile.open(keyring, join(folder, 'nothing'))).toBeUndefined()
    // The key of a file is its own: no block of another fits.
    const again = write([stored({ packs: 1, frames: 1, records: 10 })])
    const [mine, theirs] = [readFileSync(path), readFileSync(again)]
    theirs.copy(mine, 0, 0, 2_048)
    writeFileSync(path, mine)
    expect(() => [...tableWith(path).packs()]).toThrow(/damaged/)
  })
})

describe('a damaged sorted file', () => {
  const segments = [
    stored({ packs: 3, frames: 2, records: 2 }),
    stored({ packs: 2, frames: 1, records: 4, first: 8, name: 5 }),
  ]
  const ids = [...segments.flatMap(idsOf), ...Array.from({ length: 3 }, (_, i) => idOf(9_000 + i))]
  const memory = new IndexTable()
  for (const segment of segments) memory.add(segment)
  const truth = ids.map((id) => plain(memory.locateAll(id)))
  const packs = packsOf(memory)

  /** Asks everything; gives whether damage was noticed. Wrong answers fail. */
  function probe(path: string): boolean {
    let table: IndexTable
    try {
      table = tableWith(path)
    } catch (error) {
      expect(error).toBeInstanceOf(MalformedError)
      return true
    }
    const file = table.files[0]!
    let refused = false
    const ask = <T>(question: () => T, answer: T): void => {
      try {
        expect(question()).toEqual(answer)
      } catch (error) {
        if ((error as { code?: string }).code !== 'KLOSET_INDEX_CORRUPT') throw error
        refused = true
      }
    }
    for (const [i, id] of ids.entries()) {
      ask(() => plain(table.locateAll(id)), truth[i]!)
      // It may say that it does not have what it has, never the other way round.
      if (table.has(id)) expect(truth[i]!.length).toBeGreaterThan(0)
      else if (truth[i]!.length > 0) expect(file.damaged).toBe(true)
    }
    ask(() => packsOf(table), packs)
    table.bar(segments[0]!.packs[0]!.name)
    for (const id of idsOf(segments[0]!)) {
      if (table.has(id)) ask(() => toHex(table.locate(id)!.frame.pack) === toHex(segments[0]!.packs[0]!.name), false)
    }
    expect(refused && !file.damaged).toBe(false)
    const { damaged } = file
    file.close()
    return damaged
  }

  it('never gives a wrong answer, whichever byte was changed', () => {
    const path = write(segments)
    const whole = readFileSync(path)
    expect(probe(path)).toBe(false)
    for (let at = 0; at < whole.length; at++) {
      const changed = Buffer.from(whole)
      changed[at]! ^= 1 << (at & 7)
      writeFileSync(path, changed)
      expect(probe(path), `byte ${at}`).toBe(true)
    }
  }, 120_000)

  it('is refused where it was cut off or grew', () => {
    const path = write(segments)
    const whole = readFileSync(path)
    for (const length of [0, 1, 100, 2_048, 4_096, whole.length - 2_048, whole.length - 1]) {
      writeFileSync(path, whole.subarray(0, length))
      expect(probe(path), `${length} bytes`).toBe(true)
    }
    writeFileSync(path, Buffer.concat([whole, Buffer.alloc(100)]))
    expect(probe(path)).toBe(true)
  })

  it('is noticed where it is cut off while it is open', () => {
    const path = write(segments)
    const table = tableWith(path)
    const shared = table.share()
    const joined = IndexTable.join(shared)
    writeFileSync(path, '')
    expect(ids.some((id) => joined.has(id))).toBe(false)
    expect(table.files[0]!.damaged).toBe(true)
    expect(() => table.locateAll(ids[0]!)).toThrow(/made anew|damaged/)
    table.files[0]!.close()
  })

  it('can be removed while it is open, and is read on by all threads', () => {
    const path = write(segments)
    const table = tableWith(path)
    rmSync(path)
    const joined = IndexTable.join(table.share())
    for (const [i, id] of ids.entries()) expect(plain(joined.locateAll(id))).toEqual(truth[i])
    table.files[0]!.close()
  })
})

it('finds fences as a plain search does', () => {
  const values = fc.array(
    fc.oneof(
      fc.nat(50),
      fc.nat(2 ** 31).map((value) => value * 2 + 1),
    ),
    { maxLength: 200 },
  )
  fc.assert(
    fc.property(values, fc.oneof(fc.nat(60), fc.nat(2 ** 31)), (all, value) => {
      const fences = Uint32Array.from(all).sort()
      expect(lastBelow(fences, value)).toBe(fences.findLastIndex((fence) => fence < value))
    }),
    { numRuns: 2_000 },
  )
})

const shapes = fc.array(
  fc.record({ packs: fc.nat(60), frames: fc.nat(3), records: fc.nat(5), first: fc.nat(300), name: fc.nat(90) }),
  { maxLength: 6 },
)

/** A segment as one is read from a store: its records are sorted. */
function stored(shape: Parameters<typeof makeSegment>[0]): Segment {
  return stored2(makeSegment(shape))
}

function stored2(segment: Segment): Segment {
  const { name, bytes } = encodeSegment(keyring, segment)
  return decodeSegment(keyring, name, bytes)
}

function write(segments: readonly Segment[]): string {
  return writeFrom(segments.map((segment) => new SegmentSource(segment)))
}

function writeFrom(sources: Parameters<typeof sortedFile>[1]): string {
  const path = join(folder, String(made++))
  runtime.files!.write(path, sortedFile(keyring, sources, { covers: ['ab'.repeat(32)], position: 3 }))
  return path
}

function open(path: string): SortedFile {
  return SortedFile.open(keyring, path)!
}

function tableWith(path: string): IndexTable {
  const table = new IndexTable()
  table.files = [open(path)]
  return table
}

function tableOf(
  files: readonly (readonly Segment[])[],
  rest: readonly Segment[],
): { table: IndexTable; close(): void } {
  const table = new IndexTable()
  for (const segment of rest) table.add(segment)
  const opened = files.map((segments) => open(write(segments)))
  table.files = opened
  return {
    table,
    close: () => {
      for (const file of opened) file.close()
    },
  }
}

function idsOf({ records }: Segment): Uint8Array[] {
  return Array.from({ length: records.length / 44 }, (_, i) => records.slice(44 * i, 44 * i + 32))
}

/** Places without what differs from table to table. */
function plain(places: readonly Location[]): string[] {
  return places
    .map(({ frame: { pack, packSize, offset, sealedLength, rawLength, ordinal }, offset: at, length }) =>
      [toHex(pack), packSize, offset, sealedLength, rawLength, ordinal, at, length].join(),
    )
    .sort()
}

function packsOf(table: IndexTable): string[] {
  return [...table.packs()].map((pack) => [toHex(pack.name), pack.size, pack.class, ...pack.frames].join()).sort()
}
