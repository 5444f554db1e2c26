import type { SnapshotEntry } from 'kloset'
import { nanoseconds, pathToBytes } from 'kloset/connector'
import type { Item } from '../shelf/shelf.js'
import type { Attributes } from './protocol.js'

/** Who owns what has no owner of its own. */
export interface Owner {
  readonly uid: number
  readonly gid: number
}

/** What `stat` shows of a folder of the shelf itself, made at a time. */
export function groupAttributes(inode: bigint, time: Date, owner: Owner): Attributes {
  const at = nanoseconds(time)
  return {
    inode,
    ...owner,
    size: 0,
    atime: at,
    mtime: at,
    ctime: at,
    mode: kinds.directory | 0o555,
    links: 1,
    device: 0,
  }
}

/** What `stat` shows of the link to the newest snapshot. */
export function linkAttributes(inode: bigint, target: string, time: Date, owner: Owner): Attributes {
  return { ...groupAttributes(inode, time, owner), mode: kinds.symlink | 0o777, size: target.length }
}

/** What `stat` shows of an entry: what was recorded, and as far as nothing was, what would be usual. `made` is when its snapshot was. */
export function entryAttributes(inode: bigint, entry: SnapshotEntry, made: Date, owner: Owner): Attributes {
  const mtime = entry.mtime ?? nanoseconds(made)
  const { major, minor } = entry.device ?? { major: 0, minor: 0 }
  return {
    inode,
    size: entry.type === 'symlink' ? pathToBytes(entry.target ?? '').length : (entry.contentSize ?? entry.size ?? 0),
    atime: mtime,
    mtime,
    ctime: entry.ctime ?? mtime,
    mode: kinds[entry.type] | (entry.mode ?? usual[entry.type] ?? 0o600),
    // Counting the folders in a folder would mean to read it; with 1, programs do not rely on it.
    links: entry.type === 'directory' ? 1 : Math.max(1, entry.inode?.links ?? 1) % 2 ** 32,
    uid: entry.owner?.uid ?? owner.uid,
    gid: entry.owner?.gid ?? owner.gid,
    // As the kernel writes device numbers in 32 bits.
    device: ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12)) >>> 0,
  }
}

/** The kind of an item, as listings of folders tell it: `DT_…`. */
export function kindOf(item: Item): number {
  const type = item.kind === 'entry' ? item.entry.type : item.kind === 'latest' ? 'symlink' : 'directory'
  return kinds[type] >>> 12
}

const kinds = {
  fifo: 0o010000,
  character: 0o020000,
  directory: 0o040000,
  block: 0o060000,
  file: 0o100000,
  symlink: 0o120000,
  socket: 0o140000,
} as const satisfies Record<SnapshotEntry['type'], number>

const usual: Partial<Record<SnapshotEntry['type'], number>> = { directory: 0o755, file: 0o644, symlink: 0o777 }
