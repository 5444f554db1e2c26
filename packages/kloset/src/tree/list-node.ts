import { ByteReader, MalformedError } from '../bytes/index.js'
import { orCorrupt, treeCorrupt } from './corrupt.js'
import { addLengths, type Extent, readExtent } from './extent.js'
import { idBytes, maxLevel, maxListItems, maxNodeBytes, nodeVersion } from './limits.js'

/** A node below another one of a list. */
export interface ListChild {
  readonly id: Uint8Array
  /** Bytes of the file below it. */
  readonly length: number
  /** Extents below it. */
  readonly count: number
}

/** A decoded node of a list: extents at level 0, children above. */
export type ListNode =
  | { readonly level: 0; readonly extents: readonly Extent[] }
  | { readonly level: number; readonly children: readonly ListChild[] }

/** What its parent says about a list node. */
export interface ListReference extends ListChild {
  readonly level: number
}

/**
 * Decodes the list node that `reference` names. Its ids are views of `bytes`.
 * @throws KlosetError KLOSET_TREE_CORRUPT where it is malformed, and where it is not what the reference says: level by level down to
 * 0, so no list leads back to itself.
 */
export function decodeListNode(bytes: Uint8Array, reference: ListReference): ListNode {
  const node = orCorrupt('a node of a list is damaged', reference.id, () => readListNode(bytes))
  if (node.level !== reference.level) throw treeCorrupt('a node of a list has the wrong level', reference.id)
  const { length, count } = orCorrupt('a node of a list is damaged', reference.id, () => sums(node))
  if (length !== reference.length || count !== reference.count) {
    throw treeCorrupt('a node of a list does not add up to what its parent says', reference.id)
  }
  return node
}

function sums(node: ListNode): { length: number; count: number } {
  if ('extents' in node) return { length: sum(node.extents.map((extent) => extent.length)), count: node.extents.length }
  return {
    length: sum(node.children.map((child) => child.length)),
    count: sum(node.children.map((child) => child.count)),
  }
}

function sum(lengths: readonly number[]): number {
  return lengths.reduce(addLengths, 0)
}

function readListNode(bytes: Uint8Array): ListNode {
  if (bytes.length > maxNodeBytes) throw new MalformedError(`a node of ${bytes.length} bytes`)
  const reader = new ByteReader(bytes)
  if (reader.u8() !== nodeVersion) throw new MalformedError('an unknown version of node')
  const level = reader.u8()
  if (level > maxLevel) throw new MalformedError('a level that is too high')
  const items = reader.count(level === 0 ? 1 : idBytes + 2)
  if (items === 0 || items > maxListItems) throw new MalformedError(`a node of ${items} items`)
  const node: ListNode =
    level === 0
      ? { level, extents: Array.from({ length: items }, () => readExtent(reader)) }
      : { level, children: Array.from({ length: items }, () => readChild(reader)) }
  reader.end()
  return node
}

function readChild(reader: ByteReader): ListChild {
  const child = { id: reader.bytes(idBytes), length: reader.varint(), count: reader.varint() }
  if (child.count === 0 || child.count > child.length)
    throw new MalformedError('the counts of a list contradict each other')
  return child
}
