import { Argument, type Command } from 'commander'
import type { SnapshotFilter, Store, SyncEvent, SyncOptions, SyncResult } from 'kloset'
import { isKlosetError } from 'kloset/connector'
import { parseSnapshots } from '../arguments.js'
import { exit } from '../exit.js'
import {
  filterOf,
  outputOptions,
  peerOptions,
  type SelectFlags,
  selectOptions,
  writtenStoreOptions,
} from '../options.js'
import type { Output } from '../output.js'
import { bytes, counted } from '../render/bytes.js'
import { failureLines } from '../render/failures.js'
import { failedJson, snapshotJson } from '../render/json.js'
import { harmless } from '../render/names.js'
import { snapshotLines } from '../render/snapshots.js'
import { duration } from '../render/times.js'
import { leave, openAt, openPeer, type PeerFlags, type StoreFlags, tell } from '../store.js'
import type { Session, Verb } from '../verb.js'

interface Flags extends StoreFlags, PeerFlags, SelectFlags {
  readonly includeForgotten?: boolean
  readonly dryRun?: boolean
}

/** `kloset sync`: snapshots are copied into another store, from one, or both ways. */
export const sync: Verb = {
  changes: true,
  resume: 'Run the same command again: what was copied stays, and the rest follows.',

  define(command: Command) {
    command
      .addArgument(new Argument('<DIRECTION>', 'which way').choices(['to', 'from', 'with']))
      .argument('<PEER>', 'the other store')
      .argument('[ID...]', 'only these snapshots')
      .usage('to|from|with PEER [options] [ID…]')
      .description(
        'Copy snapshots to another store, from it, or both ways, so that each store has what it lacks. The two may have different ' +
          'passphrases, be on different storages and be made differently; a snapshot keeps its id. What the other store has is not ' +
          'sent again, and everything is verified on the way.',
      )
      .option('--include-forgotten', 'also copy snapshots that were forgotten in the store they are copied to')
      .option('--dry-run', 'only say which snapshots would be copied')
    selectOptions(command)
    peerOptions(writtenStoreOptions(command), 'The other store')
    outputOptions(command).addHelpText(
      'after',
      `
PEER is a folder, s3://…, sftp://… or @NAME, and must be a store already. To make
one so that copying to it costs least, make it like this one:
\`kloset at PEER create --like STORE\`. Else data is cut and compressed anew.

The passphrase of the other store comes from the options above, from
KLOSET_PEER_PASSPHRASE, from the configuration for @NAME, or is asked for.

Examples:
  kloset at /var/backups sync to sftp://gilles@nas/var/backups
  kloset at /var/backups sync to @offsite --since 7d --tag daily
  kloset at /var/backups sync from @offsite 9abc3294
  kloset at @nas sync with @offsite --dry-run

Exit codes: 0 done, 1 failed, 2 usage, 3 done but some snapshots could not be
copied, 4 the stored data is damaged, 10 no such store, 12 wrong passphrase,
130 interrupted.`,
    )
  },

  async run(args: readonly string[], flags: Flags, session: Session) {
    const { output } = session
    const [direction, peer, ...ids] = args as readonly [Job['direction'], string, ...string[]]
    const snapshots = parseSnapshots(ids, 'whole snapshots are copied')
    const own = await openAt(session, flags, { mode: modeOf(direction === 'to', flags) })
    try {
      const other = await openPeer(session, peer, flags, { mode: modeOf(direction === 'from', flags) })
      try {
        return await synchronize({ own, other, direction, snapshots, where: filterOf(flags) }, flags, session)
      } finally {
        await leave(other, output)
      }
    } finally {
      await leave(own, output)
    }
  },
}

interface Job {
  readonly own: Store
  readonly other: Store
  readonly direction: 'to' | 'from' | 'with'
  readonly snapshots: readonly string[]
  readonly where: SnapshotFilter
}

