import type { Command } from 'commander'
import type { ImportEvent, ImportResult } from 'kloset'
import type { PastSnapshot } from 'kloset/connector'
import { parseSnapshots } from '../arguments.js'
import { exit, UsageError } from '../exit.js'
import {
  outputOptions,
  peerOptions,
  type SelectFlags,
  selectionOf,
  selectOptions,
  writtenStoreOptions,
} from '../options.js'
import type { Output } from '../output.js'
import { bytes, count, counted } from '../render/bytes.js'
import { failureLine, failureLines } from '../render/failures.js'
import { failedJson, type JsonLine, snapshotJson } from '../render/json.js'
import { harmless, shown } from '../render/names.js'
import { snapshotLines } from '../render/snapshots.js'
import { Columns } from '../render/table.js'
import { duration, localTime } from '../render/times.js'
import { openRepository } from '../restic.js'
import { leave, openAt, type PeerFlags, type StoreFlags, tell } from '../store.js'
import type { Session, Verb } from '../verb.js'

interface Flags extends StoreFlags, PeerFlags, SelectFlags {
  readonly includeForgotten?: boolean
  readonly dryRun?: boolean
}

/** `kloset import`: the snapshots of another program are brought into the store. */
export const importing: Verb = {
  changes: true,
  resume: 'Run the same command again: what was imported stays, and the rest follows.',

  define(command: Command) {
    command
      .argument('<KIND>', 'what to import: restic')
      .argument('[LOCATION]', 'where the repository is; default: RESTIC_REPOSITORY')
      .argument('[ID...]', 'only these of its snapshots')
      .usage('restic [LOCATION] [options] [ID…]')
      .description(
        'Move in: bring the snapshots of a restic repository over, oldest first, each with its time, host, user and tags, so that the ' +
          'history is kept. What several of them have in common is read and stored once. The next backup of the same folder on the same ' +
          'host finds its last snapshot here and reads only what changed since. The repository is only read.',
      )
      .option('--include-forgotten', 'also import again what was imported and then forgotten in the store')
      .option('--dry-run', 'only say which snapshots would be imported')
    selectOptions(command)
    peerOptions(writtenStoreOptions(command), 'The repository')
    outputOptions(command).addHelpText(
      'after',
      `
LOCATION is a folder, s3://…, sftp://… or @NAME, or what restic calls it
(sftp:user@host:/srv/restic, s3:https://host/bucket). Repositories of version 1
and 2 can be read, with any of their passwords.

The password comes from the options above, from the configuration for @NAME, from
RESTIC_PASSWORD_COMMAND, RESTIC_PASSWORD_FILE, RESTIC_PASSWORD or
KLOSET_PEER_PASSPHRASE, or is asked for; a repository without one needs
--peer-no-encryption.

Each snapshot gets a new id and is called restic: and the beginning of its old one.
What was imported before is recognised and left out, so the same command may run
again, for what was interrupted or for what came since. What is damaged there does
not stop the rest: it is reported, and stands in its snapshot with its error.

Examples:
  kloset at /var/backups import restic /srv/restic
  kloset at /var/backups import restic sftp:ada@nas:/srv/restic --dry-run
  kloset at /var/backups import restic /srv/restic --host ada --path /home/ada latest
  RESTIC_PASSWORD_FILE=/root/.restic kloset at @nas import restic s3:https://s3.example/old

Exit codes: 0 done, 1 failed, 2 usage, 3 done but some files could not be read,
4 the repository or a snapshot as a whole is damaged, 10 no such store or
repository, 12 wrong passphrase or password, 130 interrupted.`,
    )
  },

  async run([kind = '', location, ...ids]: readonly string[], flags: Flags, session: Session) {
    const { output, signal } = session
    if (kind !== 'restic')
      throw new UsageError(`'${kind}' cannot be imported`, 'It can be restic: kloset import restic LOCATION')
    if (flags.name !== undefined)
      throw new UsageError('snapshots of restic have no names', 'Select them by --host, --path, --tag or --since.')
    const selection = selectionOf(parseSnapshots(ids, 'whole snapshots are imported'), flags)
    const store = await openAt(session, flags, { mode: flags.dryRun ? 'read' : 'write' })
    try {
      const history = await openRepository(session, location, flags)
      try {
        const result = await store.importFrom(history, {
          ...selection,
          ...(flags.includeForgotten && { includeForgotten: true }),
          ...(flags.dryRun && { dryRun: true }),
          signal,
          onProgress: (now) => output.progress(now),
          onEvent: (event) => show(event, output),
        })
        output.progressDone()
        if (output.json) await output.emit(summaryJson(result, history.location, flags))
        else await summary(result, history.location, flags, output)
        return codeOf(result)
      } finally {
        await history.close()
      }
    } finally {
      await leave(store, output)
    }
  },
}

