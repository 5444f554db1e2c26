import { constants } from 'node:fs'
import { createRequire } from 'node:module'
import { getSystemErrorName } from 'node:util'
import type { Range } from 'kloset/connector'
import type { SystemPath } from './local.js'

/**
 * An open file, or what is at a path, which is not followed if it is a link; or what is held open and can be reached through a path that
 * leads nowhere else.
 */
export type Place = number | SystemPath | { readonly pinned: string }

/** What Node has no calls for. Failed calls throw as Node's do, with a `code`. */
export interface Native {
  /** Opens a file for reading at an absolute path of which no part may be a link, else ELOOP. Absent where the kernel cannot (Linux before 5.6). */
  readonly openWithoutLinks?: (path: SystemPath, flags: number) => number
  /** Closes a file that {@link openWithoutLinks} opened: in a thread, Node warns of closing what it has not opened. */
  close(file: number): void
  /** Sets the modification time, in nanoseconds since 1970. */
  setTime(place: Place, mtime: bigint): void
  /** Makes a FIFO, socket or device: `mode` holds its kind. */
  makeNode(path: SystemPath, mode: number, device: bigint): void
  /** The next range of an open file with data at or after `at`; undefined where only a hole follows. */
  nextData(file: number, at: number): Range | undefined
  /** Has the first `size` bytes of an open file take room on the disk, also where it has holes. */
  allocate(file: number, size: number): void
  /** The names of extended attributes, each followed by NUL; undefined where there are none. Overwritten by the next call. */
  xattrNames(path: SystemPath): Buffer | undefined
  /** The value of an extended attribute; undefined where there is none of that name. */
  xattr(path: SystemPath, name: Buffer): Uint8Array | undefined
  /** Gives an extended attribute a value. */
  setXattr(place: Place, name: Buffer, value: Uint8Array): void
  /** Removes an extended attribute, if it is there. */
  removeXattr(place: Place, name: Buffer): void
}

/**
 * The system's C library through the optional package koffi, loaded when first asked for (about 15 ms, 5 in a worker; each call
 * then costs as much as one of Node's). Undefined where the package or the library is not there.
 */
export function native(): Native | undefined {
  loaded ??= { native: load() }
  return loaded.native
}

/** Whether {@link native} can be expected to be there, without loading it. */
export function hasNative(): boolean {
  if (loaded !== undefined) return loaded.native !== undefined
  if (process.platform !== 'linux') return false
  try {
    createRequire(import.meta.url).resolve('koffi')
    return true
  } catch {
    return false
  }
}

let loaded: { readonly native: Native | undefined } | undefined

// Of <fcntl.h> and <sys/stat.h> on Linux; other systems have other numbers, or lack the calls.
const atWorkingDirectory = -100
const doNotFollow = 0x100
const omitTime = 0x3ffffffen
const seekData = 3
const seekHole = 4

// The number of openat2(2) is the same on all kinds of machines.
const callOpenat2 = 437
const resolveNoLinks = 0x04n
const closeOnExec = 0o2000000

/** The longest list of names and the longest value that Linux has (XATTR_LIST_MAX, XATTR_SIZE_MAX). */
const longestXattr = 65_536

interface Koffi {
  load(path: null): { func(declaration: string): (...values: unknown[]) => number }
  errno(): number
}

function load(): Native | undefined {
  if (process.platform !== 'linux') return undefined
  try {
    return bind(createRequire(import.meta.url)('koffi') as Koffi)
  } catch {
    return undefined
  }
}

