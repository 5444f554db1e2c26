import type { BackupOptions } from '../api.js'
import { compareBytes } from '../bytes/index.js'
import { decodeStat, type Stat } from '../tree/index.js'
import { Scanner } from '../tree/scanner.js'

/** What it is compared with, and what of it counts. */
export interface Comparison {
  /** Whether the ctime and the number of the inode count; type, size and mtime always do. */
  readonly ctime: boolean
  readonly inode: boolean
  /** When the backup began that wrote the stat before, in ms since 1970. */
  readonly since: number
  /** How far apart two changes must be for their times to differ, in ms. */
  readonly grain: number
}

/** How to compare with a backup that began at `since`, in a source whose times have this grain in nanoseconds. */
export function comparison(compare: BackupOptions['compare'], since: number, timeGrain: bigint): Comparison {
  const grain = Math.max(coarsestClock, Number(timeGrain) / 1e6)
  return { ctime: compare?.ctime ?? true, inode: compare?.inode ?? true, since, grain }
}

/** Whether a file's content is what it was, going by two encoded stats of it. A change token decides alone where both have one. */
export function isUnchanged(before: Uint8Array, now: Uint8Array, how: Comparison): boolean {
  if (compareBytes(before, now) === 0) return isSettled(now, how) || decodeStat(now).version !== undefined
  const [was, is] = [decodeStat(before), decodeStat(now)]
  if (was.error !== undefined || was.type !== is.type) return false
  if (was.version !== undefined && is.version !== undefined) return was.version === is.version
  return isSame(was, is, how) && isSettled(now, how)
}

// The device of an inode does not count: it is another one in each snapshot of a filesystem, and after a restart.
function isSame(was: Stat, is: Stat, { ctime, inode }: Comparison): boolean {
  return (
    was.size === is.size &&
    was.mtime === is.mtime &&
    (!ctime || was.ctime === is.ctime) &&
    (!inode || was.inode?.number === is.inode?.number)
  )
}

/**
 * Whether the times of a file tell: they are older than the backup before by more than the clock's grain. A change right after a file
 * was read may leave the same times behind when the clock has not ticked, so what is younger is read again.
 */
function isSettled(now: Uint8Array, { ctime, since, grain }: Comparison): boolean {
  const young = youngest(now, ctime)
  if (young === undefined) return false
  return young < since - (young % 1000 === 0 ? Math.max(grain, coarsestSeconds) : grain)
}

/** The mtime in an encoded stat, or with `ctime` the later of both, in milliseconds; undefined where there is no mtime. */
function youngest(stat: Uint8Array, ctime: boolean): number | undefined {
  const scanner = new Scanner(stat)
  scanner.u8()
  const flags = scanner.varint()
  if (flags & 1) scanner.varint()
  if (flags & 2) scanner.varint()
  if (!(flags & 4)) return undefined
  const mtime = milliseconds(stat, scanner.skip(8))
  return ctime && flags & 8 ? Math.max(mtime, milliseconds(stat, scanner.skip(8))) : mtime
}

function milliseconds(stat: Uint8Array, at: number): number {
  const view = new DataView(stat.buffer, stat.byteOffset + at, 8)
  return (view.getInt32(4, true) * 0x1_0000_0000 + view.getUint32(0, true)) / 1e6
}

/** Kernels stamp times by a clock that ticks only every few milliseconds. */
const coarsestClock = 10

/** A time without a fraction is one of a file system that keeps whole seconds, of FAT even ones, whatever the source knows of it. */
const coarsestSeconds = 2_000
