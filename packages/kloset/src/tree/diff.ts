import { equalBytes } from '../bytes/index.js'
import { compareKeys } from '../connector/paths.js'
import { type RawEntry, rawEntry } from './find.js'
import { endOfSubtree } from './key.js'
import { compareKeyAt, keyAt, type TreeNode } from './node.js'
import {
  childId,
  childReference,
  type FetchNode,
  fetchAhead,
  type NodeReference,
  openNode,
  rootReference,
} from './reference.js'
import { decodeStat, entryTypes } from './stat.js'

/** One difference between two trees: `metadata` where what is in the entry is the same (see {@link sameContent}), and the rest of its stat is not. */
export type TreeChange =
  | { readonly kind: 'added'; readonly before: undefined; readonly after: RawEntry }
  | { readonly kind: 'removed'; readonly before: RawEntry; readonly after: undefined }
  | { readonly kind: 'changed' | 'metadata'; readonly before: RawEntry; readonly after: RawEntry }

/** What {@link diff} takes. */
export interface DiffOptions {
  /** Is told each node of `after` that was read. */
  readonly entered?: ((id: Uint8Array, encoded: Uint8Array) => void) | undefined
  /** Only the entry of this key and everything below it. */
  readonly under?: Uint8Array | undefined
}

/**
 * What is different between two trees of a store, in path order; without `before`, all of the other. What they share is skipped without
 * being read: as soon as both sides come to nodes with the same id, which soon happens after any difference, because where nodes end
 * depends on what is in them. `entered` is told each node of `after` that was read: among them all that `before` does not have.
 * @throws KlosetError KLOSET_TREE_CORRUPT, and what `fetch` throws
 */
export async function* diff(
  before: Uint8Array | undefined,
  after: Uint8Array,
  fetch: FetchNode,
  { entered, under }: DiffOptions = {},
): AsyncGenerator<TreeChange, void, undefined> {
  const old = new Walk(before, fetch, { under })
  const now = new Walk(after, fetch, { ahead: before === undefined, entered, under })
  for (;;) {
    const a = old.at
    const b = now.at
    if (a === undefined && b === undefined) return
    if (a?.kind === 'node' && b?.kind === 'node') {
      if (equalBytes(a.reference.id, b.reference.id)) {
        old.next()
        now.next()
      } else
        await Promise.all([a.level >= b.level ? old.enter() : undefined, b.level >= a.level ? now.enter() : undefined])
    } else if (a?.kind === 'node') await old.enter()
    else if (b?.kind === 'node') await now.enter()
    else {
      const order = a === undefined ? 1 : b === undefined ? -1 : compareEntries(a, b)
      const change = changeBetween(order > 0 ? undefined : entryAt(a!), order < 0 ? undefined : entryAt(b!))
      if (order <= 0) old.next()
      if (order >= 0) now.next()
      if (change !== undefined) yield change
    }
  }
}

/** The difference between two entries of one path, where there is one. */
export function changeBetween(before: RawEntry | undefined, after: RawEntry | undefined): TreeChange | undefined {
  if (before === undefined) return after && { kind: 'added', before, after }
  if (after === undefined) return { kind: 'removed', before, after }
  if (equalBytes(before.content, after.content) && equalBytes(before.stat, after.stat)) return undefined
  return { kind: sameContent(before, after) ? 'metadata' : 'changed', before, after }
}

/** Whether two entries are the same kind of thing with the same in it: a file's bytes, a symlink's target, a device's numbers. */
export function sameContent(a: RawEntry, b: RawEntry): boolean {
  // A stat starts with the type.
  if (a.stat[0] !== b.stat[0] || !equalBytes(a.content, b.content)) return false
  if (a.stat[0] === file || a.stat[0] === directory || equalBytes(a.stat, b.stat)) return true
  const [one, other] = [decodeStat(a.stat), decodeStat(b.stat)]
  return (
    one.target === other.target &&
    one.device?.major === other.device?.major &&
    one.device?.minor === other.device?.minor
  )
}

const file = entryTypes.indexOf('file')
const directory = entryTypes.indexOf('directory')

// How many leaves are fetched before they are entered.
const mostAhead = 4

interface NodePlace {
  readonly kind: 'node'
  readonly reference: NodeReference
  readonly level: number
}

interface EntryPlace {
  readonly kind: 'entry'
  readonly leaf: TreeNode
  readonly index: number
}

