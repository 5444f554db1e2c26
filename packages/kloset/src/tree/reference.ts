import { equalBytes } from '../bytes/index.js'
import { compareKeys } from '../connector/paths.js'
import { treeCorrupt } from './corrupt.js'
import { decodeNode, keyAt, statAt, type TreeNode } from './node.js'
import { sameTotals, type Totals } from './totals.js'

/** Gets the encoding of a node by its id, verified: what it returns has that id. */
export type FetchNode = (id: Uint8Array) => Uint8Array | Promise<Uint8Array>

/** What is known of a node before it is read. */
export interface NodeReference {
  readonly id: Uint8Array
  /** All its keys come after this one; undefined for the first node of a level. */
  readonly after: Uint8Array | undefined
  /** What its parent says; absent for a root. */
  readonly parent: { readonly level: number; readonly last: Uint8Array; readonly totals: Totals } | undefined
}

/** The reference to a root. */
export function rootReference(id: Uint8Array): NodeReference {
  return { id, after: undefined, parent: undefined }
}

/** The reference to child `index` of an inner node, which `reference` led to. */
export function childReference(node: TreeNode, index: number, reference: NodeReference): NodeReference {
  return {
    id: childId(node, index),
    after: index === 0 ? reference.after : keyAt(node, index - 1),
    parent: { level: node.level, last: keyAt(node, index), totals: node.childTotals[index]! },
  }
}

/** The id of child `index` of an inner node: a view. */
export function childId(node: TreeNode, index: number): Uint8Array {
  return statAt(node, index)
}

/** Fetches and checks the node that `reference` names. @throws KlosetError KLOSET_TREE_CORRUPT, and what `fetch` throws */
export async function loadNode(fetch: FetchNode, reference: NodeReference): Promise<TreeNode> {
  return openNode(await fetch(reference.id), reference)
}

/**
 * Decodes the node that `reference` names and holds it to what was said of it: a level below its parent's (so that no tree leads back
 * to itself), keys within the range it stands for, and the same totals.
 * @throws KlosetError KLOSET_TREE_CORRUPT
 */
export function openNode(bytes: Uint8Array, reference: NodeReference): TreeNode {
  const { id, after, parent } = reference
  const node = decodeNode(bytes, id)
  if (after === undefined) {
    if (node.level === 0 && node.keyStarts[1] !== 0) throw treeCorrupt('a tree does not start with its root', id)
  } else if (compareKeys(node.keys, 0, node.keyStarts[1]!, after, 0, after.length) <= 0) {
    throw treeCorrupt('a node of the tree starts before its place', id)
  }
  if (parent === undefined) return node
  if (node.level !== parent.level - 1) throw treeCorrupt('a node of the tree has the wrong level', id)
  if (!equalBytes(keyAt(node, node.count - 1), parent.last)) {
    throw treeCorrupt('a node of the tree does not end where its parent says', id)
  }
  if (!sameTotals(node.totals, parent.totals)) {
    throw treeCorrupt('a node of the tree does not add up to what its parent says', id)
  }
  return node
}

/**
 * Starts to fetch a node that will probably be wanted. The promise may be dropped: where nobody waits for it, its failure is nobody's.
 */
export function fetchAhead(fetch: FetchNode, id: Uint8Array): Promise<Uint8Array> {
  const fetching = (async () => fetch(id))()
  fetching.catch(() => undefined)
  return fetching
}
