import { type Bytes, toHex } from '../bytes/index.js'
import type { PackClass } from '../pack/footer.js'
import type { SegmentPack } from './segment.js'
import { idWords, putWord, Rows, wordAt } from './words.js'

/** A frame as the index knows it. */
export interface FrameRef {
  /** Name of its pack, 32 bytes. */
  readonly pack: Bytes
  /** Bytes of the pack's file. */
  readonly packSize: number
  /** Where in the file the sealed frame starts. */
  readonly offset: number
  readonly sealedLength: number
  readonly rawLength: number
  /** Its place among the frames of its pack: the ordinal it is sealed with. */
  readonly ordinal: number
  /** The same number for the same frame of one table. */
  readonly number: number
}

/** A pack that the index names. */
export interface IndexedPack extends SegmentPack {
  readonly class: PackClass
}

/** {@link Places} on their way to another thread. */
export interface SharedPlaces {
  readonly frames: readonly SharedArrayBuffer[]
  readonly packs: readonly SharedArrayBuffer[]
  readonly counts: SharedArrayBuffer
}

/** The packs and frames that records are in, in shared memory; frames are numbered over all packs. */
export class Places {
  readonly #frames: Rows
  readonly #packs: Rows
  readonly #counts: Int32Array
  // Of each name the packs that segments know by it: more than one only where they disagree. Kept by who adds.
  readonly #numbers = new Map<string, number[]>()
  readonly #barred = new Set<string>()

  constructor(shared?: SharedPlaces) {
    this.#frames = new Rows(frameWords, 14, shared?.frames)
    this.#packs = new Rows(packWords, 8, shared?.packs)
    this.#counts = new Int32Array(shared?.counts ?? new SharedArrayBuffer(12))
  }

  share(): SharedPlaces {
    return {
      frames: this.#frames.buffers,
      packs: this.#packs.buffers,
      counts: this.#counts.buffer as SharedArrayBuffer,
    }
  }

  /** Adds a pack unless it is there with the same frames; gives the number of its first frame. */
  add(pack: SegmentPack, ofClass: PackClass): number {
    const key = toHex(pack.name)
    const numbers = this.#numbers.get(key) ?? []
    const known = numbers.find((number) => this.#says(number, pack, ofClass))
    if (known !== undefined) return this.#pack(known, packFirst)
    const number = this.#counts[packCount]!
    const first = this.#counts[frameCount]!
    const count = pack.frames.length / 3
    this.#frames.reserve(first + count)
    for (let i = 0; i < count; i++) {
      const page = this.#frames.page(first + i)!
      const start = this.#frames.start(first + i)
      page[start + framePack] = number
      page.set(pack.frames.subarray(3 * i, 3 * i + 3), start + frameOffset)
    }
    this.#packs.reserve(number)
    const page = this.#packs.page(number)!
    const start = this.#packs.start(number)
    for (let word = 0; word < idWords; word++) page[start + word] = wordAt(pack.name, 4 * word)
    page.set([pack.size, first, count, classNumber(ofClass), 0, 0], start + packSize)
    this.#numbers.set(key, [...numbers, number])
    this.#counts[frameCount]! += count
    this.#counts[packCount]!++
    if (this.#barred.has(key)) this.bar(pack.name)
    return first
  }

  /** Marks a pack as one not to rely on, also where it is added later. */
  bar(name: Uint8Array): void {
    const key = toHex(name)
    this.#barred.add(key)
    for (const number of this.#numbers.get(key) ?? []) {
      const page = this.#packs.page(number)!
      const start = this.#packs.start(number)
      if (page[start + packBarred] === 1) continue
      page[start + packBarred] = 1
      this.#counts[barredCount]!++
    }
  }

  /** Whether the frame is in a pack that was barred. */
  isBarred(frame: number): boolean {
    return this.#counts[barredCount] !== 0 && this.#pack(this.#frame(frame, framePack), packBarred) === 1
  }

  /** Marks the pack of a frame as one that is relied on. */
  rely(frame: number): void {
    const pack = this.#frame(frame, framePack)
    if (this.#pack(pack, packRelied) === 0) this.#packs.page(pack)![this.#packs.start(pack) + packRelied] = 1
  }

  /** Whether any thread ever relied on the pack; to be asked by who adds. */
  relies(name: Uint8Array): boolean {
    return (this.#numbers.get(toHex(name)) ?? []).some((number) => this.#pack(number, packRelied) === 1)
  }

  /** Whether this thread has the frame: one that was added after the other shared may be missing. */
  has(frame: number): boolean {
    return this.#frames.page(frame) !== undefined && this.#packs.page(this.#frame(frame, framePack)) !== undefined
  }

  ref(frame: number): FrameRef {
    const pack = this.#frame(frame, framePack)
    return {
      pack: this.#name(pack),
      packSize: this.#pack(pack, packSize),
      offset: this.#frame(frame, frameOffset),
      sealedLength: this.#frame(frame, frameOffset + 1),
      rawLength: this.#frame(frame, frameOffset + 2),
      ordinal: frame - this.#pack(pack, packFirst),
      number: frame,
    }
  }

  /** Every pack; twice only if segments disagree about it. */
  *packs(): Generator<IndexedPack> {
    for (let pack = 0; pack < this.#counts[packCount]!; pack++) {
      yield {
        name: this.#name(pack),
        size: this.#pack(pack, packSize),
        class: this.#pack(pack, packClass) === 1 ? 'data' : 'metadata',
        frames: this.#framesOf(pack),
      }
    }
  }

  #framesOf(pack: number): Uint32Array {
    const first = this.#pack(pack, packFirst)
    const frames = new Uint32Array(3 * this.#pack(pack, packFrames))
    for (let i = 0; i < frames.length; i++) frames[i] = this.#frame(first + Math.floor(i / 3), frameOffset + (i % 3))
    return frames
  }

  #says(number: number, { size, frames }: SegmentPack, ofClass: PackClass): boolean {
    if (this.#pack(number, packSize) !== size || this.#pack(number, packClass) !== classNumber(ofClass)) return false
    const own = this.#framesOf(number)
    return own.length === frames.length && own.every((each, i) => each === frames[i])
  }

  #name(pack: number): Bytes {
    const name = new Uint8Array(4 * idWords)
    for (let word = 0; word < idWords; word++) putWord(name, 4 * word, this.#pack(pack, word))
    return name
  }

  #frame(frame: number, word: number): number {
    return this.#frames.page(frame)![this.#frames.start(frame) + word]!
  }

  #pack(pack: number, word: number): number {
    return this.#packs.page(pack)![this.#packs.start(pack) + word]!
  }
}

// The counts.
const packCount = 0
const frameCount = 1
const barredCount = 2

// Words of a frame: its pack, then offset, sealed length and raw length.
const framePack = 0
const frameOffset = 1
const frameWords = 4

// Words of a pack: its name, then these.
const packSize = idWords
const packFirst = idWords + 1
const packFrames = idWords + 2
const packClass = idWords + 3
const packBarred = idWords + 4
const packRelied = idWords + 5
const packWords = idWords + 6

function classNumber(ofClass: PackClass): number {
  return ofClass === 'data' ? 1 : 2
}
