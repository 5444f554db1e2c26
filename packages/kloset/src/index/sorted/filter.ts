import { filterWords, u32At } from './layout.js'

// A Bloom filter of 512 bits for each block of records (Putze, Sanders and Singler, 2007, call it blocked, though they hash what block a
// key belongs to, which here its place in the order decides; so each has its 44 keys and no more). Of ids that are not there 0.4 % pass.

/** Notes the id in `bytes` at `at` in the filter of its block. */
export function note(filter: Int32Array, block: number, bytes: Uint8Array, at: number): void {
  for (let half = 0; half < 2; half++) {
    const hash = u32At(bytes, at + firstHash + 4 * half)
    for (let shift = 0; shift < 27; shift += 9) {
      const bit = (hash >>> shift) & 511
      filter[block * filterWords + (bit >>> 5)]! |= 1 << (bit & 31)
    }
  }
}

/** Whether the block may hold the id: false only where it does not. */
export function admits(filter: Int32Array, block: number, bytes: Uint8Array, at: number): boolean {
  for (let half = 0; half < 2; half++) {
    const hash = u32At(bytes, at + firstHash + 4 * half)
    for (let shift = 0; shift < 27; shift += 9) {
      const bit = (hash >>> shift) & 511
      if (((filter[block * filterWords + (bit >>> 5)]! >>> (bit & 31)) & 1) === 0) return false
    }
  }
  return true
}

/** The eight bytes of an id that serve as hashes; the first four decide about the block. */
const firstHash = 8
