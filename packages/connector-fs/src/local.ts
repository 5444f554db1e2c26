import { realpathSync, statfsSync } from 'node:fs'
import { pathFromBytes, pathToBytes } from 'kloset/connector'

/** A path as the system takes it: text where it is UTF-8, bytes where it is not. */
export type SystemPath = string | Buffer

/** The escapes that stand for bytes outside UTF-8, and the character that Node puts in the place of such bytes. */
const escaped = /[\udc80-\udcff]/
const replaced = '\ufffd'

/** Whether Node may have lost bytes when it made `name` from what the system gave. */
export function mayBeLossy(name: string): boolean {
  return name.includes(replaced)
}

/** Whether `path` may hold escapes for bytes outside UTF-8: the second half of an emoji looks like one. */
export function hasEscapes(path: string): boolean {
  return escaped.test(path)
}

/** Where `path`, relative and in the notation of entries, is below `root`. */
export function systemPath(root: string, path: string): SystemPath {
  const local = path === '' ? root : root === '/' ? `/${path}` : `${root}/${path}`
  return hasEscapes(local) ? Buffer.from(pathToBytes(local)) : local
}

/** The number of the file system that a path is on, as <linux/magic.h> has it; 0 where it cannot be told. */
export function typeOfFileSystem(path: SystemPath): number {
  try {
    return statfsSync(path).type >>> 0
  } catch {
    return 0
  }
}

/** Where a path really is, in the notation of entries. @throws the system's error where nothing is there */
export function realPath(path: SystemPath): string {
  return pathFromBytes(realpathSync.native(path, 'buffer'))
}

/** `path` for a person: bytes outside UTF-8 as `\ufffd`. */
export function shown(path: SystemPath): string {
  return path.toString()
}

/** Splits `path` into the folder it is in (`''` for the root) and its last segment. */
export function splitPath(path: string): { folder: string; name: string } {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? { folder: '', name: path } : { folder: path.slice(0, slash), name: path.slice(slash + 1) }
}
