import type { Stat } from '../tree/index.js'
import { Scanner } from '../tree/scanner.js'

/** Whether a file's content is what it was, going by two stats of it. A change token decides alone where both have one. */
export function sameContent(before: Stat, now: Stat): boolean {
  if (before.error !== undefined || before.type !== now.type) return false
  if (before.version !== undefined && now.version !== undefined) return before.version === now.version
  return (
    before.size === now.size &&
    before.mtime === now.mtime &&
    before.ctime === now.ctime &&
    before.inode?.number === now.inode?.number &&
    before.mtime !== undefined
  )
}

/**
 * The later of mtime and ctime in an encoded stat, in milliseconds; undefined where there is neither. A change right after a file
 * was read may leave the same time behind when the clock has not ticked, so what is this young is read again next time.
 */
export function youngest(stat: Uint8Array): number | undefined {
  const scanner = new Scanner(stat)
  scanner.u8()
  const flags = scanner.varint()
  if (flags & 1) scanner.varint()
  if (flags & 2) scanner.varint()
  const mtime = flags & 4 ? milliseconds(stat, scanner.skip(8)) : undefined
  const ctime = flags & 8 ? milliseconds(stat, scanner.skip(8)) : undefined
  return mtime === undefined || ctime === undefined ? (mtime ?? ctime) : Math.max(mtime, ctime)
}

function milliseconds(stat: Uint8Array, at: number): number {
  const view = new DataView(stat.buffer, stat.byteOffset + at, 8)
  return (view.getInt32(4, true) * 0x1_0000_0000 + view.getUint32(0, true)) / 1e6
}
