import type { CheckOptions } from '../api.js'
import type { Progress } from '../run.js'

/** Tells how far a check has come. */
export class CheckReport {
  phase: Progress['phase'] = 'check'
  entries = 0
  files = 0
  bytes = 0
  findings = 0
  total: Progress['total']
  readonly #options: CheckOptions
  readonly #started = Date.now()
  #told = 0

  constructor(options: CheckOptions) {
    this.#options = options
  }

  /** Tells the progress, at most ten times a second unless `now`. */
  tell(now = false): void {
    const { onProgress } = this.#options
    if (onProgress === undefined) return
    const time = Date.now()
    if (!now && time - this.#told < 100) return
    this.#told = time
    const { phase, entries, files, bytes, total, findings } = this
    onProgress({
      phase,
      entries,
      files,
      bytes,
      total,
      failed: findings,
      stored: bytes,
      current: undefined,
      elapsed: time - this.#started,
    })
  }
}
