import { isAbsolute, resolve } from 'node:path'
import { type Command, Option } from 'commander'
import type { BackupEvent, BackupOptions, BackupResult, Store } from 'kloset'
import type { Source } from 'kloset/connector'
import { exit, UsageError } from '../exit.js'
import { type FilterFlags, filterOptions, filterRulesOf, listedPaths, patternHelp } from '../filters.js'
import { requireLabels } from '../labels.js'
import { absolute } from '../locations.js'
import { collect, collectTags, outputOptions, packSize, wholeNumber, writtenStoreOptions } from '../options.js'
import type { Output } from '../output.js'
import { ownFolders } from '../own-folders.js'
import { backupJson, tellBackup } from '../render/backup.js'
import { reasonText } from '../render/exclusions.js'
import { failureLine } from '../render/failures.js'
import { failedJson } from '../render/json.js'
import { shown } from '../render/names.js'
import { openAt, openListed, openSources, type StoreFlags, tell, tellRequests } from '../store.js'
import { type StreamFlags, streamOf } from '../streams.js'
import type { Session, Verb } from '../verb.js'

interface Flags extends StoreFlags, ChangeFlags, FilterFlags, StreamFlags {
  readonly filesFrom?: readonly string[]
  readonly filesFrom0?: readonly string[]
  readonly tag?: readonly string[]
  readonly name?: string
  readonly host?: string
  readonly compression?: NonNullable<BackupOptions['codec']>
  readonly packSize?: number
  readonly readConcurrency?: number
  readonly dryRun?: boolean
  /** False with `--no-xattrs`. */
  readonly xattrs: boolean
}

/** The options about what changed since the last backup. */
interface ChangeFlags {
  readonly parent?: string
  readonly force?: boolean
  readonly ignoreCtime?: boolean
  readonly ignoreInode?: boolean
  readonly as?: readonly string[]
  readonly skipIfUnchanged?: boolean
}

