import type { Bytes } from '../bytes/index.js'

/** Whoever takes the bytes of an archive gets them in pieces of this size: one a header would cost more than what is in it. */
const blockSize = 256 * 1024

/** Gathers small pieces into blocks. */
export class Blocks {
  #block: Bytes = new Uint8Array(blockSize)
  #filled = 0

  /** What no block was given of yet. */
  rest(): Bytes {
    return this.#block.subarray(0, this.#filled)
  }

  /** Adds pieces; gives the blocks that are full by then. */
  *add(pieces: Iterable<Bytes>): Generator<Bytes> {
    for (const piece of pieces) {
      for (let at = 0; at < piece.length; ) {
        const part = piece.subarray(at, at + blockSize - this.#filled)
        this.#block.set(part, this.#filled)
        this.#filled += part.length
        at += part.length
        if (this.#filled < blockSize) continue
        yield this.#block
        // A new one: nobody knows how long the other is kept.
        this.#block = new Uint8Array(blockSize)
        this.#filled = 0
      }
    }
  }
}
