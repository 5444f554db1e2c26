import type { Command } from 'commander'
import { parseSnapshots } from '../arguments.js'
import { edit } from '../edit.js'
import { UsageError } from '../exit.js'
import { requireLabels } from '../labels.js'
import { outputOptions, type SelectFlags, selectOptions, writtenStoreOptions } from '../options.js'
import type { StoreFlags } from '../store.js'
import type { Session, Verb } from '../verb.js'

interface Flags extends StoreFlags, SelectFlags {
  readonly clear?: boolean
  readonly dryRun?: boolean
}

/** `kloset rename`: a snapshot is called something else. */
export const rename: Verb = {
  changes: true,

  define(command: Command) {
    command
      .argument('<ID>', 'a snapshot')
      .argument('[NAME]', 'what it is called from now on')
      .usage('[options] ID NAME | --clear ID')
      .description('Change what a snapshot is called. Nothing that is stored is written anew.')
      .option('--clear', 'take its name away')
      .option('--dry-run', 'only say what would change')
    selectOptions(command)
    outputOptions(writtenStoreOptions(command)).addHelpText(
      'after',
      `
A name has at most 256 bytes. Where no other snapshot is called so, it can stand
for the id everywhere; several may have one name, and \`--name\` selects them.

ID is the start of a snapshot's id, what it is called, \`latest\`, or \`latest~2\`
for the second before, each among the snapshots that the options select.

Examples:
  kloset at /var/backups rename latest 'before the move'
  kloset at /var/backups restore --to /tmp/restore 'before the move'
  kloset at /var/backups rename --clear 'before the move'

Exit codes: 0 done, 1 failed (no such snapshot), 2 usage, 10 no such store,
12 wrong passphrase.`,
    )
  },

  async run([id = '', name, ...more]: readonly string[], flags: Flags, session: Session) {
    if (more.length > 0)
      throw new UsageError('one snapshot is renamed at a time', "Quote a name that has spaces: 'before the move'")
    if ((name === undefined) !== (flags.clear === true))
      throw new UsageError('what is it to be called?', "Say a name, or --clear: kloset rename latest 'before the move'")
    const ids = parseSnapshots([id], 'whole snapshots have names')
    await requireLabels({ name })
    return edit(ids, { name: name ?? null }, flags, session)
  },
}
