import { kernels } from '../kernels/index.js'

/** A piece of this thread's kernel memory: `size` bytes at `at`. */
export interface Region {
  readonly at: number
  readonly size: number
}

// Kernel memory is never given back, so regions are kept for the next one who asks.
const free: Region[] = []

/** Takes a region of at least `size` bytes until {@link giveRegion}. */
export function takeRegion(size: number): Region {
  let best = -1
  for (let i = 0; i < free.length; i++) {
    if (free[i]!.size >= size && (best < 0 || free[i]!.size < free[best]!.size)) best = i
  }
  if (best >= 0) return free.splice(best, 1)[0]!
  const rounded = Math.ceil(size / 65_536) * 65_536
  return { at: kernels().reserve(rounded), size: rounded }
}

/** Gives a region back. */
export function giveRegion(region: Region): void {
  free.push(region)
}

/** A region that one synchronous call uses and nobody holds on to. */
export class Scratch {
  #region: Region | undefined

  /** Where at least `size` bytes are; what was there before is lost. */
  at(size: number): number {
    if (this.#region === undefined || this.#region.size < size) {
      if (this.#region !== undefined) giveRegion(this.#region)
      this.#region = takeRegion(size)
    }
    return this.#region.at
  }
}
