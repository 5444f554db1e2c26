import { wordAt } from './words.js'

/**
 * A map from ids to numbers other than 0, in one typed array. `exact` ones compare whole ids. Others compare 64 bits, which takes a third
 * of the memory: for those who come to no harm when, once in a hundred thousand stores of ten million chunks, one id is taken for another.
 */
export class IdMap {
  readonly #idWords: number
  readonly #slotWords: number
  #slots: Int32Array
  #size = 0

  constructor({ exact }: { readonly exact: boolean }) {
    this.#idWords = exact ? 8 : 2
    this.#slotWords = this.#idWords + 1
    this.#slots = new Int32Array(leastSlots * this.#slotWords)
  }

  /** How many ids it has. */
  get size(): number {
    return this.#size
  }

  /** The number of the id in `bytes` at `at`; 0 where it has none. */
  get(bytes: Uint8Array, at = 0): number {
    return this.#slots[this.#find(bytes, at) + this.#idWords]!
  }

  /** Gives the id in `bytes` at `at` a number; returns the one it had before, 0 where it had none. */
  set(bytes: Uint8Array, at: number, value: number): number {
    const start = this.#find(bytes, at)
    const before = this.#slots[start + this.#idWords]!
    this.#slots[start + this.#idWords] = value
    if (before !== 0) return before
    for (let word = 0; word < this.#idWords; word++) this.#slots[start + word] = wordAt(bytes, at + 4 * word)
    this.#size++
    if (this.#size > 0.7 * this.#capacity) this.#grow()
    return 0
  }

  get #capacity(): number {
    return this.#slots.length / this.#slotWords
  }

  /** Where the slot of an id starts: the one that has it, or the free one that would take it. */
  #find(bytes: Uint8Array, at: number): number {
    const slots = this.#slots
    const mask = this.#capacity - 1
    for (let slot = wordAt(bytes, at) & mask; ; slot = (slot + 1) & mask) {
      const start = slot * this.#slotWords
      if (slots[start + this.#idWords] === 0) return start
      let word = 0
      while (word < this.#idWords && slots[start + word] === wordAt(bytes, at + 4 * word)) word++
      if (word === this.#idWords) return start
    }
  }

  #grow(): void {
    const before = this.#slots
    this.#slots = new Int32Array(2 * before.length)
    const mask = this.#capacity - 1
    for (let from = 0; from < before.length; from += this.#slotWords) {
      if (before[from + this.#idWords] === 0) continue
      let slot = before[from]! & mask
      while (this.#slots[slot * this.#slotWords + this.#idWords] !== 0) slot = (slot + 1) & mask
      this.#slots.set(before.subarray(from, from + this.#slotWords), slot * this.#slotWords)
    }
  }
}

const leastSlots = 1_024
