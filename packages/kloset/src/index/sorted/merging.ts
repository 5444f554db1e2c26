import { compareRows, fenceOf } from './layout.js'
import type { Rows } from './sources.js'

/** Goes through the rows of several sources in one order, by a binary heap of those sources. */
export class Merging {
  readonly #rows: readonly Rows[]
  readonly #fences: Uint32Array
  readonly #heap: number[] = []
  /** Which source the current row is of; undefined before the first, and after the last. */
  source: number | undefined

  constructor(rows: readonly Rows[]) {
    this.#rows = rows
    this.#fences = new Uint32Array(rows.length)
    for (let source = 0; source < rows.length; source++) {
      if (!this.#advance(source)) continue
      this.#heap.push(source)
      this.#up(this.#heap.length - 1)
    }
  }

  /** Goes to the next row; false where there is none. Of equal ones that of the first source comes first. */
  next(): boolean {
    const heap = this.#heap
    if (this.source !== undefined && !this.#advance(this.source)) {
      const last = heap.pop()!
      if (heap.length > 0) heap[0] = last
    }
    if (this.source !== undefined) this.#down()
    this.source = heap[0]
    return this.source !== undefined
  }

  /** The current row. */
  get row(): Rows {
    return this.#rows[this.source!]!
  }

  #advance(source: number): boolean {
    const rows = this.#rows[source]!
    if (!rows.next()) return false
    this.#fences[source] = fenceOf(rows.bytes, rows.at)
    return true
  }

  #isBefore(a: number, b: number): boolean {
    if (this.#fences[a] !== this.#fences[b]) return this.#fences[a]! < this.#fences[b]!
    const x = this.#rows[a]!
    const y = this.#rows[b]!
    const order = compareRows(x.bytes, x.at, y.bytes, y.at)
    return order === 0 ? a < b : order < 0
  }

  #up(at: number): void {
    const heap = this.#heap
    for (let child = at; child > 0; ) {
      const parent = (child - 1) >> 1
      if (!this.#isBefore(heap[child]!, heap[parent]!)) return
      ;[heap[child], heap[parent]] = [heap[parent]!, heap[child]!]
      child = parent
    }
  }

  #down(): void {
    const heap = this.#heap
    for (let parent = 0; ; ) {
      let child = 2 * parent + 1
      if (child >= heap.length) return
      if (child + 1 < heap.length && this.#isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!this.#isBefore(heap[child]!, heap[parent]!)) return
      const moved = heap[parent]!
      heap[parent] = heap[child]!
      heap[child] = moved
      parent = child
    }
  }
}
