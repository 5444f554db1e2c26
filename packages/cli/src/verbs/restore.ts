import { realpathSync } from 'node:fs'
import { type Command, Option } from 'commander'
import type { Overwrite, PlannedDeletions, RestoreEvent, RestoreResult } from 'kloset'
import { parseTarget, pathIn } from '../arguments.js'
import { exit, Failure, UsageError } from '../exit.js'
import { absolute } from '../locations.js'
import { filterOf, outputOptions, type SelectFlags, selectOptions, storeOptions, wholeNumber } from '../options.js'
import type { Output } from '../output.js'
import { ownFiles } from '../own-files.js'
import { type PatternFlags, patternOptions, patternsOf } from '../patterns.js'
import { askYesNo, canAsk } from '../prompt.js'
import { bytes, counted } from '../render/bytes.js'
import { failureLine, failureLines } from '../render/failures.js'
import { failedJson } from '../render/json.js'
import { leftOutLine } from '../render/left-out.js'
import { shown } from '../render/names.js'
import { duration } from '../render/times.js'
import { leave, openAt, ownPlace, type StoreFlags, tell } from '../store.js'
import type { Session, Verb } from '../verb.js'

interface Flags extends StoreFlags, SelectFlags, PatternFlags {
  readonly to: string
  readonly overwrite?: Overwrite
  readonly stripComponents?: number
  readonly delete?: boolean
  readonly yes?: boolean
  /** False with `--no-preserve-root`. */
  readonly preserveRoot: boolean
  readonly verify?: boolean
  readonly dryRun?: boolean
  readonly numericOwner?: boolean
  /** True with `--sparse`, false with `--no-sparse`. */
  readonly sparse?: boolean
  /** False with `--no-xattrs`. */
  readonly xattrs: boolean
  readonly trustTarget?: boolean
}

