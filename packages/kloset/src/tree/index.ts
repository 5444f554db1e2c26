export { type BuiltTree, TreeBuilder, type TreeBuilderOptions } from './builder.js'
export {
  contentLength,
  decodeContent,
  encodeContent,
  type ListRoot,
  noContent,
  type StoredContent,
  writeContent,
} from './content.js'
export { entriesUnder, type LeafRange, TreeCursor, type TreeCursorOptions } from './cursor.js'
export { changeBetween, type DiffOptions, diff, sameContent, type TreeChange } from './diff.js'
export { decodeEntry, type StoredEntry } from './entry.js'
export type { Extent, PlacedExtent } from './extent.js'
export { lookup, type RawEntry, rawEntry, totalsUnder } from './find.js'
export { type NodeKeys, nodeId } from './hashing.js'
export { endOfSubtree, keyOf, pathOfKey } from './key.js'
export { maxInlineExtents, maxInlineXattrBytes, maxXattrBytes } from './limits.js'
export { ListBuilder, type ListBuilderOptions, type WriteNode } from './list-builder.js'
export { decodeListNode, type ListChild, type ListNode, type ListReference } from './list-node.js'
export { extents } from './list-reader.js'
export { longXattrs, xattrPieces } from './named.js'
export { compareKeyAt, contentAt, decodeNode, firstFrom, keyAt, statAt, type TreeNode } from './node.js'
export {
  childId,
  childReference,
  type FetchNode,
  fetchAhead,
  loadNode,
  type NodeReference,
  openNode,
  rootReference,
} from './reference.js'
export {
  decodeStat,
  type EntryError,
  encodeStat,
  entryTypes,
  hasError,
  hasXattrs,
  type Stat,
  writeStat,
} from './stat.js'
export { addTotals, noTotals, type Totals } from './totals.js'
