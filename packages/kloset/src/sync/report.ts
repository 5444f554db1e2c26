import type { SyncEvent, SyncOptions } from '../api.js'
import { mostFailed } from '../backup/report.js'
import { Telling } from '../backup/telling.js'
import type { FailedEntry, Progress } from '../run.js'
import type { Totals } from '../tree/index.js'

/** Counts what a synchronization does and tells it. */
export class SyncReport {
  readonly failed: FailedEntry[] = []
  failedCount = 0
  phase: Progress['phase'] = 'open'
  entries = 0
  files = 0
  bytes = 0
  current: string | undefined
  total: Progress['total']
  /** Bytes written to the other store. */
  sent = 0
  /** Chunks and bytes of content that are new to the other store. */
  chunks = 0
  added = 0
  /** Bytes of content that were read to be cut anew. */
  recut = 0
  readonly #options: SyncOptions
  readonly #telling: Telling

  constructor(options: SyncOptions) {
    this.#options = options
    this.#telling = new Telling(options)
  }

  get elapsed(): number {
    return this.#telling.elapsed
  }

  event(event: SyncEvent): void {
    this.#options.onEvent?.(event)
  }

  fail(path: string, error: unknown): void {
    this.failedCount++
    if (this.failed.length < mostFailed) this.failed.push({ path, error })
  }

  /** All entries of a snapshot are brought over, or on their way. */
  finished(totals: Totals): void {
    this.entries += entriesIn(totals)
    this.files += totals.files
    this.tell()
  }

  /** What is beyond these totals has to be done again. */
  goBackTo(totals: Totals): void {
    this.entries = entriesIn(totals)
    this.files = totals.files
    this.bytes = totals.bytes
  }

  /** Tells the progress, at most ten times a second unless `now`. */
  tell(now = false): void {
    this.#telling.tell(now, () => ({
      phase: this.phase,
      entries: this.entries,
      files: this.files,
      bytes: this.bytes,
      total: this.total,
      failed: this.failedCount,
      stored: this.sent,
      current: this.current,
    }))
  }
}

/** How many entries these totals are of. */
export function entriesIn({ files, directories, others }: Totals): number {
  return files + directories + others
}
