import { entryViews, RecordWriter, recordOf } from '../backup/records.js'
import type { Bytes } from '../bytes/index.js'
import { type Call, pathFromBytes, type WorkerModule } from '../connector/index.js'
import { isKlosetError } from '../errors.js'
import { type PostedError, postedModule } from '../runtime/jobs.js'
import type { JobSet } from '../runtime/pool.js'
import { errorOfPosted } from '../runtime/posted.js'
import type { OpenedStore } from '../store/opened.js'
import { movable, ReadMemory } from '../store/read-memory.js'
import { PackRanges, type ReadFrames } from '../store/reads.js'
import { type Extent, extents, type PlacedExtent } from '../tree/index.js'
import type { Target } from './entries.js'
import type { BeginReply, LeftOutReply, RestoreInit, RestoreMessage, RestoreReply } from './messages.js'
import { ReadAhead, type Reading } from './read-ahead.js'
import type { RestoreReport } from './report.js'
import { type FileState, mostRead, type Request, Window } from './window.js'

/** So many bytes of files are planned together. */
const windowBytes = 128 * 1024 * 1024
const windowFiles = 8_192

/** The first window is small, so that writing starts early; each next one has twice as much. */
const firstWindow = 1 / 8

/** So many bytes of long extended attributes, too. */
const mostValues = 16 * 1024 * 1024

/** Requests that each worker has: one being written, one that waits for it. */
const depth = 2

/** Restores through the destination's worker module: frames are fetched once, in the order of packs, and written where they are opened. */
export class WorkerRestore {
  readonly #jobs: JobSet
  readonly #report: RestoreReport
  readonly #call: Call
  readonly #store: OpenedStore
  readonly #fallback: (target: Target) => Promise<void>
  readonly #memory = new ReadMemory(mostRead)
  readonly #ahead: ReadAhead
  readonly #directories: Bytes[] = []
  #lastDirectories = new RecordWriter()
  // Files that were begun and not ended yet.
  readonly #open = new Set<FileState>()
  #window: Window | undefined
  #share = firstWindow
  #made: Target[] = []
  #values = 0
  #running: Promise<void> = Promise.resolve()
  #next = 0

  private constructor(
    store: OpenedStore,
    jobs: JobSet,
    report: RestoreReport,
    call: Call,
    fallback: (target: Target) => Promise<void>,
  ) {
    this.#store = store
    this.#jobs = jobs
    this.#report = report
    this.#call = call
    this.#fallback = fallback
    const read = (bytes: number): void => {
      report.read += bytes
    }
    const ranges = new PackRanges(store.storage, call, read, this.#memory)
    this.#ahead = new ReadAhead(
      (request) => ranges.read(request),
      jobs.size * depth,
      store.storage.capabilities.concurrency,
    )
  }

  /** `fallback` writes one file another way, when a part of it turned out damaged where it was read first. */
  static async start(
    store: OpenedStore,
    module: WorkerModule,
    report: RestoreReport,
    call: Call,
    fallback: (target: Target) => Promise<void>,
  ): Promise<WorkerRestore> {
    const init: RestoreInit = { material: store.keyring.material, module: postedModule(module) }
    return new WorkerRestore(store, await store.startJobs('restore', init), report, call, fallback)
  }

  /** Takes the next entry, in path order; waits only where it has to. */
  add(target: Target): void | Promise<void> {
    const { values } = target
    // What is gathered holds them in memory.
    this.#values += values?.length ?? 0
    return this.#values > mostValues ? this.#run().then(() => this.#add(target)) : this.#add(target)
  }

