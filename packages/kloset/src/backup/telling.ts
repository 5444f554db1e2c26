import type { Progress, Run } from '../run.js'

/** Tells progress to who asked for it: at most ten times a second, and whenever it must be told. */
export class Telling {
  readonly #onProgress: Run<unknown>['onProgress']
  readonly #started = Date.now()
  #told = 0

  constructor(run: Run<never>) {
    this.#onProgress = run.onProgress?.bind(run)
  }

  /** Milliseconds since the call started. */
  get elapsed(): number {
    return Date.now() - this.#started
  }

  /** `state` is asked only when it is told. */
  tell(now: boolean, state: () => Omit<Progress, 'elapsed'>): void {
    if (this.#onProgress === undefined) return
    const time = Date.now()
    if (!now && time - this.#told < 100) return
    this.#told = time
    this.#onProgress({ ...state(), elapsed: time - this.#started })
  }
}
