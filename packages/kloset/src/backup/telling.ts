import type { Progress, Run } from '../run.js'

/** Tells progress to who asked for it: at most ten times a second, and whenever it must be told. */
export class Telling {
  readonly #onProgress: Run<unknown>['onProgress']
  readonly #started = performance.now()
  #told = Number.NEGATIVE_INFINITY

  constructor(run: Run<never>) {
    this.#onProgress = run.onProgress?.bind(run)
  }

  /** Whole milliseconds since the call started, by a clock that nobody sets: that of the system may step back meanwhile. */
  get elapsed(): number {
    return Math.round(performance.now() - this.#started)
  }

  /** `state` is asked only when it is told. */
  tell(now: boolean, state: () => Omit<Progress, 'elapsed'>): void {
    if (this.#onProgress === undefined) return
    const time = performance.now()
    if (!now && time - this.#told < 100) return
    this.#told = time
    this.#onProgress({ ...state(), elapsed: Math.round(time - this.#started) })
  }
}
