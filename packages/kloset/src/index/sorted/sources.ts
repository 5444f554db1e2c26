import { type Bytes, compareBytes } from '../../bytes/index.js'
import { recordFrame, recordLength, recordOffset } from '../record.js'
import type { Segment } from '../segment.js'
import {
  blockRows,
  blockSize,
  frameLength,
  rowLength,
  rowOffset,
  rowOrdinal,
  rowPack,
  rowSize,
  u32At,
} from './layout.js'
import type { SortedFile } from './sorted-file.js'

/** Sorted packs, their frames and sorted records, to be merged with others. */
export interface SortedSource {
  readonly packCount: number
  readonly records: number
  packRows(): Rows
  /** Records; their packs are numbered as `packRows` has them. */
  recordRows(): Rows
  /** 12 bytes each. */
  frames(first: number, count: number): Bytes
}

/** Rows one after the other. */
export interface Rows {
  /** Where the current row is: in these bytes, */
  bytes: Uint8Array
  /** from here on. */
  at: number
  /** Goes to the next row, at first to the first one; false where there is none. */
  next(): boolean
}

/** A segment as a source. */
export class SegmentSource implements SortedSource {
  readonly packCount: number
  readonly records: number
  readonly #segment: Segment
  /** The segment's packs by name. */
  readonly #order: readonly number[]
  /** Of each frame of the segment: the number of its pack in that order, and its ordinal. */
  readonly #packOf: Uint32Array
  readonly #ordinalOf: Uint32Array
  readonly #frames: Bytes

  constructor(segment: Segment) {
    const { packs } = segment
    this.#segment = segment
    this.packCount = packs.length
    const count = packs.reduce((sum, { frames }) => sum + frames.length / 3, 0)
    this.records = segment.records.length / recordLength
    this.#order = packs.map((_, i) => i).sort((a, b) => compareBytes(packs[a]!.name, packs[b]!.name) || a - b)
    const places = new Uint32Array(packs.length)
    this.#order.forEach((pack, place) => {
      places[pack] = place
    })
    this.#packOf = new Uint32Array(count)
    this.#ordinalOf = new Uint32Array(count)
    let frame = 0
    for (const [pack, { frames }] of packs.entries()) {
      for (let ordinal = 0; ordinal < frames.length / 3; ordinal++, frame++) {
        this.#packOf[frame] = places[pack]!
        this.#ordinalOf[frame] = ordinal
      }
    }
    this.#frames = new Uint8Array(count * frameLength)
    const view = new DataView(this.#frames.buffer)
    let at = 0
    for (const pack of this.#order) {
      for (const number of packs[pack]!.frames) {
        view.setUint32(at, number, true)
        at += 4
      }
    }
  }

  packRows(): Rows {
    const { packs, class: ofClass } = this.#segment
    const order = this.#order
    const bytes = new Uint8Array(rowLength)
    const view = new DataView(bytes.buffer)
    let place = -1
    let first = 0
    return {
      bytes,
      at: 0,
      next() {
        const before = packs[order[place]!]
        if (before !== undefined) first += before.frames.length / 3
        const pack = packs[order[++place]!]
        if (pack === undefined) return false
        bytes.set(pack.name)
        view.setUint32(rowPack, first, true)
        view.setUint16(rowOrdinal, pack.frames.length / 3, true)
        view.setUint32(rowOffset, pack.size, true)
        view.setUint32(rowSize, ofClass === 'data' ? 1 : 2, true)
        return true
      },
    }
  }

  recordRows(): Rows {
    const { records } = this.#segment
    const packOf = this.#packOf
    const ordinalOf = this.#ordinalOf
    const bytes = new Uint8Array(rowLength)
    const view = new DataView(bytes.buffer)
    let from = -recordLength
    return {
      bytes,
      at: 0,
      next() {
        from += recordLength
        if (from >= records.length) return false
        for (let i = 0; i < 32; i++) bytes[i] = records[from + i]!
        const frame = u32At(records, from + recordFrame)
        view.setUint32(rowPack, packOf[frame]!, true)
        view.setUint16(rowOrdinal, ordinalOf[frame]!, true)
        for (let i = 0; i < 8; i++) bytes[rowOffset + i] = records[from + recordOffset + i]!
        return true
      },
    }
  }

  frames(first: number, count: number): Bytes {
    return this.#frames.subarray(first * frameLength, (first + count) * frameLength)
  }
}

/** A sorted file as a source. */
export class FileSource implements SortedSource {
  readonly #file: SortedFile

  constructor(file: SortedFile) {
    this.#file = file
  }

  get packCount(): number {
    return this.#file.packCount
  }

  get records(): number {
    return this.#file.records
  }

  packRows(): Rows {
    return new BlockRows(this.#file, this.#file.layout.packs, this.packCount)
  }

  recordRows(): Rows {
    return new BlockRows(this.#file, this.#file.layout.records, this.records)
  }

  frames(first: number, count: number): Bytes {
    return this.#file.frames(first, count)
  }
}

/** Rows in blocks of a file. */
class BlockRows implements Rows {
  readonly bytes = new Uint8Array(blockSize)
  at = 0
  readonly #file: SortedFile
  #block: number
  #left: number
  #inBlock = 0

  constructor(file: SortedFile, firstBlock: number, count: number) {
    this.#file = file
    this.#block = firstBlock
    this.#left = count
  }

  next(): boolean {
    if (this.#left === 0) return false
    this.#left--
    if (this.#inBlock > 0) {
      this.#inBlock--
      this.at += rowLength
      return true
    }
    this.#file.copyBlock(this.#block++, this.bytes)
    this.#inBlock = blockRows - 1
    this.at = 0
    return true
  }
}
