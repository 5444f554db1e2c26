import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  futimesSync,
  lchownSync,
  lstatSync,
  lutimesSync,
  openSync,
} from 'node:fs'
import type { Entry } from 'kloset/connector'
import { systemCode } from './errors.js'
import type { SystemPath } from './local.js'
import { native } from './native.js'
import { forReading, replaced } from './reading.js'

/** Whether owners can be given: only root may. */
export function givesOwners(): boolean {
  return process.geteuid?.() === 0
}

/**
 * Sets the owner, mode and times of an open file or folder to those of `entry`, where it has them. Where the owner cannot be
 * given the rest is set all the same, without setuid and setgid, and then it throws.
 */
export function setMetadata(file: number, entry: Entry): void {
  set(entry, {
    owner: (uid, gid) => fchownSync(file, uid, gid),
    mode: (mode) => fchmodSync(file, mode),
    time(mtime) {
      const exact = native()
      if (exact) exact.setTime(file, mtime)
      else futimesSync(file, secondsOf(mtime), secondsOf(mtime))
    },
  })
}

/** What could not be set. */
export interface Failed {
  readonly error: unknown
}

/**
 * What went wrong with setting metadata, if something did. The content matters more: what it belongs to gets its name all the
 * same, and then the caller hears of this.
 */
export function failureOf(work: () => void): Failed | undefined {
  try {
    work()
    return undefined
  } catch (error) {
    return { error }
  }
}

/** The same as {@link setMetadata} for links, which are not followed, and for devices and the like, which are better not opened. */
export function setMetadataOf(path: SystemPath, entry: Entry): void {
  set(entry, {
    owner: (uid, gid) => lchownSync(path, uid, gid),
    mode(mode) {
      // Links have no mode of their own, and chmod would follow them.
      if (entry.type !== 'symlink') chmodSync(path, mode)
    },
    time(mtime) {
      const exact = native()
      if (exact) exact.setTimeOf(path, mtime)
      else lutimesSync(path, secondsOf(mtime), secondsOf(mtime))
    },
  })
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

/** As {@link setMetadata} for the file at `path`, which must be one. */
export function setFileMetadata(path: SystemPath, entry: Entry): void {
  let file: number
  try {
    file = openSync(path, forReading)
  } catch (error) {
    // Its owner may change what he may not read. He cannot be led by a link to what is another's, as root could be.
    if (systemCode(error) !== 'EACCES' || !lstatSync(path).isFile()) throw error
    setMetadataOf(path, entry)
    return
  }
  try {
    if (!fstatSync(file).isFile()) throw replaced(path)
    setMetadata(file, entry)
  } finally {
    closeSync(file)
  }
}

interface Setters {
  owner(uid: number, gid: number): void
  mode(mode: number): void
  time(mtime: bigint): void
}

// -1 leaves an id as it is: chown(2).
const unchanged = 0xffffffff
const setIds = 0o6000

function set({ owner, mode, mtime }: Entry, to: Setters): void {
  let failed: unknown
  if ((owner?.uid !== undefined || owner?.gid !== undefined) && givesOwners())
    try {
      to.owner(owner.uid ?? unchanged, owner.gid ?? unchanged)
    } catch (error) {
      failed = error
    }
  // After the owner: changing that clears setuid and setgid, which the wrong owner must not have.
  if (mode !== undefined) to.mode(mode & (failed === undefined ? 0o7777 : 0o7777 & ~setIds))
  if (mtime !== undefined) to.time(mtime)
  if (failed !== undefined) throw failed
}

/** Node takes seconds as a floating-point number, which holds today's times to a quarter of a microsecond. */
function secondsOf(time: bigint): number {
  return Number(time) / 1e9
}