function bind(koffi: Koffi): Native {
  const library = koffi.load(null)
  const openat2 = library.func(
    'int64_t syscall(int64_t number, int64_t folder, const char *path, const void *how, uint64_t size)',
  )
  const close = library.func('int close(int fd)')
  const futimens = library.func('int futimens(int fd, const void *times)')
  const utimensat = library.func('int utimensat(int folder, const char *path, const void *times, int flags)')
  const mknod = library.func('int mknod(const char *path, uint32_t mode, uint64_t device)')
  const lseek = library.func('int64_t lseek(int fd, int64_t offset, int whence)')
  const fallocate = library.func('int fallocate(int fd, int mode, int64_t offset, int64_t length)')
  const llistxattr = library.func('int64_t llistxattr(const char *path, void *names, uint64_t size)')
  const lgetxattr = library.func('int64_t lgetxattr(const char *path, const char *name, void *value, uint64_t size)')
  const setxattr = 'const char *name, const void *value, uint64_t size, int flags)'
  const fsetxattr = library.func(`int fsetxattr(int fd, ${setxattr}`)
  const lsetxattr = library.func(`int lsetxattr(const char *path, ${setxattr}`)
  const followedSetxattr = library.func(`int setxattr(const char *path, ${setxattr}`)
  const fremovexattr = library.func('int fremovexattr(int fd, const char *name)')
  const lremovexattr = library.func('int lremovexattr(const char *path, const char *name)')
  const removexattr = library.func('int removexattr(const char *path, const char *name)')

  // Two struct timespec: the first, the access time, is left alone.
  const times = new BigInt64Array(4)
  times[1] = omitTime
  const timesOf = (mtime: bigint): BigInt64Array => {
    const nanoseconds = ((mtime % second) + second) % second
    times[2] = (mtime - nanoseconds) / second
    times[3] = nanoseconds
    return times
  }
  // Filled by one call and read before the next.
  const scratch = Buffer.alloc(longestXattr)
  const require = (call: string, result: number): void => {
    if (result === -1) throw systemError(call, koffi.errno())
  }
  const has = (call: string, result: number, absent: string): boolean => {
    if (result !== -1) return true
    const error = systemError(call, koffi.errno())
    if (error.code === absent) return false
    throw error
  }

  // A struct open_how: flags, mode, resolve.
  const how = new BigUint64Array(3)
  how[2] = resolveNoLinks
  const openWithoutLinks = (path: SystemPath, flags: number): number => {
    how[0] = BigInt(flags | closeOnExec)
    const file = openat2(callOpenat2, atWorkingDirectory, terminated(path), how, how.byteLength)
    require('openat2', file)
    return file
  }

  return {
    ...(works(() => close(openWithoutLinks('/', constants.O_RDONLY))) && { openWithoutLinks }),

    close: (file) => void close(file),

    setTime(place, mtime) {
      if (typeof place === 'number') require('futimens', futimens(place, timesOf(mtime)))
      else {
        const [path, flags] = isPinned(place) ? [place.pinned, 0] : [terminated(place), doNotFollow]
        require('utimensat', utimensat(atWorkingDirectory, path, timesOf(mtime), flags))
      }
    },

    makeNode: (path, mode, device) => require('mknod', mknod(terminated(path), mode, device)),

    nextData(file, at) {
      const offset = lseek(file, at, seekData)
      if (!has('lseek', offset, 'ENXIO')) return undefined
      const end = lseek(file, offset, seekHole)
      require('lseek', end)
      return { offset, length: end - offset }
    },

    allocate: (file, size) => require('fallocate', fallocate(file, 0, 0, size)),

    xattrNames(path) {
      const length = llistxattr(terminated(path), scratch, longestXattr)
      // Most have none, and that is told without an error.
      if (length === 0) return undefined
      require('llistxattr', length)
      return scratch.subarray(0, length)
    },

    xattr(path, name) {
      const length = lgetxattr(terminated(path), name, scratch, longestXattr)
      return has('lgetxattr', length, 'ENODATA') ? new Uint8Array(scratch.subarray(0, length)) : undefined
    },

    setXattr(place, name, value) {
      if (typeof place === 'number') require('fsetxattr', fsetxattr(place, name, value, value.length, 0))
      else if (isPinned(place)) require('setxattr', followedSetxattr(place.pinned, name, value, value.length, 0))
      else require('lsetxattr', lsetxattr(terminated(place), name, value, value.length, 0))
    },

    removeXattr(place, name) {
      if (typeof place === 'number') has('fremovexattr', fremovexattr(place, name), 'ENODATA')
      else if (isPinned(place)) has('removexattr', removexattr(place.pinned, name), 'ENODATA')
      else has('lremovexattr', lremovexattr(terminated(place), name), 'ENODATA')
    },
  }
}

/** Whether a call can be had: older kernels lack some, and sandboxes refuse them. */
function works(call: () => void): boolean {
  try {
    call()
    return true
  } catch {
    return false
  }
}

const second = 1_000_000_000n

function isPinned(place: SystemPath | { readonly pinned: string }): place is { readonly pinned: string } {
  return typeof place === 'object' && 'pinned' in place
}

/** A path as C wants it: text ends in NUL by itself. */
function terminated(path: SystemPath): string | Buffer {
  return typeof path === 'string' ? path : Buffer.concat([path, Buffer.alloc(1)])
}

function systemError(call: string, number: number): Error & { readonly code: string } {
  const code = getSystemErrorName(-number)
  return Object.assign(new Error(`${code}: ${call}`), { code, errno: -number, syscall: call })
}