function codeOf({ unreadable, failedCount }: ImportResult): number {
  if (unreadable.length > 0) return exit.damaged
  return failedCount > 0 ? exit.partial : exit.done
}

function show(event: ImportEvent, output: Output): void {
  switch (event.type) {
    case 'notice':
      tell(event, output)
      return
    case 'failed':
      if (output.json)
        void output.emit({ ...failedJson(event), ...(event.original && { original: event.original.id }) })
      else if (output.verbose)
        output.error(`${output.errorColors.red('failed')}  ${failureLine(event, (path) => path)}`)
      return
    case 'imported':
      if (output.json) void output.emit({ ...snapshotJson(event.snapshot), type: 'imported' })
      else if (output.verbose)
        output.note(`imported ${event.original.id.slice(0, 8)} as ${event.snapshot.id.slice(0, 8)}`)
      return
    case 'importing':
      if (output.json) void output.emit({ ...originalJson(event.original), number: event.number, count: event.count })
      else if (output.verbose)
        output.note(`importing ${event.original.id.slice(0, 8)}, ${event.number} of ${event.count}`)
      return
    default:
      if (output.json) void output.emit({ ...originalJson(event.original), type: 'skipped' })
      else if (output.verbose) output.note(`skipped ${event.original.id.slice(0, 8)}`)
  }
}

function originalJson({ id, time, host, user, tags, tool, roots }: PastSnapshot): JsonLine {
  return { type: 'importing', original: id, time, host, user, tags, tool, roots }
}

function summaryJson(result: ImportResult, from: string, flags: Flags): JsonLine {
  const { imported, unreadable, present, forgotten, failedCount, changes, added } = result
  return {
    type: 'summary',
    dryRun: flags.dryRun === true,
    from,
    imported: imported.map(({ original, snapshot }) => ({ original: original.id, snapshot: snapshot?.id })),
    unreadable: unreadable.map(({ path }) => path),
    present,
    forgotten,
    failed: failedCount,
    changes,
    added,
    duration: result.duration,
  }
}

async function summary(result: ImportResult, from: string, flags: Flags, output: Output): Promise<void> {
  const { imported, unreadable, present, forgotten, changes, added } = result
  const many = `${counted(imported.length, 'snapshot')} of ${harmless(from)}`
  const lines = [
    flags.dryRun ? `Dry run: would import ${many}` : `Imported ${many}  (${duration(result.duration)})`,
    ...(flags.dryRun
      ? originalLines(imported.map(({ original }) => original))
      : snapshotLines(imported.flatMap(({ snapshot }) => snapshot ?? []))),
    ...(flags.dryRun || imported.length === 0
      ? []
      : [
          `  new ${count(changes.new)}   changed ${count(changes.changed)}   unchanged ${count(changes.unchanged)}`,
          `  added ${counted(added.chunks, 'chunk')}, ${bytes(added.bytes)}; stored ${bytes(added.stored)} in ${counted(added.objects, 'object')}`,
        ]),
    ...(present > 0 ? [`  imported before: ${counted(present, 'snapshot')}`] : []),
    ...(forgotten > 0
      ? [
          `  left out: ${counted(forgotten, 'snapshot')} that ${forgotten === 1 ? 'was' : 'were'} imported and then forgotten (--include-forgotten)`,
        ]
      : []),
  ]
  if (!output.quiet) await output.print(...lines)
  for (const line of failureLines(result.failed, result.failedCount, 'read', (path) => path)) output.error(line)
  if (result.failedCount > 0)
    output.note('The snapshots have everything else; these entries stand in them with their error.')
  if (unreadable.length === 0) return
  output.error(`${counted(unreadable.length, 'snapshot')} could not be read at all:`)
  for (const lost of unreadable) output.error(`  ${failureLine(lost, (path) => path)}`)
}

function originalLines(originals: readonly PastSnapshot[]): string[] {
  const cells = originals.map(({ id, time, host, roots, tags }) => [
    id.slice(0, 8),
    localTime(time),
    shown(host),
    roots.map(shown).join(' '),
    tags.map(shown).join(' '),
  ])
  return new Columns(['left', 'left', 'left', 'left', 'left']).lines(cells).map((line) => `  ${line}`)
}
