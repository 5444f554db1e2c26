import { type Command, Option } from 'commander'
import type { Snapshot, SnapshotEntry, Totals } from 'kloset'
import { parseTarget, pathIn } from '../arguments.js'
import { exit, UsageError } from '../exit.js'
import { filterOf, outputOptions, type SelectFlags, selectOptions, storeOptions } from '../options.js'
import { bytes } from '../render/bytes.js'
import { entryAlign, entryCells, longAlign, longCells } from '../render/entries.js'
import { entryJson, snapshotJson } from '../render/json.js'
import { shown } from '../render/names.js'
import {
  longSnapshotAlign,
  longSnapshotCells,
  longSnapshotHeading,
  snapshotAlign,
  snapshotCells,
  snapshotHeading,
} from '../render/snapshots.js'
import { Columns } from '../render/table.js'
import { leave, openAt, type StoreFlags } from '../store.js'
import type { Session, Verb } from '../verb.js'

interface Flags extends StoreFlags, SelectFlags {
  readonly recursive?: boolean
  readonly forgotten?: boolean
  readonly long?: boolean
  readonly short?: boolean
  readonly human?: boolean
  readonly totals?: boolean
  readonly sort?: Order
  readonly reverse?: boolean
}

/** By what entries are sorted. */
type Order = 'name' | 'size' | 'time'

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
      .option('-l, --long', 'with all that is known of each')
      .option('-s, --short', 'only names, or ids of snapshots')
      .option('--totals', 'show the size of all that is in a folder')
      .option('--human', 'show sizes in units: 1.2 MiB')
      .addOption(new Option('--sort <by>', 'by name, by size or time').choices(['name', 'size', 'time']))
      .option('--reverse', 'from the last one to the first')
      .option('--forgotten', 'list the snapshots that were forgotten and that `kloset undelete` may bring back')
    selectOptions(command)
    outputOptions(storeOptions(command)).addHelpText(
      'after',
      `
ID is the start of a snapshot's id, what it is called, \`latest\`, or \`latest~2\`
for the second before, each among the snapshots that the options select. PATH is
relative to the snapshot, or absolute as it was when the backup was made. Names
with control characters or bytes that are not UTF-8 are shown as $'…', which
shells read back; --json has them exactly. --sort size puts the largest first,
--sort time the newest; with --totals, folders count with all that is in them.

Examples:
  kloset at /var/backups ls                        the snapshots
  kloset at /var/backups ls --tag daily --since 7d
  kloset at /var/backups ls latest                 what is in the newest one
  kloset at /var/backups ls -r 9abc3294:ssl        everything below ssl
  kloset at /var/backups ls latest:home --totals --human --sort size
  kloset at /var/backups ls latest --host nas      what is in the newest one of nas
  kloset at /var/backups ls --forgotten            what can still be brought back
  kloset at /var/backups ls --json | jq -r .id     for scripts

Exit codes: 0 done, 1 failed, 2 usage, 4 the stored data is damaged,
10 no such store, 12 wrong passphrase.`,
    )
  },

  async run(args: readonly string[], flags: Flags, session: Session) {
    const target = args[0] === undefined ? undefined : parseTarget(args[0])
    if (!target && (flags.recursive || flags.totals || flags.sort))
      throw new UsageError('-r, --totals and --sort are for what is in a snapshot', 'For example: kloset ls -r latest')
    if (flags.long && flags.short) throw new UsageError('--long and --short contradict each other', 'Give one of them.')
    const filter = filterOf(flags)
    if (flags.forgotten && (target || Object.keys(filter).length > 0))
      throw new UsageError('--forgotten lists all that were forgotten', 'Leave out the rest.')
    const store = await openAt(session, flags, { mode: 'read' })
    try {
      if (target) await listInside(await store.snapshot(target.snapshot, filter), target.path, flags, session)
      else if (flags.forgotten) await listSnapshots(store.forgotten(), 'Nothing was forgotten.', flags, session)
      else {
        const none = Object.keys(filter).length > 0 ? 'No snapshot is like that.' : 'No snapshots yet.'
        await listSnapshots(store.snapshots(filter), none, flags, session)
      }
    } finally {
      await leave(store, session.output)
    }
    return exit.done
  },
}

