import type { Bytes } from '../bytes/index.js'
import { type ChunkerOptions, createChunker } from './chunker.js'

/**
 * The chunks of any stream of bytes, in order; each is the caller's to keep. However the stream is cut into pieces, the same chunks come
 * out. Holds at most twice `max` bytes besides a piece and a chunk. Errors of the stream pass through; leaving the loop
 * early ends the stream. @throws RangeError as {@link createChunker}.
 */
export async function* chunks(
  stream: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: ChunkerOptions = {},
): AsyncGenerator<Bytes, void, undefined> {
  const chunker = createChunker(options)
  const { max } = chunker.sizes
  const queue = new ByteQueue(2 * max)
  for await (const piece of stream) {
    for (let at = 0; at < piece.length; ) {
      at += queue.push(piece.subarray(at))
      while (queue.length >= max) yield queue.take(chunker.cut(queue.view(), false))
    }
  }
  while (queue.length > 0) yield queue.take(chunker.cut(queue.view(), true))
}

/** Bytes that wait, in memory that grows up to `most` bytes as it is needed. */
class ByteQueue {
  readonly #most: number
  #bytes: Bytes = new Uint8Array(0)
  #start = 0
  #end = 0

  constructor(most: number) {
    this.#most = most
  }

  get length(): number {
    return this.#end - this.#start
  }

  view(): Bytes {
    return this.#bytes.subarray(this.#start, this.#end)
  }

  /** Adds the first bytes of `piece`, as many as there is room for; gives their number. */
  push(piece: Uint8Array): number {
    if (piece.length > this.#bytes.length - this.#end) this.#makeRoom(piece.length)
    const taken = Math.min(piece.length, this.#bytes.length - this.#end)
    this.#bytes.set(piece.subarray(0, taken), this.#end)
    this.#end += taken
    return taken
  }

  /** A copy of the first `length` bytes, which leave the queue. */
  take(length: number): Bytes {
    const taken = this.#bytes.slice(this.#start, this.#start + length)
    this.#start += length
    return taken
  }

  #makeRoom(length: number): void {
    const held = this.view()
    const size = Math.min(this.#most, Math.max(held.length + length, 2 * this.#bytes.length))
    if (size > this.#bytes.length) {
      this.#bytes = new Uint8Array(size)
      this.#bytes.set(held)
    } else if (this.#end === this.#bytes.length || held.length === 0) {
      // Only where the end is reached: moving for every piece would copy each byte many times.
      this.#bytes.copyWithin(0, this.#start, this.#end)
    } else {
      return
    }
    this.#start = 0
    this.#end = held.length
  }
}
