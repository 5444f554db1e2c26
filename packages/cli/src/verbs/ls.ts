import type { Command } from 'commander'
import type { Snapshot, SnapshotEntry, SnapshotFilter, Store } from 'kloset'
import { parseTarget, pathIn, type Target } from '../arguments.js'
import { exit, UsageError } from '../exit.js'
import { absolute } from '../locations.js'
import { collect, outputOptions, storeOptions } from '../options.js'
import { bytes } from '../render/bytes.js'
import { entryAlign, entryCells } from '../render/entries.js'
import { entryJson, snapshotJson } from '../render/json.js'
import { shown } from '../render/names.js'
import { Columns } from '../render/table.js'
import { duration, localTime, parseTime } from '../render/times.js'
import { openAt, type StoreFlags } from '../store.js'
import type { Session, Verb } from '../verb.js'

interface Flags extends StoreFlags {
  readonly recursive?: boolean
  readonly tag?: readonly string[]
  readonly host?: string
  readonly name?: string
  readonly path?: string
  readonly since?: Date
  readonly before?: Date
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
      .optionsGroup('Which snapshots (all that is given must hold):')
      .option('--tag <tag>', 'with this tag (repeatable)', collect)
      .option('--host <name>', 'of this host')
      .option('--name <name>', 'of this name')
      .option('--path <folder>', 'of this folder')
      .option('--since <time>', 'from this time on: 2026-11-20, 2026-11-20T14:58, or an age such as 7d', (text) =>
        parseTime(text),
      )
      .option('--before <time>', 'before this time', (text) => parseTime(text))
    outputOptions(storeOptions(command)).addHelpText(
      'after',
      `
ID is the start of a snapshot's id, \`latest\`, or \`latest~2\` for the second
before. PATH is relative to the snapshot, or absolute as it was when the backup
was made. Names with control characters or bytes that are not UTF-8 are shown as
$'…', which shells read back; --json has them exactly.

Examples:
  kloset at /var/backups ls                        the snapshots
  kloset at /var/backups ls --tag daily --since 7d
  kloset at /var/backups ls latest                 what is in the newest one
  kloset at /var/backups ls -r 9abc3294:ssl        everything below ssl
  kloset at /var/backups ls --json | jq -r .id     for scripts

Exit codes: 0 done, 1 failed, 2 usage, 4 the stored data is damaged,
10 no such store, 12 wrong passphrase.`,
    )
  },

  async run(args: readonly string[], flags: Flags, session: Session) {
    const target = args[0] === undefined ? undefined : parseTarget(args[0])
    if (!target && flags.recursive) throw new UsageError('-r needs a snapshot', 'For example: kloset ls -r latest')
    const store = await openAt(session, flags, 'read')
    try {
      if (target) await listInside(store, target, flags.recursive === true, session)
      else await listSnapshots(store, filterOf(flags), session)
    } finally {
      await store.close()
    }
    return exit.done
  },
}

function filterOf({ tag, host, name, path, since, before }: Flags): SnapshotFilter {
  return {
    ...(tag && { tags: tag }),
    ...(host !== undefined && { host }),
    ...(name !== undefined && { name }),
    ...(path !== undefined && { root: absolute(path) }),
    ...(since && { since }),
    ...(before && { before }),
  }
}

async function listSnapshots(store: Store, filter: SnapshotFilter, { output, signal }: Session): Promise<void> {
  const rows: string[][] = []
  for await (const snapshot of store.snapshots(filter)) {
    signal.throwIfAborted()
    if (output.json) await output.emit(snapshotJson(snapshot))
    else rows.push(snapshotCells(snapshot))
  }
  if (output.json) return
  if (rows.length === 0) {
    const none = Object.keys(filter).length > 0 ? 'No snapshot is like that.' : 'No snapshots yet.'
    output.note(none)
    return
  }
  const columns = new Columns(['left', 'left', 'right', 'right', 'left', 'left', 'left'])
  // A heading is for people; scripts that cut columns would trip over it.
  if (output.terminal) {
    const [heading, ...lines] = columns.lines([['id', 'time', 'size', 'took', 'host', 'saved', 'tags'], ...rows])
    await output.print(output.colors.bold(heading ?? ''), ...lines)
  } else await output.print(...columns.lines(rows))
}

function snapshotCells(snapshot: Snapshot): string[] {
  const name = snapshot.name === undefined ? [] : [`(${shown(snapshot.name)})`]
  const errors = snapshot.totals.errors > 0 ? [`${snapshot.totals.errors} not saved`] : []
  return [
    snapshot.id.slice(0, 8),
    localTime(snapshot.time),
    bytes(snapshot.totals.bytes),
    duration(snapshot.duration),
    shown(snapshot.host),
    snapshot.sources.map((source) => shown(source.root)).join(' '),
    [...name, ...snapshot.tags.map(shown), ...errors].join(' '),
  ]
}

async function listInside(store: Store, target: Target, recursive: boolean, session: Session): Promise<void> {
  const { output, signal } = session
  const snapshot = await store.snapshot(target.snapshot)
  const path = pathIn(snapshot, target.path)
  const top = await snapshot.stat(path)
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
