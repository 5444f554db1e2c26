import { ByteWriter } from '../bytes/index.js'
import type { Codec } from '../compress/index.js'
import { createKeyring, type KeyMaterial, type Keyring } from '../crypto/index.js'
import { IndexTable, SessionTable, type SharedIndex, type SharedSession } from '../index/index.js'
import { type Kernels, kernels } from '../kernels/index.js'
import { PackWriter } from '../pack/index.js'
import { giveRegion, type Region, takeRegion } from '../pack/regions.js'
import type { JobReply } from '../runtime/jobs.js'
import type { FileResult, PostedPack, StoredReply } from './messages.js'

/** Where the chunks of a backup go: what each worker starts from. */
export interface SinkInit {
  readonly material: KeyMaterial
  readonly frameSize: number
  readonly packSize: number
  readonly codec: Codec
  readonly known: SharedIndex
  readonly session: SharedSession
  /** Whether packs are made; a dry run only counts. */
  readonly store: boolean
}

/**
 * Takes chunks in kernel memory: hashes each, asks whether the store has it, and leaves what is new to a pack writer, which compresses
 * and seals it from the same memory.
 */
export class ChunkSink {
  readonly keyring: Keyring
  readonly packs: PackWriter
  readonly #store: boolean
  readonly #known: IndexTable
  readonly #session: SessionTable
  readonly #kernels: Kernels = kernels()
  // The key of ids, and the id at hand.
  readonly #fixed: Region
  readonly #sealed: PostedPack[] = []
  readonly #spare: ArrayBuffer[] = []
  readonly #chunks = new ByteWriter(64 * 1024)
  #source = -1
  #addedChunks = 0
  #addedBytes = 0

  constructor(init: SinkInit) {
    this.#store = init.store
    this.keyring = createKeyring(init.material)
    this.#known = IndexTable.join(init.known)
    this.#session = SessionTable.join(init.session)
    this.packs = new PackWriter({
      keyring: this.keyring,
      class: 'data',
      packSize: init.packSize,
      frameSize: init.frameSize,
      codec: init.codec,
      onPack: (pack) => this.#sealed.push(pack),
      spare: () => this.#spare.pop(),
    })
    this.#fixed = takeRegion(64)
    this.#kernels.heap().set(this.keyring.chunkKey, this.#fixed.at)
  }

  /** Bytes of the chunks that were taken since the last answer, 36 a chunk: where the next one's will be. */
  get taken(): number {
    return this.#chunks.length
  }

  /** Forgets that chunks were taken since there were `taken` bytes: they are not part of a file after all. */
  untake(taken: number): void {
    this.#chunks.truncate(taken)
  }

  /** Takes memory that packs were in, for the next ones. */
  spare(memory: ArrayBuffer): void {
    this.#spare.push(memory)
  }

  /** Takes over what the session's table has grown by. */
  refresh(session: SharedSession): void {
    this.#session.refresh(session)
  }

  /** Starts on a source: frames never mix them. */
  enter(source: number): void {
    if (this.#source !== source) this.packs.closeFrame()
    this.#source = source
  }

  /** Takes the chunk at `at`: it becomes part of the file at hand, and of a pack unless the store has it. */
  chunk(at: number, length: number): void {
    const key = this.#fixed.at
    const id = key + 32
    this.#kernels.hash(key, at, length, id)
    const heap = this.#kernels.heap()
    this.#chunks.bytes(heap.subarray(id, id + 32))
    this.#chunks.u32(length)
    if (this.#known.has(heap, id) || !this.#session.claim(heap, id)) return
    this.added(1, length)
    if (this.#store) this.packs.add(heap, id, at, length)
  }

  /** Takes a hole: it becomes part of the file at hand, and of nothing else. */
  hole(length: number): void {
    // Their lengths have 32 bits here, and a file may have terabytes of nothing.
    for (let left = length; left > 0; left -= longestHole) {
      for (let i = 0; i < 32; i++) this.#chunks.u8(0)
      this.#chunks.u32(Math.min(left, longestHole))
    }
  }

  /** Takes a chunk from ordinary memory; `window` is kernel memory for those that are too long for the open frame. */
  bytes(chunk: Uint8Array, window: number): void {
    const at = chunk.length <= this.packs.gathers ? this.packs.space(chunk.length) : window
    this.#kernels.heap().set(chunk, at)
    this.chunk(at, chunk.length)
  }

  /** Counts what was given to the pack writer. */
  added(chunks: number, bytes: number): void {
    this.#addedChunks += chunks
    this.#addedBytes += bytes
  }

  /** Seals what is open. */
  flush(): void {
    if (this.#store) this.packs.flush()
  }

  /** The answer with all that was taken and sealed since the last one. */
  reply(files: readonly FileResult[]): JobReply {
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

  release(): void {
    this.packs.release()
    giveRegion(this.#fixed)
  }
}

const longestHole = 0xffff_f000
