import { onAbort } from '../connector/aborted.js'

/** A number of slots that calls wait for, in the order they came. */
export class Slots {
  #free: number
  readonly #waiting = new Set<() => void>()

  constructor(count: number) {
    if (!Number.isInteger(count) || count < 1) throw new RangeError('at least one call must be allowed')
    this.#free = count
  }

  /** Runs `work` as soon as a slot is free. Rejects with the signal's reason if it is aborted before that. */
  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted()
    if (this.#free > 0) this.#free--
    else await this.#turn(signal)
    try {
      return await work()
    } finally {
      this.#release()
    }
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        forget()
        resolve()
      }
      this.#waiting.add(enter)
      const forget = onAbort(signal, () => {
        this.#waiting.delete(enter)
        reject(signal.reason)
      })
    })
  }

  #release(): void {
    const [next] = this.#waiting
    if (next === undefined) {
      this.#free++
      return
    }
    this.#waiting.delete(next)
    next()
  }
}
