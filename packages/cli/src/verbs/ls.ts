import type { Command } from 'commander'
import type { Snapshot, SnapshotEntry } from 'kloset'
import { parseTarget, pathIn } from '../arguments.js'
import { exit, UsageError } from '../exit.js'
import { filterOf, outputOptions, type SelectFlags, selectOptions, storeOptions } from '../options.js'
import { entryAlign, entryCells } from '../render/entries.js'
import { entryJson, snapshotJson } from '../render/json.js'
import { snapshotAlign, snapshotCells, snapshotHeading } from '../render/snapshots.js'
import { Columns } from '../render/table.js'
import { leave, openAt, type StoreFlags } from '../store.js'
import type { Session, Verb } from '../verb.js'

interface Flags extends StoreFlags, SelectFlags {
  readonly recursive?: boolean
  readonly forgotten?: boolean
}

/** `kloset ls`: the snapshots of a store, or what a folder of one holds. */
export const ls: Verb = {
  define(command: Command) {
    command
      .argument('[ID[:PATH]]', 'a snapshot, and a path in it')
      .usage('[options] [ID[:PATH]]')
      .description(
        'List the snapshots of the store, oldest first: id, time, size, how long the backup took, host, what was saved, ' +
          'tags. With ID, list what is in that snapshot, as `ls -l` does.',
      )
      .option('-r, --recursive', 'list everything below, with full paths')
      .option('--forgotten', 'list the snapshots that were forgotten and that `kloset undelete` may bring back')
    selectOptions(command)
    outputOptions(storeOptions(command)).addHelpText(
      'after',
      `
ID is the start of a snapshot's id, what it is called, \`latest\`, or \`latest~2\`
for the second before, each among the snapshots that the options select. PATH is
relative to the snapshot, or absolute as it was when the backup was made. Names with control characters or bytes that are not UTF-8 are shown as
$'…', which shells read back; --json has them exactly.

Examples:
  kloset at /var/backups ls                        the snapshots
  kloset at /var/backups ls --tag daily --since 7d
  kloset at /var/backups ls latest                 what is in the newest one
  kloset at /var/backups ls -r 9abc3294:ssl        everything below ssl
  kloset at /var/backups ls latest --host nas      what is in the newest one of nas
  kloset at /var/backups ls --forgotten            what can still be brought back
  kloset at /var/backups ls --json | jq -r .id     for scripts

Exit codes: 0 done, 1 failed, 2 usage, 4 the stored data is damaged,
10 no such store, 12 wrong passphrase.`,
    )
  },

  async run(args: readonly string[], flags: Flags, session: Session) {
    const target = args[0] === undefined ? undefined : parseTarget(args[0])
    if (!target && flags.recursive) throw new UsageError('-r needs a snapshot', 'For example: kloset ls -r latest')
    const filter = filterOf(flags)
    if (flags.forgotten && (target || Object.keys(filter).length > 0))
      throw new UsageError('--forgotten lists all that were forgotten', 'Leave out the rest.')
    const store = await openAt(session, flags, { mode: 'read' })
    try {
      if (target)
        await listInside(await store.snapshot(target.snapshot, filter), target.path, flags.recursive === true, session)
      else if (flags.forgotten) await listSnapshots(store.forgotten(), 'Nothing was forgotten.', session)
      else {
        const none = Object.keys(filter).length > 0 ? 'No snapshot is like that.' : 'No snapshots yet.'
        await listSnapshots(store.snapshots(filter), none, session)
      }
    } finally {
      await leave(store, session.output)
    }
    return exit.done
  },
}

async function listSnapshots(
  snapshots: AsyncIterable<Snapshot>,
  none: string,
  { output, signal }: Session,
): Promise<void> {
  const rows: string[][] = []
  for await (const snapshot of snapshots) {
    signal.throwIfAborted()
    if (output.json) await output.emit(snapshotJson(snapshot))
    else rows.push(snapshotCells(snapshot))
  }
  if (output.json) return
  if (rows.length === 0) {
    output.note(none)
    return
  }
  const columns = new Columns(snapshotAlign)
  // A heading is for people; scripts that cut columns would trip over it.
  if (output.terminal) {
    const [heading, ...lines] = columns.lines([snapshotHeading, ...rows])
    await output.print(output.colors.bold(heading ?? ''), ...lines)
  } else await output.print(...columns.lines(rows))
}

async function listInside(
  snapshot: Snapshot,
  written: string | undefined,
  recursive: boolean,
  { output, signal }: Session,
): Promise<void> {
  const top = await snapshot.stat(pathIn(snapshot, written))
  const columns = new Columns(entryAlign)
  let batch: string[][] = []
  const flush = async (): Promise<void> => {
    await output.print(...columns.lines(batch))
    batch = []
  }
  for await (const entry of entriesAt(snapshot, top, recursive)) {
    signal.throwIfAborted()
    if (output.json) await output.emit(entryJson(snapshot, entry))
    else batch.push(entryCells(entry, nameOf(entry, recursive)))
    if (batch.length === 1000) await flush()
  }
  await flush()
}

async function* entriesAt(snapshot: Snapshot, top: SnapshotEntry, recursive: boolean): AsyncGenerator<SnapshotEntry> {
  if (recursive) yield* snapshot.walk(top.path)
  else if (top.type === 'directory') yield* snapshot.list(top.path)
  else yield top
}

function nameOf(entry: SnapshotEntry, recursive: boolean): string {
  if (recursive) return entry.path === '' ? '.' : entry.path
  return entry.path.slice(entry.path.lastIndexOf('/') + 1)
}