async function synchronize(job: Job, flags: Flags, session: Session): Promise<number> {
  const { own, other, direction } = job
  const ways = {
    to: [[own, other]],
    from: [[other, own]],
    with: [
      [own, other],
      [other, own],
    ],
  } as const
  // With both ways, an id need be in one of the two only; what is in neither is told before anything is done.
  const names = await Promise.all(ways[direction].map(([from]) => namesIn(from, job)))
  for (const name of job.snapshots)
    if (!names.some((some) => some.has(name))) await ways[direction][0][0].snapshot(name, job.where)
  let code: number = exit.done
  for (const [at, [from, to]] of ways[direction].entries()) {
    if (job.snapshots.length > 0 && names[at]!.size === 0) continue
    const result = await oneWay(from, to, [...names[at]!.values()], job.where, flags, session)
    if (result.failedCount > 0) code = exit.partial
  }
  return code
}

async function namesIn(store: Store, { snapshots, direction, where }: Job): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for (const name of snapshots) {
    try {
      found.set(name, (await store.snapshot(name, where)).id)
    } catch (error) {
      if (direction !== 'with' || !isKlosetError(error, 'KLOSET_SNAPSHOT_NOT_FOUND')) throw error
    }
  }
  return found
}

async function oneWay(
  from: Store,
  to: Store,
  snapshots: readonly string[],
  where: SnapshotFilter,
  { includeForgotten, dryRun = false }: Flags,
  { output, signal }: Session,
): Promise<SyncResult> {
  const options: SyncOptions = {
    ...(snapshots.length > 0 && { snapshots }),
    where,
    ...(includeForgotten && { includeForgotten }),
    dryRun,
    signal,
    onProgress: (now) => output.progress(now),
    onEvent: (event) => show(event, output),
  }
  const result = await from.syncTo(to, options)
  output.progressDone()
  if (output.json) {
    for (const failed of result.failed) await output.emit(failedJson(failed))
    await output.emit(summaryJson(result, from, to, dryRun))
  } else await summary(result, to, dryRun, output)
  return result
}

function modeOf(reading: boolean, { dryRun }: Flags): 'read' | 'write' {
  return reading || dryRun ? 'read' : 'write'
}

function show(event: SyncEvent, output: Output): void {
  if (event.type === 'notice') tell(event, output)
  else if (output.json) void output.emit({ ...snapshotJson(event.snapshot), type: event.type })
  else if (output.verbose) output.note(`${event.type} ${event.snapshot.id.slice(0, 8)}`)
}

function summaryJson(result: SyncResult, from: Store, to: Store, dryRun: boolean) {
  const { synchronized, incomplete, present, forgotten, failedCount, rechunked, read, sent, deduplicated, duration } =
    result
  return {
    type: 'summary',
    dryRun,
    from: from.location,
    to: to.location,
    synchronized: synchronized.map(({ id }) => id),
    incomplete: incomplete.map(({ id }) => id),
    present,
    forgotten,
    failed: failedCount,
    rechunked,
    read,
    sent,
    deduplicated,
    duration,
  }
}

async function summary(result: SyncResult, to: Store, dryRun: boolean, output: Output): Promise<void> {
  const { synchronized, incomplete, present, forgotten } = result
  const many = counted(synchronized.length, 'snapshot')
  const where = `to ${harmless(to.location)}  (${duration(result.duration)})`
  const lines = [
    dryRun ? `Dry run: would synchronize ${many} ${where}` : `sync: synchronized ${many} ${where}`,
    ...snapshotLines(synchronized),
    ...(dryRun || synchronized.length === 0
      ? []
      : [
          `  read ${bytes(result.read)}, sent ${bytes(result.sent)}; of the content, ${bytes(result.deduplicated)} were there already`,
        ]),
    ...(present > 0 ? [`  there already: ${counted(present, 'snapshot')}`] : []),
    ...(forgotten > 0
      ? [
          `  left out: ${counted(forgotten, 'snapshot')} that ${forgotten === 1 ? 'was' : 'were'} forgotten there (--include-forgotten)`,
        ]
      : []),
  ]
  if (!output.quiet) await output.print(...lines)
  for (const line of failureLines(result.failed, result.failedCount, 'read', (path) => path)) output.error(line)
  if (incomplete.length > 0)
    output.error(
      `Not copied, because something of them cannot be read: ${incomplete.map(({ id }) => id.slice(0, 8)).join(', ')}`,
    )
}
