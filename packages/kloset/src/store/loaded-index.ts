import type { Notice } from '../api.js'
import type { Call, Storage } from '../connector/index.js'
import type { Keyring } from '../crypto/index.js'
import { decodeSegment, IndexTable, type SortedFile } from '../index/index.js'
import { type BlobHelp, BlobReader } from './blobs.js'
import { type BadSegment, badSegment, loadFooters, SegmentReader } from './load-index.js'
import { CannotKeep, type IndexState, type SortedFiles } from './sorted-files.js'

/** What helps to load an index. */
export interface IndexHelp extends BlobHelp {
  /** Keeps what is too much for memory; without, everything is in memory. */
  readonly sorted?: SortedFiles | undefined
  /** Reads on in the log: asked once where a segment is missing, since a prune may have exchanged it. */
  readonly refresh?: (() => Promise<IndexState>) | undefined
  /** Whether to read every segment from the storage, whatever this machine keeps of it. Default: no. */
  readonly anew?: boolean | undefined
  /** What is held in memory at most, beyond what sorted files cover: segments, and bytes of those. */
  readonly most?: { readonly segments: number; readonly bytes: number } | undefined
}

/** By default 64 segments, of half a million records: reading and holding them costs less than 0.2 seconds and 40 MB. */
const most = { segments: 64, bytes: 500_000 * 44 }

/** The index of a store: which of its segments are known, and what they say. */
export class LoadedIndex {
  readonly table: IndexTable = new IndexTable()
  readonly blobs: BlobReader
  readonly bad: BadSegment[] = []
  readonly #storage: Storage
  readonly #keyring: Keyring
  readonly #help: IndexHelp
  readonly #reader: SegmentReader
  /** Segments that are in memory and their bytes, those that sorted files cover, and those that cannot be used. */
  readonly #held = new Set<string>()
  #heldBytes = 0
  #covered = new Set<string>()
  readonly #lost = new Set<string>()
  readonly #opened: SortedFile[] = []
  #sorted: SortedFiles | undefined
  #looked: boolean
  #followed: IndexState['segments'] | undefined

  constructor(storage: Storage, keyring: Keyring, help: IndexHelp = {}) {
    this.#storage = storage
    this.#keyring = keyring
    this.#help = help
    this.#sorted = help.sorted
    this.#looked = help.anew === true
    this.#reader = new SegmentReader(storage, help.anew === true ? undefined : help.cache)
    this.blobs = new BlobReader(storage, keyring, this.table, help.anew === true ? { catchUp: help.catchUp } : help)
  }