async function listSnapshots(
  found: AsyncIterable<Snapshot>,
  none: string,
  { long, short, reverse }: Flags,
  { output, signal }: Session,
): Promise<void> {
  const snapshots: Snapshot[] = []
  for await (const snapshot of found) {
    signal.throwIfAborted()
    snapshots.push(snapshot)
  }
  if (reverse) snapshots.reverse()
  if (output.json) for (const snapshot of snapshots) await output.emit(snapshotJson(snapshot))
  else if (snapshots.length === 0) output.note(none)
  else if (short) await output.print(...snapshots.map(({ id }) => id.slice(0, 8)))
  else {
    const columns = new Columns(long ? longSnapshotAlign : snapshotAlign)
    const rows = snapshots.map(long ? longSnapshotCells : snapshotCells)
    // A heading is for people; scripts that cut columns would trip over it.
    if (output.terminal) {
      const [heading, ...lines] = columns.lines([long ? longSnapshotHeading : snapshotHeading, ...rows])
      await output.print(output.colors.bold(heading ?? ''), ...lines)
    } else await output.print(...columns.lines(rows))
  }
}

/** An entry to list, and where asked for, what is in it. */
interface Listed {
  readonly entry: SnapshotEntry
  readonly totals: Totals | undefined
}

async function listInside(
  snapshot: Snapshot,
  written: string | undefined,
  flags: Flags,
  { output, signal }: Session,
): Promise<void> {
  const recursive = flags.recursive === true
  const top = await snapshot.stat(await pathIn(snapshot, written))
  const cells = flags.long ? longCells : entryCells
  const columns = new Columns(flags.short ? ['left'] : flags.long ? longAlign : entryAlign)
  let batch: string[][] = []
  const flush = async (): Promise<void> => {
    await output.print(...columns.lines(batch))
    batch = []
  }
  for await (const { entry, totals } of inOrder(listed(snapshot, top, flags), flags)) {
    signal.throwIfAborted()
    const name = nameOf(entry, recursive)
    if (output.json) await output.emit({ ...entryJson(snapshot, entry), totals })
    else if (flags.short) batch.push([shown(name)])
    else batch.push(cells(entry, name, { size: totals?.bytes, ...(flags.human && { format: bytes }) }))
    if (batch.length === 1000) await flush()
  }
  await flush()
}

async function* listed(snapshot: Snapshot, top: SnapshotEntry, { recursive, totals }: Flags): AsyncGenerator<Listed> {
  for await (const entry of entriesAt(snapshot, top, recursive === true)) {
    const counted = totals && entry.type === 'directory'
    yield { entry, totals: counted ? await snapshot.totalsOf(entry.path) : undefined }
  }
}

/** As they come, in the order of paths; or, all of them held in memory, in another. */
async function* inOrder(entries: AsyncIterable<Listed>, { sort = 'name', reverse }: Flags): AsyncGenerator<Listed> {
  if (sort === 'name' && !reverse) {
    yield* entries
    return
  }
  const all: Listed[] = []
  for await (const entry of entries) all.push(entry)
  if (sort !== 'name') all.sort(orders[sort])
  yield* reverse ? all.reverse() : all
}

const orders: Readonly<Record<Exclude<Order, 'name'>, (a: Listed, b: Listed) => number>> = {
  size: (a, b) => sizeOf(b) - sizeOf(a),
  time: (a, b) => Number((b.entry.mtime ?? 0n) - (a.entry.mtime ?? 0n)),
}

function sizeOf({ entry, totals }: Listed): number {
  return totals?.bytes ?? entry.contentSize ?? 0
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
