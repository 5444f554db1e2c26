import type { SnapshotEntry } from 'kloset'
import { count } from './bytes.js'
import { shown } from './names.js'
import { dateOf, isoNanoseconds, localTime } from './times.js'

/** What the cells of an entry show besides what they always do. */
export interface EntryDetails {
  /** Bytes to show in place of its own: of all that is in a folder. */
  readonly size?: number | undefined
  /** How a number of bytes is written; default: with thousands separated. */
  readonly format?: (bytes: number) => string
}

/** The cells of an entry as `ls -l` shows it: mode, owner, group, size, time, name; see {@link entryAlign}. */
export function entryCells(entry: SnapshotEntry, name: string, details: EntryDetails = {}): string[] {
  const { user, uid, group, gid } = entry.owner ?? {}
  return [
    modeText(entry),
    shown(user ?? String(uid ?? '-')),
    shown(group ?? String(gid ?? '-')),
    sizeText(entry, details),
    entry.mtime === undefined ? '-' : localTime(dateOf(entry.mtime)).slice(0, 16),
    nameText(entry, name),
  ]
}

/** The alignment of the columns of {@link entryCells}. */
export const entryAlign = ['left', 'left', 'left', 'right', 'left', 'left'] as const

/** As {@link entryCells}, with all that is known of the mode, links, numbers of owner and group, and times in full; see {@link longAlign}. */
export function longCells(entry: SnapshotEntry, name: string, details: EntryDetails = {}): string[] {
  const { uid, gid } = entry.owner ?? {}
  const [mode, user, group, size, , shownName] = entryCells(entry, name, details)
  const hasXattrs = Object.keys(entry.xattrs ?? {}).length > 0
  return [
    `${mode}${hasXattrs ? '+' : ''}`,
    String(entry.inode?.links ?? '-'),
    uid === undefined || user === String(uid) ? user! : `${user}(${uid})`,
    gid === undefined || group === String(gid) ? group! : `${group}(${gid})`,
    size!,
    (entry.mtime === undefined ? undefined : isoNanoseconds(entry.mtime)) ?? '-',
    shownName!,
  ]
}

/** The alignment of the columns of {@link longCells}. */
export const longAlign = ['left', 'right', 'left', 'left', 'right', 'left', 'left'] as const

/** Kind and permissions: `drwxr-xr-x`, with `s`, `S`, `t` and `T` as in ls(1). */
export function modeText(entry: Pick<SnapshotEntry, 'type' | 'mode'>): string {
  const mode = entry.mode
  const kind = kinds[entry.type]
  if (mode === undefined) return `${kind}?????????`
  const three = (shift: number, special: number, letter: string): string => {
    const bits = mode >> shift
    const run = mode & special ? (bits & 1 ? letter : letter.toUpperCase()) : bits & 1 ? 'x' : '-'
    return `${bits & 4 ? 'r' : '-'}${bits & 2 ? 'w' : '-'}${run}`
  }
  return `${kind}${three(6, 0o4000, 's')}${three(3, 0o2000, 's')}${three(0, 0o1000, 't')}`
}

const kinds = { file: '-', directory: 'd', symlink: 'l', fifo: 'p', socket: 's', block: 'b', character: 'c' } as const

/** The size of a file, or the one to show; the numbers of a device; `-` for all else. */
export function sizeText(entry: SnapshotEntry, { size, format = count }: EntryDetails = {}): string {
  if (size !== undefined) return format(size)
  if (entry.device) return `${entry.device.major}, ${entry.device.minor}`
  return entry.type === 'file' ? format(entry.contentSize ?? entry.size ?? 0) : '-'
}

function nameText(entry: SnapshotEntry, name: string): string {
  const target = entry.target === undefined ? '' : ` -> ${shown(entry.target)}`
  const error = entry.error ? `  (not in the snapshot: ${shown(entry.error.message)})` : ''
  return `${shown(name)}${entry.type === 'directory' && !name.endsWith('/') ? '/' : ''}${target}${error}`
}
