import { endOfSubtree } from './key.js'
import { compareKeyAt, contentAt, firstFrom, keyAt, statAt, type TreeNode } from './node.js'
import { childReference, type FetchNode, loadNode, type NodeReference, rootReference } from './reference.js'
import { Scanner } from './scanner.js'
import { Tally, type Totals } from './totals.js'

/** An entry as the tree holds it; all parts are views. */
export interface RawEntry {
  readonly key: Uint8Array
  readonly stat: Uint8Array
  readonly content: Uint8Array
}

/** Entry `index` of a leaf. */
export function rawEntry(leaf: TreeNode, index: number): RawEntry {
  return { key: keyAt(leaf, index), stat: statAt(leaf, index), content: contentAt(leaf, index) }
}

/**
 * The entry of `key`; reads one node a level.
 * @throws KlosetError KLOSET_TREE_CORRUPT, and what `fetch` throws
 */
export async function lookup(root: Uint8Array, fetch: FetchNode, key: Uint8Array): Promise<RawEntry | undefined> {
  for await (const node of descent(root, fetch, key)) {
    const index = firstFrom(node, key)
    if (node.level === 0 && index < node.count && compareKeyAt(node, index, key) === 0) return rawEntry(node, index)
  }
  return undefined
}

/**
 * Totals of the entry of `key` and everything below it: the size of a folder in two reads a level at most. All zero where there is
 * nothing.
 * @throws KlosetError KLOSET_TREE_CORRUPT, and what `fetch` throws
 */
export async function totalsUnder(root: Uint8Array, fetch: FetchNode, key: Uint8Array): Promise<Totals> {
  if (key.length === 0) return (await loadNode(fetch, rootReference(root))).totals
  const totals = await totalsBefore(root, fetch, endOfSubtree(key))
  totals.subtract(await totalsBefore(root, fetch, key))
  return totals.finish()
}

// The nodes on the way from the root to the place of `key`; they end early where all keys come before it.
async function* descent(
  root: Uint8Array,
  fetch: FetchNode,
  key: Uint8Array,
): AsyncGenerator<TreeNode, void, undefined> {
  let reference: NodeReference = rootReference(root)
  for (;;) {
    const node = await loadNode(fetch, reference)
    yield node
    if (node.level === 0) return
    const index = firstFrom(node, key)
    if (index === node.count) return
    reference = childReference(node, index, reference)
  }
}

async function totalsBefore(root: Uint8Array, fetch: FetchNode, key: Uint8Array): Promise<Tally> {
  const tally = new Tally()
  for await (const node of descent(root, fetch, key)) {
    const index = firstFrom(node, key)
    if (node.level === 0) tallyEntries(tally, node, index)
    else for (const totals of node.childTotals.slice(0, index)) tally.add(totals)
  }
  return tally
}

function tallyEntries(tally: Tally, leaf: TreeNode, count: number): void {
  const scanner = new Scanner(leaf.bytes)
  for (let i = 0; i < count; i++) {
    scanner.at = leaf.valueStarts[i]!
    scanner.end = leaf.valueEnds[i]!
    tally.addEntry(scanner, leaf.contentStarts[i]!)
  }
}