/** `kloset backup`: folders become a new snapshot. */
export const backup: Verb = {
  changes: true,
  resume: 'Run the same command again: what was stored is reused.',

  define(command: Command) {
    command
      .argument('[SOURCE...]', 'a folder to save; `-`: standard input')
      .usage('[options] SOURCE…\n       kloset [at STORE] backup [options] --from-command -- PROGRAM ARGUMENT…')
      .description(
        'Save one folder or several as a new snapshot. Files that have not changed since the last snapshot of the same ' +
          'host and folder are not read again, and data that the store already has is not stored again.',
      )
      .option('--files-from <file>', 'save what a file lists, one path a line; - is stdin (repeatable)', collect)
      .option('--files-from0 <file>', 'the same, each path ending in NUL, as find -print0 writes them', collect)
    filterOptions(command)
      .optionsGroup('The snapshot:')
      .option('--tag <tag>', 'give it a tag (repeatable, or several with commas)', collectTags)
      .option('--name <name>', 'give it a name')
      .option('--host <name>', 'the host it is of; default: this machine')
      .optionsGroup('Streams instead of folders:')
      .option(
        '--stdin-name <path>',
        'save the stream as this file; default: stdin, or the name of the program and .out',
      )
      .option('--from-command', 'save what the command after -- prints; if it fails, there is no snapshot')
      .optionsGroup('What changed:')
      .option('--parent <id>', 'compare with this snapshot; default: the latest of the same host and folder')
      .option('--force', 'read every file, changed or not')
      .option('--ignore-ctime', 'do not read a file again because its ctime is another')
      .option('--ignore-inode', 'do not read a file again because its inode number is another')
      .option('--as <path>', 'the folder stands for this one (once for each SOURCE)', collect)
      .option('--skip-if-unchanged', 'make no snapshot where the last one holds just the same')
      .optionsGroup('How:')
      .addOption(new Option('--compression <name>', 'compress with this').choices(['zstd', 'lz4', 'deflate', 'none']))
      .option('--pack-size <size>', 'write packs of this size; default: what the store was made with', packSize)
      .option('--read-concurrency <n>', 'read so many files at once; default: one a core', wholeNumber)
      .option('--no-xattrs', 'leave out extended attributes and ACLs')
      .option('--dry-run', 'read and say what would be stored, but store nothing')
    outputOptions(writtenStoreOptions(command)).addHelpText(
      'after',
      `
With several sources, each gets a folder of its own name in the snapshot. A
file that cannot be read does not stop the backup: it is reported, stands in the
snapshot with its error, and the exit code is 3. -v prints each entry as new,
changed, unchanged, or excluded and why. After Ctrl-C the same command goes on
where it was: what was stored is reused.

${patternHelp}

A list names files and folders, each with all that is below it; nothing in it has a
special meaning. The folders they are in are saved with them. Relative paths
start from the current folder; a list with an absolute one is saved from /. What
is listed and not there counts as failed.

A file is read again when its size, mtime, ctime or inode number is not what it
was, or when it was modified so shortly before the last backup that the clock may
not have ticked since. What is mounted elsewhere today, or is a snapshot of the
filesystem, keeps its history with --as: kloset backup --as /home /mnt/snapshot
is compared with the last backup of /home, and recorded as one. For a copy that
is made anew each time (cp -a, rsync) add --ignore-ctime --ignore-inode.

--skip-if-unchanged makes no snapshot where all names, contents and metadata are
those of the last snapshot of the same host and folders. Whatever a snapshot keeps
counts, such as mode, owner, mtime and ctime; access times do not.

A SOURCE of - is standard input, saved as the file that --stdin-name says. Who
writes it cannot tell that it failed, so a dump is better run by --from-command: it
is started without a shell, and unless it ends with exit code 0 nothing is
committed. What it writes to stderr is shown. Streams have no mtime; they are
recorded as readable only for their owner, and always read to their end.

The store itself, the cache and what kloset remembers of stores are left out of a
folder that holds them, unless the SOURCE is in them: they change with each backup.

The passphrase comes from the options above, from KLOSET_PASSPHRASE, or is asked
for on the terminal.

Examples:
  kloset at /var/backups backup /etc --tag daily
  kloset at /var/backups backup /home /srv --tag daily --tag full
  kloset at /var/backups backup --dry-run -v ~/documents
  kloset at /var/backups backup --exclude '*.tmp' --exclude node_modules/ ~
  kloset at /var/backups backup --exclude '*.log' --include audit.log -x /
  find . -newer stamp -print0 | kloset at /var/backups backup --files-from0 -
  kloset at /var/backups backup --as /home /mnt/snapshot-of-home
  kloset at /var/backups backup --stdin-name db/dump.sql - < dump.sql
  kloset at /var/backups backup --from-command --stdin-name db.sql -- pg_dump mydb
  kloset at /var/backups backup --quiet --passphrase-file /root/.kloset /etc

Exit codes: 0 done, 1 failed, 2 usage, 3 done but some files could not be read,
10 no such store, 12 wrong passphrase, 130 interrupted.`,
    )
  },

  async run(args: readonly string[], flags: Flags, session: Session) {
    const { output, signal } = session
    await requireLabels({ tags: flags.tag, name: flags.name })
    if (flags.force && flags.parent !== undefined)
      throw new UsageError('--force and --parent exclude each other', 'Give one of them.')
    const stream = await streamOf(args, flags, session)
    if (stream && flags.as) throw new UsageError('--as is about folders', 'Name a stream with --stdin-name.')
    if (stream && (flags.filesFrom || flags.filesFrom0))
      throw new UsageError('a stream and a list exclude each other', 'Make two backups.')
    const listed = await listedPaths(flags.filesFrom, flags.filesFrom0)
    if (!stream && args.length === 0 && listed.length === 0)
      throw new UsageError('what is to be saved?', 'Name a folder, or give a list: kloset backup --files-from FILE')
    if (flags.as && listed.length > 0) throw new UsageError('--as and a list exclude each other', 'Give one of them.')
    // A stream is named on the command line, and what is named is not left out.
    const filter = stream ? {} : await filterRulesOf(flags)
    const sources = stream ? [] : args.map(absolute)
    const roots = rootsOf(flags.as, sources)
    const twice = sources.find((source, index) => sources.indexOf(source) !== index)
    if (twice !== undefined) throw new UsageError(`${shown(twice)} is given twice`)
    const { createEngine } = await import('kloset')
    const reading = flags.xattrs ? {} : { xattrs: false }
    const opened = stream
      ? [stream]
      : [...(await openSources(session, sources, reading)), ...(await openListed(listed, reading))]
    const own = await ownFolders(session, flags)
    for (const source of opened)
      if (source.leaveOut?.(own.all).some((folder) => folder === own.store)) tellOfStore(source, output)
    const engine = createEngine()
    let result: BackupResult
    let store: Store
    try {
      // The folder is scanned while the passphrase is asked for and its key derived.
      engine.scanAhead(opened[0]!, { filter, entries: output.verbose, ...(roots && { as: roots }) })
      store = await openAt(session, flags, { mode: 'write', others: sources, engine })
      result = await store.backup(opened, {
        ...optionsOf(flags),
        ...changesOf(flags),
        ...(roots && { as: roots }),
        filter,
        signal,
        entries: output.verbose,
        onProgress: (now) => output.progress(now),
        onEvent: (event) => show(event, output),
      })
      await store.close()
    } finally {
      await Promise.allSettled(opened.map((source) => source.close()))
      await engine.close()
    }
    output.progressDone()
    if (output.json) await output.emit(backupJson(result, flags.dryRun === true))
    else await tellBackup(result, opened, output)
    await tellRequests(store, output)
    return result.failedCount > 0 ? exit.partial : exit.done
  },
}