  /** Whether a segment that is known does not count any more: then this index says too much, and another has to be made. */
  isOutdated({ segments }: IndexState): boolean {
    if (segments === this.#followed) return false
    return [...this.#held, ...this.#covered, ...this.#lost].some((name) => !segments.has(name))
  }

  /** Reads the segments that are not known yet. Where some are lost, the footers of the packs say the same. */
  async follow(state: IndexState, notice: (notice: Notice) => void, call: Call): Promise<void> {
    this.#leaveDamaged(notice)
    if (state.segments === this.#followed) return
    let now = state
    let bad = await this.#read(now, notice, call)
    if (this.#help.refresh !== undefined && bad.some(({ error }) => error.code === 'KLOSET_NOT_FOUND')) {
      // Protocol rule 14: it may have been exchanged for others since the log was read.
      now = await this.#help.refresh()
      bad = await this.#read(now, notice, call)
    }
    for (const { name } of bad) this.#lost.add(name)
    this.#followed = undefined
    if (!this.isOutdated(now)) this.#followed = now.segments
    if (this.table.files.some((file) => file.damaged)) this.table.files = this.#whole
    if (bad.length === 0) return
    this.bad.push(...bad)
    const found = await loadFooters(this.#storage, this.#keyring, this.table, call)
    const objects = bad.map(({ name }) => `index/${name}`).join(', ')
    notice({
      type: 'notice',
      code: 'index-rebuilt',
      message: `${objects} cannot be used; read the contents of ${found} packs instead`,
    })
  }

  /** Lets go of its files. No thread may ask the table any more. */
  close(): void {
    for (const file of this.#opened.splice(0)) file.close()
  }

  /** Reads what is not known yet; gives the segments that cannot be used. */
  async #read(state: IndexState, notice: (notice: Notice) => void, call: Call): Promise<readonly BadSegment[]> {
    if (!this.#looked) await this.#local(notice, (sorted) => this.#use(sorted.open(state)))
    this.#looked = true
    const unknown = this.#unknown(state)
    if (this.#sorted === undefined) return this.#hold(unknown, call)
    const { segments, bytes } = this.#help.most ?? most
    const read = new Map<string, Uint8Array>()
    let room = bytes - this.#heldBytes
    const gather = (name: string, sealed: Uint8Array): boolean => {
      read.set(name, sealed)
      room -= sealed.length
      return room >= 0
    }
    // Where it shows that they are too much for memory, what was read until then goes the other way too.
    const isFew = unknown.length + this.#held.size <= segments
    const few = isFew ? await this.#reader.each(unknown, gather, call) : { bad: [], left: unknown }
    if (few.left.length === 0 && room >= 0) return [...few.bad, ...this.#holdRead(read)]
    const bad = [...few.bad, ...(await this.#sort(state, read, [...few.left, ...this.#held], notice, call))]
    // Whatever no file covers now, another process having removed it or this machine being full, is held in memory.
    const rest = this.#unknown(state).filter((name) => bad.every((each) => each.name !== name))
    return [...bad, ...(await this.#hold(rest, call))]
  }

  #unknown({ segments }: IndexState): string[] {
    return [...segments].filter((name) => !this.#covered.has(name) && !this.#held.has(name) && !this.#lost.has(name))
  }

  /** Reads segments into memory. */
  async #hold(names: readonly string[], call: Call): Promise<readonly BadSegment[]> {
    const add = (name: string, sealed: Uint8Array): true => {
      this.#add(name, sealed)
      return true
    }
    return (await this.#reader.each(names, add, call)).bad
  }

  #holdRead(read: ReadonlyMap<string, Uint8Array>): readonly BadSegment[] {
    const bad: BadSegment[] = []
    for (const [name, sealed] of read) {
      try {
        this.#add(name, sealed)
      } catch (error) {
        bad.push(badSegment(name, error))
      }
    }
    return bad
  }

  #add(name: string, sealed: Uint8Array): void {
    this.table.add(decodeSegment(this.#keyring, name, sealed))
    this.#held.add(name)
    this.#heldBytes += sealed.length
  }

  /** Makes sorted files of the segments that were `read`, and of others, and uses them. */
  async #sort(
    state: IndexState,
    read: Map<string, Uint8Array>,
    others: readonly string[],
    notice: (notice: Notice) => void,
    call: Call,
  ): Promise<readonly BadSegment[]> {
    const bad: BadSegment[] = []
    await this.#local(notice, async (sorted) => {
      const kept = this.#whole.map(({ path, records }) => ({ path, records }))
      const made = await sorted.make(state, kept, async (take) => {
        for (const [name, sealed] of read) {
          read.delete(name)
          await take(name, sealed).catch((error) => bad.push(badSegment(name, error)))
        }
        const each = async (name: string, sealed: Uint8Array): Promise<true> => {
          await take(name, sealed)
          return true
        }
        bad.push(...(await this.#reader.each(others, each, call)).bad)
      })
      this.#use(sorted.open(state, this.#help.anew === true ? [...kept.map(({ path }) => path), ...made] : undefined))
    })
    return bad
  }

  #use(files: readonly SortedFile[]): void {
    this.#opened.push(...files)
    this.table.files = files
    this.#covered = new Set(files.flatMap(({ covers }) => covers))
    for (const name of this.#covered) this.#held.delete(name)
    if (this.#held.size === 0) this.#heldBytes = 0
  }

  /**
   * What a damaged file covers is read again. Until then it is asked on: what is damaged in it is never taken for an answer, and what is not
   * serves.
   */
  #leaveDamaged(notice: (notice: Notice) => void): void {
    const damaged = this.table.files.filter(
      (file) => file.damaged && file.covers.some((name) => this.#covered.has(name)),
    )
    if (damaged.length === 0) return
    for (const { path } of damaged) this.#sorted?.remove(path)
    this.#covered = new Set(this.#whole.flatMap(({ covers }) => covers))
    this.#followed = undefined
    const message = 'what this machine keeps of the index was damaged; it is made anew from the store'
    notice({ type: 'notice', code: 'index-rebuilt', message })
  }

  get #whole(): SortedFile[] {
    return this.table.files.filter((file) => !file.damaged)
  }

  /** Does something with sorted files. Where this machine does not let that be done, everything is in memory. */
  async #local(notice: (notice: Notice) => void, act: (sorted: SortedFiles) => Promise<void> | void): Promise<void> {
    if (this.#sorted === undefined) return
    try {
      await act(this.#sorted)
    } catch (error) {
      if (!(error instanceof CannotKeep)) throw error
      this.#sorted = undefined
      const message = `the index cannot be kept on this machine, so all of it is in memory: ${error.message}`
      notice({ type: 'notice', code: 'cache-unusable', message })
    }
  }
}
