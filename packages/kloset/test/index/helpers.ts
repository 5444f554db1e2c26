import type { Bytes } from '../../src/bytes/index.js'
import type { Segment, SegmentPack } from '../../src/index/index.js'
import { recordLength } from '../../src/index/index.js'

/** A stream of numbers that looks random and is the same each time. */
export function numbers(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    // splitmix32
    state = (state + 0x9e3779b9) >>> 0
    let z = state
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return (z ^ (z >>> 15)) >>> 0
  }
}

/** An id, as different from others as hashes are. */
export function idOf(seed: number): Bytes {
  const next = numbers(Math.imul(seed + 1, 0x85ebca6b))
  const id = new Uint8Array(32)
  const view = new DataView(id.buffer)
  for (let at = 0; at < 32; at += 4) view.setUint32(at, next(), true)
  return id
}

/** A packed record. */
export interface PlainRecord {
  readonly id: Uint8Array
  readonly frame: number
  readonly offset: number
  readonly length: number
}

export function packRecords(records: readonly PlainRecord[]): Bytes {
  const packed = new Uint8Array(records.length * recordLength)
  const view = new DataView(packed.buffer)
  for (const [i, { id, frame, offset, length }] of records.entries()) {
    const at = i * recordLength
    packed.set(id, at)
    view.setUint32(at + 32, frame, true)
    view.setUint32(at + 36, offset, true)
    view.setUint32(at + 40, length, true)
  }
  return packed
}

/** A segment of `packs` packs with `frames` frames each and `records` records a frame, of the ids from `first` on. */
export function makeSegment(shape: {
  packs: number
  frames: number
  records: number
  first?: number
  name?: number
}): Segment {
  const packs: SegmentPack[] = []
  const records: PlainRecord[] = []
  let next = shape.first ?? 0
  for (let pack = 0; pack < shape.packs; pack++) {
    const frames = new Uint32Array(3 * shape.frames)
    for (let frame = 0; frame < shape.frames; frame++) {
      frames.set([46 + 1_000 * frame, 1_000, 100 * shape.records], 3 * frame)
      for (let i = 0; i < shape.records; i++) {
        records.push({ id: idOf(next++), frame: pack * shape.frames + frame, offset: 100 * i, length: 100 })
      }
    }
    packs.push({ name: idOf(0x4000_0000 + (shape.name ?? 0) + pack), size: 46 + 1_000 * shape.frames + 60, frames })
  }
  return { class: 'data', domain: 0, packs, records: packRecords(records) }
}
