import { createRequire } from 'node:module'
import { getSystemErrorName } from 'node:util'
import type { Range } from 'kloset/connector'
import type { SystemPath } from './local.js'

/** What Node has no calls for. Failed calls throw as Node's do, with a `code`. */
export interface Native {
  /** Sets the modification time of an open file, in nanoseconds since 1970. */
  setTime(file: number, mtime: bigint): void
  /** The same for what is at `path`, which is not followed if it is a link. */
  setTimeOf(path: SystemPath, mtime: bigint): void
  /** Makes a FIFO, socket or device: `mode` holds its kind. */
  makeNode(path: SystemPath, mode: number, device: bigint): void
  /** The next range of an open file with data at or after `at`; undefined where only a hole follows. */
  nextData(file: number, at: number): Range | undefined
}

/**
 * The system's C library through the optional package koffi, loaded when first asked for (about 15 ms, 5 in a worker; each call
 * then costs as much as one of Node's). Undefined where the package or the library is not there.
 */
export function native(): Native | undefined {
  loaded ??= { native: load() }
  return loaded.native
}

let loaded: { readonly native: Native | undefined } | undefined

// Of <fcntl.h> and <sys/stat.h> on Linux; other systems have other numbers, or lack the calls.
const atWorkingDirectory = -100
const doNotFollow = 0x100
const omitTime = 0x3ffffffen
const seekData = 3
const seekHole = 4
const noSuchRange = 6

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
  const futimens = library.func('int futimens(int fd, const void *times)')
  const utimensat = library.func('int utimensat(int folder, const void *path, const void *times, int flags)')
  const mknod = library.func('int mknod(const void *path, uint32_t mode, uint64_t device)')
  const lseek = library.func('int64_t lseek(int fd, int64_t offset, int whence)')

  // Two struct timespec: the first, the access time, is left alone.
  const times = new BigInt64Array(4)
  times[1] = omitTime
  const timesOf = (mtime: bigint): BigInt64Array => {
    const nanoseconds = ((mtime % second) + second) % second
    times[2] = (mtime - nanoseconds) / second
    times[3] = nanoseconds
    return times
  }
  const require = (call: string, result: number): void => {
    if (result === -1) throw systemError(call, koffi.errno())
  }

  return {
    setTime: (file, mtime) => require('futimens', futimens(file, timesOf(mtime))),
    setTimeOf: (path, mtime) =>
      require('utimensat', utimensat(atWorkingDirectory, terminated(path), timesOf(mtime), doNotFollow)),
    makeNode: (path, mode, device) => require('mknod', mknod(terminated(path), mode, device)),

    nextData(file, at) {
      const offset = lseek(file, at, seekData)
      if (offset === -1 && koffi.errno() === noSuchRange) return undefined
      require('lseek', offset)
      const end = lseek(file, offset, seekHole)
      require('lseek', end)
      return { offset, length: end - offset }
    },
  }
}

const second = 1_000_000_000n

/** Bytes that end in NUL, as C wants them. */
function terminated(path: SystemPath): Buffer {
  return Buffer.concat([Buffer.from(path as string), Buffer.alloc(1)])
}

function systemError(call: string, number: number): Error {
  const code = getSystemErrorName(-number)
  return Object.assign(new Error(`${code}: ${call}`), { code, errno: -number, syscall: call })
}
