import pLimit from 'p-limit'
import type { Notice } from '../api.js'
import { type Bytes, concatBytes } from '../bytes/index.js'
import { type ChunkSizes, createChunker } from '../chunk/index.js'
import { type Call, type Entry, pathFromBytes, type Source } from '../connector/index.js'
import type { Keyring } from '../crypto/index.js'
import { isKlosetError, KlosetError } from '../errors.js'
import type { PostedError } from '../runtime/jobs.js'
import { errorOfPosted } from '../runtime/posted.js'
import {
  decodeStat,
  type Extent,
  encodeStat,
  ListBuilder,
  type ListBuilderOptions,
  noContent,
  type Stat,
  xattrPieces,
} from '../tree/index.js'
import { Bundle, type Cut } from './bundle.js'
import { addChunks, chunkLength, contentOf, emptyContent, extentsOf, lengthOfChunks } from './content.js'
import { failedStat } from './fitting.js'
import type { CutReply, StoredReply } from './messages.js'
import { Pieces } from './pieces.js'
import { decodeValues, type EntryView, entryOf, RecordWriter } from './records.js'
import type { BackupReport } from './report.js'
import { errorText } from './scan.js'
import type { Slot, Slots } from './slots.js'
import type { Workers } from './workers.js'

/** A request to a worker has about so many bytes of files, and at most so many files. */
const batchBytes = 6 * 1024 * 1024
const batchFiles = 512

/** Larger files are cut by one worker and stored by all: so many bytes are cut at a time, so many stored by a request. */
const largeFile = 24 * 1024 * 1024
const cutBudget = 64 * 1024 * 1024
const rangeBytes = 8 * 1024 * 1024

/** Files up to this size that come through a source's own `read` are stored many at a time. */
const smallFile = 128 * 1024

/** What reading the files of one source needs. */
export interface FilesOptions {
  readonly source: Source
  /** Its place among the sources of the backup. */
  readonly number: number
  readonly keyring: Keyring
  readonly sizes: ChunkSizes
  readonly workers: Workers
  readonly report: BackupReport
  readonly call: Call
  readonly slots: Slots
  readonly lists: ListBuilderOptions
  /** Resolves when the storage has caught up. */
  readonly room: () => Promise<void>
  /** Files read at once through the source's `read`, at most; default: as many as the source does well. */
  readonly concurrency: number | undefined
}

/** Has the content of files stored: small ones many at a time, large ones by all workers, others through the source's `read`. */
export class Files {
  readonly #options: FilesOptions
  readonly #reading: ReturnType<typeof pLimit>
  readonly #bundle: Bundle
  // Files that are read through the source's own `read`, or will be.
  #streams = 0
  #batch = new RecordWriter()
  #slots: Slot[] = []
  #bytes = 0

  constructor(options: FilesOptions) {
    this.#options = options
    const most = Math.max(1, options.source.capabilities.concurrency)
    this.#reading = pLimit(Math.min(most, options.concurrency ?? most))
    this.#bundle = new Bundle((cut) => this.#storeCut(cut))
  }

