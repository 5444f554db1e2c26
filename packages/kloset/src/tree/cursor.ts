import { endOfSubtree } from './key.js'
import { contentAt, firstFrom, keyAt, statAt, type TreeNode } from './node.js'
import {
  childId,
  childReference,
  type FetchNode,
  fetchAhead,
  loadNode,
  type NodeReference,
  openNode,
  rootReference,
} from './reference.js'

/** What a {@link TreeCursor} takes. */
export interface TreeCursorOptions {
  /** How many leaves to fetch ahead while going forward; default 4. 0 for a single look. */
  readonly prefetch?: number
}

/**
 * A place in a tree that moves in path order. Entries are given as views of the decoded leaf; moving within a leaf is synchronous, so
 * a million entries cost a promise for each leaf, not for each entry:
 *
 * ```ts
 * const cursor = new TreeCursor(root, fetch)
 * for (await cursor.first(); !cursor.done; ) {
 *   use(cursor.key, cursor.stat, cursor.content)
 *   const loading = cursor.advance()
 *   if (loading !== undefined) await loading
 * }
 * ```
 *
 * Nodes are checked as they are read: every method that reads throws KLOSET_TREE_CORRUPT for a node that is damaged or is not what its
 * parent says. After a throw, only `first` and `seek` make sense. One call at a time.
 */
export class TreeCursor {
  readonly #root: NodeReference
  readonly #fetch: FetchNode
  readonly #prefetch: number
  // By level: the nodes from the leaf to the root, each but the leaf at the child that leads to the one below. After a node could not be
  // loaded, it and those below it are missing.
  #frames: (Frame | undefined)[] = []
  #done = true

  constructor(root: Uint8Array, fetch: FetchNode, options: TreeCursorOptions = {}) {
    this.#root = rootReference(root)
    this.#fetch = fetch
    this.#prefetch = options.prefetch ?? 4
  }

  /** Whether the cursor is beyond the last entry; also before `first` or `seek`. Only where it is not, there is an entry to look at. */
  get done(): boolean {
    return this.#done
  }

  /** The leaf the entry is in. */
  get leaf(): TreeNode {
    return this.#frames[0]!.node
  }

  /** The id of the leaf. */
  get leafId(): Uint8Array {
    return this.#frames[0]!.reference.id
  }

  /** The place of the entry in the leaf. */
  get index(): number {
    return this.#frames[0]!.index
  }

  get key(): Uint8Array {
    return keyAt(this.leaf, this.index)
  }

  get stat(): Uint8Array {
    return statAt(this.leaf, this.index)
  }

  get content(): Uint8Array {
    return contentAt(this.leaf, this.index)
  }

  /** Moves to the first entry, the root. */
  first(): Promise<void> {
    return this.seek(new Uint8Array(0))
  }

  /** Moves, in either direction, to the entry of `key`, or to the first after it. Reads one node a level at most. */
  async seek(key: Uint8Array): Promise<void> {
    this.#done = true
    if (this.#frames.length === 0) {
      const node = await loadNode(this.#fetch, this.#root)
      this.#frames = new Array(node.level + 1).fill(undefined)
      this.#frames[node.level] = { node, index: -1, reference: this.#root, ahead: new Map() }
    }
    for (let level = this.#frames.length - 1; level > 0; level--) {
      const frame = this.#frames[level]!
      const index = firstFrom(frame.node, key)
      if (index === frame.node.count) return
      if (index === frame.index && this.#frames[level - 1] !== undefined) continue
      frame.index = index
      frame.ahead.clear()
      await this.#load(level - 1)
    }
    const leaf = this.#frames[0]!
    leaf.index = firstFrom(leaf.node, key)
    this.#done = leaf.index === leaf.node.count
  }

  /** Moves to the next entry. A promise means: it is in the next leaf, wait until that is there. */
  advance(): void | Promise<void> {
    const leaf = this.#frames[0]!
    if (++leaf.index >= leaf.node.count) return this.nextLeaf()
  }

  /** Moves to the first entry of the next leaf. */
  async nextLeaf(): Promise<void> {
    this.#done = true
    const levels = this.#frames.length
    let level = 1
    while (level < levels && this.#frames[level]!.index + 1 === this.#frames[level]!.node.count) level++
    if (level >= levels) return
    this.#frames[level]!.index++
    for (; level > 0; level--) await this.#load(level - 1)
    for (let above = 1; above < levels; above++) this.#fetchAhead(this.#frames[above]!)
    this.#done = false
  }

  /** Moves beyond everything below the entry, which is all that comes after it for the root. Reads no leaf between. */
  skipSubtree(): void | Promise<void> {
    const { leaf, index, key } = this
    if (key.length === 0) {
      this.#done = true
      return
    }
    const end = endOfSubtree(key)
    const next = firstFrom(leaf, end, index + 1)
    if (next === leaf.count) return this.seek(end)
    this.#frames[0]!.index = next
  }

  // Loads the node that the frame above `level` is at, and puts it at its first entry.
  async #load(level: number): Promise<void> {
    const above = this.#frames[level + 1]!
    const reference = childReference(above.node, above.index, above.reference)
    const fetched = above.ahead.get(above.index)
    above.ahead.delete(above.index)
    // Where this throws, no frame is left that does not belong to the one above it.
    this.#frames.fill(undefined, 0, level + 1)
    const node = openNode(await (fetched ?? this.#fetch(reference.id)), reference)
    this.#frames[level] = { node, index: 0, reference, ahead: new Map() }
  }

  #fetchAhead(frame: Frame): void {
    // Of inner nodes only the next one: it leads to hundreds of leaves.
    const most = frame.node.level === 1 ? this.#prefetch : Math.min(1, this.#prefetch)
    const end = Math.min(frame.node.count, frame.index + 1 + most)
    for (let index = frame.index + 1; index < end; index++) {
      if (!frame.ahead.has(index)) frame.ahead.set(index, fetchAhead(this.#fetch, childId(frame.node, index)))
    }
  }
}

/** Some entries of a leaf: those from `from` up to, not including, `to`. */
export interface LeafRange {
  readonly leaf: TreeNode
  readonly from: number
  readonly to: number
}

/**
 * The entry of `key` and everything below it, in path order, leaf by leaf. Without entries there, it yields nothing.
 * @throws KlosetError KLOSET_TREE_CORRUPT, and what `fetch` throws
 */
export async function* entriesUnder(
  root: Uint8Array,
  fetch: FetchNode,
  key: Uint8Array,
  options?: TreeCursorOptions,
): AsyncGenerator<LeafRange, void, undefined> {
  const cursor = new TreeCursor(root, fetch, options)
  const end = key.length === 0 ? undefined : endOfSubtree(key)
  for (await cursor.seek(key); !cursor.done; await cursor.nextLeaf()) {
    const { leaf, index } = cursor
    const to = end === undefined ? leaf.count : firstFrom(leaf, end, index)
    if (to > index) yield { leaf, from: index, to }
    if (to < leaf.count) return
  }
}

interface Frame {
  readonly node: TreeNode
  index: number
  readonly reference: NodeReference
  readonly ahead: Map<number, Promise<Uint8Array>>
}
