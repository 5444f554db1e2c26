import type { EditOptions, SnapshotEdit } from '../api.js'
import type { Call } from '../connector/index.js'
import { KlosetError } from '../errors.js'
import {
  type EntryDraft,
  editedSnapshot,
  type LoggedSnapshot,
  type LogState,
  type SnapshotRecord,
} from '../log/index.js'
import { appendWhile, groupsOf } from '../prune/entries.js'
import { selectSnapshots } from '../snapshot/index.js'
import type { OpenedStore } from '../store/opened.js'
import { checkLabels, mostTags } from './labels.js'

export { faultOfName, faultOfTag } from './labels.js'

/** So many ids fit into an entry of the log beside what is to be changed about them. */
const mostSnapshots = 500

/** What became of the snapshots that were to be edited. Those that somebody forgot meanwhile are in neither list. */
export interface Edited {
  readonly edited: readonly { readonly before: SnapshotRecord; readonly after: SnapshotRecord }[]
  readonly unchanged: readonly SnapshotRecord[]
}

/**
 * Changes what snapshots are called and tagged. The log is told what to add and to remove, not what comes of it, so that of several who
 * edit one snapshot at the same time nobody undoes what another did.
 * @throws RangeError for tags and names that no snapshot can have; KLOSET_LIMIT for too many tags; and as {@link selectSnapshots}
 */
export async function edit(
  store: OpenedStore,
  names: readonly string[],
  change: SnapshotEdit,
  { dryRun = false }: EditOptions,
  call: Call,
): Promise<Edited> {
  const { name, tags: { set = [], add = [] } = {} } = change
  checkLabels({ tags: [...set, ...add], ...(typeof name === 'string' && { name }) })
  const { log } = store
  await log.refresh(call)
  if (!dryRun) store.requireWritable()
  const before = loggedOf(log.state, selectSnapshots(store.records, names))
  const planned = before.map((snapshot) => editOf(snapshot, change))
  if (dryRun) return editedOf(before, planned)
  for (const group of groupsOf(before, mostSnapshots)) {
    await appendWhile(
      log,
      (now) =>
        draftOf(
          loggedOf(
            now,
            group.map(({ record }) => record),
          ),
          change,
        ),
      call,
    )
  }
  const left = before.filter(({ record }) => log.state.snapshots.has(record.id))
  return editedOf(
    left,
    loggedOf(
      log.state,
      left.map(({ record }) => record),
    ),
  )
}

function loggedOf({ snapshots }: LogState, records: readonly SnapshotRecord[]): LoggedSnapshot[] {
  return records.flatMap(({ id }) => snapshots.get(id) ?? [])
}

/** The entry that says a change of those snapshots that it changes something of. */
function draftOf(snapshots: readonly LoggedSnapshot[], change: SnapshotEdit): EntryDraft | undefined {
  const changed = snapshots.filter((snapshot) => editOf(snapshot, change) !== snapshot)
  if (changed.length === 0) return undefined
  return { content: { kind: 'edit', snapshots: changed.map(({ record }) => record.id), edit: change } }
}

function editOf(snapshot: LoggedSnapshot, change: SnapshotEdit): LoggedSnapshot {
  const edited = editedSnapshot(snapshot, change)
  if (edited !== undefined && edited.record.tags.length <= Math.max(mostTags, snapshot.record.tags.length))
    return edited
  const { id } = snapshot.record
  throw new KlosetError('KLOSET_LIMIT', `snapshot ${id.slice(0, 8)} would have too many tags`, {
    context: { snapshot: id, most: mostTags },
    hint: `A snapshot has at most ${mostTags} tags: remove some first.`,
  })
}

function editedOf(before: readonly LoggedSnapshot[], after: readonly LoggedSnapshot[]): Edited {
  const pairs = before.map((snapshot, i) => ({ before: snapshot, after: after[i]! }))
  return {
    edited: pairs
      .filter((pair) => pair.before !== pair.after)
      .map((pair) => ({ before: pair.before.record, after: pair.after.record })),
    unchanged: pairs.filter((pair) => pair.before === pair.after).map((pair) => pair.after.record),
  }
}
