import { type Command, InvalidArgumentError } from 'commander'
import type { EntryFilter, FileVersion, FindOptions, FoundEntry, Snapshot, SnapshotEntry } from 'kloset'
import { originOf, parseSnapshots } from '../arguments.js'
import { exit, UsageError } from '../exit.js'
import { collect, outputOptions, type SelectFlags, selectionOf, selectOptions, storeOptions } from '../options.js'
import { counted, parseBytes } from '../render/bytes.js'
import { entryAlign, entryCells, modeText, sizeText } from '../render/entries.js'
import { messageOf } from '../render/errors.js'
import { entryJson, failedJson } from '../render/json.js'
import { harmless, shown } from '../render/names.js'
import { Columns } from '../render/table.js'
import { dateOf, localTime, parseTime } from '../render/times.js'
import { leave, openAt, type StoreFlags } from '../store.js'
import type { Session, Verb } from '../verb.js'

interface Flags extends StoreFlags, SelectFlags {
  readonly snapshot?: readonly string[]
  readonly ignoreCase?: boolean
  readonly type?: NonNullable<EntryFilter['types']>
  readonly size?: SizeRange
  readonly newer?: Date
  readonly older?: Date
  readonly versions?: boolean
  readonly long?: boolean
}

/** `kloset find`: where something is in the snapshots, and which versions of it there are. */
export const find: Verb = {
  define(command: Command) {
    command
      .argument('[PATTERN...]', 'names to look for; default: everything')
      .usage('[options] [PATTERN…]')
      .description(
        'Search snapshots for files, by name, kind, size and time; oldest snapshot first. Each line is what `kloset cat` and ' +
          '`kloset restore` take: ID:PATH. With --versions, tell every version of each file once, with the snapshots that have it.',
      )
      .optionsGroup('What to find (all that is given must hold):')
      .option('-i, --ignore-case', 'take no difference between upper and lower case')
      .option(
        '-t, --type <kinds>',
        'f file, d directory, l symlink, p fifo, s socket, b and c devices: f,l',
        parseTypes,
      )
      .option('--size <size>', 'files of more (+10M), of less (-1k), or of just so many bytes (repeatable)', parseSize)
      .option(
        '--newer <time>',
        'changed at this time or later: 2026-11-20, 2026-11-20T14:58, or an age such as 7d',
        (text) => parseTime(text),
      )
      .option('--older <time>', 'changed before this time', (text) => parseTime(text))
      .optionsGroup('How to tell:')
      .option('-l, --long', 'with mode, owner, group, size and time, as `kloset ls`')
      .option('--versions', 'each version of a file once: when it changed, and which snapshots have it')
    selectOptions(command).option('-s, --snapshot <id>', 'in this snapshot (repeatable); default: in all', collect)
    outputOptions(storeOptions(command)).addHelpText(
      'after',
      `
PATTERN is as shells have them, and has to be quoted from the shell: * and ? for
what is in a name, ** for any number of folders, [a-z], {one,other}. Without a
slash it is for names wherever they are; with slashes for the end of a path
(nginx/*.conf); with one at its beginning for the whole path, as it was when the
backup was made, and then only that folder is searched (/etc/nginx/**). A slash
at its end: only directories.

Two files are one version where their bytes are the same, whatever their times;
then the time is that of the oldest. Snapshots share what did not change, and
that is searched once, however many there are.

Examples:
  kloset at /var/backups find '*.conf'                    in all snapshots
  kloset at /var/backups find --versions /etc/hosts       when did it change?
  kloset at /var/backups find -s latest -t f --size +1G   what is so large?
  kloset at /var/backups find -i --newer 7d 'report*.doc{,x}'
  kloset at /var/backups find --host nas --since 30d thesis.tex -l

Exit codes: 0 done (also when nothing was found), 1 failed, 2 usage, 4 some of
the snapshots are damaged, 10 no such store, 12 wrong passphrase.`,
    )
  },

  async run(args: readonly string[], flags: Flags, session: Session) {
    const { output, signal } = session
    if (args.some((pattern) => /^\/*$/.test(pattern)))
      throw new UsageError('a pattern is empty', "Leave it out to find everything, or write '*'.")
    const filter = filterFrom(args, flags)
    const names = parseSnapshots(flags.snapshot ?? [], 'find searches whole snapshots')
    const store = await openAt(session, flags, { mode: 'read' })
    let damaged = 0
    try {
      const options: FindOptions = {
        ...filter,
        ...selectionOf(names, flags),
        signal,
        onLost({ snapshot, path, error }) {
          damaged++
          const id = snapshot.id.slice(0, 8)
          const what =
            path === '' ? `${id} cannot be searched` : `not all of ${id} can be searched, up to ${shown(path)}`
          output.warn(`${what}: ${messageOf(error)}`)
          void output.emit({ ...failedJson({ path, error }), snapshot: snapshot.id })
        },
      }
      if (flags.versions) await tellVersions(store.versions(options), session)
      else await tellFound(store.find(options), flags.long === true, session)
    } catch (error) {
      // The library tells what is wrong with a pattern by naming it.
      if (!(error instanceof TypeError && args.some((pattern) => error.message.startsWith(JSON.stringify(pattern)))))
        throw error
      throw new UsageError(harmless(error.message))
    } finally {
      await leave(store, output)
    }
    return damaged > 0 ? exit.damaged : exit.done
  },
}

/** Whether a file is of a size: at least and at most so many bytes. */
type SizeRange = NonNullable<EntryFilter['size']>

function filterFrom(names: readonly string[], { ignoreCase, type, size, newer, older }: Flags): EntryFilter {
  return {
    ...(names.length > 0 && { names }),
    ...(ignoreCase && { ignoreCase }),
    ...(type && { types: type }),
    ...(size && { size }),
    ...((newer || older) && { modified: { ...(newer && { since: newer }), ...(older && { before: older }) } }),
  }
}

async function tellFound(found: AsyncIterable<FoundEntry>, long: boolean, session: Session): Promise<void> {
  const { output, signal } = session
  const columns = new Columns(long ? entryAlign : ['left'])
  let snapshots = 0
  let entries = 0
  let last: Snapshot | undefined
  let rows: string[][] = []
  const flush = async (): Promise<void> => {
    await output.print(...columns.lines(rows))
    rows = []
  }
  for await (const { snapshot, entry } of found) {
    signal.throwIfAborted()
    entries++
    if (snapshot.id !== last?.id) {
      await flush()
      snapshots++
      last = snapshot
      // For people; scripts that go through the lines would trip over it.
      if (output.terminal && !output.json) await output.print(output.colors.bold(headingOf(snapshot)))
    }
    if (output.json) await output.emit(entryJson(snapshot, entry))
    else {
      const name = `${snapshot.id.slice(0, 8)}:${entry.path}`
      rows.push(long ? entryCells(entry, name) : [shown(name)])
    }
    if (rows.length === 1000) await flush()
  }
  await flush()
  if (entries === 0) output.note('Nothing was found.')
  else output.note(`${counted(entries, 'entry', 'entries')} in ${counted(snapshots, 'snapshot')}`)
}

function headingOf({ id, time, host, sources }: Snapshot): string {
  return [id.slice(0, 8), localTime(time), shown(host), ...sources.map(({ root }) => shown(root))].join('  ')
}

async function tellVersions(versions: AsyncIterable<FileVersion>, { output, signal }: Session): Promise<void> {
  const columns = new Columns(versionAlign)
  let paths = 0
  let count = 0
  let last: string | undefined
  for await (const version of versions) {
    signal.throwIfAborted()
    const { source, entry, snapshots } = version
    const path = originOf(snapshots[0], entry.path)
    const key = JSON.stringify([source, path])
    count++
    if (key !== last) paths++
    if (output.json) {
      await output.emit({
        ...entryJson(snapshots[0]!, entry),
        type: 'revision',
        source,
        snapshots: snapshots.map(({ id }) => id),
      })
      continue
    }
    if (key !== last) await output.print(output.colors.bold(shown(path)))
    last = key
    await output.print(...columns.lines([versionCells(version)]).map((line) => `  ${line}`))
  }
  if (count === 0) output.note('Nothing was found.')
  else output.note(`${counted(count, 'version')} of ${counted(paths, 'path')}`)
}

const versionAlign = ['left', 'right', 'left', 'right', 'left', 'left', 'left'] as const

/** A version as the cells of a table: mode, size, time, in how many snapshots, the first and the last of these, target. */
function versionCells({ entry, snapshots }: FileVersion): string[] {
  const [first, last] = [snapshots[0]!, snapshots.at(-1)!]
  return [
    modeText(entry),
    sizeText(entry),
    entry.mtime === undefined ? '-' : localTime(dateOf(entry.mtime)).slice(0, 16),
    counted(snapshots.length, 'snapshot'),
    whenOf(first),
    first === last ? '' : `to ${whenOf(last)}`,
    entry.target === undefined ? '' : `-> ${shown(entry.target)}`,
  ]
}

function whenOf({ id, time }: Snapshot): string {
  return `${id.slice(0, 8)} ${localTime(time).slice(0, 16)}`
}

function parseTypes(text: string): NonNullable<EntryFilter['types']> {
  return text
    .split(',')
    .flatMap((part) => [...part])
    .map((letter) => {
      const type = kinds[letter]
      if (type === undefined) throw new InvalidArgumentError(`'${letter}' is none of ${Object.keys(kinds).join(', ')}.`)
      return type
    })
}

const kinds: Readonly<Record<string, SnapshotEntry['type']>> = {
  f: 'file',
  d: 'directory',
  l: 'symlink',
  p: 'fifo',
  s: 'socket',
  b: 'block',
  c: 'character',
}

function parseSize(text: string, { min, max }: SizeRange = {}): SizeRange {
  const sign = /^[+-]/.exec(text)?.[0]
  const size = parseBytes(sign ? text.slice(1) : text)
  return {
    ...(sign === '-' ? min !== undefined && { min } : { min: sign ? size + 1 : size }),
    ...(sign === '+' ? max !== undefined && { max } : { max: sign ? size - 1 : size }),
  }
}
