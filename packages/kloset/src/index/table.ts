import { equalBytes, toHex } from '../bytes/index.js'
import { MemoryTable, type SharedMemory } from './memory.js'
import type { FrameRef, IndexedPack } from './places.js'
import type { Segment } from './segment.js'
import { type SharedSorted, SortedFile } from './sorted/sorted-file.js'

/** Where a blob is. */
export interface Location {
  readonly frame: FrameRef
  /** Offset in the raw frame. */
  readonly offset: number
  readonly length: number
}

/** An {@link IndexTable} on its way to another thread: nothing in it is copied. */
export interface SharedIndex {
  readonly memory: SharedMemory
  readonly files: readonly SharedSorted[]
}

/**
 * Where every blob of a store is: in memory what is new or little, about 60 bytes a record, and in sorted files of this machine's what
 * is neither. One thread owns it and adds to it; others join and look things up meanwhile.
 */
export class IndexTable {
  readonly #memory: MemoryTable
  readonly #owned: boolean
  readonly #barred = new Map<string, Uint8Array>()
  #files: readonly SortedFile[]
  #former: readonly SortedFile[] = []

  /** An empty table, or with `shared` that of another thread: see {@link IndexTable.join}. */
  constructor(shared?: SharedIndex) {
    this.#memory = new MemoryTable(shared?.memory)
    this.#files = shared?.files.map((file) => SortedFile.join(file)) ?? []
    this.#owned = shared === undefined
  }

  /** The table of another thread, for looking things up. It knows what was added before `share`, and perhaps more. */
  static join(shared: SharedIndex): IndexTable {
    return new IndexTable(shared)
  }

  /** What another thread joins with. It misses some of what is added later: then share again. */
  share(): SharedIndex {
    return { memory: this.#memory.share(), files: this.#files.map((file) => file.share()) }
  }

  /** How many records it has; those that are in several of its parts count for each. */
  get size(): number {
    return this.#files.reduce((sum, { records }) => sum + records, this.#memory.size)
  }

  /** How many of them are in memory. */
  get inMemory(): number {
    return this.#memory.size
  }

  /** Adds what a segment says, as far as it is new. @throws TypeError where another thread owns the table */
  add(segment: Segment): void {
    this.#own()
    this.#memory.add(segment)
  }

  /** The sorted files it asks besides its memory. Whoever sets them opened them, and closes them once no thread asks them any more. */
  get files(): readonly SortedFile[] {
    return this.#files
  }

  set files(files: readonly SortedFile[]) {
    this.#own()
    for (const file of files) {
      if (!this.#files.includes(file)) for (const name of this.#barred.values()) file.bar(name)
    }
    // Other threads may still ask those, and what they found there was relied on.
    this.#former = [...this.#former, ...this.#files.filter((file) => !files.includes(file))]
    this.#files = files
  }

  /** Marks a pack that must not be relied on any more: {@link has} passes over what only it holds. */
  bar(pack: Uint8Array): void {
    this.#barred.set(toHex(pack), pack)
    this.#memory.bar(pack)
    for (const file of [...this.#files, ...this.#former]) file.bar(pack)
  }

  /**
   * Whether the store has the blob whose id is in `bytes` at `offset`, in a pack that is not barred. Who asks is taken to rely on that
   * pack from then on: see {@link IndexTable.relies}. It may say no to one that is there where a file on this machine is damaged:
   * storing a blob again does no harm.
   */
  has(bytes: Uint8Array, offset = 0): boolean {
    if (this.#memory.has(bytes, offset)) return true
    for (const file of this.#files) if (file.has(bytes, offset)) return true
    return false
  }

  /** Whether {@link IndexTable.has} ever found something in this pack, in any thread; to be asked by the one that owns the table. */
  relies(pack: Uint8Array): boolean {
    return this.#memory.relies(pack) || [...this.#files, ...this.#former].some((file) => file.relies(pack))
  }

  /**
   * Where the blob with this id is; of several places one in a pack that is not barred, if there is one.
   * @throws KLOSET_INDEX_CORRUPT where a file on this machine is damaged
   */
  locate(id: Uint8Array): Location | undefined {
    return this.locateAll(id)[0]
  }

  /**
   * Every place where the blob with this id is; those in barred packs last.
   * @throws KLOSET_INDEX_CORRUPT where a file on this machine is damaged
   */
  locateAll(id: Uint8Array): readonly Location[] {
    const places: Location[] = []
    const barred: Location[] = []
    const take = (frame: FrameRef, offset: number, length: number, isBarred: boolean): void => {
      const to = isBarred ? barred : places
      const place = { frame, offset, length }
      if (this.#files.length === 0 || !to.some((other) => isSame(other, place))) to.push(place)
    }
    this.#memory.locate(id, take)
    for (const file of this.#files) file.locate(id, take)
    return barred.length === 0 ? places : [...places, ...barred]
  }

  /** Every pack that is in the table; twice only if segments disagree about it. @throws KLOSET_INDEX_CORRUPT as {@link locateAll} */
  *packs(): Generator<IndexedPack> {
    for (const [i, file] of this.#files.entries()) yield* unlike(file.packs(), this.#files.slice(0, i))
    yield* unlike(this.#memory.packs(), this.#files)
  }

  #own(): void {
    if (!this.#owned) throw new TypeError('only the thread that made an index table adds to it')
  }
}

function isSame(a: Location, b: Location): boolean {
  const numbers = ({ frame: { packSize, offset, sealedLength, rawLength, ordinal }, ...place }: Location): number[] => [
    place.offset,
    place.length,
    ordinal,
    offset,
    sealedLength,
    rawLength,
    packSize,
  ]
  const others = numbers(b)
  return numbers(a).every((number, i) => number === others[i]) && equalBytes(a.frame.pack, b.frame.pack)
}

/** Those packs that are not in `others` as well. */
function* unlike(packs: Iterable<IndexedPack>, others: readonly SortedFile[]): Generator<IndexedPack> {
  for (const pack of packs) if (!others.some((other) => other.hasPack(pack))) yield pack
}
