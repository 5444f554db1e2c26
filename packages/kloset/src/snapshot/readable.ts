import { compareKeys } from '../connector/index.js'
import { isKlosetError } from '../errors.js'
import {
  childReference,
  endOfSubtree,
  type FetchNode,
  firstFrom,
  keyAt,
  type LeafRange,
  loadNode,
  type NodeReference,
  type RawEntry,
  rawEntry,
  rootReference,
  TreeCursor,
} from '../tree/index.js'

/** Entries that cannot be read, because a node of their tree is damaged or missing. */
export interface LostEntries {
  /** The key that they come after; undefined where they are the first of the tree. */
  readonly after: Uint8Array | undefined
  /** The key of the last of them. */
  readonly last: Uint8Array
  readonly error: unknown
}

/**
 * As `entriesUnder`, but it goes on after a node that cannot be read: what is lost with it is told in its place. So a damaged node
 * costs the entries in it, and no others. What is below an entry that `enters` refuses is not read.
 * @throws what reading the root throws: without it nothing is known of the tree
 */
export async function* readableUnder(
  root: Uint8Array,
  fetch: FetchNode,
  key: Uint8Array,
  enters?: (entry: RawEntry) => boolean,
): AsyncGenerator<LeafRange | LostEntries, void, undefined> {
  const end = key.length === 0 ? undefined : endOfSubtree(key)
  const cursor = new TreeCursor(root, fetch)
  let from = key
  for (;;) {
    try {
      await cursor.seek(from)
      while (!cursor.done) {
        const { leaf, index } = cursor
        const to = end === undefined ? leaf.count : firstFrom(leaf, end, index)
        const beyond = enters === undefined ? undefined : yield* entered(leaf, index, to, enters)
        if (enters === undefined && to > index) yield { leaf, from: index, to }
        if (to < leaf.count) return
        from = beyond ?? justAfter(keyAt(leaf, leaf.count - 1))
        await (beyond === undefined ? cursor.nextLeaf() : cursor.seek(beyond))
      }
      return
    } catch (error) {
      if (!isDamage(error)) throw error
      const lost = await lostFrom(root, fetch, from)
      // Where all can be read now, it was not the node that failed.
      if (lost === undefined) throw error
      yield lost
      from = justAfter(lost.last)
      if (end !== undefined && compareKeys(from, 0, from.length, end, 0, end.length) > 0) return
    }
  }
}

/**
 * The entries of a leaf without those below one that is not entered. Returns where to go on, where what is below the last of those may be in
 * other leaves, too.
 */
function* entered(
  leaf: LeafRange['leaf'],
  from: number,
  to: number,
  enters: (entry: RawEntry) => boolean,
): Generator<LeafRange, Uint8Array | undefined> {
  let start = from
  for (let index = from; index < to; index++) {
    if (enters(rawEntry(leaf, index))) continue
    yield { leaf, from: start, to: index + 1 }
    const beyond = endOfSubtree(keyAt(leaf, index))
    start = firstFrom(leaf, beyond, index + 1)
    if (start >= leaf.count) return beyond
    index = start - 1
  }
  if (start < to) yield { leaf, from: start, to }
  return undefined
}

/** Whether it will fail the same way again: a storage that cannot be reached says nothing about the tree. */
export function isDamage(error: unknown): boolean {
  if (!isKlosetError(error) || error.retry === 'later') return false
  return (
    error.code.endsWith('_CORRUPT') ||
    ['KLOSET_CHUNK_MISSING', 'KLOSET_NOT_FOUND', 'KLOSET_VERSION'].includes(error.code)
  )
}

/** What is lost with the node that `from` is in, where that or one above it cannot be read. */
async function lostFrom(root: Uint8Array, fetch: FetchNode, from: Uint8Array): Promise<LostEntries | undefined> {
  let reference: NodeReference = rootReference(root)
  for (;;) {
    try {
      const node = await loadNode(fetch, reference)
      if (node.level === 0) return undefined
      const index = firstFrom(node, from)
      if (index === node.count) return undefined
      reference = childReference(node, index, reference)
    } catch (error) {
      if (!isDamage(error) || reference.parent === undefined) throw error
      return { after: reference.after?.slice(), last: reference.parent.last.slice(), error }
    }
  }
}

/** The least key after this one: `/` is below every other byte. */
function justAfter(key: Uint8Array): Uint8Array {
  const after = new Uint8Array(key.length + 1)
  after.set(key)
  after[key.length] = slash
  return after
}

const slash = 0x2f
