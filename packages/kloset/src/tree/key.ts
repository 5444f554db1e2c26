import type { Bytes } from '../bytes/index.js'
import { pathFromBytes, pathToBytes } from '../connector/paths.js'

/** The key of the entry at `path`. @throws TypeError where the string is not a path (see `pathToBytes`) */
export function keyOf(path: string): Bytes {
  return pathToBytes(path)
}

/** The path of a key: any bytes have one. */
export function pathOfKey(key: Uint8Array): string {
  return pathFromBytes(key)
}

/**
 * The key that comes just after `key` and everything below it: `key` and a NUL, which no path holds. Not for the root: everything is
 * below it.
 */
export function endOfSubtree(key: Uint8Array): Bytes {
  const end = new Uint8Array(key.length + 1)
  end.set(key)
  return end
}
