import type { ForgetOptions } from '../api.js'
import type { Call } from '../connector/index.js'
import type { LogState, SnapshotRecord } from '../log/index.js'
import { selectSnapshots } from '../snapshot/index.js'
import type { OpenedStore } from '../store/opened.js'
import { appendWhile, groupsOf } from './entries.js'
import { makingRoom } from './room.js'

/** So many ids fit into an entry of the log. */
const mostSnapshots = 1_500

/** Forgets the snapshots of some names; gives those that were not forgotten before. @throws as {@link selectSnapshots} */
export async function forget(
  store: OpenedStore,
  names: readonly string[],
  { dryRun = false }: ForgetOptions,
  call: Call,
): Promise<readonly SnapshotRecord[]> {
  await store.log.refresh(call)
  if (!dryRun) store.requireWritable()
  const wanted = selectSnapshots(store.records, names)
  if (dryRun) return wanted
  await makingRoom(store.storage, call, async () => {
    for (const group of groupsOf(wanted, mostSnapshots)) {
      await appendWhile(
        store.log,
        ({ snapshots }: LogState) => {
          const left = group.flatMap(({ id }) => (snapshots.has(id) ? id : []))
          return left.length === 0 ? undefined : { content: { kind: 'forget', snapshots: left } }
        },
        call,
      )
    }
  })
  return wanted
}
