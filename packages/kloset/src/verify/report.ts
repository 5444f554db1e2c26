import type { CheckOptions } from '../api.js'
import { Telling } from '../backup/telling.js'
import type { Progress } from '../run.js'

/** Tells how far a check has come. */
export class CheckReport {
  phase: Progress['phase'] = 'check'
  entries = 0
  files = 0
  bytes = 0
  findings = 0
  total: Progress['total']
  readonly #telling: Telling

  constructor(options: CheckOptions) {
    this.#telling = new Telling(options)
  }

  /** Tells the progress, at most ten times a second unless `now`. */
  tell(now = false): void {
    const { phase, entries, files, bytes, total, findings } = this
    this.#telling.tell(now, () => ({
      phase,
      entries,
      files,
      bytes,
      total,
      failed: findings,
      stored: bytes,
      current: undefined,
    }))
  }
}
