import type { BackupResult } from 'kloset'
import type { Source } from 'kloset/connector'
import { originOf } from '../arguments.js'
import type { Output } from '../output.js'
import { bytes, count, counted } from './bytes.js'
import { failureLines } from './failures.js'
import { type JsonLine, snapshotJson } from './json.js'
import { harmless, shown } from './names.js'
import { duration } from './times.js'

/** The `summary` of a backup as `--json` writes it. */
export function backupJson(result: BackupResult, dryRun: boolean): JsonLine {
  const { snapshot, unchangedSince, failedCount, excluded, totals, changes, added } = result
  return {
    type: 'summary',
    dryRun,
    snapshot: snapshot && { ...snapshotJson(snapshot), type: undefined },
    unchangedSince: unchangedSince?.id,
    failed: failedCount,
    excluded,
    totals,
    changes,
    added,
    duration: result.duration,
  }
}

/** Tells a person what a backup of `sources` did. */
export async function tellBackup(
  result: BackupResult,
  sources: readonly Pick<Source, 'root'>[],
  output: Output,
): Promise<void> {
  const { snapshot, unchangedSince, totals, changes, added } = result
  const lines = [
    headline(result, sources, output),
    `  ${counted(totals.files, 'file')}, ${counted(totals.directories, 'directory', 'directories')}${others(totals.others)}, ${bytes(totals.bytes)}`,
    `  new ${count(changes.new)}   changed ${count(changes.changed)}   unchanged ${count(changes.unchanged)}${excluded(result)}`,
    ...(unchangedSince
      ? []
      : [
          `  ${snapshot ? 'added' : 'would add'} ${counted(added.chunks, 'chunk')}, ${bytes(added.bytes)}${stored(result)}`,
        ]),
  ]
  if (!output.quiet) await output.print(...lines)
  const place = (path: string): string => originOf(snapshot ?? unchangedSince, path)
  for (const line of failureLines(result.failed, result.failedCount, 'read', place)) output.error(line)
  if (result.failedCount > 0 && snapshot)
    output.note('The snapshot has everything else; these entries stand in it with their error.')
}

function headline(
  { snapshot, unchangedSince, duration: taken }: BackupResult,
  sources: readonly Pick<Source, 'root'>[],
  output: Output,
): string {
  const { bold } = output.colors
  const of = snapshot ?? unchangedSince
  const roots = (of?.sources ?? sources).map(({ root }) => shown(root)).join(' ')
  const took = duration(taken)
  if (unchangedSince)
    return `No snapshot of ${roots} was needed: ${bold(unchangedSince.id.slice(0, 8))} holds just the same  (${took})`
  if (snapshot)
    return `Snapshot ${bold(snapshot.id.slice(0, 8))} of ${roots}  (host ${harmless(snapshot.host)}, ${took})`
  return `Dry run of ${roots}  (${took}): nothing was stored`
}

function others(number: number): string {
  return number === 0 ? '' : `, ${counted(number, 'other')}`
}

function excluded({ excluded }: BackupResult): string {
  return excluded === 0 ? '' : `   excluded ${count(excluded)}`
}

function stored({ snapshot, added }: BackupResult): string {
  return snapshot ? `; stored ${bytes(added.stored)} in ${counted(added.objects, 'object')}` : ''
}
