import { type Command, InvalidArgumentError } from 'commander'
import type { Difference, Snapshot, SnapshotEntry, Store } from 'kloset'
import { parseTarget, pathIn, type Target } from '../arguments.js'
import { exit, Failure, UsageError } from '../exit.js'
import { filterOf, outputOptions, type SelectFlags, selectOptions, storeOptions } from '../options.js'
import type { Output } from '../output.js'
import { bytes, counted, parseBytes } from '../render/bytes.js'
import { differenceAlign, differenceCells, isSeldomWanted, Tally } from '../render/differences.js'
import { entryJson, type JsonLine } from '../render/json.js'
import { shown } from '../render/names.js'
import { Columns } from '../render/table.js'
import { leave, openAt, type StoreFlags } from '../store.js'
import type { Session, Verb } from '../verb.js'

interface Flags extends StoreFlags, SelectFlags {
  readonly patch?: boolean
  readonly unified: number
  readonly patchLimit: number
  readonly renames?: boolean
  readonly nameOnly?: boolean
  readonly summary?: boolean
  /** False with `--no-metadata`. */
  readonly metadata: boolean
  readonly allMetadata?: boolean
  readonly exitCode?: boolean
}

/** `kloset diff`: what is different between two snapshots, or between paths in them. */
export const diff: Verb = {
  define(command: Command) {
    command
      .argument('<ID[:PATH]>', 'the earlier snapshot, and a path in it')
      .argument('[ID[:PATH]]', 'the later one')
      .usage('[options] ID[:PATH] [ID[:PATH]]')
      .description(
        'Tell what is different between two snapshots, or between what is at two paths. With one ID: what changed since its ' +
          'parent, the snapshot that its backup was compared with.',
      )
      .option('-p, --patch', 'show what changed in text files, as `git diff` does')
      .option('-U, --unified <lines>', 'lines around each change in a patch', parseLines, 3)
      .option('--patch-limit <size>', 'show files up to this size line by line', parseBytes, 16 * 1024 * 1024)
      .option('-M, --renames', 'recognise files that have another path and the same content')
      .option('--name-only', 'show only the paths')
      .option('--summary', 'show only how much is different')
      .option('--no-metadata', 'pass over what only has other metadata')
      .option('--all-metadata', 'show also what only differs in ctime or inode, and folders of another time')
      .option('--exit-code', 'exit with 1 where there are differences, as diff(1) does')
    selectOptions(command)
    outputOptions(storeOptions(command)).addHelpText(
      'after',
      `
ID is the start of a snapshot's id, what it is called, \`latest\`, or \`latest~2\`
for the second before, each among the snapshots that the options select. PATH is
relative to the snapshot, or absolute as it was when the backup was made; of the
second it may be left out, and then is that of the first. Paths that are not the
same are compared by what is below them.

  +  added     -  removed     M  other content     T  another kind of thing
  U  only other metadata: which follows in parentheses     R  renamed

Names and text are made harmless on a terminal; a patch that is written to a file
or a pipe is exact, and \`git apply\` and \`patch -p1\` take it. As there, it
leaves out folders, sockets and devices, and what is in binary files.

Examples:
  kloset at /var/backups diff latest~1 latest
  kloset at /var/backups diff latest                      since its parent
  kloset at /var/backups diff -p 9abc3294:/etc latest     what changed in /etc?
  kloset at /var/backups diff latest:site latest:site.old --name-only
  kloset at /var/backups diff -p latest~7 latest > week.patch

Exit codes: 0 done, with or without differences; 1 failed, or with --exit-code
there are differences; 2 usage, 4 the stored data is damaged, 10 no such store,
12 wrong passphrase.`,
    )
  },

  async run(args: readonly string[], flags: Flags, session: Session) {
    const { output, signal } = session
    const [first, second] = args.map(parseTarget) as [Target, Target | undefined]
    if ([flags.patch, flags.nameOnly, flags.summary].filter(Boolean).length > 1)
      throw new UsageError('--patch, --name-only and --summary are three ways to show it', 'Give one of them.')
    if (flags.patch && output.json)
      throw new UsageError('a patch is no JSON', 'Leave out --patch; `kloset cat` gives the contents.')
    const store = await openAt(session, flags, { mode: 'read' })
    try {
      const compared = await comparedIn(store, first, second, flags)
      const wanted = wantedOf(compared.differences, flags, signal)
      const tally =
        output.json || !flags.patch
          ? await tellLines(wanted, compared, flags, output)
          : await tellPatches(wanted, compared, flags, output)
      const { before, after } = compared
      if (output.json) await output.emit({ type: 'summary', before: before.id, after: after.id, ...tally.counts })
      else if (flags.summary) await output.print(...tally.lines())
      else for (const line of tally.lines()) output.note(line)
      return flags.exitCode && !tally.none ? exit.failed : exit.done
    } finally {
      await leave(store, output)
    }
  },
}

