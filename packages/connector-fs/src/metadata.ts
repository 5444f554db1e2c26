import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  futimesSync,
  lchownSync,
  lutimesSync,
  openSync,
} from 'node:fs'
import type { Entry } from 'kloset/connector'
import type { SystemPath } from './local.js'
import { native } from './native.js'

const root = process.geteuid?.() === 0

/** Whether owners can be given: only root may. */
export const givesOwners: boolean = root

/** Sets the owner, mode and times of an open file or folder to those of `entry`, where it has them. */
export function setMetadata(file: number, entry: Entry): void {
  const { owner, mode, mtime } = entry
  if (root && hasOwner(entry)) fchownSync(file, owner?.uid ?? unchanged, owner?.gid ?? unchanged)
  // After the owner: changing that clears setuid and setgid.
  if (mode !== undefined) fchmodSync(file, mode)
  if (mtime !== undefined) setTime(file, mtime)
}

/** The same for links, which are not followed, and for devices and the like, which are better not opened. */
export function setMetadataOf(path: SystemPath, entry: Entry): void {
  const { owner, mode, mtime } = entry
  if (root && hasOwner(entry)) lchownSync(path, owner?.uid ?? unchanged, owner?.gid ?? unchanged)
  // Links have no mode of their own, and chmod would follow them.
  if (mode !== undefined && entry.type !== 'symlink') chmodSync(path, mode)
  if (mtime === undefined) return
  const exact = native()
  if (exact) exact.setTimeOf(path, mtime)
  else lutimesSync(path, secondsOf(mtime), secondsOf(mtime))
}

/** As {@link setMetadata} for the folder at `path`, which must not be a link. */
export function setFolderMetadata(path: SystemPath, folder: Entry): void {
  const file = openSync(path, constants.O_RDONLY | (constants.O_DIRECTORY ?? 0) | (constants.O_NOFOLLOW ?? 0))
  try {
    setMetadata(file, folder)
  } finally {
    closeSync(file)
  }
}

// -1 leaves an id as it is: chown(2).
const unchanged = 0xffffffff

function hasOwner({ owner }: Entry): boolean {
  return owner?.uid !== undefined || owner?.gid !== undefined
}

function setTime(file: number, mtime: bigint): void {
  const exact = native()
  if (exact) exact.setTime(file, mtime)
  else futimesSync(file, secondsOf(mtime), secondsOf(mtime))
}

/** Node takes seconds as a floating-point number, which holds today's times to a quarter of a microsecond. */
function secondsOf(time: bigint): number {
  return Number(time) / 1e9
}
