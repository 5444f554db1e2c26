import { type BigIntStats, closeSync, constants, fstatSync, openSync, readlinkSync } from 'node:fs'
import { type Entry, KlosetError, pathFromBytes } from 'kloset/connector'
import { unsigned } from './entries.js'
import { fsError, systemCode } from './errors.js'
import type { Listed } from './listed.js'
import { realPath, type SystemPath, shown, systemPath, typeOfFileSystem } from './local.js'
import { native } from './native.js'
import type { SourceRoot } from './roots.js'

/** How files are opened: links are not followed, and a FIFO in the place of the file does not make it wait. */
export const forReading: number = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

/** A file of a source that is open. */
export interface Opened {
  readonly file: number
  readonly info: BigIntStats
  /** Its path as people know it. */
  readonly path: SystemPath
}

/**
 * Opens the file that was scanned as `entry`, and no other: somebody who may rename what is in a folder could put a link there after the
 * scan, so that what only others may read would be read in its place. No folder on the way may be a link, but for those above what is
 * listed, and the file must have the inode that was scanned. That costs no call more than opening and looking at it.
 * @throws KLOSET_FILE_CHANGED where it is another file now; KLOSET_NOT_FOUND or KLOSET_DENIED
 */
export function openScanned(root: SourceRoot, listed: Listed | undefined, entry: Entry): Opened {
  const path = systemPath(root.folder, entry.path)
  let file: number | undefined
  try {
    file = openAt(root, listed, entry)
    const info = fstatSync(file, { bigint: true })
    if (!info.isFile() || !isSame(file, info, entry)) throw replaced(path)
    return { file, info, path }
  } catch (error) {
    if (file !== undefined) closeScanned(file)
    throw readingError(error, path)
  }
}

/** Closes what {@link openScanned} opened. */
export function closeScanned(file: number): void {
  const calls = native()
  if (calls?.openWithoutLinks !== undefined) calls.close(file)
  else closeSync(file)
}

/** Opens a file without touching its access time, which only its owner and root may ask for. */
export function openQuietly(
  path: SystemPath,
  owner: number | undefined,
  open: (path: SystemPath, flags: number) => number = openSync,
): number {
  const mine = me === 0 || (me !== undefined && owner === me)
  if (!mine || quietly === 0) return open(path, forReading)
  try {
    return open(path, forReading | quietly)
  } catch (error) {
    // Root in a container may be nobody's root on a mounted folder.
    if (systemCode(error) !== 'EPERM') throw error
    return open(path, forReading)
  }
}

/** The error for what went wrong while a file was opened or read. */
export function readingError(error: unknown, path: SystemPath): unknown {
  const code = systemCode(error)
  // What was a file when it was scanned is a link, a folder or a device now, or is behind a link.
  if (code === 'ELOOP' || code === 'EISDIR' || code === 'ENXIO') return replaced(path)
  return fsError(error, 'read', shown(path))
}

/** The error for what is no longer the file it was. */
export function replaced(path: SystemPath): KlosetError {
  return new KlosetError('KLOSET_FILE_CHANGED', `${shown(path)} is no longer the file it was when it was scanned`, {
    hint: 'Back it up again.',
    context: { path: shown(path) },
  })
}

const quietly = constants.O_NOATIME ?? 0
const me = process.geteuid?.()

/** On macOS: no part of the path may be a link (O_NOFOLLOW_ANY of <fcntl.h>). */
const followNothing = process.platform === 'darwin' ? 0x20000000 : 0

function openAt(root: SourceRoot, listed: Listed | undefined, entry: Entry): number {
  const owner = entry.owner?.uid
  if (root.only !== undefined)
    return openQuietly(
      systemPath(root.behind ?? root.real, root.behind === undefined ? root.only : ''),
      owner,
      openStrictly,
    )
  try {
    return openQuietly(systemPath(root.real, entry.path), owner, openStrictly)
  } catch (error) {
    const above = systemCode(error) === 'ELOOP' ? listed?.aboveOf(entry.path) : undefined
    if (above === undefined) throw error
    // What holds something listed may be a link to a folder: from there on none may be.
    const real = realPath(systemPath(root.real, above))
    return openQuietly(systemPath(real, entry.path.slice(above.length + 1)), owner, openStrictly)
  }
}

/** Opens a file at an absolute path in which no part is a link. */
function openStrictly(path: SystemPath, flags: number): number {
  const without = native()?.openWithoutLinks
  if (without !== undefined) return without(path, flags)
  const file = openSync(path, flags | followNothing)
  if (process.platform !== 'linux' || isAt(file, path)) return file
  closeSync(file)
  throw Object.assign(new Error('a link is on the way'), { code: 'ELOOP' })
}

/** Whether an open file is at this path, whatever names led to it. Without /proc that cannot be told, and the inode has to do. */
function isAt(file: number, path: SystemPath): boolean {
  try {
    return pathFromBytes(readlinkSync(`/proc/self/fd/${file}`, 'buffer')) === pathFromBytes(Buffer.from(path))
  } catch {
    return true
  }
}

function isSame(file: number, info: BigIntStats, { inode, owner, mode }: Entry): boolean {
  if (inode === undefined || unsigned(info.ino) === inode.number) return true
  // Only what is as accessible as the entry says may be kept under its name.
  const isAlike =
    owner?.uid === Number(info.uid) && owner.gid === Number(info.gid) && mode === (Number(info.mode) & 0o7777)
  return isAlike && givesPassingNumbers(file)
}

/** Whether a file is on a file system that makes inode numbers up while a file is in use, and may have made up another one since. */
function givesPassingNumbers(file: number): boolean {
  return passing.has(typeOfFileSystem(`/proc/self/fd/${file}`))
}

// By the numbers of <linux/magic.h>: FAT, exFAT, SMB (three numbers), 9P, FUSE, vboxsf.
const passing: ReadonlySet<number> = new Set([
  0x4d44, 0x2011bab0, 0x517b, 0xff534d42, 0xfe534d42, 0x01021997, 0x65735546, 0x786f4256,
])
