import { addChunks, chunkLength } from '../backup/content.js'
import { concatBytes, toHex } from '../bytes/index.js'
import { isDamage } from '../snapshot/readable.js'
import { planReads } from '../store/reads.js'
import { chunkMissing } from './damage.js'
import { eachOf } from './lanes.js'
import type { FillReply } from './messages.js'
import { framesOf } from './parts.js'
import type { SyncSession } from './session.js'
import { CutWindow, type Piece, type Recutting, type Step } from './window.js'

/** Windows under way: one is being filled while the one before is being cut. */
const windows = 2

/** A request reads at most about so many bytes of packs. */
const requestBytes = 8 * 1024 * 1024

/** A worker gets about so many bytes of files at a time, and at most so many files. */
const batchBytes = 6 * 1024 * 1024
const batchFiles = 512

/** Larger files are cut by one worker and stored by all: so many bytes by a request. */
const largeFile = 24 * 1024 * 1024
const rangeBytes = 8 * 1024 * 1024

/**
 * Takes the contents of files as the chunks they are in one store and cuts them anew for the other. Chunks are read window by window, in
 * the order of packs; all bytes are moved, verified, cut and hashed by the workers.
 */
export class Recutter {
  readonly #session: SyncSession
  readonly #windowBytes: number
  readonly #head: number
  readonly #free: SharedArrayBuffer[] = []
  #made = 0
  #waiting: (() => void)[] = []
  #window: CutWindow | undefined
  #cutting: Promise<void> = Promise.resolve()
  // What a file that goes on in the next window has left uncut.
  #rest: { readonly file: Recutting; readonly bytes: Uint8Array } | undefined

  constructor(session: SyncSession, windowBytes: number) {
    this.#session = session
    this.#head = session.to.config.chunker.max
    this.#windowBytes = windowBytes
  }

  /** Adds the next chunk of a file. A promise means: wait for it before adding more. */
  chunk(file: Recutting, source: number, id: Uint8Array, length: number): void | Promise<void> {
    const window = this.#window
    if (window === undefined || window.source !== source || !window.takes(length)) {
      return this.#next(source, length).then((next) => this.#add(next, file, id, length))
    }
    this.#add(window, file, id, length)
  }

  async hole(file: Recutting, source: number, length: number): Promise<void> {
    const window = this.#window?.source === source ? this.#window : await this.#next(source)
    window.addHole(file, length)
  }

  /** The file has no more: it is told when all of it is stored. A promise means: wait for it. */
  end(file: Recutting, source: number): void | Promise<void> {
    const window = this.#window
    if (window?.source === source) window.end(file)
    else return this.#next(source).then((next) => next.end(file))
  }

