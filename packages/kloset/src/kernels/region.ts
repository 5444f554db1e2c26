import { kernels } from './kernels.js'

/**
 * A region of the kernels' memory for one use after the other. It grows to the largest size that was asked for: as regions
 * are never freed, by doubling, so that what earlier ones took is at most as much again.
 */
export class Region {
  #address = 0
  #size = 0

  /** The address of `bytes` bytes, with whatever the last use left in them. */
  at(bytes: number): number {
    if (bytes > this.#size) {
      const size = Math.max(4096, 2 ** Math.ceil(Math.log2(bytes)))
      this.#address = kernels().reserve(size)
      this.#size = size
    }
    return this.#address
  }
}

/** Where `bytes` are in the kernels' memory, `undefined` where they are elsewhere: those that are need no copy. */
export function addressOf(bytes: Uint8Array): number | undefined {
  return bytes.buffer === kernels().memory.buffer ? bytes.byteOffset : undefined
}