  /** Starts on a file; its slot gets its content later. A promise means: wait for it before going on with the scan. */
  add(slot: Slot, view: EntryView, entry?: Entry): void | Promise<void> {
    const { size } = decodeStat(view.stat)
    this.#options.report.found.bytes += size ?? 0
    if (size === 0) {
      slot.content = emptyContent
      this.#options.report.files++
      return
    }
    if (this.#options.source.worker === undefined) return this.#addStream(slot, entry ?? entryOf(view))
    // Of what has no size nothing can be planned, and what makes it up may say something else the next time: it is read once.
    if (size !== undefined && size >= largeFile) {
      this.send()
      this.#options.slots.track(this.#large(slot, view))
      return this.flow()
    }
    this.#batch.copy(view.record)
    this.#slots.push(slot)
    this.#bytes += size ?? 0
    if (this.#bytes < batchBytes && this.#slots.length < batchFiles) return
    this.send()
    return this.flow()
  }

  /** Starts to store values of extended attributes that a stat does not hold itself; the slot's stat gets them later. */
  addXattrs(slot: Slot, values: Uint8Array): void {
    slot.waits = true
    this.#options.slots.track(this.#xattrs(slot, decodeValues(values)))
  }

  /** Sends the files that were gathered. */
  send(): void {
    this.#bundle.send()
    if (this.#slots.length === 0) return
    this.#options.report.current = pathFromBytes(this.#slots[0]!.key)
    const records = this.#batch.finish()
    const slots = this.#slots
    this.#batch = new RecordWriter()
    this.#slots = []
    this.#bytes = 0
    this.#options.slots.track(this.#small(slots, records))
  }

  async #small(slots: readonly Slot[], records: Bytes): Promise<void> {
    const { workers, number, lists } = this.#options
    const reply = await workers.store({ op: 'files', source: number, records }, [records.buffer])
    let at = 0
    for (const [i, slot] of slots.entries()) {
      const file = reply.files[i]!
      const chunks = reply.chunks.subarray(at, at + file.chunks * chunkLength)
      at += chunks.length
      const content = contentOf(chunks, lists)
      this.#options.report.bytes += lengthOfChunks(chunks)
      this.#finish(slot, content instanceof Promise ? await content : content, file.chunks > 0, errorOf(file.error))
    }
    this.#options.slots.drain()
  }

  /** One worker finds the cut points, which depend on those before; all of them read and store what is between. */
  async #large(slot: Slot, view: EntryView): Promise<void> {
    const { workers, number, lists, room } = this.#options
    this.#options.report.current = pathFromBytes(slot.key)
    const list = new ListBuilder(lists)
    const record = view.record.slice()
    const ranges: Promise<StoredReply>[] = []
    let error: PostedError | undefined
    let some = false
    const take = async (): Promise<void> => {
      const reply = await ranges.shift()!
      await this.#append(list, reply.chunks)
      some ||= reply.chunks.length > 0
      error ??= reply.files[0]!.error
    }
    try {
      for (let from = 0, done = false; !done && error === undefined; ) {
        const cut = await workers.ask<CutReply>({ op: 'cut', source: number, record, from, budget: cutBudget })
        done = cut.done
        error ??= cut.error
        for (const lengths of groups(cut.lengths)) {
          await room()
          while (ranges.length > 2 * workers.size) await take()
          const range = workers.store({ op: 'range', source: number, record, from, lengths }, [])
          range.catch(() => undefined)
          ranges.push(range)
          from += lengths.reduce((sum, length) => sum + Math.abs(length), 0)
        }
      }
      while (ranges.length > 0) await take()
    } finally {
      await Promise.allSettled(ranges)
    }
    this.#finish(slot, await list.finish(), some, errorOf(error))
    this.#options.slots.drain()
  }

  #addStream(slot: Slot, entry: Entry): void | Promise<void> {
    this.#streams++
    const work = this.#reading(() => this.#stream(slot, entry)).finally(() => {
      // Nothing more may come that would fill it.
      if (--this.#streams === 0) this.#bundle.send()
    })
    this.#options.slots.track(work)
    // In-order sources give each file once, before the scan goes on.
    if (this.#options.source.capabilities.access === 'in-order') return work.then(() => this.flow())
    return this.#reading.pendingCount > 64 ? work.then(() => this.#options.slots.check()) : undefined
  }

