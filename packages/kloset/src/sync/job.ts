import { ChunkSink } from '../backup/chunk-sink.js'
import type { StoredReply } from '../backup/messages.js'
import { type Bytes, equalBytes } from '../bytes/index.js'
import { type Chunker, createChunker } from '../chunk/index.js'
import type { Codec } from '../compress/index.js'
import { createKeyring, type Keyring } from '../crypto/index.js'
import { isKlosetError } from '../errors.js'
import { type Kernels, kernels } from '../kernels/index.js'
import { type OpenedFrame, PackOpener } from '../pack/index.js'
import { recordLength } from '../pack/limits.js'
import { giveRegion, type Region, takeRegion } from '../pack/regions.js'
import type { Job, JobReply } from '../runtime/jobs.js'
import type { FillReply, FrameParts, ResendReply, SyncInit, SyncMessage } from './messages.js'

/** Makes the part of a synchronization that runs in each worker. */
export function createSyncJob(init: SyncInit): Job {
  return new SyncJob(init)
}

/** Opens frames of one store, verifies what is wanted of them, and stores it in the other: as it is, or cut anew. */
class SyncJob implements Job {
  readonly #from: Keyring
  readonly #sink: ChunkSink
  readonly #chunker: Chunker
  readonly #reused: ReadonlySet<Codec>
  readonly #frameSize: number
  readonly #kernels: Kernels = kernels()
  // The key of the ids that are verified, and the id at hand.
  readonly #fixed: Region
  readonly #window: Region

  constructor(init: SyncInit) {
    this.#from = createKeyring(init.from)
    this.#sink = new ChunkSink(init)
    this.#chunker = createChunker({ sizes: init.sizes, gear: this.#sink.keyring.gear })
    this.#reused = new Set(init.reused)
    this.#frameSize = init.frameSize
    this.#fixed = takeRegion(64)
    this.#window = takeRegion(init.sizes.max)
    this.#kernels.heap().set(this.#from.chunkKey, this.#fixed.at)
  }

  handle(message: SyncMessage): JobReply {
    if (message.spare !== undefined) this.#sink.spare(message.spare)
    switch (message.op) {
      case 'resend':
        this.#sink.enter(message.source)
        return this.#resend(message)
      case 'blobs':
        this.#sink.enter(message.source)
        return this.#blobs(message.bytes, message.ids, message.lengths)
      case 'fill':
        return this.#fill(message, new Uint8Array(message.memory), message.places)
      case 'files':
        this.#sink.enter(message.source)
        return this.#files(new Uint8Array(message.memory), message.at, message.lengths)
      case 'cut':
        return this.#cut(new Uint8Array(message.memory, message.at, message.length), message.final)
      case 'chunks':
        this.#sink.enter(message.source)
        return this.#chunks(new Uint8Array(message.memory), message.at, message.lengths)
      case 'session':
        this.#sink.refresh(message.session)
        return { value: undefined }
      case 'flush':
        this.#sink.flush()
        return this.#sink.reply([])
      default:
        throw new TypeError(`unknown request ${(message satisfies never as SyncMessage).op}`)
    }
  }

