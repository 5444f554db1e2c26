import { createHash } from 'node:crypto'
import type { SnapshotEntry } from 'kloset'
import type { Item } from '../shelf/shelf.js'

/** Something that the kernel knows by a number. */
export interface Node {
  readonly id: number
  /** Undefined for the root. */
  readonly parent: Node | undefined
  readonly name: string
  /** Of a group, its latest state. */
  item: Item
  /** What is known of the folder that a snapshot is, once it was asked for. */
  root?: SnapshotEntry
  /** The number that `stat` shows: the same for all hard links to one file. */
  readonly inode: bigint
}

interface Kept extends Node {
  readonly parent: Kept | undefined
  readonly children: Map<string, Kept>
  /** How often it was told to the kernel, less what the kernel forgot again. */
  lookups: number
}

/** The number by which the kernel knows the root from the beginning: `FUSE_ROOT_ID`. */
export const rootId = 1

/** The nodes that the kernel knows. One that it forgot is let go. */
export class Nodes {
  readonly #nodes = new Map<number, Kept>()
  #next = rootId + 1

  constructor(root: Item) {
    this.#nodes.set(rootId, {
      id: rootId,
      parent: undefined,
      name: '',
      item: root,
      inode: 1n,
      children: new Map(),
      lookups: 1,
    })
  }

  /** A node by its number; undefined for one that was forgotten. */
  get(id: number): Node | undefined {
    return this.#nodes.get(id)
  }

  /** The node of what a folder has under a name, which the kernel is told of now. */
  enter(folder: Node, name: string, item: Item): Node {
    const parent = folder as Kept
    const key = keyOf(name, item)
    let node = parent.children.get(key)
    if (node === undefined) {
      node = {
        id: this.#next++,
        parent,
        name,
        item,
        inode: inodeOf(parent, name, item),
        children: new Map(),
        lookups: 0,
      }
      this.#nodes.set(node.id, node)
      parent.children.set(key, node)
    }
    node.item = item
    node.lookups++
    return node
  }

  /** The kernel has forgotten so many of the times that it was told of a node. */
  forget(id: number, times: number): void {
    const node = this.#nodes.get(id)
    if (node?.parent === undefined) return
    node.lookups -= times
    if (node.lookups > 0) return
    this.#nodes.delete(id)
    node.parent.children.delete(keyOf(node.name, node.item))
  }
}

/** The number that `stat` shows of what a folder has under a name. */
export function inodeOf(folder: Node, name: string, item: Item): bigint {
  const inode = item.kind === 'entry' && item.entry.type !== 'directory' ? item.entry.inode : undefined
  const text =
    item.kind === 'entry' && inode !== undefined && inode.links > 1
      ? `${item.snapshot.id}:${inode.device}:${inode.number}`
      : `${folder.inode}/${keyOf(name, item)}`
  // Numbers below are for the root and for nothing.
  return createHash('sha1').update(text).digest().readBigUInt64LE() | 2n
}

// Another snapshot under the same name is another node: the kernel would take it for the one it has read already.
function keyOf(name: string, item: Item): string {
  return item.kind === 'snapshot' || item.kind === 'latest' ? `${name}/${item.snapshot.id}` : name
}
