import type { Command } from 'commander'
import type { Snapshot } from 'kloset'
import { parseSnapshots } from '../arguments.js'
import { exit } from '../exit.js'
import {
  outputOptions,
  requireSelection,
  type SelectFlags,
  selectionOf,
  selectOptions,
  writtenStoreOptions,
} from '../options.js'
import { counted } from '../render/bytes.js'
import { snapshotJson } from '../render/json.js'
import { snapshotLines } from '../render/snapshots.js'
import { leave, openAt, type StoreFlags } from '../store.js'
import type { Session, Verb } from '../verb.js'

interface Flags extends StoreFlags, SelectFlags {
  readonly dryRun?: boolean
}

/** `kloset forget`: snapshots are no longer in the store; prune deletes what only they need. */
export const forget: Verb = {
  changes: true,

  define(command: Command) {
    command
      .argument('[ID...]', 'a snapshot')
      .usage('[options] ID…')
      .description(
        'Take snapshots out of the store. Nothing is deleted yet: `kloset prune` frees what no other snapshot needs, and until it ' +
          'has, `kloset undelete` brings them back.',
      )
      .option('--dry-run', 'only say which snapshots would be forgotten')
    selectOptions(command)
    outputOptions(writtenStoreOptions(command)).addHelpText(
      'after',
      `
ID is the start of a snapshot's id, what it is called, \`latest\`, or \`latest~2\`
for the second before. With options that select, IDs are looked for among what
those select, and without IDs all that they select is forgotten.

Examples:
  kloset at /var/backups forget 9abc3294 3f98b08d
  kloset at /var/backups forget --dry-run latest~30
  kloset at /var/backups forget --dry-run --host oldlaptop --before 90d

Exit codes: 0 done, 1 failed (no such snapshot), 2 usage, 10 no such store,
12 wrong passphrase.`,
    )
  },

  async run(args: readonly string[], flags: Flags, session: Session) {
    const { output, signal } = session
    const names = parseSnapshots(args, 'whole snapshots are forgotten')
    requireSelection(names, flags, 'Without anything that says so, not all are forgotten.')
    const store = await openAt(session, flags, { mode: flags.dryRun ? 'read' : 'write' })
    try {
      const dryRun = flags.dryRun === true
      // Named once: `latest` must be the same snapshot when it is told and when it is done.
      const chosen = await store.select(selectionOf(names, flags))
      if (chosen.length === 0) output.note('No snapshot is like that.')
      await tellFirst(chosen, session)
      const forgotten = dryRun ? chosen : await store.forget(idsOf(chosen), { signal })
      if (output.json) await output.emit({ type: 'summary', dryRun, forgotten: idsOf(forgotten) })
      else if (!output.quiet) {
        const many = counted(forgotten.length, 'snapshot')
        await output.print(dryRun ? `Dry run: would forget ${many}.` : `Forgot ${many}.`)
        if (!dryRun && forgotten.length > 0) {
          const ids = idsOf(forgotten).map((id) => id.slice(0, 8))
          output.note(`  To free what only they need: kloset prune. Until then: kloset undelete ${ids.join(' ')}`)
        }
      }
    } finally {
      await leave(store, output)
    }
    return exit.done
  },
}

async function tellFirst(snapshots: readonly Snapshot[], { output }: Session): Promise<void> {
  if (output.json) for (const snapshot of snapshots) await output.emit(snapshotJson(snapshot))
  else if (!output.quiet) await output.print(...snapshotLines(snapshots))
}

function idsOf(snapshots: readonly Snapshot[]): string[] {
  return snapshots.map(({ id }) => id)
}
