import { stat } from 'node:fs/promises'
import { type Command, Option } from 'commander'
import type { ArchiveFormatName, ArchiveOptions, ArchiveResult, RestoreEvent, Snapshot, Store } from 'kloset'
import { parseTarget, pathIn } from '../arguments.js'
import { exit, Failure, UsageError } from '../exit.js'
import { absolute } from '../locations.js'
import { filterOf, outputOptions, type SelectFlags, selectOptions, storeOptions } from '../options.js'
import type { Output } from '../output.js'
import { type PatternFlags, patternOptions, patternsOf } from '../patterns.js'
import { bytes, counted } from '../render/bytes.js'
import { failureLine, failureLines } from '../render/failures.js'
import { failedJson } from '../render/json.js'
import { shown } from '../render/names.js'
import { duration } from '../render/times.js'
import { leave, openAt, type StoreFlags, tell } from '../store.js'
import type { Session, Verb } from '../verb.js'
import { WholeFile } from '../whole-file.js'

interface Flags extends StoreFlags, SelectFlags, PatternFlags {
  readonly format: ArchiveFormatName | 'auto'
  readonly to?: string
}

/** `kloset dump`: a snapshot, or a part of it, as an archive. */
export const dump: Verb = {
  define(command: Command) {
    command
      .argument('<ID[:PATH]>', 'a snapshot, and a path in it')
      .usage('[options] ID[:PATH]')
      .description(
        'Write a snapshot, or a part of it, as an archive to stdout: a file, or a folder whose contents are at the top of the ' +
          'archive. Nothing is written that was not verified.',
      )
      .addOption(
        new Option('--format <format>', 'the format of the archive; auto: as the name after --to ends, else tar')
          .choices(['auto', 'tar', 'tar.gz', 'zip'])
          .default('auto', 'auto'),
      )
      .option('--to <file>', 'write it to a file, which has its name only once it is whole')
    patternOptions(command)
    selectOptions(command)
    outputOptions(storeOptions(command)).addHelpText(
      'after',
      `
tar keeps names of any bytes, times to the nanosecond, owners, modes, symlinks,
hard links, devices, extended attributes and access lists; GNU tar brings the
last two back with --xattrs --xattrs-include='*' --acls. Sockets are left out,
and holes are zeros (tar -S makes holes again). zip keeps names, modes, symlinks,
owners by number, and times to the second. What a format cannot keep is told at
the end, on stderr. To compress a tar with something else, use a pipe.

An entry that cannot be read is left out and told, and the exit code is 3. Where
damage shows in the middle of a file of more than 32 MiB that was begun, there
is no whole archive: leave that file out with --exclude, or restore, which goes
on around damage.

ID is the start of a snapshot's id, what it is called, \`latest\`, or \`latest~2\`
for the second before, each among the snapshots that the options select. PATH is
relative to the snapshot, or absolute as it was when the backup was made. A
single file without an archive around it: kloset cat.

Examples:
  kloset at /var/backups dump latest | tar -tv
  kloset at /var/backups dump latest:ssl --host nas | ssh nas tar -x -C /etc/ssl
  kloset at /var/backups dump 9abc3294 | zstd > etc.tar.zst
  kloset at /var/backups dump 9abc3294:www --exclude cache/ --to www.zip

Exit codes: 0 done, 1 failed, 2 usage, 3 done but some entries could not be
read, 4 the stored data is damaged, 10 no such store, 12 wrong passphrase,
130 interrupted.`,
    )
  },

  async run(args: readonly string[], flags: Flags, session: Session) {
    const { output } = session
    const wanted = parseTarget(args[0] ?? '')
    if (flags.to === undefined && output.json)
      throw new UsageError('with --json, stdout is not for the archive', 'Say where it goes: --to FILE')
    if (flags.to === undefined && output.terminal)
      throw new UsageError('an archive is nothing for a terminal', 'Say where it goes: --to FILE, or a pipe')
    const target = flags.to === undefined ? undefined : await newFile(flags.to)
    const store = await openAt(session, flags, { mode: 'read' })
    try {
      const snapshot = await store.snapshot(wanted.snapshot, filterOf(flags))
      const path = await pathIn(snapshot, wanted.path)
      // Before a file is made for it.
      await snapshot.stat(path)
      const patterns = await patternsOf(flags)
      const options = { path, format: formatOf(flags), ...(patterns && { patterns }) }
      const result = await (target === undefined
        ? write(store, snapshot, options, (part) => output.write(part), session)
        : writeFile(store, snapshot, options, target, session))
      if (result === undefined) return exit.failed
      if (output.json)
        await output.emit({
          type: 'summary',
          snapshot: snapshot.id,
          path,
          format: options.format,
          target,
          ...jsonOf(result),
        })
      else summary(result, `${snapshot.id.slice(0, 8)}${path === '' ? '' : `:${path}`}`, target, output)
      return result.failedCount > 0 ? exit.partial : exit.done
    } finally {
      await leave(store, output)
    }
  },
}

