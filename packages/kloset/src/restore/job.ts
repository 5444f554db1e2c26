import { entryOf, entryViews } from '../backup/records.js'
import { equalBytes, toHex } from '../bytes/index.js'
import type { Entry, LeftOut, WorkerEntry, WorkerOutput, WorkerSide } from '../connector/index.js'
import { createKeyring, type Keyring } from '../crypto/index.js'
import { KlosetError } from '../errors.js'
import { type Kernels, kernels } from '../kernels/index.js'
import { PackOpener, packObject } from '../pack/index.js'
import { giveRegion, type Region, takeRegion } from '../pack/regions.js'
import type { Job, JobReply, PostedError } from '../runtime/jobs.js'
import { postedError } from '../runtime/posted.js'
import type { BeginReply, FramesMessage, RestoreInit, RestoreMessage, RestoreReply } from './messages.js'

/** Makes the part of a restore that runs in each worker. `load` imports the destination's worker module. */
export async function createRestoreJob(init: RestoreInit, load: (url: string) => Promise<WorkerEntry>): Promise<Job> {
  const leftOut = new Map<LeftOut, number>()
  const host = { leftOut: (kind: LeftOut) => void leftOut.set(kind, (leftOut.get(kind) ?? 0) + 1) }
  return new RestoreJob(init, (await load(init.module.url))(init.module.data, host), leftOut)
}

/** Opens frames, verifies each chunk in them, and writes them to files from the same memory. */
class RestoreJob implements Job {
  readonly #keyring: Keyring
  readonly #side: WorkerSide
  readonly #kernels: Kernels = kernels()
  readonly #fixed: Region = takeRegion(64)
  // What the side told since the last answer.
  readonly #leftOut: Map<LeftOut, number>

  constructor(init: RestoreInit, side: WorkerSide, leftOut: Map<LeftOut, number>) {
    this.#keyring = createKeyring(init.material)
    this.#side = side
    this.#leftOut = leftOut
    this.#kernels.heap().set(this.#keyring.chunkKey, this.#fixed.at)
  }

