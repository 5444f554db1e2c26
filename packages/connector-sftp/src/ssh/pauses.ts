/** A time limit that does not run while a person is asked. */
export class Pauses {
  readonly #controller = new AbortController()
  #left: number
  #started = 0
  #timer: NodeJS.Timeout | undefined
  #over = false

  constructor(ms: number) {
    this.#left = ms
    this.#start()
  }

  /** Aborted when the time is over. */
  get expired(): AbortSignal {
    return this.#controller.signal
  }

  /** Runs `work` while the time stands still. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    clearTimeout(this.#timer)
    this.#left -= performance.now() - this.#started
    try {
      return await work()
    } finally {
      this.#start()
    }
  }

  /** Stops it for good. */
  end(): void {
    this.#over = true
    clearTimeout(this.#timer)
  }

  #start(): void {
    if (this.#over) return
    this.#started = performance.now()
    this.#timer = setTimeout(() => this.#controller.abort(), Math.max(0, this.#left))
  }
}
