import type { Range } from '../connector/contract.js'
import type { StoredContent } from './content.js'
import type { PlacedExtent } from './extent.js'
import { decodeListNode, type ListReference } from './list-node.js'
import { type FetchNode, fetchAhead } from './reference.js'

/**
 * The extents of a content in order, each with its offset in the file; with `range`, those that hold a byte of it. Nodes of a list
 * beside the range are not read, the next one is fetched while one is gone through, and memory is one node a level.
 * @throws KlosetError KLOSET_TREE_CORRUPT, and what `fetch` throws
 */
export async function* extents(
  content: StoredContent,
  fetch: FetchNode,
  range?: Range,
): AsyncGenerator<PlacedExtent, void, undefined> {
  const from = range?.offset ?? 0
  const to = range === undefined ? Number.POSITIVE_INFINITY : from + range.length
  if (content.form === 'extents') yield* within(content.extents, 0, from, to)
  else if (content.form === 'list' && from < to && from < content.length) {
    yield* nodeExtents(content, await fetch(content.id), 0, fetch, from, to)
  }
}

async function* nodeExtents(
  reference: ListReference,
  bytes: Uint8Array,
  offset: number,
  fetch: FetchNode,
  from: number,
  to: number,
): AsyncGenerator<PlacedExtent, void, undefined> {
  const node = decodeListNode(bytes, reference)
  if ('extents' in node) {
    yield* within(node.extents, offset, from, to)
    return
  }
  const children = [...within(node.children, offset, from, to)]
  let next = children.length > 0 ? fetchAhead(fetch, children[0]!.id) : undefined
  for (const [i, child] of children.entries()) {
    const encoded = await next!
    const following = children[i + 1]
    next = following === undefined ? undefined : fetchAhead(fetch, following.id)
    yield* nodeExtents({ ...child, level: node.level - 1 }, encoded, child.offset, fetch, from, to)
  }
}

function* within<T extends { readonly length: number }>(
  items: Iterable<T>,
  offset: number,
  from: number,
  to: number,
): Generator<T & { offset: number }, void, undefined> {
  let at = offset
  for (const item of items) {
    if (at >= to) return
    if (at + item.length > from) yield { ...item, offset: at }
    at += item.length
  }
}
