import type { Entry } from '../connector/contract.js'
import { checkPath, pathFromBytes } from '../connector/paths.js'
import { decodeContent, type StoredContent } from './content.js'
import { decodeStat, type Stat } from './stat.js'

/** An entry of a tree. */
export interface StoredEntry extends Entry, Pick<Stat, 'storedXattrs' | 'error'> {
  readonly content: StoredContent
}

/**
 * The entry in the three parts a tree has of it. Nothing of it shares memory with them.
 * @throws KlosetError KLOSET_TREE_CORRUPT where stat or content are damaged, KLOSET_PATH_UNSAFE for a key that no entry may have: it
 * could lead out of where things are restored to
 */
export function decodeEntry(key: Uint8Array, stat: Uint8Array, content: Uint8Array): StoredEntry {
  return { path: checkPath(pathFromBytes(key)), ...decodeStat(stat), content: decodeContent(content) }
}
