import type { Snapshot, SnapshotEdit } from 'kloset'
import { exit } from './exit.js'
import { type SelectFlags, selectionOf } from './options.js'
import { counted } from './render/bytes.js'
import { snapshotJson } from './render/json.js'
import { snapshotLines } from './render/snapshots.js'
import { leave, openAt, type StoreFlags } from './store.js'
import type { Session } from './verb.js'

/** Edits the snapshots that IDs and options select, and tells how they are then. */
export async function edit(
  ids: readonly string[],
  change: SnapshotEdit,
  flags: StoreFlags & SelectFlags & { readonly dryRun?: boolean },
  session: Session,
): Promise<number> {
  const { output, signal } = session
  const dryRun = flags.dryRun === true
  const store = await openAt(session, flags, { mode: dryRun ? 'read' : 'write' })
  try {
    const chosen = await store.select(selectionOf(ids, flags))
    const { edited, unchanged } = await store.edit(idsOf(chosen), change, { dryRun, signal })
    const after = edited.map((each) => each.after)
    if (output.json) {
      for (const snapshot of after) await output.emit(snapshotJson(snapshot))
      await output.emit({ type: 'summary', dryRun, edited: idsOf(after), unchanged: idsOf(unchanged) })
    } else if (!output.quiet) {
      if (chosen.length === 0) output.note('No snapshot is like that.')
      const many = counted(after.length, 'snapshot')
      const others = unchanged.length > 0 ? `; ${counted(unchanged.length, 'other')} had that already` : ''
      await output.print(...snapshotLines(after))
      await output.print(`${dryRun ? `Dry run: would change ${many}` : `Changed ${many}`}${others}.`)
    }
  } finally {
    await leave(store, output)
  }
  return exit.done
}

function idsOf(snapshots: readonly Snapshot[]): string[] {
  return snapshots.map(({ id }) => id)
}
