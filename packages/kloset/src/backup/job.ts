import type { Bytes } from '../bytes/index.js'
import { type Entry, noHost, type WorkerEntry, type WorkerFile, type WorkerSide } from '../connector/index.js'
import { KlosetError } from '../errors.js'
import { type Kernels, kernels } from '../kernels/index.js'
import { giveRegion, type Region, takeRegion } from '../pack/regions.js'
import type { Job, JobReply, PostedError } from '../runtime/jobs.js'
import { postedError } from '../runtime/posted.js'
import { ChunkSink } from './chunk-sink.js'
import type { BackupInit, BackupMessage, CutReply, FileResult } from './messages.js'
import { entryOf, entryViews } from './records.js'

/** Makes the part of a backup that runs in each worker. `load` imports a connector's worker module. */
export async function createBackupJob(init: BackupInit, load: (url: string) => Promise<WorkerEntry>): Promise<Job> {
  const sides = await Promise.all(
    init.modules.map(async (module) =>
      module === undefined ? undefined : (await load(module.url))(module.data, noHost),
    ),
  )
  return new BackupJob(init, sides)
}

/**
 * Does everything for a byte while it is hot: reads it into kernel memory, cuts, hashes and deduplicates it there, and leaves it
 * to the pack writer, which compresses and seals from the same memory.
 */
class BackupJob implements Job {
  readonly #init: BackupInit
  readonly #sides: readonly (WorkerSide | undefined)[]
  readonly #kernels: Kernels = kernels()
  readonly #sink: ChunkSink
  readonly #gear: Region
  readonly #window: Region

  constructor(init: BackupInit, sides: readonly (WorkerSide | undefined)[]) {
    this.#init = init
    this.#sides = sides
    this.#sink = new ChunkSink(init)
    this.#gear = takeRegion(gearLength)
    this.#window = takeRegion(Math.max(2 * init.sizes.max, 4 * 1024 * 1024))
    this.#kernels.heap().set(this.#sink.keyring.gear, this.#gear.at)
  }

  handle(message: BackupMessage): JobReply {
    if (message.spare !== undefined) this.#sink.spare(message.spare)
    switch (message.op) {
      case 'files':
        return this.#files(message.source, message.records)
      case 'cut':
        return this.#cut(message.source, message.record, message.from, message.budget)
      case 'range':
        return this.#range(message.source, message.record, message.from, message.lengths)
      case 'blobs':
        return this.#blobs(message.source, message.bytes, message.lengths)
      case 'session':
        this.#sink.refresh(message.session)
        return { value: undefined }
      case 'flush':
        this.#sink.flush()
        return this.#sink.reply([])
      default:
        throw new TypeError(`unknown request ${(message satisfies never as BackupMessage).op}`)
    }
  }

  end(): void {
    this.#sink.release()
    giveRegion(this.#gear)
    giveRegion(this.#window)
  }

  #files(source: number, records: Bytes): JobReply {
    this.#sink.enter(source)
    const side = this.#side(source)
    const files: FileResult[] = []
    for (const view of entryViews(records)) {
      const before = this.#sink.taken
      let error: unknown
      try {
        this.#file(side, entryOf(view))
      } catch (thrown) {
        error = thrown
      }
      files.push({
        chunks: (this.#sink.taken - before) / chunkLength,
        error: error === undefined ? undefined : postedError(error),
      })
    }
    return this.#sink.reply(files)
  }

  /** Reads one file whole. One that changes meanwhile is read once more; then what was read stays, with the error. */
  #file(side: WorkerSide, entry: Entry): void {
    const start = this.#sink.taken
    for (let attempt = 1; ; attempt++) {
      this.#sink.untake(start)
      const file = side.open!(entry)
      try {
        const size = entry.size ?? Number.POSITIVE_INFINITY
        const read = attempt === 1 ? this.#readOnce(file, size) : this.#readCut(file)
        const change = file.changed()
        if (change === false && (attempt > 1 || read === size || entry.size === undefined)) return
        // Read whole and at rest: its stat is out of date, so the next backup will read it again.
        if (attempt > 1 && change === 'earlier') return
        if (attempt > 1) throw changed(entry.path)
      } finally {
        file.close()
      }
    }
  }

  #readOnce(file: WorkerFile, size: number): number {
    // Where holes are is known of a file at rest; one that changes is read whole the next time.
    if (file.nextData !== undefined && Number.isFinite(size)) return this.#readSparse(file, size)
    return size <= this.#inPlace ? this.#readInPlace(file, size) : this.#readCut(file)
  }

  /** Reads what is between holes; each run of it is cut by itself. */
  #readSparse(file: WorkerFile, size: number): number {
    for (const run of runsOf(file, 0, size)) {
      if (run.hole) this.#sink.hole(run.end - run.start)
      else if (this.#readCut(file, run.start, run.end) < run.end - run.start) return 0
    }
    return size
  }

  /** Files up to this size are one chunk, which is read where the open frame ends. */
  get #inPlace(): number {
    return Math.min(this.#init.sizes.min, this.#sink.packs.gathers)
  }

  #readInPlace(file: WorkerFile, size: number): number {
    const at = this.#sink.packs.space(size)
    const read = file.read(this.#kernels.heap().subarray(at, at + size), 0)
    if (read > 0) this.#sink.chunk(at, read)
    return read
  }

