import type { Bytes } from '../../bytes/index.js'
import { type Blocks, blockAt, heap } from './blocks.js'
import { lastBelow } from './fences.js'
import {
  blockFrames,
  blockRows,
  blockSize,
  compareRows,
  fenceOf,
  frameLength,
  type Layout,
  rowLength,
  rowOffset,
  rowOrdinal,
  rowPack,
  rowSize,
  u16At,
  u32At,
} from './layout.js'

/** A pack as a sorted file tells of it. */
export interface PackRow {
  readonly name: Bytes
  /** The number of its first frame, and how many it has. */
  readonly first: number
  readonly frames: number
  readonly size: number
  readonly class: number
}

/** The packs and frames of a sorted file. Neighbours are asked for one after the other, so a thread keeps some blocks of them. */
export class Tables {
  readonly #blocks: Blocks
  readonly #layout: Layout
  readonly #fences: Uint32Array
  readonly #packs: number
  readonly #kept = new Map<number, Bytes>()

  constructor(blocks: Blocks, layout: Layout, fences: Uint32Array, packs: number) {
    this.#blocks = blocks
    this.#layout = layout
    this.#fences = fences
    this.#packs = packs
  }

  /** @throws MalformedError where the file is damaged, as all of these */
  pack(number: number): PackRow {
    return packAt(this.#block(Math.floor(number / blockRows)), (number % blockRows) * rowLength)
  }

  /** The packs of this name, with their numbers. */
  named(name: Uint8Array): [number: number, row: PackRow][] {
    const found: [number, PackRow][] = []
    const fences = this.#fences
    const value = fenceOf(name, 0)
    for (let block = Math.max(0, lastBelow(fences, value)); block < fences.length && fences[block]! <= value; block++) {
      const bytes = this.#block(block)
      const count = Math.min(blockRows, this.#packs - block * blockRows)
      for (let row = 0; row < count; row++) {
        if (compareRows(bytes, row * rowLength, name, 0) !== 0) continue
        found.push([block * blockRows + row, packAt(bytes, row * rowLength)])
      }
    }
    return found
  }

  /** Three numbers of 4 bytes for each of `count` frames from `first` on. */
  frames(first: number, count: number): Bytes {
    const frames = new Uint8Array(count * frameLength)
    for (let i = 0; i < count; ) {
      const at = (first + i) % blockFrames
      const some = Math.min(count - i, blockFrames - at)
      const block = this.#block(this.#layout.frames + Math.floor((first + i) / blockFrames))
      frames.set(block.subarray(at * frameLength, (at + some) * frameLength), i * frameLength)
      i += some
    }
    return frames
  }

  #block(number: number): Bytes {
    const kept = this.#kept.get(number)
    if (kept !== undefined) return kept
    this.#blocks.read(number)
    const block = heap().slice(blockAt, blockAt + blockSize) as Bytes
    this.#kept.set(number, block)
    if (this.#kept.size > mostKept) this.#kept.delete(this.#kept.keys().next().value!)
    return block
  }
}

/** A megabyte. */
const mostKept = 512

function packAt(bytes: Uint8Array, at: number): PackRow {
  return {
    name: bytes.slice(at, at + 32) as Bytes,
    first: u32At(bytes, at + rowPack),
    frames: u16At(bytes, at + rowOrdinal),
    size: u32At(bytes, at + rowOffset),
    class: u32At(bytes, at + rowSize),
  }
}