  #add(target: Target): void | Promise<void> {
    const { stat, content } = target
    if (stat.type === 'directory') this.#keepDirectory(target)
    if (content.form === 'none' || (content.form === 'extents' && content.extents.length === 0)) {
      this.#made.push(target)
      return this.#made.length >= windowFiles * this.#share ? this.#run() : undefined
    }
    const window = this.#window
    if (content.form !== 'extents' || window === undefined) return this.#addFile(target)
    const file: FileState = { target, handle: undefined, failed: false }
    try {
      addInline(window, file, content.extents)
    } catch {
      // What went wrong is found out, and perhaps helped, with more time. The pieces of this one are left out.
      file.failed = true
      return this.#addFile(target)
    }
    return this.#added(window, file)
  }

  /** All of a file is planned. */
  #added(window: Window, file: FileState): void | Promise<void> {
    window.complete.add(file)
    const full = window.bytes >= windowBytes * this.#share || window.files.length >= windowFiles * this.#share
    return full ? this.#run() : undefined
  }

  /** Resolves when everything added is written. */
  async flush(): Promise<void> {
    await this.#run()
    await this.#running
  }

  /** Writes everything that is left, then gives directories their times. */
  async finish(): Promise<void> {
    await this.flush()
    this.#call.signal.throwIfAborted()
    this.#directories.push(this.#lastDirectories.finish())
    for (const records of this.#directories.reverse()) {
      // Deepest first: a parent's time must not change after it was set.
      const views = [...entryViews(records)].reverse()
      const reversed = new RecordWriter()
      for (const { record } of views) reversed.copy(record)
      const reply = await this.#ask<RestoreReply>(0, { op: 'finish', records: reversed.finish() })
      for (const { at, error } of reply.failed) this.#report.fail(pathFromBytes(views[at]!.key), errorOfPosted(error))
    }
  }

  async close(): Promise<void> {
    await this.#running.catch(() => undefined)
    // Only where it did not come to its end are there any left.
    for (const file of this.#open) await this.#abandon(file)
    await this.#jobs.end()
  }

  #keepDirectory({ key, encoded, values }: Target): void {
    this.#lastDirectories.addEncoded(key, encoded, values)
    if (this.#lastDirectories.count < 4096) return
    this.#directories.push(this.#lastDirectories.finish())
    this.#lastDirectories = new RecordWriter()
  }

  async #addFile(target: Target): Promise<void> {
    const index = await this.#store.index()
    const file: FileState = { target, handle: undefined, failed: false }
    const open = (): Window => {
      this.#window ??= new Window(index)
      this.#window.addFile(file)
      return this.#window
    }
    let window = open()
    const pieces = this.#extents(target)[Symbol.asyncIterator]()
    for (;;) {
      try {
        const next = await pieces.next()
        if (next.done) break
        const { id, length, offset } = next.value
        if (id !== undefined) await this.#addPiece(window, file, id, length, offset)
      } catch (error) {
        this.#call.signal.throwIfAborted()
        await this.#fail(file, error)
        break
      }
      if (window.bytes < windowBytes) continue
      // Larger than a window: what is planned is written, and the file stays open for the rest.
      await this.#run()
      if (file.failed) return
      window = open()
    }
    await this.#added(window, file)
  }

  async *#extents({ content }: Target): AsyncGenerator<PlacedExtent> {
    if (content.form === 'list') {
      const blobs = await this.#store.blobs()
      yield* extents(content, (id) => blobs.node(id, this.#call))
    } else if (content.form === 'extents') {
      let offset = 0
      for (const extent of content.extents) {
        yield { ...extent, offset }
        offset += extent.length
      }
    }
  }

  /** Starts on what was gathered, when what was started before is done: meanwhile more is gathered. */
  async #run(): Promise<void> {
    const window = this.#window
    const made = this.#made
    this.#window = undefined
    this.#made = []
    this.#values = 0
    this.#share = Math.min(1, 2 * this.#share)
    // They may be read before all before them is written.
    const readings = this.#ahead.add(window?.requests() ?? [])
    await this.#running
    this.#running = this.#carryOut(made, window, readings)
    // Thrown by whoever waits next.
    this.#running.catch(() => undefined)
  }

  async #carryOut(made: readonly Target[], window: Window | undefined, readings: readonly Reading[]): Promise<void> {
    await this.#make(made)
    if (window === undefined) return
    await this.#begin(
      window,
      readings.map(({ request }) => request),
    )
    await this.#each(readings)
    for (const file of window.files) {
      if (file.failed) await this.#abandon(file)
      else if (window.complete.has(file)) await this.#settle(file)
    }
    this.#report.tell()
  }

  /** Directories and whatever else has no content, in order, so that files find their directories. */
  async #make(made: readonly Target[]): Promise<void> {
    if (made.length === 0) return
    const records = new RecordWriter()
    for (const { key, encoded, values } of made) records.addEncoded(key, encoded, values)
    const reply = await this.#ask<RestoreReply>(0, { op: 'make', records: records.finish() })
    const failed = new Map(reply.failed.map(({ at, error }) => [at, error]))
    for (const [i, target] of made.entries()) {
      const error = failed.get(i)
      if (error === undefined) this.#report.done(target.path, target.stat)
      else this.#report.fail(target.path, errorOfPosted(error))
    }
  }

  /** Files that more than one request writes to are opened beforehand. */
  async #begin(window: Window, requests: readonly Request[]): Promise<void> {
    const seen = new Map<FileState, number>()
    for (const { files } of requests) for (const file of files) seen.set(file, (seen.get(file) ?? 0) + 1)
    for (const file of window.files) {
      const whole = window.complete.has(file) && (seen.get(file) ?? 0) === 1
      if (whole || file.failed || file.handle !== undefined) continue
      try {
        const reply = await this.#ask<BeginReply>(this.#turn(), { op: 'begin', record: recordFor(file.target) })
        file.handle = reply.handle
        this.#open.add(file)
      } catch (error) {
        await this.#fail(file, error)
      }
    }
  }

  async #addPiece(window: Window, ...piece: Parameters<Window['addPiece']>): Promise<void> {
    try {
      window.addPiece(...piece)
    } catch (error) {
      if (!isKlosetError(error, 'KLOSET_INDEX_CORRUPT')) throw error
      // What this machine keeps of the index is damaged: asking for the index makes it anew.
      await this.#store.index()
      window.addPiece(...piece)
    }
  }

  async #write(reading: Reading, worker: number): Promise<void> {
    const { request } = reading
    const files = request.files.filter(({ failed }) => !failed)
    const pieces = request.wanted.filter(({ file }) => !file.failed)
    if (pieces.length === 0) return
    let reply: RestoreReply
    try {
      const read = await this.#ahead.take(reading)
      const { bytes, moved } = movable(read.bytes)
      const message = messageOf(request, files, pieces, { ...read, bytes })
      reply = await this.#ask<RestoreReply>(worker, message, moved)
      this.#memory.give(bytes)
    } catch (error) {
      this.#call.signal.throwIfAborted()
      if (!isKlosetError(error)) throw error
      for (const file of files) await this.#fail(file, error)
      return
    }
    const failed = new Map<number, PostedError>(reply.failed.map(({ at, error }) => [at, error]))
    for (const [i, file] of files.entries()) {
      const error = failed.get(i)
      if (error !== undefined) await this.#fail(file, errorOfPosted(error))
      else if (file.handle === undefined) this.#report.done(file.target.path, file.target.stat)
    }
  }

  async #settle(file: FileState): Promise<void> {
    if (file.handle === undefined) return
    const record = recordFor(file.target)
    try {
      await this.#ask(this.#turn(), { op: 'settle', record, handle: file.handle, commit: true })
      this.#report.done(file.target.path, file.target.stat)
    } catch (error) {
      this.#report.fail(file.target.path, error)
    }
    file.handle = undefined
    this.#open.delete(file)
  }

  async #abandon(file: FileState): Promise<void> {
    if (file.handle === undefined) return
    const message = { op: 'settle', record: recordFor(file.target), handle: file.handle, commit: false } as const
    file.handle = undefined
    this.#open.delete(file)
    await this.#ask(this.#turn(), message).catch(() => undefined)
  }

  /** A file whose stored bytes are damaged or gone in one place may be whole in another, or have moved there meanwhile. */
  async #fail(file: FileState, error: unknown): Promise<void> {
    if (file.failed) return
    file.failed = true
    let reason = error
    // A pack of a version that is not known may be a damaged one.
    const codes = ['KLOSET_PACK_CORRUPT', 'KLOSET_NOT_FOUND', 'KLOSET_CHUNK_MISSING', 'KLOSET_VERSION']
    if (isKlosetError(error) && codes.includes(error.code)) {
      try {
        await this.#fallback(file.target)
        this.#report.done(file.target.path, file.target.stat)
        return
      } catch (again) {
        reason = again
      }
    }
    this.#report.fail(file.target.path, reason)
  }

  /** Writes what all requests are for, some at a time on each worker. */
  async #each(readings: readonly Reading[]): Promise<void> {
    let next = 0
    const lane = async (worker: number): Promise<void> => {
      try {
        for (let reading = readings[next++]; reading !== undefined; reading = readings[next++]) {
          this.#call.signal.throwIfAborted()
          await this.#write(reading, worker)
          this.#ahead.done(reading)
        }
      } catch (error) {
        // The others end what they are at, so that nothing writes any more when this is over.
        next = readings.length
        throw error
      }
    }
    const lanes = Array.from({ length: this.#jobs.size * depth }, (_, i) => lane(i % this.#jobs.size))
    await Promise.allSettled(lanes)
    await Promise.all(lanes)
  }

  #turn(): number {
    return this.#next++ % this.#jobs.size
  }

  async #ask<Reply extends LeftOutReply>(
    worker: number,
    message: RestoreMessage,
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<Reply> {
    const reply = (await this.#jobs.call(worker, message, transfer)) as Reply
    for (const [kind, count] of reply.leftOut ?? []) this.#report.leave(kind, count)
    return reply
  }
}

