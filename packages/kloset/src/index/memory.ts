import { type FrameRef, type IndexedPack, Places, type SharedPlaces } from './places.js'
import { recordFrame, recordLength, recordOffset, recordSize } from './record.js'
import type { Segment } from './segment.js'
import { idWords, Rows, sameId, wordAt } from './words.js'

/** A {@link MemoryTable} on its way to another thread: nothing in it is copied. */
export interface SharedMemory {
  readonly slots: SharedArrayBuffer
  readonly records: readonly SharedArrayBuffer[]
  readonly count: SharedArrayBuffer
  readonly places: SharedPlaces
}

/**
 * Records in shared memory, in an open-addressing hash. One thread owns it and adds segments; others join and look things up meanwhile.
 * About 60 bytes a record.
 */
export class MemoryTable {
  readonly #records: Rows
  readonly #places: Places
  readonly #count: Int32Array
  readonly #owned: boolean
  #slots: Int32Array

  /** An empty table, or with `shared` that of another thread. It knows what was added before `share`, and perhaps more. */
  constructor(shared?: SharedMemory) {
    this.#records = new Rows(rowWords, 14, shared?.records)
    this.#places = new Places(shared?.places)
    this.#count = new Int32Array(shared?.count ?? new SharedArrayBuffer(4))
    this.#owned = shared === undefined
    this.#slots = new Int32Array(shared?.slots ?? new SharedArrayBuffer(4 * leastSlots))
  }

  /** What another thread joins with. It misses some of what is added later: then share again. */
  share(): SharedMemory {
    return {
      slots: this.#slots.buffer as SharedArrayBuffer,
      records: this.#records.buffers,
      count: this.#count.buffer as SharedArrayBuffer,
      places: this.#places.share(),
    }
  }

  /** How many records it has. */
  get size(): number {
    return this.#count[0]!
  }

  /** Adds what a segment says, as far as it is new. @throws TypeError where another thread owns the table */
  add({ packs, class: ofClass, records }: Segment): void {
    if (!this.#owned) throw new TypeError('only the thread that made an index table adds to it')
    const frames: number[] = []
    for (const pack of packs) {
      const first = this.#places.add(pack, ofClass)
      for (let ordinal = 0; ordinal < pack.frames.length / 3; ordinal++) frames.push(first + ordinal)
    }
    const most = this.size + records.length / recordLength
    this.#reserveSlots(most)
    this.#records.reserve(most)
    const view = new DataView(records.buffer, records.byteOffset, records.length)
    for (let at = 0; at < records.length; at += recordLength) {
      const frame = frames[view.getUint32(at + recordFrame, true)]!
      this.#addRecord(
        records,
        at,
        frame,
        view.getUint32(at + recordOffset, true),
        view.getUint32(at + recordSize, true),
      )
    }
  }

  /** Marks a pack as one not to rely on, also where it is added later. */
  bar(pack: Uint8Array): void {
    this.#places.bar(pack)
  }

  /** Whether it has the blob whose id is in `bytes` at `offset`, in a pack that is not barred: that one is relied on then. */
  has(bytes: Uint8Array, offset: number): boolean {
    for (let slot = this.#find(bytes, offset); slot >= 0; slot = this.#find(bytes, offset, slot + 1)) {
      const frame = this.#row(slot, rowFrame)
      if (this.#places.isBarred(frame)) continue
      this.#places.rely(frame)
      return true
    }
    return false
  }

  /** Whether {@link MemoryTable.has} ever found something in this pack, in any thread. */
  relies(pack: Uint8Array): boolean {
    return this.#places.relies(pack)
  }

  /** Calls `take` with every place of an id, and whether it is in a barred pack. */
  locate(id: Uint8Array, take: (frame: FrameRef, offset: number, length: number, barred: boolean) => void): void {
    for (let slot = this.#find(id, 0); slot >= 0; slot = this.#find(id, 0, slot + 1)) {
      const frame = this.#row(slot, rowFrame)
      take(
        this.#places.ref(frame),
        this.#row(slot, rowOffset),
        this.#row(slot, rowLength),
        this.#places.isBarred(frame),
      )
    }
  }

  /** Every pack that is in the table. */
  packs(): Generator<IndexedPack> {
    return this.#places.packs()
  }

  /** The first slot from `from` on whose record has this id; −1 where there is none before an empty one. */
  #find(bytes: Uint8Array, offset: number, from: number = wordAt(bytes, offset)): number {
    const mask = this.#slots.length - 1
    for (let slot = from & mask; ; slot = (slot + 1) & mask) {
      // The owner writes a record before its slot; read atomically, nobody sees them the other way round.
      const record = Atomics.load(this.#slots, slot) - 1
      if (record < 0) return -1
      const page = this.#records.page(record)
      const start = this.#records.start(record)
      if (page !== undefined && sameId(page, start, bytes, offset) && this.#places.has(page[start + rowFrame]!))
        return slot
    }
  }

  #addRecord(bytes: Uint8Array, at: number, frame: number, offset: number, length: number): void {
    for (let slot = this.#find(bytes, at); slot >= 0; slot = this.#find(bytes, at, slot + 1)) {
      if (this.#row(slot, rowFrame) === frame && this.#row(slot, rowOffset) === offset) return
    }
    const record = this.size
    const page = this.#records.page(record)!
    const start = this.#records.start(record)
    for (let word = 0; word < idWords; word++) page[start + word] = wordAt(bytes, at + 4 * word)
    page[start + rowFrame] = frame
    page[start + rowOffset] = offset
    page[start + rowLength] = length
    this.#occupy(page[start]!, record)
    this.#count[0]!++
  }

  #occupy(hash: number, record: number): void {
    const mask = this.#slots.length - 1
    let slot = hash & mask
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask
    Atomics.store(this.#slots, slot, record + 1)
  }

  /** At most half of the slots are taken, so that looking for what is not there touches few records. */
  #reserveSlots(count: number): void {
    let length = this.#slots.length
    while (count > length / 2) length *= 2
    if (length === this.#slots.length) return
    this.#slots = new Int32Array(new SharedArrayBuffer(4 * length))
    for (let record = 0; record < this.size; record++) {
      this.#occupy(this.#records.page(record)![this.#records.start(record)]!, record)
    }
  }

  #row(slot: number, word: number): number {
    const record = this.#slots[slot]! - 1
    return this.#records.page(record)![this.#records.start(record) + word]!
  }
}

const leastSlots = 1_024

// Words of a record: its id, then these.
const rowFrame = idWords
const rowOffset = idWords + 1
const rowLength = idWords + 2
const rowWords = idWords + 3