  end(): void {
    this.#sink.release()
    giveRegion(this.#fixed)
    giveRegion(this.#window)
  }

  #resend(parts: FrameParts): JobReply {
    const { packs } = this.#sink
    const failed: number[] = []
    for (const { from, to, frame } of this.#frames(parts, failed)) {
      const good: number[] = []
      let length = 0
      for (let i = from; i < to; i++) {
        if (!this.#isBlob(parts, i, frame)) {
          failed.push(i)
          continue
        }
        good.push(i)
        length += lengthOf(parts, i)
      }
      this.#sink.added(good.length, length)
      if (this.#goesOn(frame, good.length, length)) {
        packs.addFrame(frame.packed, frame.length, recordsOf(parts, from, to))
      } else {
        for (const i of good) packs.add(parts.ids, 32 * i, frame.at + offsetOf(parts, i), lengthOf(parts, i))
      }
    }
    const { value, transfer } = this.#sink.reply([])
    const reply: ResendReply = { ...(value as StoredReply), failed }
    return transfer === undefined ? { value: reply } : { value: reply, transfer }
  }

  /**
   * Whether a frame is kept as it is: all of it is wanted, the other store would compress it like this, and it has about the size of
   * that store's frames, so that neither many small ones nor a few huge ones stay for ever.
   */
  #goesOn(frame: OpenedFrame, blobs: number, wanted: number): boolean {
    if (wanted !== frame.length || !this.#reused.has(frame.codec)) return false
    if (blobs === 1 && wanted > this.#sink.packs.gathers) return true
    return frame.length >= this.#frameSize / 4 && frame.length <= 2 * this.#frameSize
  }

  #blobs(bytes: Bytes, ids: Bytes, lengths: Uint32Array): JobReply {
    let at = 0
    for (const [i, length] of lengths.entries()) {
      this.#sink.packs.addBytes(ids.subarray(32 * i, 32 * i + 32), bytes.subarray(at, at + length))
      this.#sink.added(1, length)
      at += length
    }
    return this.#sink.reply([])
  }

  #fill(parts: FrameParts, memory: Uint8Array, places: Uint32Array): JobReply {
    const failed: number[] = []
    for (const { from, to, frame } of this.#frames(parts, failed)) {
      let verified = -1
      for (let i = from; i < to; i++) {
        // One chunk of several files comes in a row, and once is enough for all of them.
        const same = verified >= 0 && isSameBlob(parts, i, verified)
        if (!same && !this.#isBlob(parts, i, frame)) {
          failed.push(i)
          continue
        }
        verified = i
        const at = frame.at + offsetOf(parts, i)
        memory.set(this.#kernels.heap().subarray(at, at + lengthOf(parts, i)), places[i]!)
      }
    }
    const value: FillReply = { failed }
    return { value }
  }

  #files(memory: Uint8Array, start: number, lengths: Uint32Array): JobReply {
    let at = start
    const files = Array.from(lengths, (length) => {
      const before = this.#sink.taken
      for (const end = at + length; at < end; )
        at += this.#take(memory, at, this.#chunker.cut(memory.subarray(at, end), true))
      return { chunks: (this.#sink.taken - before) / chunkLength, error: undefined }
    })
    return this.#sink.reply(files)
  }

  #cut(part: Uint8Array, final: boolean): JobReply {
    const lengths: number[] = []
    for (let at = 0; at < part.length; ) {
      const length = this.#chunker.cut(part.subarray(at), final)
      if (length === 0) break
      lengths.push(length)
      at += length
    }
    return { value: Uint32Array.from(lengths) }
  }

  #chunks(memory: Uint8Array, start: number, lengths: Uint32Array): JobReply {
    let at = start
    for (const length of lengths) at += this.#take(memory, at, length)
    return this.#sink.reply([])
  }

  #take(memory: Uint8Array, at: number, length: number): number {
    this.#sink.bytes(memory.subarray(at, at + length), this.#window.at)
    return length
  }

  /** The frames of a request, each opened until the next is; `from` to `to` are its chunks. Those of frames that cannot be opened fail. */
  *#frames(parts: FrameParts, failed: number[]): Generator<{ from: number; to: number; frame: OpenedFrame }> {
    const { blobs, frames, bytes } = parts
    let opener: PackOpener | undefined
    for (let from = 0; from < blobs.length / 3; ) {
      const number = blobs[3 * from]!
      let to = from
      while (3 * to < blobs.length && blobs[3 * to] === number) to++
      const [ordinal, at, sealedLength, rawLength] = frames.subarray(4 * number, 4 * number + 4)
      let frame: OpenedFrame | undefined
      try {
        opener ??= new PackOpener(this.#from, parts.pack, parts.header)
        frame = opener.frame(ordinal!, bytes.subarray(at, at! + sealedLength!), rawLength!)
      } catch (error) {
        if (!isKlosetError(error)) throw error
        for (let i = from; i < to; i++) failed.push(i)
      }
      if (frame !== undefined) yield { from, to, frame }
      from = to
    }
  }

  #isBlob(parts: FrameParts, i: number, frame: OpenedFrame): boolean {
    const offset = offsetOf(parts, i)
    const length = lengthOf(parts, i)
    if (offset + length > frame.length) return false
    const key = this.#fixed.at
    this.#kernels.hash(key, frame.at + offset, length, key + 32)
    return equalBytes(this.#kernels.heap().subarray(key + 32, key + 64), parts.ids.subarray(32 * i, 32 * i + 32))
  }
}

const chunkLength = 36

function offsetOf({ blobs }: FrameParts, i: number): number {
  return blobs[3 * i + 1]!
}

function lengthOf({ blobs }: FrameParts, i: number): number {
  return blobs[3 * i + 2]!
}

function isSameBlob(parts: FrameParts, a: number, b: number): boolean {
  return (
    offsetOf(parts, a) === offsetOf(parts, b) &&
    lengthOf(parts, a) === lengthOf(parts, b) &&
    equalBytes(parts.ids.subarray(32 * a, 32 * a + 32), parts.ids.subarray(32 * b, 32 * b + 32))
  )
}

/** What a footer says of the chunks of one frame. */
function recordsOf(parts: FrameParts, from: number, to: number): Bytes {
  const records = new Uint8Array((to - from) * recordLength)
  const view = new DataView(records.buffer)
  for (let i = from; i < to; i++) {
    const at = (i - from) * recordLength
    records.set(parts.ids.subarray(32 * i, 32 * i + 32), at)
    view.setUint32(at + 32, offsetOf(parts, i), true)
    view.setUint32(at + 36, lengthOf(parts, i), true)
  }
  return records
}