/** `kloset restore`: a snapshot, or a part of it, into a folder. */
export const restore: Verb = {
  changes: true,
  resume:
    'Run the same command again with --overwrite if-changed: files that are already restored are left as they are.',

  define(command: Command) {
    command
      .argument('<ID[:PATH]>', 'a snapshot, and a path in it')
      .usage('[options] --to DIR ID[:PATH]')
      .description(
        'Bring a snapshot back, whole or a part: a file, or a folder whose contents go into the target. The contents of a ' +
          'snapshot of one folder go straight into the target; with several, each gets a folder of its own name.',
      )
      .requiredOption('--to <dir>', 'the folder to restore into; it is made where there is none; - for stdout')
      .addOption(
        new Option('--overwrite <policy>', 'what to do with files that are already there').choices([
          'always',
          'if-changed',
          'if-different',
          'if-newer',
          'never',
        ]),
      )
      .option('--strip-components <number>', 'leave out so many leading names of each path', wholeNumber)
      .option('--delete', 'make the target equal to the snapshot: delete what the snapshot does not have')
      .option('-y, --yes', 'delete without asking')
      .option('--no-preserve-root', 'with --delete and --yes: also in / without asking')
      .option('--verify', 'read back what was restored and compare it with the snapshot')
      .option('--dry-run', 'say what would be done, but write and delete nothing')
      .optionsGroup('What files are given:')
      .option('--numeric-owner', 'the owner with the same number, not the one of the same name')
      .option('--sparse', 'make holes of all zeros in files, not only where there were holes')
      .option('--no-sparse', 'let files have no holes')
      .option('--no-xattrs', 'no extended attributes and no ACLs')
      .option('--trust-target', 'as root on systems other than Linux: also into folders that others can write to')
    patternOptions(command)
    selectOptions(command)
    outputOptions(storeOptions(command)).addHelpText(
      'after',
      `
A target that is not empty is refused unless --overwrite says what to do with
what is there:
  always        replace every file by the one of the snapshot
  if-changed    replace where size or modification time differ; where only mode
                or owner do, set them. Goes on with an interrupted restore
  if-different  the same, but read files of the same size and compare the bytes
  if-newer      replace where the one of the snapshot is newer
  never         leave every file that is there
Files that the snapshot does not have stay as they are, unless --delete is given.
That says first how many it will delete (-v: which) and asks; without a terminal
it needs --yes. It deletes last, and only if everything else was restored. What
--exclude leaves out and what --include does not take is not deleted, nor is what
is on mounted file systems of which the snapshot has nothing, nor, for a snapshot
of several folders, what lies beside them; what the backup left out is. Of a list,
name the folder: ID:PATH. In / it always asks, also with --yes, unless
--no-preserve-root is given. Without --overwrite it means if-changed.

The store, its cache and state, the configuration and files with passphrases and
keys are never replaced or deleted: where they lie in the target, they stay.

Patterns are those of gitignore, relative to PATH: *.pem at any depth, /ssl/ at
the top only, docs/**/*.pdf. Folders that lead to what is included are restored,
too, and of what is excluded nothing below can be included again.

--verify reads all of it back, as far as the policy did not leave it as it was:
bytes, types, links, modes, owners, times. --to - writes one file to stdout, as
cat does; for a folder as an archive, see dump.

ID is the start of a snapshot's id, what it is called, \`latest\`, or \`latest~2\`
for the second before, each among the snapshots that the options select. PATH is
relative to the snapshot, or absolute as it was when the backup was made.

Everything comes back that a file system keeps: modes, owners, times, links, holes,
pipes, sockets, devices, extended attributes and ACLs. What chattr sets (immutable,
append-only, nodump …), access times and birth times do not. An owner is whoever has the
name on this machine (in /etc/passwd and /etc/group), or where nobody has it, the
number. Who is not root can give files to nobody else, and make no devices: what was
left out is told at the end, by kind and with a count, and is no failure.

Examples:
  kloset at /var/backups restore --to /tmp/restore 9abc3294
  kloset at /var/backups restore --to /tmp/restore latest:ssl/certs
  kloset at /var/backups restore --to /tmp/restore latest --host nas --path /etc
  kloset at /var/backups restore --to /etc --overwrite if-changed --dry-run -v latest
  kloset at /var/backups restore --to /mnt/disk --numeric-owner latest
  kloset at /var/backups restore --to /tmp/keys --include '*.pem' --verify latest
  kloset at /var/backups restore --to /srv/www --delete --exclude /cache/ latest
  kloset at /var/backups restore --to - latest:hosts | diff - /etc/hosts

Exit codes: 0 done, 1 failed, 2 usage, 3 done but some files could not be
restored or deleted, or are not as they should be (--verify), 4 the stored data
is damaged, 10 no such store, 12 wrong passphrase, 130 interrupted.`,
    )
  },

  async run(args: readonly string[], flags: Flags, session: Session) {
    const { output, signal } = session
    if (flags.to === '-') return toStdout(args, flags, session)
    if (flags.verify && flags.dryRun)
      throw new UsageError('--verify and --dry-run exclude each other', 'A dry run writes nothing to be read back.')
    if (flags.delete && !flags.yes && !flags.dryRun && !canAsk())
      throw new UsageError('--delete needs --yes where nobody can be asked', 'See first what it deletes: --dry-run -v')
    const wanted = parseTarget(args[0] ?? '')
    const target = absolute(flags.to)
    if (flags.delete && !flags.dryRun && flags.preserveRoot && isRoot(target) && !canAsk())
      throw new UsageError(
        '--delete in / needs --no-preserve-root where nobody can be asked',
        'See first what it deletes: --dry-run -v',
      )
    const patterns = await patternsOf(flags)
    if (flags.delete && flags.stripComponents && patterns)
      throw new UsageError(
        '--delete does not go with patterns and --strip-components together',
        'Name the folder instead of stripping: ID:PATH',
      )
    const store = await openAt(session, flags, { mode: 'read', others: [target], threads: true })
    try {
      const snapshot = await store.snapshot(wanted.snapshot, filterOf(flags))
      const path = await pathIn(snapshot, wanted.path)
      const result = await store.restore(snapshot, target, {
        ...(path !== '' && { path }),
        ...(flags.overwrite && { overwrite: flags.overwrite }),
        ...(patterns && { patterns }),
        ...(flags.stripComponents && { stripComponents: flags.stripComponents }),
        ...(flags.delete && { delete: true }),
        ...(flags.verify && { verify: true }),
        ...(flags.dryRun && { dryRun: true }),
        protect: ownFiles(await ownPlace(session, flags), flags),
        options: connectorOptions(flags),
        signal,
        entries: output.verbose,
        onProgress: (now) => output.progress(now),
        onEvent: (event) => show(event, output),
        onDelete: (planned) => confirm(planned, target, flags, session),
      })
      output.progressDone()
      const about = { id: snapshot.id, path, target, dryRun: flags.dryRun === true }
      if (output.json) await output.emit(summaryJson(result, about))
      else await summary(result, about, flags, output)
      return result.failedCount > 0 ? exit.partial : exit.done
    } finally {
      await leave(store, output)
    }
  },
}

/** The settings of the connector of files that differ from its own. */
function connectorOptions({ numericOwner, sparse, xattrs, trustTarget }: Flags): Record<string, string | boolean> {
  return {
    ...(numericOwner && { owners: 'numbers' }),
    ...(sparse !== undefined && { holes: sparse ? 'make' : 'none' }),
    ...(!xattrs && { xattrs }),
    ...(trustTarget && { 'trust-target': true }),
  }
}

