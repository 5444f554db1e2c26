import { Argument, type Command } from 'commander'
import type { SnapshotEdit } from 'kloset'
import { parseSnapshots } from '../arguments.js'
import { edit } from '../edit.js'
import { requireLabels } from '../labels.js'
import {
  collectTags,
  outputOptions,
  requireSelection,
  type SelectFlags,
  selectOptions,
  writtenStoreOptions,
} from '../options.js'
import type { StoreFlags } from '../store.js'
import type { Session, Verb } from '../verb.js'

interface Flags extends StoreFlags, SelectFlags {
  readonly dryRun?: boolean
}

/** `kloset tag`: snapshots get and lose tags. */
export const tag: Verb = {
  changes: true,
  // No tags at all.
  takesEmpty: true,

  define(command: Command) {
    command
      .addArgument(new Argument('<ACTION>', 'what to do').choices(['add', 'remove', 'set']))
      .argument('<TAGS>', 'a tag, or several with commas')
      .argument('[ID...]', 'a snapshot')
      .usage('add|remove|set TAGS [options] ID…')
      .description(
        'Give tags to snapshots, take them away, or set which they have. Nothing that is stored is written anew, and of several who ' +
          'do so at the same time none undoes what another did.',
      )
      .option('--dry-run', 'only say which snapshots would change')
    selectOptions(command)
    outputOptions(writtenStoreOptions(command)).addHelpText(
      'after',
      `
A tag has no comma and at most 128 bytes. \`tag set ''\` takes all tags away.

ID is the start of a snapshot's id, what it is called, \`latest\`, or \`latest~2\`
for the second before. With options that select, IDs are looked for among what
those select, and without IDs all that they select is changed.

Tags go with a snapshot that is copied by \`sync\`. A copy that is there already
keeps the tags it has: each store has its own.

Examples:
  kloset at /var/backups tag add keep 9abc3294
  kloset at /var/backups tag add yearly,offsite --before 2026-01-01 --host nas
  kloset at /var/backups tag remove daily --tag daily --since 7d
  kloset at /var/backups tag set '' latest

Exit codes: 0 done, 1 failed (no such snapshot), 2 usage, 10 no such store,
12 wrong passphrase.`,
    )
  },

  async run([action = '', tags = '', ...args]: readonly string[], flags: Flags, session: Session) {
    const ids = parseSnapshots(args, 'whole snapshots are tagged')
    const change = await changeOf(action, tags)
    requireSelection(ids, flags, 'Without anything that says so, not all are changed.')
    return edit(ids, change, flags, session)
  },
}

async function changeOf(action: string, written: string): Promise<SnapshotEdit> {
  if (action === 'set' && written === '') return { tags: { set: [] } }
  const tags = collectTags(written, undefined)
  // What nobody could give any more can still be taken away.
  if (action !== 'remove') await requireLabels({ tags })
  return { tags: { [action]: tags } }
}
