import pLimit from 'p-limit'
import { type Bytes, equalBytes } from '../bytes/index.js'
import type { Call } from '../connector/index.js'
import { isKlosetError, KlosetError } from '../errors.js'
import { keyedBlake3 } from '../hash/index.js'
import type { IndexTable } from '../index/index.js'
import { kernels } from '../kernels/index.js'
import { PackOpener } from '../pack/index.js'
import type { Refused, Target } from '../restore/entries.js'
import { isDamage } from '../snapshot/readable.js'
import type { BlobReader } from '../store/blobs.js'
import type { OpenedStore } from '../store/opened.js'
import { PackRanges, type PackRead, type Placed, planReads } from '../store/reads.js'
import { contentLength, extents } from '../tree/index.js'

/** An entry for an archive, or why it cannot be in one. */
export type Wanted = { readonly target: Target; readonly linkTo?: string | undefined } | Refused

/** What comes next in an archive. Content is verified. */
export type Step =
  | {
      readonly kind: 'whole'
      readonly target: Target
      readonly linkTo: string | undefined
      readonly content: readonly Bytes[]
    }
  /** A file of which the content follows in parts. */
  | { readonly kind: 'begin'; readonly target: Target }
  | { readonly kind: 'part'; readonly bytes: Bytes }
  | { readonly kind: 'end' }
  | { readonly kind: 'failed'; readonly path: string; readonly error: unknown }

/** So many bytes of files are read together, while those before are written. */
const windowBytes = 32 * 1024 * 1024
const windowItems = 8_192

/** A request reads at most about so many sealed bytes. */
const requestBytes = 4 * 1024 * 1024

/** So many requests are under way at once, at most. */
const mostRequests = 8

/** A hole is given in pieces of so many zeros at most. */
const zeros: Bytes = new Uint8Array(1024 * 1024)

/**
 * Reads what entries hold, in their order: planned by pack, as a restore is, and ahead of what is asked for. A file that fits into what is
 * read together comes whole, or not at all where a part of it is damaged.
 * @throws KLOSET_PACK_CORRUPT, KLOSET_CHUNK_MISSING, KLOSET_TREE_CORRUPT in the middle of a file that does not
 */
export async function* withContent(
  store: OpenedStore,
  wanted: AsyncIterable<Wanted>,
  told: (bytes: number) => void,
  call: Call,
): AsyncGenerator<Step> {
  const reader = new Reader(store, await store.index(), await store.blobs(), told, call)
  let ahead: Promise<readonly Item[]> | undefined
  for await (const window of reader.windows(wanted)) {
    const loading = reader.load(window)
    // Thrown to whoever waits for it; when nobody does any more it must not count as unhandled.
    loading.catch(() => undefined)
    if (ahead !== undefined) for (const item of await ahead) yield* stepsOf(item)
    ahead = loading
  }
  if (ahead !== undefined) for (const item of await ahead) yield* stepsOf(item)
}

/** A run of a file's bytes; a hole where there is no id. */
interface Piece {
  readonly id: Uint8Array | undefined
  readonly length: number
  bytes?: Bytes
  error?: unknown
}

interface PlacedPiece extends Placed {
  readonly piece: Piece
}

/** What of an entry is in one window. */
interface Item {
  readonly wanted: Wanted
  readonly pieces: Piece[]
  readonly begins: boolean
  ends: boolean
}

function* stepsOf({ wanted, pieces, begins, ends }: Item): Generator<Step> {
  if ('error' in wanted) {
    yield { kind: 'failed', path: wanted.path, error: wanted.error }
    return
  }
  const { target, linkTo } = wanted
  const damaged = pieces.find(({ error }) => error !== undefined)
  if (begins && ends) {
    if (damaged === undefined)
      yield { kind: 'whole', target, linkTo, content: pieces.flatMap((piece) => [...bytesOf(piece)]) }
    else yield { kind: 'failed', path: target.path, error: damaged.error }
    return
  }
  if (begins) yield { kind: 'begin', target }
  for (const piece of pieces) {
    if (piece.error !== undefined) throw piece.error
    for (const bytes of bytesOf(piece)) yield { kind: 'part', bytes }
  }
  if (ends) yield { kind: 'end' }
}

function* bytesOf({ bytes, length }: Piece): Generator<Bytes> {
  if (bytes !== undefined) yield bytes
  else for (let left = length; left > 0; left -= zeros.length) yield zeros.subarray(0, left)
}

class Reader {
  readonly #store: OpenedStore
  readonly #index: IndexTable
  readonly #blobs: BlobReader
  readonly #ranges: PackRanges
  readonly #limit: ReturnType<typeof pLimit>
  readonly #call: Call