function optionsOf({ tag, name, host, compression, packSize, readConcurrency, dryRun }: Flags): BackupOptions {
  return {
    ...(tag && { tags: tag }),
    ...(name !== undefined && { name }),
    ...(host !== undefined && { host }),
    ...(compression && { codec: compression }),
    ...(packSize !== undefined && { packSize }),
    ...(readConcurrency !== undefined && { readConcurrency }),
    ...(dryRun && { dryRun }),
  }
}

function changesOf({ parent, force, ignoreCtime, ignoreInode, skipIfUnchanged }: ChangeFlags): BackupOptions {
  return {
    ...(parent !== undefined && { parent }),
    ...(force && { parent: null }),
    ...((ignoreCtime || ignoreInode) && { compare: { ctime: !ignoreCtime, inode: !ignoreInode } }),
    ...(skipIfUnchanged && { skipIfUnchanged }),
  }
}

/** The folders that the sources stand for. @throws UsageError where it is not said of each, or not of an absolute path */
function rootsOf(as: readonly string[] | undefined, sources: readonly string[]): readonly string[] | undefined {
  if (as === undefined) return undefined
  if (as.length !== sources.length)
    throw new UsageError(
      `--as is given ${as.length === 1 ? 'once' : `${as.length} times`} for ${sources.length} sources`,
      'Say of each source what it stands for, in the same order.',
    )
  const relative = as.find((path) => !isAbsolute(path))
  if (relative !== undefined)
    throw new UsageError(`--as ${shown(relative)} is not an absolute path`, 'Write it from the root: --as /home')
  return as.map((path) => resolve(path))
}

function tellOfStore({ root }: Source, output: Output): void {
  const message = `the store is in ${root}, and is left out: it would be saved into itself`
  tell({ type: 'notice', code: 'store-left-out', message }, output)
}

function show(event: BackupEvent, output: Output): void {
  switch (event.type) {
    case 'notice':
      if ((event.code === 'stream-empty' || event.code === 'time-moved') && !output.json) output.warn(event.message)
      else tell(event, output)
      return
    case 'failed':
      if (output.json) void output.emit(failedJson(event))
      else if (output.verbose)
        output.error(`${output.errorColors.red('failed')}     ${failureLine(event, (path) => path)}`)
      return
    case 'stored':
      if (output.verbose) void output.emit({ ...event })
      return
    case 'excluded':
      if (output.json) void output.emit({ ...event })
      else if (!output.quiet)
        void output.print(`${event.type.padEnd(9)}  ${shown(event.path)}  (${reasonText(event.reason)})`)
      return
    default:
      if (output.json)
        void output.emit({ type: event.type, path: event.path, kind: event.entry.type, size: event.entry.size })
      else if (!output.quiet)
        void output.print(`${event.type.padEnd(9)}  ${shown(event.path === '' ? '.' : event.path)}`)
  }
}