function recordFor({ key, encoded, values }: Target): Bytes {
  return recordOf(key, encoded, values)
}

/** Plans a file whose few extents stand with it. */
function addInline(window: Window, file: FileState, extents: readonly Extent[]): void {
  window.addFile(file)
  let at = 0
  for (const { id, length } of extents) {
    if (id !== undefined) window.addPiece(file, id, length, at)
    at += length
  }
}

function messageOf(
  { pack, frames }: Request,
  files: readonly FileState[],
  pieces: Request['wanted'],
  { header, bytes, from }: ReadFrames,
): RestoreMessage {
  const frameAt = new Map(frames.map((frame, i) => [frame.number, i]))
  const fileAt = new Map(files.map((file, i) => [file, i]))
  const records = new RecordWriter()
  for (const { target } of files) records.addEncoded(target.key, target.encoded, target.values)
  const numbers = new Float64Array(5 * pieces.length)
  const ids = new Uint8Array(32 * pieces.length)
  for (const [i, { file, frame, offset, length, at, id }] of pieces.entries()) {
    numbers.set([frameAt.get(frame.number)!, fileAt.get(file)!, offset, length, at], 5 * i)
    ids.set(id, 32 * i)
  }
  return {
    op: 'frames',
    pack,
    header,
    bytes,
    frames: Uint32Array.from(
      frames.flatMap(({ ordinal, offset, sealedLength, rawLength }) => [
        ordinal,
        offset - from,
        sealedLength,
        rawLength,
      ]),
    ),
    files: records.finish(),
    handles: files.map(({ handle }) => handle),
    pieces: numbers,
    ids,
  }
}
