import { type BigIntStats, constants, readlinkSync } from 'node:fs'
import { type Entry, type EntryType, pathFromBytes } from 'kloset/connector'
import { mayBeLossy, type SystemPath, typeOfFileSystem } from './local.js'
import type { Native } from './native.js'
import type { Owners } from './owners.js'
import { xattrsOf } from './xattrs.js'

/** What kind of entry has this mode; undefined for kinds of other systems (doors, whiteouts). */
export function typeOf(mode: number): EntryType | undefined {
  switch (mode & constants.S_IFMT) {
    case constants.S_IFREG:
      return 'file'
    case constants.S_IFDIR:
      return 'directory'
    case constants.S_IFLNK:
      return 'symlink'
    case constants.S_IFIFO:
      return 'fifo'
    case constants.S_IFSOCK:
      return 'socket'
    case constants.S_IFBLK:
      return 'block'
    case constants.S_IFCHR:
      return 'character'
    default:
      return undefined
  }
}

/**
 * The entry at `path`, from what `lstat` said about it. `home` is the device of the source's root; extended attributes are
 * read where there are `calls` for it.
 * @throws the system's error where a link or an attribute cannot be read.
 */
export function entryOf(
  path: string,
  system: SystemPath,
  type: EntryType,
  info: BigIntStats,
  owners: Owners,
  home: bigint,
  calls: Native | undefined,
): Entry {
  const entry = {
    path,
    type,
    size: type === 'file' ? sizeOf(system, info) : undefined,
    mtime: info.mtimeNs,
    ctime: info.ctimeNs,
    // Where a file system does not know, the system says 0.
    birthtime: info.birthtimeNs === 0n ? undefined : info.birthtimeNs,
    mode: Number(info.mode) & 0o7777,
    owner: owners.of(Number(info.uid), Number(info.gid)),
    inode: {
      device: isElsewhere(type, info, home) ? unsigned(info.dev) : 0n,
      number: unsigned(info.ino),
      links: Number(info.nlink),
    },
  }
  const xattrs = calls && xattrsOf(system, calls)
  if (xattrs !== undefined) Object.assign(entry, { xattrs })
  if (type === 'symlink') return { ...entry, target: targetOf(system) }
  if (type === 'block' || type === 'character') return { ...entry, device: deviceOf(unsigned(info.rdev)) }
  return entry
}

/** Undefined where a size of 0 tells nothing: procfs and the like make contents up when they are read. */
function sizeOf(path: SystemPath, { size, dev }: BigIntStats): number | undefined {
  if (size > 0n) return Number(size)
  let known = tellsSizes.get(dev)
  if (known === undefined) {
    known = !madeUp.has(typeOfFileSystem(path))
    tellsSizes.set(dev, known)
  }
  return known ? 0 : undefined
}

// One call for each file system with an empty file.
const tellsSizes = new Map<bigint, boolean>()

// By the numbers of <linux/magic.h>: procfs, sysfs, cgroup (two numbers), tracefs, debugfs, securityfs, configfs, pstore, SELinux, Smack, binfmt_misc, FUSE and
// its controls.
const madeUp: ReadonlySet<number> = new Set([
  0x9fa0, 0x62656572, 0x27e0eb, 0x63677270, 0x74726163, 0x64626720, 0x73636673, 0x62656570, 0x6165676c, 0xf97cff8c,
  0x43415d53, 0x42494e4d, 0x65735546, 0x65735543,
])

/** Where the link at `path` points, in the notation of entries. */
export function targetOf(path: SystemPath): string {
  const target = readlinkSync(path)
  return mayBeLossy(target) ? pathFromBytes(readlinkSync(path, 'buffer')) : target
}

/** The numbers of inodes and devices are unsigned, and Node gives them with a sign. */
export function unsigned(number: bigint): bigint {
  return number < 0n ? BigInt.asUintN(64, number) : number
}

/** The number of a device as the system has it (glibc's makedev). */
export function deviceNumber({ major, minor }: { readonly major: number; readonly minor: number }): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)]
  return ((high & 0xfffff000n) << 32n) | ((high & 0xfffn) << 8n) | ((low & 0xffffff00n) << 12n) | (low & 0xffn)
}

/**
 * Whether the device is needed to tell hard links apart. Numbers of devices change when the system starts anew, and with each snapshot of a
 * filesystem: where they are not needed, they would only make all metadata look new.
 */
function isElsewhere(type: EntryType, { dev, nlink }: BigIntStats, home: bigint): boolean {
  return dev !== home && nlink > 1n && type !== 'directory'
}

function deviceOf(number: bigint): { major: number; minor: number } {
  return {
    major: Number(((number >> 32n) & 0xfffff000n) | ((number >> 8n) & 0xfffn)),
    minor: Number(((number >> 12n) & 0xffffff00n) | (number & 0xffn)),
  }
}
