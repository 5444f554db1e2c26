import {
  chmodSync,
  chownSync,
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
  utimesSync,
} from 'node:fs'
import type { Entry } from 'kloset/connector'
import { typeOf } from './entries.js'
import { systemCode } from './errors.js'
import { canHold, pinned } from './folder.js'
import type { SystemPath } from './local.js'
import { native, type Place } from './native.js'
import { forReading, replaced } from './opening.js'
import type { Site } from './site.js'
import { isAcl, isRefusal, removeAcls, setXattrs } from './xattrs.js'

/** Whether owners can be given: only root may. */
export function givesOwners(): boolean {
  return process.geteuid?.() === 0
}

/**
 * Whether something may have access control lists that it did not get from its entry: from its folder, or because it was there before.
 * They are removed, for they would let in who was not let in before.
 */
export type Acls = 'none' | 'foreign'

/**
 * Sets the owner, extended attributes, mode and times of an open file or folder to those of `entry`, where it has them. What the system does
 * not permit is left out, and `site` is told of it; where something else goes wrong the rest is set all the same, and then it throws.
 */
export function setMetadata(file: number, entry: Entry, site: Site, acls: Acls): void {
  set(file, entry, site, acls, {
    owner: (uid, gid) => fchownSync(file, uid, gid),
    mode: (mode) => fchmodSync(file, mode),
    time: (mtime) => futimesSync(file, secondsOf(mtime), secondsOf(mtime)),
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
export function setMetadataOf(path: SystemPath, entry: Entry, site: Site, acls: Acls): void {
  // Whoever may write to the folder could put something else in its place between two calls.
  if (canHold()) pinned(path, (exact, descriptor) => setPinned(exact, descriptor, entry, site, acls))
  else setByPath(path, entry, site, acls)
}

function setPinned(path: string, descriptor: number, entry: Entry, site: Site, acls: Acls): void {
  if (typeOf(fstatSync(descriptor).mode) !== entry.type) throw replaced(entry.path)
  set({ pinned: path }, entry, site, acls, {
    owner: (uid, gid) => chownSync(path, uid, gid),
    mode(mode) {
      if (entry.type !== 'symlink') chmodSync(path, mode)
    },
    time: (mtime) => utimesSync(path, secondsOf(mtime), secondsOf(mtime)),
  })
}

function setByPath(path: SystemPath, entry: Entry, site: Site, acls: Acls): void {
  set(path, entry, site, acls, {
    owner: (uid, gid) => lchownSync(path, uid, gid),
    mode(mode) {
      // Links have no mode of their own, and chmod would follow them.
      if (entry.type !== 'symlink') chmodSync(path, mode)
    },
    time: (mtime) => lutimesSync(path, secondsOf(mtime), secondsOf(mtime)),
  })
}

/** As {@link setMetadata} for the folder at `path`, which must not be a link. */
export function setFolderMetadata(path: SystemPath, folder: Entry, site: Site): void {
  const file = openSync(path, constants.O_RDONLY | (constants.O_DIRECTORY ?? 0) | (constants.O_NOFOLLOW ?? 0))
  try {
    setMetadata(file, folder, site, 'foreign')
  } finally {
    closeSync(file)
  }
}

/** As {@link setMetadata} for the file at `path`, which must be one. */
export function setFileMetadata(path: SystemPath, entry: Entry, site: Site): void {
  let file: number
  try {
    file = openSync(path, forReading)
  } catch (error) {
    // Its owner may change what he may not read. He cannot be led by a link to what is another's, as root could be.
    if (systemCode(error) !== 'EACCES' || !lstatSync(path).isFile()) throw error
    setMetadataOf(path, entry, site, 'foreign')
    return
  }
  try {
    const info = fstatSync(file)
    // What is set for one name of a file is set for all, and others may have put a name of another file here.
    if (!info.isFile() || info.nlink > 1) throw replaced(site.folders.shown(entry.path))
    setMetadata(file, entry, site, 'foreign')
  } finally {
    closeSync(file)
  }
}

interface Setters {
  owner(uid: number, gid: number): void
  mode(mode: number): void
  /** Not as exact as the system's own call, for where that cannot be had. */
  time(mtime: bigint): void
}

// -1 leaves an id as it is: chown(2).
const unchanged = 0xffffffff
const setUser = 0o4000
const setGroup = 0o2000

/**
 * The order matters: changing the owner clears setuid, setgid and capabilities; who is not root sets attributes only while he may write; and
 * an access control list has the last word on the mode.
 */
function set(place: Place, entry: Entry, site: Site, acls: Acls, to: Setters): void {
  const { mode, mtime } = entry
  const xattrs = site.settings.xattrs ? entry.xattrs : undefined
  const failed: unknown[] = []
  const attempt = (work: () => void): void => {
    try {
      work()
    } catch (error) {
      failed.push(error)
    }
  }
  let cleared = setUser | setGroup
  attempt(() => {
    cleared = giveOwner(entry.owner, site, to)
  })
  if (xattrs !== undefined) attempt(() => setXattrs(place, xattrs, (name) => !isAcl(name), site.leftOut))
  if (acls === 'foreign' && mode !== undefined && site.settings.xattrs) attempt(() => removeAcls(place, entry.type))
  if (mode !== undefined) attempt(() => giveMode(mode, cleared, site, to))
  if (xattrs !== undefined) attempt(() => setXattrs(place, xattrs, isAcl, site.leftOut))
  if (mtime !== undefined)
    attempt(() => {
      const exact = native()
      if (exact) exact.setTime(place, mtime)
      else to.time(mtime)
    })
  if (failed.length > 0) throw failed[0]
}

/** Gives the owner as far as this user may; answers which of setuid and setgid would be another's. */
function giveOwner(owner: Entry['owner'], site: Site, to: Setters): number {
  if (owner === undefined || process.geteuid === undefined) return 0
  const user = site.owners.user(owner)
  const group = site.owners.group(owner)
  if (user === undefined && group === undefined) return 0
  if (givesOwners()) {
    if (permitted(() => to.owner(user ?? unchanged, group ?? unchanged))) return 0
    site.leftOut('owner')
    return setUser | setGroup
  }
  // One's own files may have any of one's own groups. What else is not given is known beforehand, see `givesOwner`.
  const grouped = group === undefined || permitted(() => to.owner(unchanged, group))
  return (user === undefined || user === process.geteuid() ? 0 : setUser) | (grouped ? 0 : setGroup)
}

function giveMode(mode: number, cleared: number, site: Site, to: Setters): void {
  if ((mode & cleared) !== 0) site.leftOut('mode:setuid')
  if (!permitted(() => to.mode(mode & ~cleared))) site.leftOut('mode')
}

/** Whether the system permits it. */
function permitted(work: () => void): boolean {
  try {
    work()
    return true
  } catch (error) {
    if (isRefusal(error)) return false
    throw error
  }
}

/** Node takes seconds as a floating-point number, which holds today's times to a quarter of a microsecond. */
function secondsOf(time: bigint): number {
  return Number(time) / 1e9
}
