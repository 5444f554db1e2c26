import { type Bytes, MalformedError } from '../../bytes/index.js'
import type { Keyring } from '../../crypto/index.js'
import { KlosetError } from '../../errors.js'
import { type LocalFile, runtime } from '../../runtime/index.js'
import type { FrameRef, IndexedPack } from '../places.js'
import { Blocks, blockAt, heap } from './blocks.js'
import { lastBelow } from './fences.js'
import { admits } from './filter.js'
import {
  blockSize,
  compareRows,
  fenceOf,
  type Layout,
  layoutOf,
  rowLength,
  rowOffset,
  rowOrdinal,
  rowPack,
  rowSize,
  type Trailer,
  u16At,
  u32At,
} from './layout.js'
import { Marks, type SharedMarks } from './marks.js'
import { readFilter, readOpening } from './opening.js'
import { type PackRow, Tables } from './tables.js'

/** A {@link SortedFile} on its way to another thread. */
export interface SharedSorted {
  readonly path: string
  readonly handle: number
  readonly key: Bytes
  readonly trailer: Trailer
  readonly fences: SharedArrayBuffer
  readonly filter: SharedArrayBuffer | undefined
  readonly marks: SharedMarks
  readonly base: number
}

/**
 * What some index segments say together, in a file of this machine's, sorted by id. In memory there are only fences, about 0.1 bytes a
 * record, and once it is asked for what may be absent a filter, 1.5 bytes a record; a lookup reads one block. All that is read is
 * verified, so that a file that was damaged is never believed.
 */
export class SortedFile {
  readonly path: string
  /** The names of the segments; empty where it was joined. */
  readonly covers: readonly string[]
  /** Where its blocks are. */
  readonly layout: Layout
  readonly #file: LocalFile
  readonly #shared: SharedSorted
  readonly #blocks: Blocks
  /** Of the blocks of records. */
  readonly #fences: Uint32Array
  readonly #tables: Tables
  readonly #marks: Marks
  #filter: Int32Array | undefined

  private constructor(file: LocalFile, shared: SharedSorted, covers: readonly string[]) {
    const { path, key, trailer, fences, filter, marks } = shared
    this.path = path
    this.covers = covers
    this.layout = layoutOf(trailer)
    this.#file = file
    this.#shared = shared
    this.#blocks = new Blocks(file, key)
    const { packBlocks, recordBlocks } = this.layout
    this.#fences = new Uint32Array(fences, 4 * packBlocks, recordBlocks)
    this.#tables = new Tables(this.#blocks, this.layout, new Uint32Array(fences, 0, packBlocks), trailer.packs)
    this.#marks = new Marks(marks)
    this.#filter = filter && new Int32Array(filter)
  }

  /** The file at `path`; undefined where there is none. @throws MalformedError where it is damaged, or another store's */
  static open(keyring: Keyring, path: string): SortedFile | undefined {
    const file = runtime.files?.open(path)
    if (file === undefined) return undefined
    try {
      const { key, trailer, covers, fences } = readOpening(keyring, file)
      const marks = Marks.none(trailer.packs)
      const shared = { path, handle: file.handle, key, trailer, fences, filter: undefined, marks, base: nextBase() }
      return new SortedFile(file, shared, covers)
    } catch (error) {
      file.close()
      throw error
    }
  }

  /** The file of another thread. It can be used until that one closes it. */
  static join(shared: SharedSorted): SortedFile {
    const { files } = runtime
    if (files === undefined) throw new TypeError('this thread has no files')
    return new SortedFile(files.shared(shared.handle), shared, [])
  }

