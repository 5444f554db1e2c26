import type { SyncOptions } from '../api.js'
import type { LogState, SnapshotRecord } from '../log/index.js'
import { selectSnapshots } from '../snapshot/index.js'

/** What is to be done with the snapshots that were asked for, each list oldest first. */
export interface Selection {
  readonly wanted: readonly SnapshotRecord[]
  /** The other store has them. */
  readonly present: readonly SnapshotRecord[]
  /** The other store had them, and they were forgotten there. */
  readonly forgotten: readonly SnapshotRecord[]
}

/** Which of the snapshots in `records`, oldest first, the other store is to get. @throws as {@link selectSnapshots} */
export function selectForSync(records: readonly SnapshotRecord[], there: LogState, options: SyncOptions): Selection {
  const { snapshots, where, includeForgotten = false } = options
  const asked = selectSnapshots(records, snapshots, where)
  const fateOf = ({ id }: SnapshotRecord): keyof Selection => {
    if (there.snapshots.has(id)) return 'present'
    return there.forgotten.has(id) && !includeForgotten ? 'forgotten' : 'wanted'
  }
  const by = (fate: keyof Selection): SnapshotRecord[] => asked.filter((record) => fateOf(record) === fate)
  return { wanted: by('wanted'), present: by('present'), forgotten: by('forgotten') }
}
