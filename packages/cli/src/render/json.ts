import type { FailedEntry, Progress, Snapshot, SnapshotEntry } from 'kloset'
import { isKlosetError } from 'kloset/connector'
import { Failure } from '../exit.js'
import { causesOf, messageOf } from './errors.js'
import { isoNanoseconds } from './times.js'

/** One line of `--json`: always an object with a `type`. docs/json.md describes each. */
export type JsonLine = { readonly type: string } & Readonly<Record<string, unknown>>

/** A snapshot as `ls --json` writes it. */
export function snapshotJson(snapshot: Snapshot): JsonLine {
  const { id, time, duration, host, user, name, tags, parent, tool, sources, totals, written } = snapshot
  const options = Object.keys(snapshot.options).length > 0 ? snapshot.options : undefined
  return {
    type: 'snapshot',
    id,
    time,
    duration,
    host,
    user,
    name,
    tags,
    parent,
    tool,
    sources,
    options,
    totals,
    written,
  }
}

/** An entry of a snapshot. Times are ISO 8601 with nanoseconds, extended attributes base64, inode numbers strings. */
export function entryJson(snapshot: Snapshot, entry: SnapshotEntry): JsonLine {
  const { path, type, contentSize, size, mode, owner, target, device, attributes, inode, error } = entry
  return {
    type: 'entry',
    snapshot: snapshot.id,
    path,
    kind: type,
    size: contentSize ?? size,
    mode,
    owner,
    mtime: time(entry.mtime),
    ctime: time(entry.ctime),
    birthtime: time(entry.birthtime),
    target,
    device,
    inode: inode && { device: String(inode.device), number: String(inode.number), links: inode.links },
    xattrs: entry.xattrs && base64(entry.xattrs),
    longXattrs: entry.longXattrs,
    attributes,
    error,
  }
}

/** How far the work is. */
export function progressJson(now: Progress): JsonLine {
  return { type: 'progress', ...now }
}

/** An entry that could not be read or written. */
export function failedJson(failed: FailedEntry): JsonLine {
  return { type: 'failed', path: failed.path, code: codeOf(failed.error), message: messageOf(failed.error) }
}

/** The error that ended the command. */
export function errorJson(error: unknown, hint: string | undefined, verbose: boolean): JsonLine {
  const causes = verbose ? causesOf(error) : undefined
  return {
    type: 'error',
    code: codeOf(error),
    message: messageOf(error),
    hint,
    ...(isKlosetError(error) && Object.keys(error.context).length > 0 && { context: error.context }),
    ...(causes && causes.length > 0 && { causes }),
  }
}

function codeOf(error: unknown): string {
  if (error instanceof Failure || isKlosetError(error)) return error.code
  const code = typeof error === 'object' && error !== null ? (error as { code?: unknown }).code : undefined
  return typeof code === 'string' ? code : 'UNEXPECTED'
}

function time(nanoseconds: bigint | undefined): string | undefined {
  return nanoseconds === undefined ? undefined : isoNanoseconds(nanoseconds)
}

function base64(values: Readonly<Record<string, Uint8Array>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, Buffer.from(value).toString('base64')]),
  )
}
