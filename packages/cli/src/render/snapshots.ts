import type { Snapshot } from 'kloset'
import { bytes, count } from './bytes.js'
import { shown } from './names.js'
import { type Align, Columns } from './table.js'
import { duration, localTime } from './times.js'

/** What the cells of a snapshot are called, and how they stand. */
export const snapshotHeading: readonly string[] = ['id', 'time', 'size', 'took', 'host', 'saved', 'tags']
export const snapshotAlign: readonly Align[] = ['left', 'left', 'right', 'right', 'left', 'left', 'left']

/** A snapshot as the cells of a table. */
export function snapshotCells(snapshot: Snapshot): string[] {
  const name = snapshot.name === undefined ? [] : [`(${shown(snapshot.name)})`]
  const errors = snapshot.totals.errors > 0 ? [`${snapshot.totals.errors} not saved`] : []
  return [
    snapshot.id.slice(0, 8),
    localTime(snapshot.time),
    bytes(snapshot.totals.bytes),
    duration(snapshot.duration),
    shown(snapshot.host),
    snapshot.sources.map((source) => shown(source.root)).join(' '),
    [...name, ...snapshot.tags.map(shown), ...errors].join(' '),
  ]
}

/** What the cells of {@link longSnapshotCells} are called, and how they stand. */
export const longSnapshotHeading: readonly string[] = [
  ...['id', 'time', 'size', 'files', 'took', 'added', 'host', 'user', 'parent', 'tool', 'saved', 'tags'],
]
export const longSnapshotAlign: readonly Align[] = [
  ...(['left', 'left', 'right', 'right', 'right', 'right'] as const),
  ...(['left', 'left', 'left', 'left', 'left', 'left'] as const),
]

/** A snapshot with all that is known of it: also the whole id, and what its backup added to the store. */
export function longSnapshotCells(snapshot: Snapshot): string[] {
  const [, time, size, took, host, saved, tags] = snapshotCells(snapshot)
  const { id, totals, written, user, parent, tool } = snapshot
  return [
    ...[id, time!, size!, count(totals.files), took!, bytes(written.stored)],
    ...[host!, shown(user), parent?.slice(0, 8) ?? '-', shown(tool), saved!, tags!],
  ]
}

/** Snapshots that something is done to, one a line. */
export function snapshotLines(snapshots: readonly Snapshot[]): string[] {
  return new Columns(snapshotAlign).lines(snapshots.map(snapshotCells)).map((line) => `  ${line}`)
}
