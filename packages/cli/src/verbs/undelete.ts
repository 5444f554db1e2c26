import type { Command } from 'commander'
import { parseSnapshots } from '../arguments.js'
import { exit } from '../exit.js'
import { outputOptions, writtenStoreOptions } from '../options.js'
import { counted } from '../render/bytes.js'
import { snapshotJson } from '../render/json.js'
import { snapshotLines } from '../render/snapshots.js'
import { leave, openAt, type StoreFlags } from '../store.js'
import type { Session, Verb } from '../verb.js'

interface Flags extends StoreFlags {
  readonly dryRun?: boolean
}

/** `kloset undelete`: forgotten snapshots are in the store again. */
export const undelete: Verb = {
  changes: true,

  define(command: Command) {
    command
      .argument('<ID...>', 'a forgotten snapshot')
      .usage('[options] ID…')
      .description(
        'Bring forgotten snapshots back, as long as `kloset prune` has deleted nothing that they need. `kloset ls --forgotten` lists ' +
          'them.',
      )
      .option('--dry-run', 'only say which snapshots would be brought back')
    outputOptions(writtenStoreOptions(command)).addHelpText(
      'after',
      `
Examples:
  kloset at /var/backups ls --forgotten
  kloset at /var/backups undelete 9abc3294

Exit codes: 0 done, 1 failed (no such snapshot, or what it needs was deleted),
2 usage, 10 no such store, 12 wrong passphrase.`,
    )
  },

  async run(args: readonly string[], flags: Flags, session: Session) {
    const { output, signal } = session
    const names = parseSnapshots(args, 'whole snapshots are brought back')
    const store = await openAt(session, flags, { mode: flags.dryRun ? 'read' : 'write' })
    try {
      const dryRun = flags.dryRun === true
      const snapshots = await store.undelete(names, { dryRun, signal })
      if (output.json) {
        for (const snapshot of snapshots) await output.emit(snapshotJson(snapshot))
        await output.emit({ type: 'summary', dryRun, undeleted: snapshots.map(({ id }) => id) })
      } else if (!output.quiet) {
        const many = counted(snapshots.length, 'snapshot')
        await output.print(...snapshotLines(snapshots))
        await output.print(dryRun ? `Dry run: would bring back ${many}.` : `Brought back ${many}.`)
      }
    } finally {
      await leave(store, output)
    }
    return exit.done
  },
}
