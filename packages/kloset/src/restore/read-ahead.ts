import type { ReadFrames } from '../store/reads.js'
import type { Request } from './window.js'

/** So many requests more than are being written may have been read, or be under way. */
const furthest = 16

/** A request, and what it reads once that was begun. */
export interface Reading {
  readonly request: Request
  read: Promise<ReadFrames> | undefined
  arrived: boolean
}

/**
 * Reads what will be written, in that order: only a little more than is being written, and further ahead each time that whoever writes
 * has to wait for it, so that a slow line is never idle.
 */
export class ReadAhead {
  readonly #read: (request: Request) => Promise<ReadFrames>
  readonly #furthest: number
  readonly #waiting: Reading[] = []
  // Requests that are under way, have arrived, or are being written.
  #held = 0
  #most: number

  /** `writers`: so many are written at the same time; `concurrency`: so many can be read. */
  constructor(read: (request: Request) => Promise<ReadFrames>, writers: number, concurrency: number) {
    this.#read = read
    this.#most = writers
    this.#furthest = writers + Math.min(furthest, concurrency)
  }

  /** Takes requests that will be written after all before them. Each must be taken and let go of, or only let go of. */
  add(requests: readonly Request[]): readonly Reading[] {
    const readings = requests.map((request): Reading => ({ request, read: undefined, arrived: false }))
    this.#waiting.push(...readings)
    this.#begin()
    return readings
  }

  /** What was read. */
  take(reading: Reading): Promise<ReadFrames> {
    if (!reading.arrived) {
      this.#most = Math.min(this.#furthest, this.#most + 1)
      this.#begin()
    }
    return reading.read ?? this.#start(reading)
  }

  /** Lets go of a request: it is written, or not wanted any more. */
  done(reading: Reading): void {
    if (reading.read === undefined) this.#skip(reading)
    else this.#held--
    this.#begin()
  }

  #begin(): void {
    while (this.#held < this.#most && this.#waiting.length > 0) void this.#start(this.#waiting[0]!)
  }

  #start(reading: Reading): Promise<ReadFrames> {
    this.#skip(reading)
    this.#held++
    const read = this.#read(reading.request)
    reading.read = read
    const arrived = (): void => {
      reading.arrived = true
    }
    // Of a failure, whoever takes it hears.
    read.then(arrived, arrived)
    return read
  }

  #skip(reading: Reading): void {
    this.#waiting.splice(this.#waiting.indexOf(reading), 1)
  }
}
