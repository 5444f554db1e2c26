import type { BackupEvent, BackupOptions } from '../api.js'
import type { FailedEntry, Progress } from '../run.js'
import type { Exclusions } from './filtering.js'
import type { StoredReply } from './messages.js'
import { Telling } from './telling.js'

/** How many failed entries are listed; all are counted. */
export const mostFailed = 10_000

/** How many entries one notice names. */
const mostNamed = 5

/** Counts what a backup does and tells it. */
export class BackupReport {
  readonly failed: FailedEntry[] = []
  failedCount = 0
  excluded = 0
  new = 0
  changed = 0
  unchanged = 0
  entries = 0
  files = 0
  bytes = 0
  chunks = 0
  addedBytes = 0
  metadata = 0
  stored = 0
  objects = 0
  phase: Progress['phase'] = 'scan'
  current: string | undefined
  /** Entries and bytes to read that the scans found so far; a total once they are at their end. */
  readonly found = { entries: 0, bytes: 0 }
  scanned = false
  readonly #options: BackupOptions
  readonly #telling: Telling
  #moved = 0
  readonly #movedPaths: string[] = []

  constructor(options: BackupOptions) {
    this.#options = options
    this.#telling = new Telling(options)
  }

  get wantsEntries(): boolean {
    return this.#options.entries === true && this.#options.onEvent !== undefined
  }

  get elapsed(): number {
    return this.#telling.elapsed
  }

  event(event: BackupEvent): void {
    this.#options.onEvent?.(event)
  }

  fail(path: string, error: unknown): void {
    this.failedCount++
    if (this.failed.length < mostFailed) this.failed.push({ path, error })
    this.event({ type: 'failed', path, error })
  }

  /** Notes entries whose times are beyond what a snapshot holds. */
  move(paths: readonly string[]): void {
    this.#moved += paths.length
    this.#movedPaths.push(...paths.slice(0, mostNamed - this.#movedPaths.length))
  }

  /** Tells of what {@link move} noted. */
  tellMoved(): void {
    if (this.#moved === 0) return
    const others = this.#moved - this.#movedPaths.length
    const of = this.#movedPaths.map((path) => path || '.').join(', ') + (others > 0 ? ` and ${others} others` : '')
    const message = `snapshots hold times of the years 1677 to 2262, and the nearest was kept of ${of}`
    this.event({ type: 'notice', code: 'time-moved', message })
    this.#moved = 0
    this.#movedPaths.length = 0
  }

  exclude({ count, entries }: Exclusions): void {
    this.excluded += count
    for (const each of entries) this.event(each)
  }

  added(reply: StoredReply): void {
    this.chunks += reply.added.chunks
    this.addedBytes += reply.added.bytes
  }

  put(object: string, size: number): void {
    this.stored += size
    this.objects++
    this.event({ type: 'stored', object, size })
  }

  /** Tells the progress, at most ten times a second unless `now`. */
  tell(now = false): void {
    this.#telling.tell(now, () => ({
      phase: this.phase,
      entries: this.entries,
      files: this.files,
      bytes: this.bytes,
      total: this.scanned ? { ...this.found } : undefined,
      failed: this.failedCount,
      stored: this.stored,
      current: this.current,
    }))
  }
}
