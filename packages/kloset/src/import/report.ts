import type { BackupResult, ImportEvent, ImportOptions, ImportResult } from '../api.js'
import { mostFailed } from '../backup/report.js'
import { Telling } from '../backup/telling.js'
import type { PastSnapshot } from '../connector/index.js'
import type { FailedEntry, Progress } from '../run.js'

/** Counts what an import does and tells it. */
export class ImportReport {
  readonly failed: FailedEntry[] = []
  failedCount = 0
  changes: BackupResult['changes'] = { new: 0, changed: 0, unchanged: 0 }
  added: BackupResult['added'] = { chunks: 0, bytes: 0, stored: 0, metadata: 0, objects: 0 }
  readonly unreadable: FailedEntry[] = []
  readonly #options: ImportOptions
  readonly #telling: Telling
  // Of the snapshots that are done.
  #before = { entries: 0, files: 0, bytes: 0, failed: 0, stored: 0 }
  #now: Omit<Progress, 'elapsed'> = nothing

  constructor(options: ImportOptions) {
    this.#options = options
    this.#telling = new Telling(options)
  }

  get elapsed(): number {
    return this.#telling.elapsed
  }

  event(event: ImportEvent): void {
    this.#options.onEvent?.(event)
  }

  /** Nothing of a snapshot can be read. */
  lost(failure: FailedEntry, original?: PastSnapshot): void {
    this.unreadable.push(failure)
    this.event({ type: 'failed', ...failure, ...(original && { original }) })
  }

  /** An entry of a snapshot cannot be read. */
  fail(failure: FailedEntry, original: PastSnapshot): void {
    this.failedCount++
    if (this.failed.length < mostFailed) this.failed.push(failure)
    this.event({ type: 'failed', ...failure, original })
  }

  /** How far the snapshot at hand is. */
  progress(now: Progress): void {
    // The whole goes on when one snapshot is done.
    this.#now = now.phase === 'done' ? { ...now, phase: 'commit' } : now
    this.#tell(false)
  }

  /** The snapshot at hand is done. */
  finished({ changes, added }: BackupResult): void {
    this.changes = sum(this.changes, changes)
    this.added = sum(this.added, added)
    this.#before = sum(this.#before, this.#now)
    this.#now = nothing
  }

  done(): void {
    this.#now = { ...nothing, phase: 'done' }
    this.#tell(true)
  }

  result(rest: Pick<ImportResult, 'imported' | 'present' | 'forgotten'>): ImportResult {
    const { unreadable, failed, failedCount, changes, added, elapsed } = this
    return { ...rest, unreadable, failed, failedCount, changes, added, duration: elapsed }
  }

  #tell(always: boolean): void {
    this.#telling.tell(always, () => ({ ...this.#now, ...sum(this.#before, this.#now), total: undefined }))
  }
}

const nothing: Omit<Progress, 'elapsed'> = {
  phase: 'scan',
  entries: 0,
  files: 0,
  bytes: 0,
  total: undefined,
  failed: 0,
  stored: 0,
  current: undefined,
}

/** Adds the numbers of the one to those of the same names of the other. */
function sum<K extends string>(
  one: Readonly<Record<K, number>>,
  other: Readonly<Record<NoInfer<K>, number>>,
): Record<K, number> {
  const names = Object.keys(one) as K[]
  return Object.fromEntries(names.map((name) => [name, one[name] + other[name]])) as Record<K, number>
}