  /** Starts on what was gathered. */
  send(): void {
    const window = this.#window
    this.#window = undefined
    if (window === undefined) return
    const filling = this.#fill(window)
    filling.catch(() => undefined)
    const before = this.#cutting
    this.#cutting = (async () => {
      try {
        await before
        await filling
        await this.#cut(window)
      } finally {
        // Nobody writes to it any more.
        await Promise.allSettled([filling])
        this.#release(window)
      }
    })()
    this.#cutting.catch(() => undefined)
  }

  /** Resolves when all that was sent is stored. */
  async settle(): Promise<void> {
    this.send()
    await this.#cutting
  }

  /** Lets go of what was not sent; resolves when nothing is under way any more. */
  async abandon(): Promise<void> {
    const window = this.#window
    this.#window = undefined
    if (window !== undefined) this.#release(window)
    await this.#cutting.catch(() => undefined)
    this.#rest = undefined
  }

  /** `least`: a chunk for which there must be room. */
  async #next(source: number, least = 0): Promise<CutWindow> {
    this.send()
    while (this.#free.length === 0 && this.#made === windows) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    const spare = this.#free.pop()
    if (spare === undefined) this.#made++
    const size = this.#head + Math.max(this.#windowBytes, least)
    const memory = spare === undefined || spare.byteLength < size ? new SharedArrayBuffer(size) : spare
    this.#window = new CutWindow(memory, this.#head, source)
    return this.#window
  }

  #release({ memory }: CutWindow): void {
    this.#free.push(memory)
    for (const go of this.#waiting.splice(0)) go()
  }

  #add(window: CutWindow, file: Recutting, id: Uint8Array, length: number): void {
    const { index } = this.#session
    const place = index.locate(id)
    if (place === undefined || place.length !== length) this.#lose(file, id, chunkMissing(id))
    else window.add(file, place, id.slice(), length)
  }

  /** Brings every chunk to its place in the window. */
  async #fill(window: CutWindow): Promise<void> {
    const { call, report, ranges, workers, lanes } = this.#session
    const { memory } = window
    report.recut += window.bytes
    await eachOf(planReads(window.pieces, requestBytes), lanes, async (read) => {
      call.signal.throwIfAborted()
      let failed = read.wanted
      try {
        const parts = framesOf(read, await ranges.read(read))
        const places = Uint32Array.from(read.wanted, ({ to }) => to)
        const reply = await workers.ask<FillReply>({ op: 'fill', memory, places, ...parts }, [parts.bytes.buffer])
        failed = reply.failed.map((i) => read.wanted[i]!)
      } catch (error) {
        if (!isDamage(error)) throw error
      }
      for (const piece of failed) await this.#fillSingly(memory, piece)
    })
  }

  /** A chunk that is damaged, or gone, where it was looked for may be whole in another place. */
  async #fillSingly(memory: SharedArrayBuffer, { file, id, to }: Piece): Promise<void> {
    const { from, call } = this.#session
    try {
      new Uint8Array(memory).set(await (await from.blobs()).chunk(id, call), to)
    } catch (error) {
      if (!isDamage(error)) throw error
      this.#lose(file, id, error)
    }
  }

  #lose(file: Recutting, id: Uint8Array, error: unknown): void {
    file.failed = true
    this.#session.lost.set(toHex(id), error)
  }

  /** Has everything in the window cut and stored, and tells the files that end in it. */
  async #cut(window: CutWindow): Promise<void> {
    const parts: Promise<readonly Uint8Array[]>[] = []
    const keep = (part: Promise<readonly Uint8Array[]>): void => {
      part.catch(() => undefined)
      parts.push(part)
    }
    try {
      let batch: ByteStep[] = []
      const send = async (): Promise<void> => {
        if (batch.length === 0) return
        const steps = batch
        batch = []
        await this.#session.room()
        keep(this.#files(window, steps))
      }
      for (const step of window.steps) {
        if (step.kind !== 'bytes') continue
        if (this.#isSmall(step)) {
          const before = batch.at(-1)
          if (before !== undefined && before.at + before.length !== step.at) await send()
          batch.push(step)
          if (batch.length >= batchFiles || step.at + step.length - batch[0]!.at >= batchBytes) await send()
        } else {
          await send()
          keep((await this.#large(window, step)).chunks)
        }
      }
      await send()
      await this.#tell(window.steps, parts)
    } finally {
      await Promise.allSettled(parts)
    }
  }

  #isSmall({ file, length, ends }: ByteStep): boolean {
    return ends && length < largeFile && !file.failed && this.#rest?.file !== file
  }

  /** Files that are cut where they are stored: gives the chunks of each. */
  async #files(window: CutWindow, steps: readonly ByteStep[]): Promise<readonly Uint8Array[]> {
    const { memory, source } = window
    const lengths = Uint32Array.from(steps, ({ length }) => length)
    const reply = await this.#session.workers.store({ op: 'files', source, memory, at: steps[0]!.at, lengths }, [])
    let at = 0
    return reply.files.map(({ chunks }) => {
      const start = at
      at += chunks * chunkLength
      return reply.chunks.subarray(start, at)
    })
  }

  /** A large file, or a part of one: cut by one worker, which is waited for, and stored by all, which is not. */
  async #large(
    { memory, source }: CutWindow,
    step: ByteStep,
  ): Promise<{ readonly chunks: Promise<readonly Uint8Array[]> }> {
    const { workers } = this.#session
    const rest = this.#rest?.file === step.file ? this.#rest.bytes : new Uint8Array(0)
    this.#rest = undefined
    if (step.file.failed) return { chunks: Promise.resolve([new Uint8Array(0)]) }
    const all = new Uint8Array(memory)
    let at = step.at - rest.length
    all.set(rest, at)
    const length = step.length + rest.length
    const end = at + length
    const lengths = await workers.ask<Uint32Array>({ op: 'cut', memory, at, length, final: step.ends })
    const replies: Promise<Uint8Array>[] = []
    for (const group of groupsOf(lengths)) {
      await this.#session.room()
      const stored = workers
        .store({ op: 'chunks', source, memory, at, lengths: group }, [])
        .then(({ chunks }) => chunks)
      stored.catch(() => undefined)
      replies.push(stored)
      at += sumOf(group)
    }
    if (!step.ends) this.#rest = { file: step.file, bytes: all.slice(at, end) }
    return { chunks: Promise.all(replies).then((all) => [concatBytes(...all)]) }
  }

  /** Gives the files their chunks and holes, in order. */
  async #tell(steps: readonly Step[], parts: readonly Promise<readonly Uint8Array[]>[]): Promise<void> {
    const chunks = chunksOf(parts)
    for (const step of steps) {
      const { file } = step
      if (step.kind === 'bytes') await addChunks(file.list, (await chunks.next()).value!)
      else if (step.kind === 'hole') await file.list.hole(step.length)
      else file.done(file.failed ? undefined : await file.list.finish())
    }
  }
}

type ByteStep = Extract<Step, { kind: 'bytes' }>

async function* chunksOf(parts: readonly Promise<readonly Uint8Array[]>[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield* await part
}

/** Chunk lengths in groups of about the bytes of one request. */
function* groupsOf(lengths: Uint32Array): Generator<Uint32Array> {
  let start = 0
  let bytes = 0
  for (let i = 0; i < lengths.length; i++) {
    bytes += lengths[i]!
    if (bytes < rangeBytes && i + 1 < lengths.length) continue
    yield lengths.slice(start, i + 1)
    start = i + 1
    bytes = 0
  }
}

function sumOf(lengths: Uint32Array): number {
  return lengths.reduce((sum, length) => sum + length, 0)
}