/** What is compared with what. */
interface Compared {
  readonly before: Snapshot
  readonly after: Snapshot
  /** The paths in them. */
  readonly paths: readonly [string, string]
  readonly differences: AsyncIterable<Difference>
}

async function comparedIn(store: Store, first: Target, second: Target | undefined, flags: Flags): Promise<Compared> {
  const named = await store.snapshot(first.snapshot, filterOf(flags))
  const after = second === undefined ? named : await store.snapshot(second.snapshot, filterOf(flags))
  const before = second === undefined ? await parentOf(store, named) : named
  const path = await pathIn(before, first.path)
  const otherPath = await pathIn(after, second?.path ?? first.path)
  const differences = before.diff(after, { path, otherPath, ...(flags.renames && { renames: true }) })
  return { before, after, paths: [path, otherPath], differences }
}

async function parentOf(store: Store, snapshot: Snapshot): Promise<Snapshot> {
  if (snapshot.parent !== undefined) return store.snapshot(snapshot.parent)
  const id = snapshot.id.slice(0, 8)
  throw new Failure(`snapshot ${id} has no parent: its backup was not compared with another`, 'Name two snapshots.')
}

async function* wantedOf(
  differences: AsyncIterable<Difference>,
  { metadata, allMetadata }: Flags,
  signal: AbortSignal,
): AsyncGenerator<Difference> {
  for await (const difference of differences) {
    signal.throwIfAborted()
    if (difference.change !== 'metadata' || (metadata && (allMetadata || !isSeldomWanted(difference)))) yield difference
  }
}

async function tellLines(
  differences: AsyncIterable<Difference>,
  compared: Compared,
  { nameOnly, summary }: Flags,
  output: Output,
): Promise<Tally> {
  const tally = new Tally()
  const columns = new Columns(nameOnly ? ['left'] : differenceAlign)
  let rows: string[][] = []
  const flush = async (): Promise<void> => {
    await output.print(...columns.lines(rows))
    rows = []
  }
  for await (const difference of differences) {
    tally.add(difference)
    if (output.json) await output.emit(differenceJson(difference, compared))
    else if (!summary) {
      const path = namesOf(difference, compared)[1]
      rows.push(nameOnly ? [shown(path || '.')] : differenceCells(difference, path || '.'))
    }
    if (rows.length === 1000) await flush()
  }
  await flush()
  return tally
}

async function tellPatches(
  differences: AsyncIterable<Difference>,
  compared: Compared,
  { unified: context, patchLimit: limit }: Flags,
  output: Output,
): Promise<Tally> {
  const { Patches } = await import('../patches.js')
  const tally = new Tally()
  const patches = new Patches(compared.before, compared.after, { context, limit }, output)
  for await (const difference of differences) {
    tally.add(difference)
    await patches.write(difference, namesOf(difference, compared))
  }
  if (patches.tooLarge > 0)
    output.note(`${counted(patches.tooLarge, 'file')} of more than ${bytes(limit)} not looked into (--patch-limit)`)
  return tally
}

/** What a difference is called on both sides: as in the snapshots, where the paths are the same; else by what is below these. */
function namesOf({ change, path, before, after }: Difference, { paths }: Compared): readonly [string, string] {
  const whole = paths[0] === paths[1] || path === ''
  const now = whole ? (after ?? before)!.path : path
  if (change !== 'renamed') return [now, now]
  return [whole ? before!.path : before!.path.slice(paths[0] === '' ? 0 : paths[0].length + 1), now]
}

function differenceJson({ change, path, differs, before, after }: Difference, compared: Compared): JsonLine {
  const side = (snapshot: Snapshot, entry: SnapshotEntry | undefined) => {
    if (entry === undefined) return undefined
    const { type: _, ...fields } = entryJson(snapshot, entry)
    return fields
  }
  return {
    type: 'difference',
    change,
    path,
    differs: before && after && differs,
    before: side(compared.before, before),
    after: side(compared.after, after),
  }
}

function parseLines(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('Write a number of lines.')
  return Number(text)
}