  /** Reads a file through the source's own `read`: cut on this thread, stored by the workers. */
  async #stream(slot: Slot, entry: Entry): Promise<void> {
    const { source, call, sizes, keyring, lists, room } = this.#options
    // Where storing has failed meanwhile, it is not read in vain.
    this.#options.slots.check()
    this.#options.report.current = entry.path
    const list = new ListBuilder(lists)
    const pieces = new Pieces(createChunker({ sizes, gear: keyring.gear }), sizes.max)
    const store = async (most: number): Promise<void> => {
      for (let cut = pieces.take(most); cut !== undefined; cut = pieces.take(most)) {
        await room()
        await this.#append(list, (await this.#storeCut(cut)).chunks)
      }
    }
    let size = 0
    let error: unknown
    // Only what the source throws is a failure of the file.
    for await (const piece of untilError(
      source.read(entry, { ...call, range: undefined }),
      (thrown) => (error = thrown),
    )) {
      size += piece.length
      pieces.add(piece)
      await store(rangeBytes / 2)
    }
    call.signal.throwIfAborted()
    pieces.end()
    if (error === undefined && entry.size !== undefined && entry.size !== size) error = otherSize(entry, size)
    const small = size <= smallFile ? pieces.take(0) : undefined
    if (small !== undefined) return this.#addToBundle(slot, small, error)
    await store(0)
    this.#finish(slot, await list.finish(), size > 0, error)
    if (size === 0 && entry.size === undefined && source.capabilities.atomic) this.#options.report.event(empty(entry))
    this.#options.slots.drain()
  }

  async #xattrs(slot: Slot, values: Readonly<Record<string, Uint8Array>>): Promise<void> {
    try {
      const storedXattrs = await this.#storeValues(values)
      slot.stat = encodeStat({ ...decodeStat(slot.stat), storedXattrs })
    } catch (error) {
      // More than an entry can have: it goes without.
      if (!isKlosetError(error, 'KLOSET_LIMIT') || this.#options.source.capabilities.atomic) throw error
      slot.stat = failedStat(decodeStat(slot.stat), errorText(error))
      this.#options.report.fail(pathFromBytes(slot.key), error)
    }
    slot.waits = false
    this.#options.slots.drain()
  }

  async #storeValues(values: Readonly<Record<string, Uint8Array>>): Promise<Stat['storedXattrs']> {
    const { workers, number, sizes } = this.#options
    const pieces = Object.entries(values).map(([name, { length }]) => ({ name, of: xattrPieces(length, sizes.max) }))
    const bytes = concatBytes(...Object.values(values))
    const lengths = Uint32Array.from(pieces.flatMap(({ of }) => of))
    const { chunks } = await workers.store({ op: 'blobs', source: number, bytes, lengths }, [bytes.buffer])
    const extents = extentsOf(chunks)
    return Object.fromEntries(pieces.map(({ name, of }): [string, Extent[]] => [name, extents.splice(0, of.length)]))
  }

  /** The next file can be read before this one is stored. */
  async #addToBundle(slot: Slot, cut: Cut, error: unknown): Promise<void> {
    this.#options.slots.track(this.#bundled(slot, this.#bundle.add(cut), error))
    if (!this.#bundle.isFull) return
    this.#bundle.send()
    await this.flow()
  }

  async #bundled(slot: Slot, stored: Promise<Uint8Array>, error: unknown): Promise<void> {
    const chunks = await stored
    this.#options.report.bytes += lengthOfChunks(chunks)
    this.#finish(slot, await contentOf(chunks, this.#options.lists), true, error)
    this.#options.slots.drain()
    this.#options.report.tell()
  }

  #storeCut(cut: Cut): Promise<StoredReply> {
    const { workers, number } = this.#options
    return workers.store({ op: 'blobs', source: number, ...cut }, [cut.bytes.buffer])
  }

  async #append(list: ListBuilder, chunks: Uint8Array): Promise<void> {
    await addChunks(list, chunks)
    this.#options.report.bytes += lengthOfChunks(chunks)
    this.#options.report.tell()
  }

  /** Ends a file: `error` is what went wrong after `some` of it was read, or before. */
  #finish(slot: Slot, content: Bytes, some: boolean, error: unknown): void {
    if (error === undefined) {
      slot.content = content
      this.#options.report.files++
      return
    }
    // What was read of a file that would not hold still is kept; one that could not be read leaves only its stat.
    this.#failed(slot, error, some && isKlosetError(error, 'KLOSET_FILE_CHANGED') ? content : noContent)
  }

  #failed(slot: Slot, error: unknown, content: Uint8Array = noContent): void {
    if (this.#options.source.capabilities.atomic) throw error
    slot.stat = failedStat(decodeStat(slot.stat), errorText(error))
    slot.content = content
    this.#options.report.fail(pathFromBytes(slot.key), error)
  }

  /** Waits for a worker and for the storage, so that the scan does not run ahead of them. */
  async flow(): Promise<void> {
    this.#options.slots.check()
    await this.#options.room()
    await this.#options.workers.idle()
  }
}

/** Chunk lengths in groups of about the bytes of one request; holes are negative and cost nothing. */
function* groups(lengths: Float64Array): Generator<Float64Array> {
  let start = 0
  let bytes = 0
  for (let i = 0; i < lengths.length; i++) {
    bytes += Math.max(0, lengths[i]!)
    if (bytes < rangeBytes && i + 1 < lengths.length) continue
    yield lengths.slice(start, i + 1)
    start = i + 1
    bytes = 0
  }
}

/** What `items` gives until it throws; then `failed` is told. */
async function* untilError<T>(items: AsyncIterable<T>, failed: (error: unknown) => void): AsyncGenerator<T> {
  const iterator = items[Symbol.asyncIterator]()
  try {
    for (;;) {
      let next: IteratorResult<T>
      try {
        next = await iterator.next()
      } catch (error) {
        failed(error)
        return
      }
      if (next.done) return
      yield next.value
    }
  } finally {
    await iterator.return?.()
  }
}

/** A dump of nothing is more often a mistake than not. */
function empty({ path }: Entry): Notice {
  return { type: 'notice', code: 'stream-empty', message: `nothing came for ${path}: it is empty in this backup` }
}

function otherSize({ path, size }: Entry, read: number): KlosetError {
  return new KlosetError('KLOSET_FILE_CHANGED', `it has ${read} bytes where ${size} were expected`, {
    context: { path },
    hint: 'Run the backup again when it is quiet.',
  })
}

function errorOf(posted: PostedError | undefined): Error | undefined {
  return posted === undefined ? undefined : errorOfPosted(posted)
}
