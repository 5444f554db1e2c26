import type { SnapshotRecord, SourceRecord } from '../log/index.js'
import type { Base } from './bases.js'

/** What came of one source of a snapshot. */
export interface Copied {
  /** The source as the other store records it. */
  readonly source: SourceRecord
  /** What of it was new to the other store. */
  readonly blobs: number
  readonly bytes: number
}

/** A way to bring sources of snapshots from one store into another. */
export interface Copier {
  /**
   * Brings over one source. What it holds may still be on its way when this resolves; `base` is an earlier one that both stores have.
   * @throws SourceDamaged, BaseDamaged
   */
  copy(record: SnapshotRecord, source: SourceRecord, base: Base | undefined): Promise<Copied>
  /** Resolves when everything was given to the workers, and what cannot be read is known. */
  settle(): Promise<void>
  /** After a failure: resolves when nothing is under way any more. */
  abandon(): Promise<void>
}