interface WalkOptions {
  // Whether nodes are fetched ahead: where all of them will be entered.
  readonly ahead?: boolean
  readonly entered?: DiffOptions['entered']
  readonly under?: Uint8Array | undefined
}

interface Frame {
  readonly node: TreeNode
  index: number
  readonly reference: NodeReference
  readonly ahead: Map<number, Promise<Uint8Array>>
}

// Goes through a tree in path order, entering nodes only when told to.
class Walk {
  readonly #fetch: FetchNode
  readonly #options: WalkOptions
  readonly #frames: Frame[] = []
  readonly #under: { readonly from: Uint8Array; readonly end: Uint8Array } | undefined
  at: NodePlace | EntryPlace | undefined

  constructor(root: Uint8Array | undefined, fetch: FetchNode, options: WalkOptions = {}) {
    this.#fetch = fetch
    this.#options = options
    const { under } = options
    this.#under = under === undefined || under.length === 0 ? undefined : { from: under, end: endOfSubtree(under) }
    // The level of a root is known only when it was read: above any other.
    if (root !== undefined) this.at = { kind: 'node', reference: rootReference(root), level: Number.POSITIVE_INFINITY }
  }

  // Goes to the first place in the node it is at.
  async enter(): Promise<void> {
    const { reference } = this.at as NodePlace
    const encoded = await this.#encoded(reference.id)
    this.#frames.push({ node: openNode(encoded, reference), index: 0, reference, ahead: new Map() })
    this.#options.entered?.(reference.id, encoded)
    this.#look()
  }

  #encoded(id: Uint8Array): Uint8Array | Promise<Uint8Array> {
    const frame = this.#frames.at(-1)
    if (this.#options.ahead !== true || frame === undefined) return this.#fetch(id)
    const { node, index, ahead } = frame
    const fetched = ahead.get(index) ?? this.#fetch(id)
    ahead.delete(index)
    // Of inner nodes only the next one: it leads to hundreds of leaves.
    const end = Math.min(node.count, index + 1 + (node.level === 1 ? mostAhead : 1))
    for (let next = index + 1; next < end; next++) {
      if (!ahead.has(next)) ahead.set(next, fetchAhead(this.#fetch, childId(node, next)))
    }
    return fetched
  }

  // Goes on behind the node or entry it is at.
  next(): void {
    this.#step()
    this.#look()
  }

  #step(): void {
    let frame = this.#frames.at(-1)
    while (frame !== undefined && ++frame.index === frame.node.count) {
      this.#frames.pop()
      frame = this.#frames.at(-1)
    }
  }

  // Looks where it is; passes over what is not to be looked at.
  #look(): void {
    for (;;) {
      const frame = this.#frames.at(-1)
      if (frame === undefined) {
        this.at = undefined
        return
      }
      const side = this.#side(frame)
      if (side === 0) {
        this.at = this.#placeIn(frame)
        return
      }
      if (side > 0) this.#frames.length = 0
      else this.#step()
    }
  }

  #placeIn({ node, index, reference }: Frame): NodePlace | EntryPlace {
    if (node.level === 0) return { kind: 'entry', leaf: node, index }
    return { kind: 'node', reference: childReference(node, index, reference), level: node.level - 1 }
  }

  // Whether the place comes before what is to be looked at (negative) or after it (positive). A node ends with its last key, and comes
  // after that of the node before.
  #side({ node, index, reference }: Frame): number {
    if (this.#under === undefined) return 0
    const { from, end } = this.#under
    if (compareKeyAt(node, index, from) < 0) return -1
    if (node.level === 0) return compareKeyAt(node, index, end) < 0 ? 0 : 1
    const before = index === 0 ? reference.after : keyAt(node, index - 1)
    return before !== undefined && compareKeys(before, 0, before.length, end, 0, end.length) >= 0 ? 1 : 0
  }
}

function compareEntries(a: EntryPlace, b: EntryPlace): number {
  const { keys, keyStarts } = a.leaf
  const other = b.leaf
  return compareKeys(
    keys,
    keyStarts[a.index]!,
    keyStarts[a.index + 1]!,
    other.keys,
    other.keyStarts[b.index]!,
    other.keyStarts[b.index + 1]!,
  )
}

function entryAt(place: EntryPlace): RawEntry {
  return rawEntry(place.leaf, place.index)
}
