/** What every long call takes besides what is its own. `E` is the type of its events. */
export interface Run<E> {
  /** Ends the call: it stops at the next safe point and throws `signal.reason`. */
  readonly signal?: AbortSignal | undefined
  /** The whole state of the work, at most ten times a second and once at the end. */
  onProgress?(now: Progress): void
  onEvent?(event: E): void
}

/** How far a call has come: a whole state, not a difference. */
export interface Progress {
  /** What is being done now. */
  readonly phase: 'open' | 'scan' | 'read' | 'write' | 'check' | 'commit' | 'done'
  /** Entries finished. */
  readonly entries: number
  /** Files finished, of those entries. */
  readonly files: number
  /** Bytes of content finished. */
  readonly bytes: number
  /** What is known to be all of it; undefined while still unknown. */
  readonly total: { readonly entries: number; readonly bytes: number } | undefined
  /** Entries that could not be read, written or verified so far. */
  readonly failed: number
  /** Bytes moved to or from the storage so far. */
  readonly stored: number
  /** A path being worked on, when there is one. */
  readonly current: string | undefined
  /** Milliseconds since the call started. */
  readonly elapsed: number
}

/** One entry that could not be backed up, restored or read, with the reason. */
export interface FailedEntry {
  readonly path: string
  readonly error: unknown
}
