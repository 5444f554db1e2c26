import type { Bytes } from '../bytes/index.js'
import { ByteWriter } from '../bytes/index.js'
import { KlosetError } from '../errors.js'
import { encodeContent } from './content.js'
import { type Extent, writeExtent } from './extent.js'
import { type NodeKeys, nodeId } from './hashing.js'
import { maxInlineExtents, maxLevel, maxListItems, nodeVersion } from './limits.js'

/** Takes an encoded node of a tree or list; where it returns a promise, the builder's caller waits for it. */
export type WriteNode = (id: Bytes, encoded: Bytes) => void | Promise<void>

/** What a {@link ListBuilder} needs. */
export interface ListBuilderOptions extends Pick<NodeKeys, 'nodeKey'> {
  readonly write: WriteNode
}

/**
 * Makes the content of a file from its extents, in order: inline where they are few, else a list of nodes, which are written as they
 * fill, so that a file of any size takes memory for one open node a level. Where a node ends is decided by what is in it, so a
 * change in a huge file rewrites few nodes.
 */
export class ListBuilder {
  readonly #options: ListBuilderOptions
  readonly #levels: OpenNode[] = []
  // Kept until it is clear that there are more than fit into the entry.
  #few: Extent[] | undefined = []

  constructor(options: ListBuilderOptions) {
    this.#options = options
  }

  /** Adds a chunk. A promise means: wait for it before adding more. */
  chunk(id: Uint8Array, length: number): void | Promise<void> {
    return this.#add({ id: id.slice(), length })
  }

  /** Adds a hole. A promise means: wait for it before adding more. */
  hole(length: number): void | Promise<void> {
    return this.#add({ id: undefined, length })
  }

  /** Ends the file and returns the encoding of its content, for the entry. */
  async finish(): Promise<Bytes> {
    if (this.#few !== undefined) return encodeContent({ form: 'extents', extents: this.#few })
    for (let level = 0; ; level++) {
      const open = this.#levels[level]!
      const isTop = level === this.#levels.length - 1
      if (isTop && (level === 0 || open.items > 1)) {
        const { id, length, count } = await this.#close(level)
        return encodeContent({ form: 'list', id, level, length, count })
      }
      // A root with a single child is never written: the child is the root.
      if (isTop) return encodeContent({ form: 'list', ...open.last!, level: level - 1 })
      if (open.items > 0) await this.#refer(level + 1, await this.#close(level))
    }
  }

  #add(extent: Extent): void | Promise<void> {
    const few = this.#few
    if (few === undefined) return this.#append(extent)
    few.push(extent)
    if (few.length <= maxInlineExtents) return
    this.#few = undefined
    this.#levels.push(new OpenNode())
    return this.#appendAll(few)
  }

  async #appendAll(extents: readonly Extent[]): Promise<void> {
    for (const extent of extents) await this.#append(extent)
  }

  #append(extent: Extent): void | Promise<void> {
    const open = this.#levels[0]!
    writeExtent(open.writer, extent.length, extent.id)
    const key = extent.id === undefined ? extent.length % 65_536 : firstTwoBytes(extent.id)
    if (open.add(key, extent.length, 1)) return this.#pass(0)
  }

  async #pass(level: number): Promise<void> {
    await this.#refer(level + 1, await this.#close(level))
  }

  async #refer(level: number, child: Child): Promise<void> {
    if (level > maxLevel) throw new KlosetError('KLOSET_LIMIT', 'the file has too many chunks for one list')
    if (level === this.#levels.length) this.#levels.push(new OpenNode())
    const open = this.#levels[level]!
    open.writer.bytes(child.id)
    open.writer.varint(child.length)
    open.writer.varint(child.count)
    open.last = child
    if (open.add(firstTwoBytes(child.id), child.length, child.count)) await this.#pass(level)
  }

  async #close(level: number): Promise<Child> {
    const open = this.#levels[level]!
    const encoded = open.encode(level)
    const child = { id: nodeId(this.#options, encoded), length: open.length, count: open.count }
    open.clear()
    await this.#options.write(child.id, encoded)
    return child
  }
}

interface Child {
  readonly id: Bytes
  readonly length: number
  readonly count: number
}

// One in 512 items ends a node.
const boundary = 128

class OpenNode {
  readonly writer = new ByteWriter(4_096)
  items = 0
  length = 0
  count = 0
  last: Child | undefined

  // Counts an item that was written; true where it ends the node.
  add(key: number, length: number, count: number): boolean {
    this.items++
    this.length += length
    this.count += count
    if (!Number.isSafeInteger(this.length)) throw new KlosetError('KLOSET_LIMIT', 'the file is longer than 2^53 bytes')
    return (key < boundary && this.items >= 2) || this.items === maxListItems
  }

  encode(level: number): Bytes {
    const whole = new ByteWriter(this.writer.length + 8)
    whole.u8(nodeVersion)
    whole.u8(level)
    whole.varint(this.items)
    whole.bytes(this.writer.view())
    return whole.finish()
  }

  clear(): void {
    this.writer.clear()
    this.items = 0
    this.length = 0
    this.count = 0
  }
}

function firstTwoBytes(id: Uint8Array): number {
  return id[0]! | (id[1]! << 8)
}
