/** How many 32-bit words an id has. */
export const idWords = 8

/** The 32-bit word at `at`, whose address need not be aligned; little-endian, so that it is the same on every machine. */
export function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}

/** Writes what {@link wordAt} reads. */
export function putWord(bytes: Uint8Array, at: number, word: number): void {
  bytes[at] = word
  bytes[at + 1] = word >>> 8
  bytes[at + 2] = word >>> 16
  bytes[at + 3] = word >>> 24
}

/** Whether the id in `bytes` at `at` is the one in `words` from `from`. */
export function sameId(words: Int32Array, from: number, bytes: Uint8Array, at: number): boolean {
  for (let word = 0; word < idWords; word++) {
    if (words[from + word] !== wordAt(bytes, at + 4 * word)) return false
  }
  return true
}

/** Rows of a fixed number of words, in pages of shared memory: it grows without moving what is there. */
export class Rows {
  readonly pages: Int32Array[]
  readonly #words: number
  readonly #pageBits: number

  constructor(words: number, pageBits: number, buffers: readonly SharedArrayBuffer[] = []) {
    this.#words = words
    this.#pageBits = pageBits
    this.pages = buffers.map((buffer) => new Int32Array(buffer))
  }

  get buffers(): SharedArrayBuffer[] {
    return this.pages.map((page) => page.buffer as SharedArrayBuffer)
  }

  /** Makes room for row number `row`. */
  reserve(row: number): void {
    while (this.pages.length <= row >>> this.#pageBits) {
      this.pages.push(new Int32Array(new SharedArrayBuffer((this.#words << this.#pageBits) * 4)))
    }
  }

  /** The page of a row; undefined where this thread does not have it yet. */
  page(row: number): Int32Array | undefined {
    return this.pages[row >>> this.#pageBits]
  }

  /** Where in its page a row starts. */
  start(row: number): number {
    return (row & ((1 << this.#pageBits) - 1)) * this.#words
  }
}
