import type { Bytes } from '../bytes/index.js'
import { KlosetError } from '../errors.js'
import { type NodeKeys, nodeId, splitHash } from './hashing.js'
import { fullNodeBytes, maxKeyBytes, maxLevel, maxValueBytes, targetNodeBytes } from './limits.js'
import type { WriteNode } from './list-builder.js'
import { keyAt, type TreeNode } from './node.js'
import { lengthOfVarint, NodeWriter } from './node-writer.js'
import type { Totals } from './totals.js'

/** What a {@link TreeBuilder} needs. */
export interface TreeBuilderOptions extends NodeKeys {
  /** Takes each node, children before the node that refers to them. Nodes that the store has already come here too. */
  readonly write: WriteNode
}

/** A finished tree. */
export interface BuiltTree {
  /** The id of its root node. */
  readonly root: Bytes
  readonly totals: Totals
  /** Levels of nodes. */
  readonly depth: number
}

/**
 * Builds a tree from its entries in path order. Whether a node ends after an entry is decided by the hash of the entry's key, so the
 * same entries give the same nodes whatever the tree looked like before, and k changed entries change about k × depth nodes
 * (the prolly tree of Noms; the threshold proportional to size, so that large entries do not make large nodes).
 */
export class TreeBuilder {
  readonly #options: TreeBuilderOptions
  readonly #levels: NodeWriter[] = [new NodeWriter(0)]

  constructor(options: TreeBuilderOptions) {
    this.#options = options
  }

  /**
   * Adds an entry; its bytes are copied. A promise means: wait for it before adding more.
   * @throws RangeError for a key that does not come after the one before, a first key that is not the root's (empty), and a key or
   * value that is too long; MalformedError for a stat or content that is none
   */
  add(key: Uint8Array, stat: Uint8Array, content: Uint8Array): void | Promise<void> {
    const leaf = this.#levels[0]!
    const shared = leaf.orderAfterLast(key)
    const valueLength = lengthOfVarint(stat.length) + stat.length + content.length
    if (key.length > maxKeyBytes || valueLength > maxValueBytes) {
      throw new RangeError(`an entry of ${key.length} and ${valueLength} bytes`)
    }
    const size = 4 + key.length + valueLength
    const closing = leaf.size + size > fullNodeBytes ? this.#close(0) : undefined
    leaf.addEntry(key, shared, stat, content, size)
    return both(closing, this.#endAfter(0, key, size))
  }

  /**
   * Whether all entries of `leaf`, which is of a tree of the same store, can be added at once: a node starts here, and one would end
   * after its last entry.
   */
  canAdopt(leaf: TreeNode): boolean {
    const open = this.#levels[0]!
    if (leaf.level !== 0 || open.count > 0 || !open.comesAfterLast(keyAt(leaf, 0))) return false
    const last = leaf.count - 1
    const key = keyAt(leaf, last)
    return endsNode(splitHash(this.#options, 0, key), 0, leaf.count, entrySize(leaf, last))
  }

  /**
   * Adds all entries of a leaf that {@link canAdopt}, without looking at them: the same node comes out. A promise means: wait for it
   * before adding more.
   */
  adopt(id: Uint8Array, leaf: TreeNode): void | Promise<void> {
    if (!this.canAdopt(leaf)) throw new RangeError('a leaf that cannot be adopted here')
    const own = id.slice()
    const writing = this.#options.write(own, leaf.bytes.slice())
    const key = keyAt(leaf, leaf.count - 1)
    this.#levels[0]!.setLast(key)
    return both(writing, this.#refer(1, key, { id: own, totals: leaf.totals }))
  }

  /** Ends the tree. @throws RangeError where it has no entry: each tree has its root's */
  async finish(): Promise<BuiltTree> {
    for (let level = 0; ; level++) {
      const open = this.#levels[level]!
      const isTop = level === this.#levels.length - 1
      if (isTop && level === 0 && open.count === 0) throw new RangeError('a tree without entries')
      // Levels end where one would hold a single node: that is the root.
      if (isTop && open.count === 1 && level > 0) {
        const { id, totals } = open.lastChild!
        return { root: id, totals, depth: level }
      }
      if (isTop) {
        const { encoded, totals } = open.take()
        const root = nodeId(this.#options, encoded)
        await this.#options.write(root, encoded)
        return { root, totals, depth: level + 1 }
      }
      if (open.count > 0) await this.#close(level)
    }
  }

  #endAfter(level: number, key: Uint8Array, size: number): void | Promise<void> {
    const open = this.#levels[level]!
    if (endsNode(splitHash(this.#options, level, key), level, open.count, size)) return this.#close(level)
  }

  // Ends the open node of a level and refers to it in the level above, all before any promise is waited for.
  #close(level: number): void | Promise<void> {
    const open = this.#levels[level]!
    const { encoded, totals } = open.take()
    const id = nodeId(this.#options, encoded)
    const writing = this.#options.write(id, encoded)
    return both(writing, this.#refer(level + 1, open.lastKey, { id, totals }))
  }

  #refer(level: number, key: Uint8Array, child: ChildReference): void | Promise<void> {
    if (level > maxLevel) throw new KlosetError('KLOSET_LIMIT', 'the tree has too many levels')
    if (level === this.#levels.length) this.#levels.push(new NodeWriter(level))
    const open = this.#levels[level]!
    const shared = open.orderAfterLast(key)
    const reference = open.encodeReference(child)
    const size = 4 + key.length + reference.length
    const closing = open.size + size > fullNodeBytes ? this.#close(level) : undefined
    open.addChild(key, shared, reference, size, child)
    return both(closing, this.#endAfter(level, key, size))
  }
}

interface ChildReference {
  readonly id: Bytes
  readonly totals: Totals
}

// A node ends after one entry in (target ÷ its size). Above the leaves it takes two entries at least: keys of more than about 16 KiB
// would otherwise end nearly every node they are in, on each level anew, and the levels would never come to one node.
function endsNode(hash: number, level: number, count: number, size: number): boolean {
  return hash < size * (2 ** 32 / targetNodeBytes) && (level === 0 || count >= 2)
}

function entrySize(leaf: TreeNode, index: number): number {
  const keyLength = leaf.keyStarts[index + 1]! - leaf.keyStarts[index]!
  const start = leaf.valueStarts[index]!
  const statLength = leaf.contentStarts[index]! - start
  return 4 + keyLength + lengthOfVarint(statLength) + leaf.valueEnds[index]! - start
}

function both(a: void | Promise<void>, b: void | Promise<void>): void | Promise<void> {
  if (a === undefined) return b
  if (b === undefined) return a
  return Promise.all([a, b]).then(() => undefined)
}
