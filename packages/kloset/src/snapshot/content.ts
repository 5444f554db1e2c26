import { type Bytes, concatBytes, text } from '../bytes/index.js'
import type { Call, Content } from '../connector/index.js'
import { KlosetError } from '../errors.js'
import type { BlobReader } from '../store/blobs.js'
import { contentLength, extents, type StoredContent } from '../tree/index.js'

/** How many bytes of zeros are given at a time for a hole. */
const holePiece = 1024 * 1024

/** The most chunks that are on their way while one is taken. */
const mostAhead = 4

/** The content of a file in a snapshot: every chunk is verified as it is read. */
export class StoredFile implements Content {
  readonly size: number
  readonly #content: StoredContent
  readonly #blobs: BlobReader
  readonly #call: Call

  constructor(content: StoredContent, blobs: BlobReader, call: Call) {
    this.size = contentLength(content)
    this.#content = content
    this.#blobs = blobs
    this.#call = call
  }

  [Symbol.asyncIterator](): AsyncGenerator<Bytes> {
    return this.#read(0, this.size)
  }

  async bytes(): Promise<Bytes> {
    const pieces: Bytes[] = []
    for await (const piece of this) pieces.push(piece)
    return concatBytes(...pieces)
  }

  async text(): Promise<string> {
    return text(await this.bytes())
  }

  stream(range: { readonly start?: number; readonly end?: number } = {}): ReadableStream<Bytes> {
    const start = Math.max(0, range.start ?? 0)
    const pieces = this.#read(start, Math.min(this.size, range.end ?? this.size))
    return new ReadableStream<Bytes>(
      {
        async pull(controller) {
          const next = await pieces.next()
          if (next.done) controller.close()
          else controller.enqueue(next.value)
        },
        async cancel() {
          await pieces.return(undefined)
        },
      },
      { highWaterMark: 0 },
    )
  }

  /**
   * The bytes from `start` to `end`. Chunks are fetched while others are taken, the more the longer this goes on: who reads a little somewhere wants nothing
   * of what follows, and who reads on should not wait for each.
   */
  async *#read(start: number, end: number): AsyncGenerator<Bytes, undefined> {
    if (start >= end) return
    const fetch = (id: Uint8Array): Promise<Bytes> => this.#blobs.node(id, this.#call)
    const ahead: Promise<Iterable<Bytes>>[] = []
    let taken = 0
    for await (const { id, length, offset } of extents(this.#content, fetch, { offset: start, length: end - start })) {
      const from = Math.max(0, start - offset)
      const to = Math.min(length, end - offset)
      const next = id === undefined ? Promise.resolve(zeros(to - from)) : this.#chunk(id, length, from, to)
      next.catch(() => undefined)
      ahead.push(next)
      if (ahead.length > Math.min(taken, mostAhead)) {
        yield* await ahead.shift()!
        taken++
      }
    }
    for (const next of ahead) yield* await next
  }

  async #chunk(id: Uint8Array, length: number, from: number, to: number): Promise<readonly Bytes[]> {
    this.#call.signal.throwIfAborted()
    const chunk = await this.#blobs.chunk(id, this.#call)
    if (chunk.length !== length) {
      throw new KlosetError('KLOSET_TREE_CORRUPT', 'a chunk has another length than its file says')
    }
    // A copy: the frame it is in serves others.
    return [chunk.slice(from, to)]
  }
}

function* zeros(length: number): Generator<Bytes> {
  for (let left = length; left > 0; left -= holePiece) yield new Uint8Array(Math.min(left, holePiece))
}
