import { type Command, Option } from 'commander'
import type { BackupEvent, BackupOptions, BackupResult, Store } from 'kloset'
import { originOf } from '../arguments.js'
import { exit, UsageError } from '../exit.js'
import { requireLabels } from '../labels.js'
import { absolute } from '../locations.js'
import { collectTags, outputOptions, packSize, wholeNumber, writtenStoreOptions } from '../options.js'
import type { Output } from '../output.js'
import { bytes, count, counted } from '../render/bytes.js'
import { failureLine, failureLines } from '../render/failures.js'
import { failedJson, snapshotJson } from '../render/json.js'
import { harmless, shown } from '../render/names.js'
import { duration } from '../render/times.js'
import { openAt, openSources, type StoreFlags, tell, tellRequests } from '../store.js'
import type { Session, Verb } from '../verb.js'

interface Flags extends StoreFlags {
  readonly tag?: readonly string[]
  readonly name?: string
  readonly host?: string
  readonly parent?: string
  readonly force?: boolean
  readonly compression?: NonNullable<BackupOptions['codec']>
  readonly packSize?: number
  readonly readConcurrency?: number
  readonly dryRun?: boolean
}

/** `kloset backup`: folders become a new snapshot. */
export const backup: Verb = {
  changes: true,
  resume: 'Run the same command again: what was stored is reused.',

  define(command: Command) {
    command
      .argument('<SOURCE...>', 'a folder to save')
      .usage('[options] SOURCE…')
      .description(
        'Save one folder or several as a new snapshot. Files that have not changed since the last snapshot of the same ' +
          'host and folder are not read again, and data that the store already has is not stored again.',
      )
      .optionsGroup('The snapshot:')
      .option('--tag <tag>', 'give it a tag (repeatable, or several with commas)', collectTags)
      .option('--name <name>', 'give it a name')
      .option('--host <name>', 'the host it is of; default: this machine')
      .optionsGroup('How:')
      .option('--parent <id>', 'compare with this snapshot; default: the latest of the same host and folder')
      .option('--force', 'read every file, changed or not')
      .addOption(new Option('--compression <name>', 'compress with this').choices(['zstd', 'lz4', 'deflate', 'none']))
      .option('--pack-size <size>', 'write packs of this size; default: what the store was made with', packSize)
      .option('--read-concurrency <n>', 'read so many files at once; default: one a core', wholeNumber)
      .option('--dry-run', 'read and say what would be stored, but store nothing')
    outputOptions(writtenStoreOptions(command)).addHelpText(
      'after',
      `
With several sources, each gets a folder of its own name in the snapshot. A
file that cannot be read does not stop the backup: it is reported, stands in the
snapshot with its error, and the exit code is 3. -v prints each entry as new,
changed or unchanged. After Ctrl-C the same command goes on where it was: what
was stored is reused.

The passphrase comes from the options above, from KLOSET_PASSPHRASE, or is asked
for on the terminal.

Examples:
  kloset at /var/backups backup /etc --tag daily
  kloset at /var/backups backup /home /srv --tag daily --tag full
  kloset at /var/backups backup --dry-run -v ~/documents
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
    const sources = args.map(absolute)
    const twice = sources.find((source, index) => sources.indexOf(source) !== index)
    if (twice !== undefined) throw new UsageError(`${shown(twice)} is given twice`)
    const { createEngine } = await import('kloset')
    const opened = await openSources(session, sources)
    const engine = createEngine()
    let result: BackupResult
    let store: Store
    try {
      // The folder is scanned while the passphrase is asked for and its key derived.
      engine.scanAhead(opened[0]!)
      store = await openAt(session, flags, { mode: 'write', others: sources, engine })
      result = await store.backup(opened, {
        ...optionsOf(flags),
        signal,
        entries: output.verbose,
        onProgress: (now) => output.progress(now),
        onEvent: (event) => show(event, output),
      })
      await store.close()
    } finally {
      await engine.close()
    }
    output.progressDone()
    if (output.json) await output.emit(summaryJson(result, flags))
    else await summary(result, sources, output)
    await tellRequests(store, output)
    return result.failedCount > 0 ? exit.partial : exit.done
  },
}

function optionsOf({
  tag,
  name,
  host,
  parent,
  force,
  compression,
  packSize,
  readConcurrency,
  dryRun,
}: Flags): BackupOptions {
  return {
    ...(tag && { tags: tag }),
    ...(name !== undefined && { name }),
    ...(host !== undefined && { host }),
    ...(parent !== undefined && { parent }),
    ...(force && { parent: null }),
    ...(compression && { codec: compression }),
    ...(packSize !== undefined && { packSize }),
    ...(readConcurrency !== undefined && { readConcurrency }),
    ...(dryRun && { dryRun }),
  }
}

function show(event: BackupEvent, output: Output): void {
  switch (event.type) {
    case 'notice':
      tell(event, output)
      return
    case 'failed':
      if (output.json) void output.emit(failedJson(event))
      else if (output.verbose)
        output.error(`${output.errorColors.red('failed')}     ${failureLine(event, (path) => path)}`)
      return
    case 'stored':
      if (output.verbose) void output.emit({ ...event })
      return
    default:
      if (output.json)
        void output.emit({ type: event.type, path: event.path, kind: event.entry.type, size: event.entry.size })
      else if (!output.quiet)
        void output.print(`${event.type.padEnd(9)}  ${shown(event.path === '' ? '.' : event.path)}`)
  }
}

function summaryJson(result: BackupResult, flags: Flags): { readonly type: 'summary' } & Record<string, unknown> {
  const { snapshot, failedCount, totals, changes, added } = result
  return {
    type: 'summary',
    dryRun: flags.dryRun === true,
    snapshot: snapshot && { ...snapshotJson(snapshot), type: undefined },
    failed: failedCount,
    totals,
    changes,
    added,
    duration: result.duration,
  }
}

async function summary(result: BackupResult, sources: readonly string[], output: Output): Promise<void> {
  const { snapshot, totals, changes, added } = result
  const roots = (snapshot?.sources.map((source) => source.root) ?? sources).map(shown).join(' ')
  const took = duration(result.duration)
  const lines = [
    snapshot
      ? `Snapshot ${output.colors.bold(snapshot.id.slice(0, 8))} of ${roots}  (host ${harmless(snapshot.host)}, ${took})`
      : `Dry run of ${roots}  (${took}): nothing was stored`,
    `  ${counted(totals.files, 'file')}, ${counted(totals.directories, 'directory', 'directories')}${others(totals.others)}, ${bytes(totals.bytes)}`,
    `  new ${count(changes.new)}   changed ${count(changes.changed)}   unchanged ${count(changes.unchanged)}`,
    `  ${snapshot ? 'added' : 'would add'} ${counted(added.chunks, 'chunk')}, ${bytes(added.bytes)}${stored(result)}`,
  ]
  if (!output.quiet) await output.print(...lines)
  const place = (path: string): string => originOf(snapshot, path)
  for (const line of failureLines(result.failed, result.failedCount, 'read', place)) output.error(line)
  if (result.failedCount > 0 && snapshot)
    output.note('The snapshot has everything else; these entries stand in it with their error.')
}

function others(number: number): string {
  return number === 0 ? '' : `, ${counted(number, 'other')}`
}

function stored({ snapshot, added }: BackupResult): string {
  return snapshot ? `; stored ${bytes(added.stored)} in ${counted(added.objects, 'object')}` : ''
}
