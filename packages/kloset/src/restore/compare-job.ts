import { entryOf, entryViews } from '../backup/records.js'
import { equalBytes } from '../bytes/index.js'
import { noHost, type WorkerEntry, type WorkerFile, type WorkerSide } from '../connector/index.js'
import { createKeyring, type Keyring } from '../crypto/index.js'
import { type Kernels, kernels } from '../kernels/index.js'
import { giveRegion, type Region, Scratch, takeRegion } from '../pack/regions.js'
import type { Job, JobReply } from '../runtime/jobs.js'
import { postedError } from '../runtime/posted.js'
import { type CompareMessage, type CompareReply, compareNumbers, type RestoreInit } from './messages.js'
import { isZero } from './zeros.js'

/** Makes the part of a comparison that runs in each worker. `load` imports the worker module of what is there now. */
export async function createCompareJob(init: RestoreInit, load: (url: string) => Promise<WorkerEntry>): Promise<Job> {
  return new CompareJob(createKeyring(init.material), (await load(init.module.url))(init.module.data, noHost))
}

/** Reads files at a destination and tells whether their bytes have the ids of the chunks that should be there. */
class CompareJob implements Job {
  readonly #side: WorkerSide
  readonly #kernels: Kernels = kernels()
  // The key, and after it the id of what was hashed last.
  readonly #fixed: Region = takeRegion(64)
  readonly #scratch = new Scratch()

  constructor(keyring: Keyring, side: WorkerSide) {
    this.#side = side
    this.#kernels.heap().set(keyring.chunkKey, this.#fixed.at)
  }

  handle({ files, pieces, ids }: CompareMessage): JobReply {
    const value: CompareReply = { differ: [], failed: [] }
    let from = 0
    for (const [at, view] of [...entryViews(files)].entries()) {
      let to = from
      while (to < pieces.length && pieces[to] === at) to += compareNumbers
      try {
        const file = this.#side.open!(entryOf(view))
        try {
          if (!this.#isSame(file, pieces.subarray(from, to), ids.subarray((32 * from) / compareNumbers)))
            value.differ.push(at)
        } finally {
          file.close()
        }
      } catch (error) {
        value.failed.push({ at, error: postedError(error) })
      }
      from = to
    }
    return { value }
  }

  end(): void {
    this.#side.close?.()
    giveRegion(this.#fixed)
  }

  #isSame(file: WorkerFile, pieces: Float64Array, ids: Uint8Array): boolean {
    for (let i = 0; i < pieces.length; i += compareNumbers) {
      const [, offset, length, isHole] = pieces.subarray(i, i + compareNumbers)
      const first = (32 * i) / compareNumbers
      const same =
        isHole === 1
          ? this.#isHole(file, offset!, offset! + length!)
          : this.#isChunk(file, offset!, length!, ids.subarray(first, first + 32))
      if (!same) return false
    }
    return true
  }

  #isChunk(file: WorkerFile, offset: number, length: number, id: Uint8Array): boolean {
    const at = this.#scratch.at(length)
    if (file.read(this.#kernels.heap().subarray(at, at + length), offset) < length) return false
    const out = this.#fixed.at + 32
    this.#kernels.hash(this.#fixed.at, at, length, out)
    return equalBytes(this.#kernels.heap().subarray(out, out + 32), id)
  }

  /** Whether there are zeros only. Where the file has a hole itself, nothing is read. */
  #isHole(file: WorkerFile, from: number, end: number): boolean {
    for (let at = from; at < end; ) {
      const data = file.nextData ? file.nextData(at) : { offset: at, length: end - at }
      if (data === undefined || data.offset >= end) return true
      const start = Math.max(at, data.offset)
      const length = Math.min(pieceLength, end - start, data.offset + data.length - start)
      const into = this.#scratch.at(length)
      if (file.read(this.#kernels.heap().subarray(into, into + length), start) < length) return false
      if (!isZero(this.#kernels.heap(), into, length)) return false
      at = start + length
    }
    return true
  }
}

const pieceLength = 1024 * 1024
