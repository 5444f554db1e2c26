import { type Command, Option } from 'commander'
import type { Overwrite, RestoreEvent, RestoreResult } from 'kloset'
import { parseTarget, pathIn } from '../arguments.js'
import { exit } from '../exit.js'
import { absolute } from '../locations.js'
import { filterOf, outputOptions, type SelectFlags, selectOptions, storeOptions } from '../options.js'
import type { Output } from '../output.js'
import { bytes, counted } from '../render/bytes.js'
import { failureLine, failureLines } from '../render/failures.js'
import { failedJson } from '../render/json.js'
import { leftOutLine } from '../render/left-out.js'
import { shown } from '../render/names.js'
import { duration } from '../render/times.js'
import { leave, openAt, type StoreFlags, tell } from '../store.js'
import type { Session, Verb } from '../verb.js'

interface Flags extends StoreFlags, SelectFlags {
  readonly to: string
  readonly overwrite?: Overwrite
  readonly dryRun?: boolean
  readonly numericOwner?: boolean
  /** True with `--sparse`, false with `--no-sparse`. */
  readonly sparse?: boolean
  /** False with `--no-xattrs`. */
  readonly xattrs: boolean
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
      .requiredOption('--to <dir>', 'the folder to restore into; it is made where there is none')
      .addOption(
        new Option('--overwrite <policy>', 'what to do with files that are already there').choices([
          'always',
          'if-changed',
          'if-newer',
          'never',
        ]),
      )
      .option('--dry-run', 'say what would be restored, but write nothing')
      .optionsGroup('What files are given:')
      .option('--numeric-owner', 'the owner with the same number, not the one of the same name')
      .option('--sparse', 'make holes of all zeros in files, not only where there were holes')
      .option('--no-sparse', 'let files have no holes')
      .option('--no-xattrs', 'no extended attributes and no ACLs')
    selectOptions(command)
    outputOptions(storeOptions(command)).addHelpText(
      'after',
      `
A target that is not empty is refused unless --overwrite says what to do with
what is there:
  always        replace every file by the one of the snapshot
  if-changed    replace where size or modification time differ
  if-newer      replace where the one of the snapshot is newer
  never         leave every file that is there
Files that the snapshot does not have stay as they are.

ID is the start of a snapshot's id, what it is called, \`latest\`, or \`latest~2\`
for the second before, each among the snapshots that the options select. PATH is
relative to the snapshot, or absolute as it was when the backup was made.

Everything comes back that a file system keeps: modes, owners, times, links, holes,
pipes, sockets, devices, extended attributes and ACLs. An owner is whoever has the
name on this machine (in /etc/passwd and /etc/group), or where nobody has it, the
number. Who is not root can give files to nobody else, and make no devices: what was
left out is told at the end, by kind and with a count, and is no failure.

Examples:
  kloset at /var/backups restore --to /tmp/restore 9abc3294
  kloset at /var/backups restore --to /tmp/restore latest:ssl/certs
  kloset at /var/backups restore --to /tmp/restore latest --host nas --path /etc
  kloset at /var/backups restore --to /etc --overwrite if-changed --dry-run -v latest
  kloset at /var/backups restore --to /mnt/disk --numeric-owner latest

Exit codes: 0 done, 1 failed, 2 usage, 3 done but some files could not be
restored, 4 the stored data is damaged, 10 no such store, 12 wrong passphrase,
130 interrupted.`,
    )
  },

  async run(args: readonly string[], flags: Flags, session: Session) {
    const { output, signal } = session
    const wanted = parseTarget(args[0] ?? '')
    const target = absolute(flags.to)
    const store = await openAt(session, flags, { mode: 'read', others: [target], threads: true })
    try {
      const snapshot = await store.snapshot(wanted.snapshot, filterOf(flags))
      const path = pathIn(snapshot, wanted.path)
      const result = await store.restore(snapshot, target, {
        ...(path !== '' && { path }),
        ...(flags.overwrite && { overwrite: flags.overwrite }),
        ...(flags.dryRun && { dryRun: true }),
        options: connectorOptions(flags),
        signal,
        entries: output.verbose,
        onProgress: (now) => output.progress(now),
        onEvent: (event) => show(event, output),
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
function connectorOptions({ numericOwner, sparse, xattrs }: Flags): Record<string, string | boolean> {
  return {
    ...(numericOwner && { owners: 'numbers' }),
    ...(sparse !== undefined && { holes: sparse ? 'make' : 'none' }),
    ...(!xattrs && { xattrs }),
  }
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
  const { failedCount, leftOut, totals, skipped } = result
  return {
    type: 'summary',
    dryRun: about.dryRun,
    snapshot: about.id,
    path: about.path,
    target: about.target,
    failed: failedCount,
    totals,
    skipped,
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
        ? [`  ${counted(result.skipped, 'file')} left as they were (--overwrite ${flags.overwrite ?? 'never'})`]
        : []),
    )
  const left = leftOutLine(result)
  if (left !== undefined) output.note(left)
  const place = (path: string): string => (path === '' ? about.target : `${about.target.replace(/\/$/, '')}/${path}`)
  for (const line of failureLines(result.failed, result.failedCount, 'restored', place)) output.error(line)
}
