import pLimit from 'p-limit'
import { RecordWriter } from '../backup/records.js'
import { type Bytes, concatBytes, equalBytes } from '../bytes/index.js'
import type { Call, Source, WorkerModule } from '../connector/index.js'
import { keyedBlake3 } from '../hash/index.js'
import { postedModule } from '../runtime/jobs.js'
import type { JobSet } from '../runtime/pool.js'
import { errorOfPosted } from '../runtime/posted.js'
import type { OpenedStore } from '../store/opened.js'
import { extents, type PlacedExtent } from '../tree/index.js'
import type { Target } from './entries.js'
import { type CompareMessage, type CompareReply, compareNumbers, type RestoreInit } from './messages.js'

/** Why the content of a file is not, or may not be, that of the snapshot: what reading it threw; undefined where it differs. */
export interface Unlike {
  readonly error: unknown
}

/** Compares files at a destination with what a snapshot has of them, by reading them. */
export interface Comparer {
  /** Those whose content is not the same. Their sizes are the same, as was seen before. */
  unlike(files: readonly Target[]): Promise<Map<Target, Unlike>>
  close(): Promise<void>
}

/** Compares in the workers where what is there can be read by them. */
export async function startComparing(store: OpenedStore, current: Source, call: Call): Promise<Comparer> {
  if (current.worker === undefined) return new PlainComparer(store, current, call)
  return WorkerComparer.start(store, current.worker, call)
}

/** So much of files is compared with one message. */
const messageBytes = 16 * 1024 * 1024
const messageFiles = 256

/** Messages under way for each worker. */
const depth = 2

class WorkerComparer implements Comparer {
  readonly #store: OpenedStore
  readonly #jobs: JobSet
  readonly #call: Call
  #next = 0

  private constructor(store: OpenedStore, jobs: JobSet, call: Call) {
    this.#store = store
    this.#jobs = jobs
    this.#call = call
  }

  static async start(store: OpenedStore, module: WorkerModule, call: Call): Promise<WorkerComparer> {
    const init: RestoreInit = { material: store.keyring.material, module: postedModule(module) }
    return new WorkerComparer(store, await store.startJobs('compare', init), call)
  }

  async unlike(files: readonly Target[]): Promise<Map<Target, Unlike>> {
    const unlike = new Map<Target, Unlike>()
    const limit = pLimit(depth * this.#jobs.size)
    const under = new Set<Promise<void>>()
    const send = async (batch: Batch): Promise<void> => {
      const work = limit(() => this.#ask(batch, unlike)).finally(() => under.delete(work))
      // Thrown by whoever waits for all of them.
      work.catch(() => undefined)
      under.add(work)
      if (under.size > 2 * depth * this.#jobs.size) await Promise.race(under)
    }
    try {
      let batch = new Batch()
      for (const file of files) {
        try {
          for await (const extent of extentsOf(this.#store, file, this.#call)) {
            if (batch.bytes >= messageBytes || batch.files.length > messageFiles) {
              await send(batch)
              batch = new Batch()
            }
            batch.add(file, extent)
          }
        } catch (error) {
          this.#call.signal.throwIfAborted()
          unlike.set(file, { error })
        }
      }
      await send(batch)
      await Promise.all(under)
    } finally {
      await Promise.allSettled(under)
    }
    return unlike
  }

  async close(): Promise<void> {
    await this.#jobs.end()
  }

  async #ask(batch: Batch, unlike: Map<Target, Unlike>): Promise<void> {
    this.#call.signal.throwIfAborted()
    const reply = (await this.#jobs.call(this.#next++ % this.#jobs.size, batch.message())) as CompareReply
    for (const at of reply.differ) unlike.set(batch.files[at]!, { error: undefined })
    for (const { at, error } of reply.failed) unlike.set(batch.files[at]!, { error: errorOfPosted(error) })
  }
}

/** What is compared with one message. */
class Batch {
  readonly files: Target[] = []
  readonly #pieces: PlacedExtent[] = []
  // The file that each piece is of.
  readonly #of: number[] = []
  bytes = 0

  add(file: Target, extent: PlacedExtent): void {
    if (this.files.at(-1) !== file) this.files.push(file)
    this.#pieces.push(extent)
    this.#of.push(this.files.length - 1)
    this.bytes += extent.length
  }

  message(): CompareMessage {
    const records = new RecordWriter()
    for (const { key, encoded } of this.files) records.addEncoded(key, encoded)
    const pieces = new Float64Array(compareNumbers * this.#pieces.length)
    const ids = new Uint8Array(32 * this.#pieces.length)
    for (const [i, { id, length, offset }] of this.#pieces.entries()) {
      pieces.set([this.#of[i]!, offset, length, id === undefined ? 1 : 0], compareNumbers * i)
      if (id !== undefined) ids.set(id, 32 * i)
    }
    return { files: records.finish(), pieces, ids }
  }
}

/** Reads through the plain methods of what is there, one file after the other. */
class PlainComparer implements Comparer {
  readonly #store: OpenedStore
  readonly #current: Source
  readonly #call: Call

  constructor(store: OpenedStore, current: Source, call: Call) {
    this.#store = store
    this.#current = current
    this.#call = call
  }

  async unlike(files: readonly Target[]): Promise<Map<Target, Unlike>> {
    const unlike = new Map<Target, Unlike>()
    for (const file of files) {
      this.#call.signal.throwIfAborted()
      try {
        if (!(await this.#isSame(file))) unlike.set(file, { error: undefined })
      } catch (error) {
        this.#call.signal.throwIfAborted()
        unlike.set(file, { error })
      }
    }
    return unlike
  }

  async close(): Promise<void> {}

  async #isSame(file: Target): Promise<boolean> {
    const entry = { ...file.stat, path: file.path }
    const read = this.#current.read(entry, { ...this.#call, range: undefined })[Symbol.asyncIterator]()
    try {
      let rest: Uint8Array = new Uint8Array(0)
      for await (const { id, length } of extentsOf(this.#store, file, this.#call)) {
        const pieces: Uint8Array[] = []
        for (let missing = length; missing > 0; ) {
          if (rest.length === 0) {
            const next = await read.next()
            if (next.done) return false
            rest = next.value
          }
          const piece = rest.subarray(0, missing)
          rest = rest.subarray(piece.length)
          missing -= piece.length
          if (id !== undefined) pieces.push(piece)
          else if (!piece.every((byte) => byte === 0)) return false
        }
        const bytes: Bytes = concatBytes(...pieces)
        if (id !== undefined && !equalBytes(keyedBlake3(this.#store.keyring.chunkKey, bytes), id)) return false
      }
      return rest.length === 0 && (await read.next()).done === true
    } finally {
      await read.return?.()
    }
  }
}

async function* extentsOf(store: OpenedStore, { content }: Target, call: Call): AsyncGenerator<PlacedExtent> {
  const blobs = await store.blobs()
  yield* extents(content, (id) => blobs.node(id, call))
}
