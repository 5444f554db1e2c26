import type { Snapshot, SnapshotCopies } from '../api.js'
import type { Call } from '../connector/index.js'
import type { SnapshotRecord } from '../log/index.js'
import type { OpenedStore } from '../store/opened.js'
import { snapshotOf } from './damage.js'

/** Which of the stores have which snapshots, oldest first. */
export async function copiesIn(stores: readonly OpenedStore[], call: Call): Promise<readonly SnapshotCopies[]> {
  await Promise.all(stores.map((store) => store.log.refresh(call)))
  const shown = new Map<string, { readonly record: SnapshotRecord; readonly snapshot: Snapshot }>()
  for (const fate of ['snapshots', 'forgotten'] as const) {
    for (const store of stores) {
      for (const [id, { record }] of store.log.state[fate]) {
        if (!shown.has(id)) shown.set(id, { record, snapshot: snapshotOf(store, record, call) })
      }
    }
  }
  const placeIn = ({ log: { state } }: OpenedStore, id: string): SnapshotCopies['places'][number] => {
    if (state.snapshots.has(id)) return 'present'
    return state.forgotten.has(id) ? 'forgotten' : 'absent'
  }
  return [...shown]
    .sort(([, a], [, b]) => (a.record.time < b.record.time ? -1 : a.record.time > b.record.time ? 1 : 0))
    .map(([id, { snapshot }]) => ({ snapshot, places: stores.map((store) => placeIn(store, id)) }))
}
