import { type Bytes, concatBytes } from '../bytes/index.js'
import type { Chunker } from '../chunk/index.js'

/** Gathers the pieces a stream comes in and gives them back cut into chunks. */
export class Pieces {
  readonly #chunker: Chunker
  readonly #max: number
  #parts: Uint8Array[] = []
  #length = 0
  #ended = false

  constructor(chunker: Chunker, max: number) {
    this.#chunker = chunker
    this.#max = max
  }

  add(piece: Uint8Array): void {
    this.#parts.push(piece)
    this.#length += piece.length
  }

  /** Nothing more comes: what is left may be cut to its end. */
  end(): void {
    this.#ended = true
  }

  /** Whole chunks, once there are at least `least` bytes and one more chunk's room; undefined where there are not. */
  take(least: number): { readonly bytes: Bytes; readonly lengths: Uint32Array } | undefined {
    if (this.#length === 0 || (!this.#ended && this.#length < least + this.#max)) return undefined
    const bytes = concatBytes(...this.#parts)
    const lengths: number[] = []
    let at = 0
    while (at < bytes.length) {
      const cut = this.#chunker.cut(bytes.subarray(at), this.#ended)
      if (cut === 0) break
      lengths.push(cut)
      at += cut
    }
    this.#parts = at < bytes.length ? [bytes.slice(at)] : []
    this.#length = bytes.length - at
    return { bytes: bytes.slice(0, at), lengths: Uint32Array.from(lengths) }
  }
}