/** The path of a file that can be made. @throws Failure where something is there that is no file */
async function newFile(written: string): Promise<string> {
  const path = absolute(written)
  const found = await stat(path).catch(() => undefined)
  if (found === undefined || found.isFile()) return path
  throw new Failure(
    `${shown(path)} is there and is not a file`,
    'To write to a device or a pipe, redirect stdout: > FILE',
  )
}

function formatOf({ format, to = '' }: Flags): ArchiveFormatName {
  if (format !== 'auto') return format
  if (/\.zip$/i.test(to)) return 'zip'
  return /\.(?:tgz|gz)$/i.test(to) ? 'tar.gz' : 'tar'
}

async function writeFile(
  store: Store,
  snapshot: Snapshot,
  options: ArchiveOptions,
  target: string,
  session: Session,
): Promise<ArchiveResult | undefined> {
  const file = await WholeFile.create(target)
  try {
    const result = await write(store, snapshot, options, (part) => file.write(part), session)
    if (result !== undefined) await file.commit()
    return result
  } finally {
    await file.abandon()
  }
}

/** Gives the archive to `take`, part by part. Undefined where stdout could not be written to. */
async function write(
  store: Store,
  snapshot: Snapshot,
  options: ArchiveOptions,
  take: (part: Uint8Array) => Promise<void>,
  { output, signal }: Session,
): Promise<ArchiveResult | undefined> {
  const parts = store.archive(snapshot, {
    ...options,
    signal,
    entries: output.verbose,
    onProgress: (now) => output.progress(now),
    onEvent: (event) => show(event, output),
  })
  for (;;) {
    const { done, value } = await parts.next()
    if (done) {
      output.progressDone()
      return value
    }
    await take(value)
    if (output.failure) return undefined
  }
}

function show(event: RestoreEvent, output: Output): void {
  if (event.type === 'notice') tell(event, output)
  else if (output.json) void output.emit(event.type === 'failed' ? failedJson(event) : { ...event, type: 'dumped' })
  else if (event.type !== 'failed') output.note(`dumped  ${shown(event.path === '' ? '.' : event.path)}`)
  else if (output.verbose) output.error(`${output.errorColors.red('failed')}  ${failureLine(event, (path) => path)}`)
}

function jsonOf({ failedCount, totals, leftOut, duration: took }: ArchiveResult) {
  return { failed: failedCount, totals, leftOut, duration: took }
}

/** On stderr, since stdout may be the archive. */
function summary(result: ArchiveResult, what: string, target: string | undefined, output: Output): void {
  const { totals } = result
  const others = totals.others === 0 ? '' : `, ${counted(totals.others, 'other')}`
  output.note(
    `Dumped ${shown(what)}${target === undefined ? '' : ` to ${shown(target)}`}  (${duration(result.duration)})`,
  )
  output.note(
    `  ${counted(totals.files, 'file')}, ${counted(totals.directories, 'directory', 'directories')}${others}, ${bytes(totals.bytes)}`,
  )
  const left = Object.entries(result.leftOut).map(
    ([kind, number]) => `${kind} of ${counted(number, 'entry', 'entries')}`,
  )
  if (left.length > 0) output.note(`  not kept in it: ${left.join(', ')}`)
  for (const line of failureLines(result.failed, result.failedCount, 'read', (path) => path)) output.error(line)
}