  constructor(store: OpenedStore, index: IndexTable, blobs: BlobReader, told: (bytes: number) => void, call: Call) {
    this.#store = store
    this.#index = index
    this.#blobs = blobs
    this.#ranges = new PackRanges(store.storage, call, told)
    this.#limit = pLimit(Math.max(1, Math.min(mostRequests, store.storage.capabilities.concurrency)))
    this.#call = call
  }

  /** Divides entries into what is read together. Only what is too large for one window is in several. */
  async *windows(wanted: AsyncIterable<Wanted>): AsyncGenerator<Item[]> {
    let window: Item[] = []
    let room = windowBytes
    for await (const each of wanted) {
      const size = sizeOf(each)
      if (window.length >= windowItems || (size > room && window.length > 0)) {
        yield window
        window = []
        room = windowBytes
      }
      let item: Item = { wanted: each, pieces: [], begins: true, ends: true }
      window.push(item)
      if (size <= windowBytes) room -= size
      if (size === 0 || 'error' in each) continue
      for await (const piece of this.#piecesOf(each.target)) {
        if (size > windowBytes && item.pieces.length > 0 && (room <= 0 || item.pieces.length >= windowItems)) {
          item.ends = false
          yield window
          item = { wanted: each, pieces: [], begins: false, ends: true }
          window = [item]
          room = windowBytes
        }
        item.pieces.push(piece)
        if (size > windowBytes && piece.id !== undefined) room -= piece.length
      }
    }
    if (window.length > 0) yield window
  }

  /** Reads everything that a window needs. What cannot be had at the place where the index says it is, is looked for elsewhere. */
  async load(window: readonly Item[]): Promise<readonly Item[]> {
    const pieces = window.flatMap((item) => item.pieces.filter(({ id }) => id !== undefined))
    const placed = pieces.flatMap((piece) => this.#placed(piece))
    await Promise.all(planReads(placed, requestBytes).map((read) => this.#limit(() => this.#read(read))))
    for (const piece of pieces) if (piece.bytes === undefined) await this.#readElsewhere(piece)
    return window
  }

  async *#piecesOf({ content }: Target): AsyncGenerator<Piece> {
    const node = (id: Uint8Array): Promise<Bytes> => this.#blobs.node(id, this.#call)
    try {
      for await (const { id, length } of extents(content, node)) yield { id, length }
    } catch (error) {
      if (!isDamage(error)) throw error
      yield { id: undefined, length: 0, error }
    }
  }

  #placed(piece: Piece): PlacedPiece[] {
    const place = this.#index.locate(piece.id!)
    return place?.length === piece.length ? [{ piece, frame: place.frame, offset: place.offset }] : []
  }

  async #read(read: PackRead<PlacedPiece>): Promise<void> {
    this.#call.signal.throwIfAborted()
    const { keyring } = this.#store
    try {
      const { header, bytes, from } = await this.#ranges.read(read)
      const opener = new PackOpener(keyring, read.pack, header)
      let next = 0
      for (const { number, ordinal, offset, sealedLength, rawLength } of read.frames) {
        const sealed = bytes.subarray(offset - from, offset - from + sealedLength)
        const frame = opener.frame(ordinal, sealed, rawLength)
        for (; read.wanted[next]?.frame.number === number; next++) {
          const { piece, offset: at } = read.wanted[next]!
          if (at + piece.length > frame.length) continue
          const start = frame.at + at
          const chunk = kernels()
            .heap()
            .slice(start, start + piece.length)
          if (equalBytes(keyedBlake3(keyring.chunkKey, chunk), piece.id!)) piece.bytes = chunk
        }
      }
    } catch (error) {
      // What is missing then is looked for elsewhere; a storage that cannot be reached is nothing that looking elsewhere helps.
      if (!isDamage(error)) throw error
    }
  }

  async #readElsewhere(piece: Piece): Promise<void> {
    try {
      const chunk = await this.#blobs.chunk(piece.id!, this.#call)
      if (chunk.length !== piece.length) {
        throw new KlosetError('KLOSET_TREE_CORRUPT', 'a chunk has another length than its file says')
      }
      piece.bytes = chunk.slice()
    } catch (error) {
      if (!isKlosetError(error) || !isDamage(error)) throw error
      piece.error = error
    }
  }
}

function sizeOf(wanted: Wanted): number {
  return 'error' in wanted || wanted.linkTo !== undefined ? 0 : contentLength(wanted.target.content)
}
