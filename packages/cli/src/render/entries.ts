import type { SnapshotEntry } from 'kloset'
import { count } from './bytes.js'
import { shown } from './names.js'
import { dateOf, localTime } from './times.js'

/** The cells of an entry as `ls -l` shows it: mode, owner, group, size, time, name; see {@link entryAlign}. */
export function entryCells(entry: SnapshotEntry, name: string): string[] {
  const { user, uid, group, gid } = entry.owner ?? {}
  return [
    modeText(entry),
    shown(user ?? String(uid ?? '-')),
    shown(group ?? String(gid ?? '-')),
    sizeText(entry),
    entry.mtime === undefined ? '-' : localTime(dateOf(entry.mtime)).slice(0, 16),
    nameText(entry, name),
  ]
}

/** The alignment of the columns of {@link entryCells}. */
export const entryAlign = ['left', 'left', 'left', 'right', 'left', 'left'] as const

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

/** The size of a file, the numbers of a device, `-` for all else. */
export function sizeText(entry: SnapshotEntry): string {
  if (entry.device) return `${entry.device.major}, ${entry.device.minor}`
  return entry.type === 'file' ? count(entry.contentSize ?? entry.size ?? 0) : '-'
}

function nameText(entry: SnapshotEntry, name: string): string {
  const target = entry.target === undefined ? '' : ` -> ${shown(entry.target)}`
  const error = entry.error ? `  (not in the snapshot: ${shown(entry.error.message)})` : ''
  return `${shown(name)}${entry.type === 'directory' && !name.endsWith('/') ? '/' : ''}${target}${error}`
}