  /** What another thread joins with: nothing large in it is copied. */
  share(): SharedSorted {
    this.#loadFilter()
    return { ...this.#shared, filter: this.#filter?.buffer as SharedArrayBuffer | undefined }
  }

  get records(): number {
    return this.#shared.trailer.records
  }

  get packCount(): number {
    return this.#shared.trailer.packs
  }

  /** The position of the log whose segments these were. */
  get position(): number {
    return this.#shared.trailer.position
  }

  /** Whether anything in it turned out to be damaged, in whichever thread. */
  get damaged(): boolean {
    return this.#marks.damaged
  }

  close(): void {
    this.#file.close()
  }

  /**
   * Whether it has the blob whose id is in `bytes` at `offset`, in a pack that is not barred: that one is relied on then. Where what
   * would tell is damaged, it does not: a blob that is stored again does no harm.
   */
  has(bytes: Uint8Array, offset: number): boolean {
    try {
      this.#loadFilter()
      return this.#scan(bytes, offset, this.#filter, (_, pack) => {
        if (this.#marks.isBarred(pack)) return false
        this.#marks.rely(pack)
        return true
      })
    } catch (error) {
      if (!this.#noted(error)) throw error
      return false
    }
  }

  /** Calls `take` with every place of an id, and whether it is in a barred pack. @throws KLOSET_INDEX_CORRUPT where it is damaged */
  locate(id: Uint8Array, take: (frame: FrameRef, offset: number, length: number, barred: boolean) => void): void {
    const found: [pack: number, ordinal: number, offset: number, length: number][] = []
    this.#noting(() => {
      this.#scan(id, 0, undefined, (bytes, pack, at) => {
        found.push([pack, u16At(bytes, at + rowOrdinal), u32At(bytes, at + rowOffset), u32At(bytes, at + rowSize)])
        return false
      })
      for (const [pack, ordinal, offset, length] of found) {
        take(this.#ref(pack, ordinal), offset, length, this.#marks.isBarred(pack))
      }
    })
  }

  /** Whether {@link SortedFile.has} ever found something in this pack, in any thread, as far as damage lets that be known. */
  relies(name: Uint8Array): boolean {
    try {
      return this.#tables.named(name).some(([pack]) => this.#marks.relies(pack))
    } catch (error) {
      if (!this.#noted(error)) throw error
      return true
    }
  }

  /** Marks a pack as one not to rely on; where it cannot be found for damage, all of them. */
  bar(name: Uint8Array): void {
    try {
      for (const [pack] of this.#tables.named(name)) this.#marks.bar(pack)
    } catch (error) {
      if (!this.#noted(error)) throw error
      this.#marks.barAll()
    }
  }

  /** Every pack, sorted by name; twice only if segments disagree about it. @throws KLOSET_INDEX_CORRUPT where it is damaged */
  *packs(): Generator<IndexedPack> {
    for (let number = 0; number < this.packCount; number++) {
      yield this.#indexed(this.#noting(() => this.#tables.pack(number)))
    }
  }

  /** Whether it has a pack, with the same frames. @throws KLOSET_INDEX_CORRUPT where it is damaged */
  hasPack({ name, size, class: ofClass, frames }: IndexedPack): boolean {
    return this.#noting(() =>
      this.#tables.named(name).some(([, row]) => {
        if (row.size !== size || row.frames !== frames.length / 3) return false
        const own = this.#indexed(row)
        return own.class === ofClass && own.frames.every((number, i) => number === frames[i])
      }),
    )
  }

  /** Copies a block. @throws KLOSET_INDEX_CORRUPT where it is damaged */
  copyBlock(number: number, into: Uint8Array): void {
    this.#noting(() => {
      this.#blocks.read(number)
      into.set(heap().subarray(blockAt, blockAt + blockSize))
    })
  }

  /** Three numbers of 4 bytes for each of `count` frames from `first` on. @throws KLOSET_INDEX_CORRUPT where it is damaged */
  frames(first: number, count: number): Bytes {
    return this.#noting(() => this.#tables.frames(first, count))
  }

  /** Calls `take` with each record of an id, until it gives true. The bytes it gets are there for that long. */
  #scan(
    bytes: Uint8Array,
    offset: number,
    filter: Int32Array | undefined,
    take: (bytes: Uint8Array, pack: number, at: number) => boolean,
  ): boolean {
    const fences = this.#fences
    const value = fenceOf(bytes, offset)
    // Ids that start with the same four bytes may be at the end of a block and at the start of those after it.
    for (let block = Math.max(0, lastBelow(fences, value)); block < fences.length && fences[block]! <= value; block++) {
      if (filter !== undefined && !admits(filter, block, bytes, offset)) continue
      const count = this.#blocks.read(this.layout.records + block)
      const memory = heap()
      for (let row = lowerBound(memory, count, bytes, offset); row < count; row++) {
        const at = blockAt + row * rowLength
        if (compareRows(memory, at, bytes, offset) !== 0) break
        if (take(memory, u32At(memory, at + rowPack), at)) return true
      }
    }
    return false
  }

  #ref(pack: number, ordinal: number): FrameRef {
    const { name, first, size } = this.#tables.pack(pack)
    const frame = this.#tables.frames(first + ordinal, 1)
    return {
      pack: name,
      packSize: size,
      offset: u32At(frame, 0),
      sealedLength: u32At(frame, 4),
      rawLength: u32At(frame, 8),
      ordinal,
      number: this.#shared.base + first + ordinal,
    }
  }

  #indexed({ name, size, first, frames: count, class: number }: PackRow): IndexedPack {
    const framesOf = (): Uint32Array => {
      const bytes = this.frames(first, count)
      return Uint32Array.from({ length: 3 * count }, (_, i) => u32At(bytes, 4 * i))
    }
    return {
      name,
      size,
      class: number === 1 ? 'data' : 'metadata',
      // Read when asked for: most who go through all packs do not.
      get frames() {
        return framesOf()
      },
    }
  }

  /** Without the filter all answers are the same, and what is absent costs as much as what is there. */
  #loadFilter(): void {
    if (this.#filter !== undefined || this.damaged) return
    try {
      this.#filter = readFilter(this.#file, this.layout, this.#shared)
    } catch {
      this.#marks.noteDamage()
    }
  }

  #noting<T>(act: () => T): T {
    try {
      return act()
    } catch (cause) {
      if (!this.#noted(cause)) throw cause
      const message = `what this machine keeps of the index is damaged: ${(cause as Error).message}`
      throw new KlosetError('KLOSET_INDEX_CORRUPT', message, {
        retry: 'later',
        hint: 'The store itself is not concerned. Try again: it is made anew from the store.',
        context: { file: this.path },
        cause,
      })
    }
  }

  /** Notes damage: whether it is that, and not another error. */
  #noted(error: unknown): boolean {
    if (!(error instanceof MalformedError)) return false
    this.#marks.noteDamage()
    return true
  }
}

/** Frame numbers of one file follow those of another; below them are those of what is in memory. */
const framesEach = 2 ** 33
let bases = 0

function nextBase(): number {
  bases = (bases % 2 ** 19) + 1
  return bases * framesEach
}

/** The first of `count` rows at {@link blockAt} that is not below the id. */
function lowerBound(memory: Uint8Array, count: number, bytes: Uint8Array, offset: number): number {
  let low = 0
  for (let high = count; low < high; ) {
    const middle = (low + high) >>> 1
    if (compareRows(memory, blockAt + middle * rowLength, bytes, offset) < 0) low = middle + 1
    else high = middle
  }
  return low
}