/** One file, as `cat` writes it. */
async function toStdout(args: readonly string[], flags: Flags, session: Session): Promise<number> {
  const { delete: deletes, yes, verify, dryRun, overwrite, stripComponents } = flags
  if (deletes || yes || verify || dryRun || overwrite || stripComponents || (await patternsOf(flags)))
    throw new UsageError(
      '--to - takes no options about a target',
      'What is written to stdout is one file, verified as it is read.',
    )
  const { cat } = await import('./cat.js')
  return cat.run(args, flags, session)
}

/** Tells what will be deleted, and asks. @throws Failure where the answer is no */
async function confirm(planned: PlannedDeletions, target: string, flags: Flags, session: Session): Promise<void> {
  const { output, signal } = session
  const { paths, ...counts } = planned
  if (output.json) await output.emit({ type: 'deletions', ...counts })
  if (paths.length === 0) return
  output.progressDone()
  const what = deletionsLine(planned, target)
  if (output.verbose && !output.json)
    await output.print(...paths.map((path) => `${'delete'.padEnd(8)}  ${shown(path)}`))
  if (flags.yes && !(flags.preserveRoot && isRoot(target))) {
    output.note(`Deleting ${what}.`)
    return
  }
  if (!(await askYesNo(`Delete ${what}?`, signal)))
    throw new Failure(
      'nothing was restored, and nothing deleted',
      'Without --delete, what the snapshot does not have stays.',
    )
}

/** Whether a target is the root of all, under whatever name. */
function isRoot(target: string): boolean {
  try {
    return realpathSync(target) === '/'
  } catch {
    return false
  }
}

function deletionsLine({ files, directories, others, bytes: size }: PlannedDeletions, target: string): string {
  const parts = [
    ...(files > 0 ? [`${counted(files, 'file')} (${bytes(size)})`] : []),
    ...(directories > 0 ? [counted(directories, 'directory', 'directories')] : []),
    ...(others > 0 ? [counted(others, 'other')] : []),
  ]
  return `${parts.join(', ')} in ${shown(target)} that the snapshot does not have`
}

interface About {
  readonly id: string
  readonly path: string
  readonly target: string
  readonly dryRun: boolean
}

function show(event: RestoreEvent, output: Output): void {
  switch (event.type) {
    case 'notice':
      tell(event, output)
      return
    case 'failed':
      if (output.json) void output.emit(failedJson(event))
      else if (output.verbose)
        output.error(`${output.errorColors.red('failed')}    ${failureLine(event, (path) => path)}`)
      return
    default:
      if (output.json) void output.emit({ ...event })
      else if (!output.quiet)
        void output.print(`${event.type.padEnd(8)}  ${shown(event.path === '' ? '.' : event.path)}`)
  }
}

function summaryJson(result: RestoreResult, about: About): { readonly type: 'summary' } & Record<string, unknown> {
  const { failedCount, leftOut, totals, skipped, mended, deleted, verified } = result
  return {
    type: 'summary',
    dryRun: about.dryRun,
    snapshot: about.id,
    path: about.path,
    target: about.target,
    failed: failedCount,
    totals,
    skipped,
    mended,
    deleted,
    ...(verified && { verified }),
    leftOut,
    duration: result.duration,
  }
}

async function summary(result: RestoreResult, about: About, flags: Flags, output: Output): Promise<void> {
  const { totals } = result
  const what = `${output.colors.bold(about.id.slice(0, 8))}${about.path === '' ? '' : `:${shown(about.path)}`}`
  const verb = about.dryRun ? 'Dry run: would restore' : 'Restored'
  if (!output.quiet)
    await output.print(
      `${verb} ${what} to ${shown(about.target)}  (${duration(result.duration)})`,
      `  ${counted(totals.files, 'file')}, ${counted(totals.directories, 'directory', 'directories')}${
        totals.others === 0 ? '' : `, ${counted(totals.others, 'other')}`
      }, ${bytes(totals.bytes)}`,
      ...(result.skipped > 0
        ? [`  ${counted(result.skipped, 'file')} left as they were (--overwrite ${flags.overwrite ?? 'if-changed'})`]
        : []),
      ...(result.mended > 0
        ? [`  ${counted(result.mended, 'file')} with the right content given their mode, owner and time`]
        : []),
      ...(flags.delete
        ? [`  ${counted(result.deleted, 'entry', 'entries')} ${about.dryRun ? 'to delete' : 'deleted'}`]
        : []),
      ...(result.verified
        ? [`  read back and right: ${counted(result.verified.files, 'file')}, ${bytes(result.verified.bytes)}`]
        : []),
    )
  const left = leftOutLine(result)
  if (left !== undefined) output.note(left)
  const place = (path: string): string => (path === '' ? about.target : `${about.target.replace(/\/$/, '')}/${path}`)
  for (const line of failureLines(result.failed, result.failedCount, 'restored', place)) output.error(line)
}
