import type { Placed } from '../store/reads.js'
import type { ListBuilder } from '../tree/index.js'

/** A file that is being cut anew. */
export interface Recutting {
  /** Told its content when all of it is stored, or why that cannot be. */
  readonly done: (content: Uint8Array | undefined) => void
  readonly list: ListBuilder
  /** Whether a part of it cannot be read. */
  failed: boolean
}

/** What follows in a file: bytes that are cut together with those before up to the last hole, a hole, or its end. */
export type Step =
  | { readonly kind: 'bytes'; readonly file: Recutting; readonly at: number; length: number; ends: boolean }
  | { readonly kind: 'hole'; readonly file: Recutting; readonly length: number }
  | { readonly kind: 'end'; readonly file: Recutting }

/** A chunk to read and where in the window it goes. */
export interface Piece extends Placed {
  readonly file: Recutting
  readonly length: number
  readonly id: Uint8Array
  readonly to: number
}

/**
 * Contents of files, one after the other in shared memory, so that one worker opens the frames they come from and another cuts them.
 * Its first bytes are kept for what the window before leaves of a file that goes on here.
 */
export class CutWindow {
  readonly memory: SharedArrayBuffer
  readonly steps: Step[] = []
  readonly pieces: Piece[] = []
  readonly source: number
  readonly #head: number
  #filled: number

  /** `head`: how many bytes the window before may leave, at most. */
  constructor(memory: SharedArrayBuffer, head: number, source: number) {
    this.memory = memory
    this.source = source
    this.#head = head
    this.#filled = head
  }

  /** Whether there is nothing in it. */
  get isEmpty(): boolean {
    return this.steps.length === 0
  }

  /** Bytes of files in it. */
  get bytes(): number {
    return this.#filled - this.#head
  }

  takes(length: number): boolean {
    return this.#filled + length <= this.memory.byteLength
  }

  /** Adds a chunk to a file. */
  add(file: Recutting, { frame, offset }: Placed, id: Uint8Array, length: number): void {
    const open = this.steps.at(-1)
    if (open?.kind === 'bytes' && open.file === file && !open.ends) open.length += length
    else this.steps.push({ kind: 'bytes', file, at: this.#filled, length, ends: false })
    this.pieces.push({ file, frame, offset, id, length, to: this.#filled })
    this.#filled += length
  }

  addHole(file: Recutting, length: number): void {
    this.#endBytes(file)
    this.steps.push({ kind: 'hole', file, length })
  }

  end(file: Recutting): void {
    this.#endBytes(file)
    this.steps.push({ kind: 'end', file })
  }

  #endBytes(file: Recutting): void {
    const open = this.steps.at(-1)
    if (open?.kind === 'bytes' && open.file === file) open.ends = true
    // What the window before left is cut here, though nothing follows it.
    else if (open?.file !== file) this.steps.push({ kind: 'bytes', file, at: this.#filled, length: 0, ends: true })
  }
}