  #readCut(file: WorkerFile, from = 0, to = Number.POSITIVE_INFINITY): number {
    const { min, normal, max } = this.#init.sizes
    let offset = 0
    this.#windowed(file, from, to, (at, length, end) => {
      const cut = this.#kernels.cut(this.#gear.at, at, length, min, normal, max)
      if (cut === length && length < max && !end) return 0
      this.#sink.chunk(at, cut)
      offset += cut
      return cut
    })
    return offset
  }

  /** Reads a part of a file through the window; `take` is given what is there and answers how much of it is done, 0 for more. */
  #windowed(
    file: WorkerFile,
    from: number,
    to: number,
    take: (at: number, length: number, end: boolean) => number,
  ): void {
    const { at: start, size } = this.#window
    let position = from
    let filled = 0
    let end = false
    while (!end) {
      const wanted = Math.min(size - filled, to - position)
      const read = file.read(this.#kernels.heap().subarray(start + filled, start + filled + wanted), position)
      position += read
      filled += read
      end = read < wanted || position === to
      let at = start
      const stop = start + filled
      while (at < stop) {
        const done = take(at, stop - at, end)
        if (done === 0) break
        if (done < 0) return
        at += done
      }
      filled = stop - at
      this.#kernels.heap().copyWithin(start, at, stop)
    }
  }

  #cut(source: number, record: Bytes, from: number, budget: number): JobReply {
    const lengths: number[] = []
    let done = true
    let error: PostedError | undefined
    try {
      done = this.#cutFile(source, record, from, budget, lengths)
    } catch (thrown) {
      error = postedError(thrown)
    }
    const value: CutReply = { lengths: Float64Array.from(lengths), done, error }
    return { value }
  }

  #cutFile(source: number, record: Bytes, from: number, budget: number, lengths: number[]): boolean {
    const { min, normal, max } = this.#init.sizes
    const [view] = entryViews(record)
    const entry = entryOf(view!)
    const file = this.#side(source).open!(entry)
    let cutBytes = 0
    let stopped = false
    const cutRun = (start: number, stop: number): void =>
      this.#windowed(file, start, stop, (at, length, end) => {
        const cut = this.#kernels.cut(this.#gear.at, at, length, min, normal, max)
        if (cut === length && length < max && !end) return 0
        lengths.push(cut)
        cutBytes += cut
        if (cutBytes < budget || (end && cut === length)) return cut
        stopped = true
        return -1
      })
    try {
      for (const { start, end, hole } of runsOf(file, from, entry.size)) {
        if (hole) lengths.push(start - end)
        else cutRun(start, end)
        if (stopped || cutBytes >= budget || lengths.length >= mostLengths) return false
      }
    } finally {
      file.close()
    }
    return true
  }

  #range(source: number, record: Bytes, from: number, lengths: Float64Array): JobReply {
    this.#sink.enter(source)
    const [view] = entryViews(record)
    const entry = entryOf(view!)
    const file = this.#side(source).open!(entry)
    try {
      let offset = from
      for (const length of lengths) {
        if (length < 0) {
          this.#sink.hole(-length)
          offset -= length
          continue
        }
        const at = this.#window.at
        const read = file.read(this.#kernels.heap().subarray(at, at + length), offset)
        if (read < length) throw changed(entry.path)
        this.#sink.chunk(at, length)
        offset += length
      }
      const error = file.changed() === false ? undefined : postedError(changed(entry.path))
      return this.#sink.reply([{ chunks: this.#sink.taken / chunkLength, error }])
    } catch (error) {
      return this.#sink.reply([{ chunks: this.#sink.taken / chunkLength, error: postedError(error) }])
    } finally {
      file.close()
    }
  }

  #blobs(source: number, bytes: Bytes, lengths: Uint32Array): JobReply {
    this.#sink.enter(source)
    let from = 0
    for (const length of lengths) {
      this.#sink.bytes(bytes.subarray(from, from + length), this.#window.at)
      from += length
    }
    return this.#sink.reply([])
  }

  #side(source: number): WorkerSide {
    const side = this.#sides[source]
    if (side === undefined) throw new TypeError(`source ${source} has no worker module`)
    return side
  }
}

/** A part of a file that is a hole, or is none. */
interface FileRun {
  readonly start: number
  readonly end: number
  readonly hole: boolean
}

/** What a file of `size` bytes consists of from an offset on; where its holes are not known, it is one run to wherever it ends. */
function* runsOf(file: WorkerFile, from: number, size: number | undefined): Generator<FileRun> {
  if (file.nextData === undefined || size === undefined) {
    yield { start: from, end: Number.POSITIVE_INFINITY, hole: false }
    return
  }
  for (let at = from; at < size; ) {
    const data = file.nextData(at)
    const start = Math.min(size, data?.offset ?? size)
    if (start > at) yield { start: at, end: start, hole: true }
    if (data === undefined || start === size) return
    at = Math.min(size, data.offset + data.length)
    yield { start, end: at, hole: false }
  }
}

/** So many chunks and holes at most are named in one answer. */
const mostLengths = 65_536
const gearLength = 2048
const chunkLength = 36

function changed(path: string): KlosetError {
  return new KlosetError('KLOSET_FILE_CHANGED', 'it changed while it was being read', {
    context: { path },
    hint: 'Run the backup again when it is quiet, or back up a snapshot of the filesystem.',
  })
}
