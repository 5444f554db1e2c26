import { equalBytes } from '../bytes/index.js'
import { compareKeys } from '../connector/paths.js'
import { type RawEntry, rawEntry } from './find.js'
import type { TreeNode } from './node.js'
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
  entered?: (id: Uint8Array, encoded: Uint8Array) => void,
): AsyncGenerator<TreeChange, void, undefined> {
  const old = new Walk(before, fetch)
  const now = new Walk(after, fetch, { ahead: before === undefined, entered })
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
      const change = order < 0 ? removed(a!) : order > 0 ? added(b!) : changed(a!, b!)
      if (order <= 0) old.next()
      if (order >= 0) now.next()
      if (change !== undefined) yield change
    }
  }
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
  readonly entered?: ((id: Uint8Array, encoded: Uint8Array) => void) | undefined
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
  at: NodePlace | EntryPlace | undefined

  constructor(root: Uint8Array | undefined, fetch: FetchNode, options: WalkOptions = {}) {
    this.#fetch = fetch
    this.#options = options
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
    let frame = this.#frames.at(-1)
    while (frame !== undefined && ++frame.index === frame.node.count) {
      this.#frames.pop()
      frame = this.#frames.at(-1)
    }
    this.#look()
  }

  #look(): void {
    const frame = this.#frames.at(-1)
    if (frame === undefined) this.at = undefined
    else if (frame.node.level === 0) this.at = { kind: 'entry', leaf: frame.node, index: frame.index }
    else {
      const reference = childReference(frame.node, frame.index, frame.reference)
      this.at = { kind: 'node', reference, level: frame.node.level - 1 }
    }
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

function added(place: EntryPlace): TreeChange {
  return { kind: 'added', before: undefined, after: rawEntry(place.leaf, place.index) }
}

function removed(place: EntryPlace): TreeChange {
  return { kind: 'removed', before: rawEntry(place.leaf, place.index), after: undefined }
}

function changed(a: EntryPlace, b: EntryPlace): TreeChange | undefined {
  const before = rawEntry(a.leaf, a.index)
  const after = rawEntry(b.leaf, b.index)
  if (equalBytes(before.content, after.content) && equalBytes(before.stat, after.stat)) return undefined
  return { kind: sameContent(before, after) ? 'metadata' : 'changed', before, after }
}
