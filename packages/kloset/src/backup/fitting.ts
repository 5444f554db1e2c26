import { type Entry, nearestTime } from '../connector/index.js'
import { isKlosetError, KlosetError } from '../errors.js'
import { type EntryError, encodeStat, type Stat } from '../tree/index.js'

/**
 * The entry with the nearest values that a snapshot can hold: times of the years 1677 to 2262, inode numbers without a sign. Numbers
 * beyond 64 bits would make hard links of strangers, so they are left out.
 */
export function nearest(entry: Entry): { readonly entry: Entry; readonly times: boolean } {
  const { mtime, ctime, birthtime, inode } = entry
  const near = { mtime: timeNear(mtime), ctime: timeNear(ctime), birthtime: timeNear(birthtime) }
  return {
    entry: { ...entry, ...near, inode: inode && inodeNear(inode) },
    times: near.mtime !== mtime || near.ctime !== ctime || near.birthtime !== birthtime,
  }
}

/** What is kept of an entry that fails, from most to least: who may read it matters most, above all of a directory. */
export function remains(entry: Entry): readonly Entry[] {
  const { path, type, mode, owner, mtime } = entry
  return [
    { path, type, mode, owner, mtime },
    { path, type },
    { path, type: 'file' },
  ]
}

/** The stat of an entry that failed, with its error; where both together are too long, with little else. */
export function failedStat(stat: Stat, error: EntryError): Uint8Array {
  try {
    return encodeStat({ ...stat, error })
  } catch (thrown) {
    if (!isKlosetError(thrown, 'KLOSET_LIMIT')) throw thrown
    const { type, mode, mtime } = stat
    return encodeStat({ type, mode, mtime, error })
  }
}

/** Why an entry cannot be kept, from what its encoding threw; undefined for what has nothing to do with its values. */
export function unfitting(thrown: unknown, path: string): KlosetError | undefined {
  if (isKlosetError(thrown, 'KLOSET_LIMIT')) return thrown
  if (!(thrown instanceof TypeError || thrown instanceof RangeError)) return undefined
  return new KlosetError('KLOSET_LIMIT', `the entry cannot be kept: ${thrown.message}`, {
    context: { path },
    hint: 'Snapshots hold sizes below 2^53 bytes; exclude the entry, or look at what its source says of it.',
    cause: thrown,
  })
}

function timeNear(time: bigint | undefined): bigint | undefined {
  return time === undefined ? undefined : nearestTime(time)
}

function inodeNear({ device, number, links }: NonNullable<Entry['inode']>): Entry['inode'] {
  if (!isIn64Bits(device) || !isIn64Bits(number)) return undefined
  return { device: BigInt.asUintN(64, device), number: BigInt.asUintN(64, number), links }
}

/** Whether it is a 64-bit number, taken as signed or as unsigned: some systems give one for the other. */
function isIn64Bits(value: bigint): boolean {
  return BigInt.asUintN(64, value) === value || BigInt.asIntN(64, value) === value
}
