import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Bytes, toHex } from '../../src/bytes/index.js'
import { decodeSegment, encodeSegment, IndexTable, type Segment } from '../../src/index/index.js'
import { mergeSegments } from '../../src/prune/merge.js'
import { fixedKeyring } from '../crypto/helpers.js'

const keyring = fixedKeyring()

const nameOf = (pack: number): Bytes => new Uint8Array(32).fill(pack)
const idOf = (blob: number): Bytes => new Uint8Array(32).fill(200).fill(blob, 0, 2)

/** A segment of packs, each with the frames and blobs that follow from its number. */
function segmentOf(packs: readonly number[]): Segment {
  const records: number[] = []
  let frame = 0
  const named = packs.map((pack) => {
    const count = (pack % 3) + 1
    const frames = Uint32Array.from(Array.from({ length: count }, (_, i) => [46 + 100 * i, 100, 84]).flat())
    for (let i = 0; i < count; i++) {
      const view = new DataView(new ArrayBuffer(44))
      new Uint8Array(view.buffer).set(idOf(10 * pack + i))
      view.setUint32(32, frame++, true)
      view.setUint32(36, 4 * i, true)
      view.setUint32(40, 20 + pack, true)
      records.push(...new Uint8Array(view.buffer))
    }
    return { name: nameOf(pack), size: 1_000 + pack, frames }
  })
  return { class: 'data', domain: 0, packs: named, records: Uint8Array.from(records) }
}

/** Where a table says that everything is. */
function placesIn(segments: readonly Segment[], blobs: readonly number[]): unknown {
  const table = new IndexTable()
  for (const segment of segments) table.add(segment)
  return blobs.map((blob) =>
    table
      .locateAll(idOf(blob))
      .map(({ frame: { pack, packSize, offset, ordinal, sealedLength }, offset: at, length }) =>
        [toHex(pack), packSize, offset, ordinal, sealedLength, at, length].join(),
      )
      .sort(),
  )
}

describe('merging segments', () => {
  const anyPacks = fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 6 })

  it('says the same of what is kept, and nothing of the rest', () => {
    fc.assert(
      fc.property(
        fc.array(anyPacks, { minLength: 1, maxLength: 5 }),
        fc.uniqueArray(fc.integer({ min: 1, max: 12 })),
        (groups, dropped) => {
          const names = new Set(dropped.map((pack) => toHex(nameOf(pack))))
          const merged = mergeSegments(groups.map(segmentOf), (pack) => !names.has(pack))
          const kept = [...new Set(groups.flat())].filter((pack) => !dropped.includes(pack))
          if (merged === undefined) {
            expect(kept).toEqual([])
            return
          }
          // Through the format, which checks it.
          const { name, bytes } = encodeSegment(keyring, merged)
          const read = decodeSegment(keyring, name, bytes)
          expect(read.packs.map((pack) => toHex(pack.name)).sort()).toEqual(
            kept.map((pack) => toHex(nameOf(pack))).sort(),
          )
          const blobs = kept.flatMap((pack) => [0, 1, 2].map((i) => 10 * pack + i))
          expect(placesIn([read], blobs)).toEqual(placesIn(groups.map(segmentOf), blobs))
          expect(
            placesIn(
              [read],
              dropped.map((pack) => 10 * pack),
            ),
          ).toEqual(dropped.map(() => []))
        },
      ),
    )
  })

  it('keeps both where segments disagree about a pack', () => {
    const [one, two] = [segmentOf([1]), segmentOf([1])]
    const other = { ...two, packs: [{ ...two.packs[0]!, frames: Uint32Array.of(46, 90, 74, 136, 100, 84) }] }
    expect(mergeSegments([one, other], () => true)!.packs).toHaveLength(2)
  })
})
