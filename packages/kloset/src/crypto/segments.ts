/** One segment of Argon2's blocks: a slice of a lane; `step` counts the slices of all passes. */
export interface Segment {
  readonly step: number
  readonly lane: number
}

/**
 * Deals the segments of one computation out to threads that share `counters`. All lanes of a step may be filled at once, and a step begins when the one before is
 * done (RFC 9106, §3.4). A thread waits only for segments that others are filling, never for another to come: whatever else the others have to do first,
 * whoever is there gets through.
 */
export class Segments {
  readonly #counters: Int32Array
  readonly #lanes: number
  readonly #count: number

  constructor(counters: Int32Array, lanes: number, steps: number) {
    this.#counters = counters
    this.#lanes = lanes
    this.#count = lanes * steps
  }

  /** The next segment, once it can be filled; undefined where none is left. @throws Error where {@link giveUp} was called */
  take(): Segment | undefined {
    const next = Atomics.add(this.#counters, taken, 1)
    if (next >= this.#count) return undefined
    const step = Math.floor(next / this.#lanes)
    this.#waitFor(step * this.#lanes)
    return { step, lane: next % this.#lanes }
  }

  /** The segment that was taken is filled. Returns whether all are, which one thread hears. */
  finish(): boolean {
    const count = Atomics.add(this.#counters, done, 1) + 1
    if (count % this.#lanes === 0) Atomics.notify(this.#counters, done)
    return count === this.#count
  }

  #waitFor(count: number): void {
    for (;;) {
      const now = Atomics.load(this.#counters, done)
      if (now < 0) throw new Error('another thread of this computation failed')
      if (now >= count) return
      Atomics.wait(this.#counters, done, now)
    }
  }
}

/** What threads count in for {@link Segments}: shared, unless there is only one. */
export function newCounters(shared: boolean): Int32Array {
  return shared ? new Int32Array(new SharedArrayBuffer(8)) : new Int32Array(2)
}

/** Ends a computation one of whose threads failed: the others, which may wait for it, throw. */
export function giveUp(counters: Int32Array): void {
  Atomics.store(counters, done, givenUp)
  Atomics.notify(counters, done)
}

// Where in the counters it stands how many segments were taken, and how many of them are filled.
const taken = 0
const done = 1
// Stays negative, however many are still filled.
const givenUp = -(2 ** 31)