  handle(message: RestoreMessage): JobReply {
    const value = this.#answer(message)
    if (this.#leftOut.size === 0) return { value }
    const leftOut = [...this.#leftOut]
    this.#leftOut.clear()
    return { value: { ...value, leftOut } }
  }

  end(): void {
    this.#side.close?.()
    giveRegion(this.#fixed)
  }

  #answer(message: RestoreMessage): RestoreReply | BeginReply {
    switch (message.op) {
      case 'make':
        return each(message.records, (entry) => this.#make(entry))
      case 'finish':
        return each(message.records, (entry) => this.#side.finish!(entry))
      case 'begin': {
        const [view] = entryViews(message.record)
        const output = this.#side.create!(entryOf(view!))
        const { handle } = output
        output.release()
        return { handle }
      }
      case 'settle': {
        const [view] = entryViews(message.record)
        const output = this.#side.create!(entryOf(view!), message.handle)
        if (message.commit) output.commit()
        else output.abort()
        return { failed: [] }
      }
      case 'frames':
        return new FrameWriting(this.#side, this.#keyring, this.#kernels, this.#fixed, message).run()
      default:
        throw new TypeError(`unknown request ${(message satisfies never as RestoreMessage).op}`)
    }
  }

  #make(entry: Entry): void {
    if (entry.type === 'file') this.#side.create!(entry).commit()
    else this.#side.make!(entry)
  }
}

/** One `frames` message being carried out. */
class FrameWriting {
  readonly #side: WorkerSide
  readonly #keyring: Keyring
  readonly #kernels: Kernels
  readonly #fixed: Region
  readonly #message: FramesMessage
  readonly #entries: readonly Entry[]
  readonly #left: Uint32Array
  readonly #outputs = new Map<number, WorkerOutput>()
  readonly #failed = new Map<number, PostedError>()
  // The piece that was verified last.
  #verified = -1

  constructor(side: WorkerSide, keyring: Keyring, kernel: Kernels, fixed: Region, message: FramesMessage) {
    this.#side = side
    this.#keyring = keyring
    this.#kernels = kernel
    this.#fixed = fixed
    this.#message = message
    this.#entries = [...entryViews(message.files)].map(entryOf)
    this.#left = new Uint32Array(this.#entries.length)
    for (let i = 1; i < message.pieces.length; i += pieceLength) this.#left[message.pieces[i]!]!++
  }

  run(): RestoreReply {
    const { pieces } = this.#message
    let opener: PackOpener | undefined
    for (let i = 0; i < pieces.length; ) {
      const frame = pieces[i]!
      let end = i
      while (end < pieces.length && pieces[end] === frame) end += pieceLength
      try {
        opener ??= new PackOpener(this.#keyring, this.#message.pack, this.#message.header)
        this.#frame(opener, frame, i, end)
      } catch (error) {
        for (; i < end; i += pieceLength) this.#fail(pieces[i + 1]!, error)
      }
      i = end
    }
    return { failed: [...this.#failed].map(([at, error]) => ({ at, error })) }
  }

  #frame(opener: PackOpener, frame: number, from: number, end: number): void {
    const { frames, bytes, pieces } = this.#message
    const [ordinal, at, sealedLength, rawLength] = frames.subarray(4 * frame, 4 * frame + 4)
    const place = opener.frame(ordinal!, bytes.subarray(at, at! + sealedLength!), rawLength!)
    for (let i = from; i < end; i += pieceLength) {
      const file = pieces[i + 1]!
      if (this.#failed.has(file)) continue
      try {
        const offset = pieces[i + 2]!
        const length = pieces[i + 3]!
        if (offset + length > place.length) throw this.#wrong(i)
        this.#piece(i, place.at + offset, length)
      } catch (error) {
        this.#fail(file, error)
      }
    }
  }

  #piece(i: number, at: number, length: number): void {
    this.#verify(i, at, length)
    const file = this.#message.pieces[i + 1]!
    const output = this.#output(file)
    output.write(this.#kernels.heap().subarray(at, at + length), this.#message.pieces[i + 4]!)
    if (--this.#left[file]! > 0) return
    this.#outputs.delete(file)
    if (this.#message.handles[file] === undefined) output.commit()
    else output.release()
  }

  /** Verifies that a piece is the chunk it should be. The pieces of one chunk come in a row, and once is enough for all of them. */
  #verify(i: number, at: number, length: number): void {
    if (this.#verified >= 0 && this.#isSameChunk(i, this.#verified)) return
    const id = this.#fixed.at + 32
    this.#kernels.hash(this.#fixed.at, at, length, id)
    const heap = this.#kernels.heap()
    if (!equalBytes(heap.subarray(id, id + 32), this.#id(i))) throw this.#wrong(i)
    this.#verified = i
  }

  #isSameChunk(a: number, b: number): boolean {
    const { pieces } = this.#message
    const samePlace = pieces[a] === pieces[b] && pieces[a + 2] === pieces[b + 2] && pieces[a + 3] === pieces[b + 3]
    return samePlace && equalBytes(this.#id(a), this.#id(b))
  }

  #id(i: number): Uint8Array {
    return this.#message.ids.subarray((i / pieceLength) * 32, (i / pieceLength) * 32 + 32)
  }

  #output(file: number): WorkerOutput {
    const open = this.#outputs.get(file)
    if (open !== undefined) return open
    const output = this.#side.create!(this.#entries[file]!, this.#message.handles[file])
    this.#outputs.set(file, output)
    return output
  }

  /** A file fails as a whole: none of it appears under its name. Others of the frame go on. */
  #fail(file: number, error: unknown): void {
    if (this.#failed.has(file)) return
    this.#failed.set(file, postedError(error))
    const output = this.#outputs.get(file)
    this.#outputs.delete(file)
    if (this.#message.handles[file] === undefined) output?.abort()
    else output?.release()
  }

  #wrong(i: number): KlosetError {
    const object = packObject(this.#message.pack)
    return new KlosetError('KLOSET_PACK_CORRUPT', `${object} holds other bytes than its index says`, {
      context: { object, id: toHex(this.#id(i)) },
    })
  }
}

const pieceLength = 5

function each(records: Uint8Array, act: (entry: Entry) => void): RestoreReply {
  const failed: { at: number; error: PostedError }[] = []
  let at = 0
  for (const view of entryViews(records)) {
    try {
      act(entryOf(view))
    } catch (error) {
      failed.push({ at, error: postedError(error) })
    }
    at++
  }
  return { failed }
}
