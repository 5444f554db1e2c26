import { type Bytes, ByteWriter } from '../bytes/index.js'
import type { Entry, WorkerFile, WorkerSide } from '../connector/index.js'
import { createKeyring } from '../crypto/index.js'
import { KlosetError } from '../errors.js'
import { IndexTable, SessionTable } from '../index/index.js'
import { type Kernels, kernels } from '../kernels/index.js'
import { PackWriter } from '../pack/index.js'
import { giveRegion, type Region, takeRegion } from '../pack/regions.js'
import type { Job, JobReply, PostedError } from '../runtime/jobs.js'
import { postedError } from '../runtime/posted.js'
import type { BackupInit, BackupMessage, CutReply, FileResult, PostedPack, StoredReply } from './messages.js'
import { entryOf, entryViews } from './records.js'

/** Makes the part of a backup that runs in each worker. `load` imports a connector's worker module. */
export async function createBackupJob(
  init: BackupInit,
  load: (url: string) => Promise<(data: unknown) => WorkerSide>,
): Promise<Job> {
  const sides = await Promise.all(
    init.modules.map(async (module) => (module === undefined ? undefined : (await load(module.url))(module.data))),
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
  readonly #known: IndexTable
  readonly #session: SessionTable
  readonly #packs: PackWriter
  readonly #fixed: Region
  readonly #window: Region
  readonly #sealed: PostedPack[] = []
  readonly #spare: ArrayBuffer[] = []
  readonly #chunks = new ByteWriter(64 * 1024)
  #source = -1
  #addedChunks = 0
  #addedBytes = 0

  constructor(init: BackupInit, sides: readonly (WorkerSide | undefined)[]) {
    this.#init = init
    this.#sides = sides
    const keyring = createKeyring(init.material)
    this.#known = IndexTable.join(init.known)
    this.#session = SessionTable.join(init.session)
    this.#packs = new PackWriter({
      keyring,
      class: 'data',
      packSize: init.packSize,
      frameSize: init.frameSize,
      codec: init.codec,
      onPack: (pack) => this.#sealed.push(pack),
      spare: () => this.#spare.pop(),
    })
    this.#fixed = takeRegion(gearLength + 64)
    this.#window = takeRegion(Math.max(2 * init.sizes.max, 4 * 1024 * 1024))
    const heap = this.#kernels.heap()
    heap.set(keyring.gear, this.#fixed.at)
    heap.set(keyring.chunkKey, this.#fixed.at + gearLength)
  }

  handle(message: BackupMessage): JobReply {
    if (message.spare !== undefined) this.#spare.push(message.spare)
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
        this.#session.refresh(message.session)
        return { value: undefined }
      case 'flush':
        if (this.#init.store) this.#packs.flush()
        return this.#stored([])
      default:
        throw new TypeError(`unknown request ${(message satisfies never as BackupMessage).op}`)
    }
  }

  end(): void {
    this.#packs.release()
    giveRegion(this.#fixed)
    giveRegion(this.#window)
  }

  #files(source: number, records: Bytes): JobReply {
    this.#enter(source)
    const side = this.#side(source)
    const files: FileResult[] = []
    for (const view of entryViews(records)) {
      const before = this.#chunks.length
      let error: unknown
      try {
        this.#file(side, entryOf(view))
      } catch (thrown) {
        error = thrown
      }
      files.push({
        chunks: (this.#chunks.length - before) / chunkLength,
        error: error === undefined ? undefined : postedError(error),
      })
    }
    return this.#stored(files)
  }

  /** Reads one file whole. One that changes meanwhile is read once more; then what was read stays, with the error. */
  #file(side: WorkerSide, entry: Entry): void {
    const start = this.#chunks.length
    for (let attempt = 1; ; attempt++) {
      this.#chunks.truncate(start)
      const file = side.open!(entry)
      try {
        const size = entry.size ?? Number.POSITIVE_INFINITY
        const read = attempt === 1 && size <= this.#inPlace ? this.#readInPlace(file, size) : this.#readCut(file)
        const change = file.changed()
        if (change === false && (attempt > 1 || read === entry.size)) return
        // Read whole and at rest: its stat is out of date, so the next backup will read it again.
        if (attempt > 1 && change === 'earlier') return
        if (attempt > 1) throw changed(entry.path)
      } finally {
        file.close()
      }
    }
  }

  /** Files up to this size are one chunk, which is read where the open frame ends. */
  get #inPlace(): number {
    return Math.min(this.#init.sizes.min, this.#packs.gathers)
  }

  #readInPlace(file: WorkerFile, size: number): number {
    const at = this.#packs.space(size)
    const read = file.read(this.#kernels.heap().subarray(at, at + size), 0)
    if (read > 0) this.#chunk(at, read)
    return read
  }

  #readCut(file: WorkerFile): number {
    const { min, normal, max } = this.#init.sizes
    let offset = 0
    this.#windowed(file, (at, length, end) => {
      const cut = this.#kernels.cut(this.#fixed.at, at, length, min, normal, max)
      if (cut === length && length < max && !end) return 0
      this.#chunk(at, cut)
      offset += cut
      return cut
    })
    return offset
  }

  /** Reads a file through the window; `take` is given what is there and answers how much of it is done, 0 for more. */
  #windowed(file: WorkerFile, take: (at: number, length: number, end: boolean) => number, from = 0): void {
    const { at: start, size } = this.#window
    let position = from
    let filled = 0
    let end = false
    while (!end) {
      const wanted = size - filled
      const read = file.read(this.#kernels.heap().subarray(start + filled, start + size), position)
      position += read
      filled += read
      end = read < wanted
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
    const value: CutReply = { lengths: Uint32Array.from(lengths), done, error }
    return { value }
  }

  #cutFile(source: number, record: Bytes, from: number, budget: number, lengths: number[]): boolean {
    const { min, normal, max } = this.#init.sizes
    const [view] = entryViews(record)
    const file = this.#side(source).open!(entryOf(view!))
    let cutBytes = 0
    let done = true
    try {
      this.#windowed(
        file,
        (at, length, end) => {
          const cut = this.#kernels.cut(this.#fixed.at, at, length, min, normal, max)
          if (cut === length && length < max && !end) return 0
          lengths.push(cut)
          cutBytes += cut
          if (cutBytes < budget || (end && cut === length)) return cut
          done = false
          return -1
        },
        from,
      )
    } finally {
      file.close()
    }
    return done
  }

  #range(source: number, record: Bytes, from: number, lengths: Uint32Array): JobReply {
    this.#enter(source)
    const [view] = entryViews(record)
    const entry = entryOf(view!)
    const file = this.#side(source).open!(entry)
    try {
      let offset = from
      for (const length of lengths) {
        const at = this.#window.at
        const read = file.read(this.#kernels.heap().subarray(at, at + length), offset)
        if (read < length) throw changed(entry.path)
        this.#chunk(at, length)
        offset += length
      }
      const error = file.changed() === false ? undefined : postedError(changed(entry.path))
      return this.#stored([{ chunks: lengths.length, error }])
    } catch (error) {
      return this.#stored([{ chunks: this.#chunks.length / chunkLength, error: postedError(error) }])
    } finally {
      file.close()
    }
  }

  #blobs(source: number, bytes: Bytes, lengths: Uint32Array): JobReply {
    this.#enter(source)
    let from = 0
    for (const length of lengths) {
      const gathered = length <= this.#packs.gathers
      const at = gathered ? this.#packs.space(length) : this.#window.at
      this.#kernels.heap().set(bytes.subarray(from, from + length), at)
      this.#chunk(at, length)
      from += length
    }
    return this.#stored([])
  }

  /** Takes the chunk at `at`: it becomes part of the file at hand, and of a pack unless the store has it. */
  #chunk(at: number, length: number): void {
    const key = this.#fixed.at + gearLength
    const id = key + 32
    this.#kernels.hash(key, at, length, id)
    const heap = this.#kernels.heap()
    this.#chunks.bytes(heap.subarray(id, id + 32))
    this.#chunks.u32(length)
    if (this.#known.has(heap, id) || !this.#session.claim(heap, id)) return
    this.#addedChunks++
    this.#addedBytes += length
    if (this.#init.store) this.#packs.add(heap, id, at, length)
  }

  /** Frames never mix sources. */
  #enter(source: number): void {
    if (this.#source !== source) this.#packs.closeFrame()
    this.#source = source
  }

  #side(source: number): WorkerSide {
    const side = this.#sides[source]
    if (side === undefined) throw new TypeError(`source ${source} has no worker module`)
    return side
  }

  #stored(files: readonly FileResult[]): JobReply {
    const packs = this.#sealed.splice(0)
    const value: StoredReply = {
      files,
      chunks: this.#chunks.finish(),
      packs,
      added: { chunks: this.#addedChunks, bytes: this.#addedBytes },
    }
    this.#chunks.clear()
    this.#addedChunks = 0
    this.#addedBytes = 0
    return { value, transfer: [value.chunks.buffer, ...packs.map((pack) => pack.file.buffer)] }
  }
}

const gearLength = 2048
const chunkLength = 36

function changed(path: string): KlosetError {
  return new KlosetError('KLOSET_FILE_CHANGED', 'it changed while it was being read', {
    context: { path },
    hint: 'Run the backup again when it is quiet, or back up a snapshot of the filesystem.',
  })
}
