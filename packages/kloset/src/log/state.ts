import type { Bytes } from '../bytes/index.js'
import type { SnapshotRecord } from './snapshot-record.js'

/** A snapshot that the log knows. */
export interface LoggedSnapshot {
  /** Position of its entry. */
  readonly position: number
  /** BLAKE3 of its entry. */
  readonly hash: Bytes
  /** When it was committed, in milliseconds since 1970. */
  readonly time: number
  /** As later entries have edited it. */
  readonly record: SnapshotRecord
  /** Its private JSON, exactly as it was sealed, or else as edits have left it. */
  readonly json: Bytes
}

/**
 * What the log says of a pack: `suspect`: seen without an entry that names it. `condemned`: to be purged unless it is lifted.
 * `purging`: it may be gone already. `dead`: it is gone.
 */
export interface PackFate {
  readonly fate: 'suspect' | 'condemned' | 'purging' | 'dead'
  /** Position and time of the entry that said so. */
  readonly position: number
  readonly time: number
}

/** What follows from all entries up to one. */
export interface LogState {
  /** The newest entry; 0 where there is none. */
  readonly position: number
  /** BLAKE3 of that entry; zeros where there is none. */
  readonly hash: Bytes
  /** Names of the index segments that count. */
  readonly segments: ReadonlySet<string>
  /** The snapshots that were not forgotten, by id, in the order of the log. */
  readonly snapshots: ReadonlyMap<string, LoggedSnapshot>
  /** Those that were, and can be had again as long as their packs are there. */
  readonly forgotten: ReadonlyMap<string, LoggedSnapshot>
  /** Packs of which the log says more than that a segment names them. */
  readonly packs: ReadonlyMap<string, PackFate>
  readonly settings: ReadonlyMap<string, unknown>
  /** Why this version must not write: an entry that it does not understand and must. */
  readonly readOnly: string | undefined
}

/** The state of a log without entries. */
export const emptyState: LogState = {
  position: 0,
  hash: new Uint8Array(32),
  segments: new Set(),
  snapshots: new Map(),
  forgotten: new Map(),
  packs: new Map(),
  settings: new Map(),
  readOnly: undefined,
}

/** Whether a new snapshot may rely on what is in a pack (protocol rule 5). */
export function isReliable(state: LogState, pack: string): boolean {
  const fate = state.packs.get(pack)?.fate
  return fate === undefined || fate === 'suspect'
}
