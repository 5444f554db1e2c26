import type { SnapshotEntry } from 'kloset'
import { isKlosetError, pathFromBytes, pathToBytes } from 'kloset/connector'
import type { Item, Shelf } from '../shelf/shelf.js'
import { entryAttributes, groupAttributes, kindOf, linkAttributes, type Owner } from './attributes.js'
import { Lanes } from './lanes.js'
import { inodeOf, type Node, Nodes } from './nodes.js'
import {
  type Attributes,
  decodeHandle,
  decodeName,
  decodeRead,
  decodeXattr,
  encodeAttributes,
  encodeKnown,
  encodeOpened,
  encodeStatfs,
  encodeXattrSize,
  errno,
  type Known,
  Listing,
  longestName,
  opened,
  operation,
  type Request,
} from './protocol.js'

/** An error that the kernel is told by its number. */
export class SystemError extends Error {
  readonly number: number

  constructor(number: number) {
    super(`error ${number}`)
    this.number = number
  }
}

/** How long the kernel may rely on what it was told, in seconds: what is in a snapshot never changes; which snapshots there are does. */
const always = 86_400
const shortly = 1

/** A folder that is being listed. */
interface OpenFolder {
  readonly node: Node
  entries: AsyncIterator<readonly [name: string, item: Item]>
  /** How many entries were taken. */
  at: number
  /** One that was taken and had no room in the answer. */
  waiting: readonly [name: string, item: Item] | undefined
  /** Those who list the same open folder wait for each other. */
  last: Promise<unknown>
}

/** Answers what the kernel asks about the shelf, request by request. */
export class Filesystem {
  readonly #shelf: Shelf
  readonly #owner: Owner
  readonly #nodes: Nodes
  readonly #lanes = new Lanes()
  readonly #folders = new Map<number, OpenFolder>()
  #nextHandle = 1

  constructor(shelf: Shelf, owner: Owner) {
    this.#shelf = shelf
    this.#owner = owner
    this.#nodes = new Nodes(shelf.root)
  }

  /** The answer to a request, in parts. @throws SystemError, and what the store throws */
  async answer(request: Request): Promise<readonly Uint8Array[]> {
    const { body } = request
    const node = this.#nodes.get(request.node)
    // Asked about what it has forgotten: it does not, but a program may write anything into the device.
    if (node === undefined && request.operation !== operation.releasedir) throw new SystemError(errno.noEntry)
    switch (request.operation) {
      case operation.lookup:
        return [await this.#lookUp(node!, decodeName(body))]
      case operation.getattr:
        return [encodeAttributes(await this.#attributesOf(node!), secondsOf(node!.item))]
      case operation.readlink:
        return [targetOf(node!.item)]
      case operation.read:
        return this.#read(node!, decodeRead(body))
      case operation.opendir:
        return [this.#openFolder(node!)]
      case operation.readdir:
      case operation.readdirplus:
        return [await this.#listFolder(decodeRead(body), { plus: request.operation === operation.readdirplus })]
      case operation.releasedir:
        return this.#closeFolder(decodeHandle(body))
      case operation.getxattr:
        return [await this.#xattr(node!, decodeXattr(body))]
      case operation.listxattr:
        return [xattrNames(await this.#entryOf(node!), decodeXattr(body))]
      case operation.statfs:
        return [encodeStatfs(await this.#totals())]
      default:
        // Among them OPEN and ACCESS: the kernel does without from then on.
        throw new SystemError(errno.noSystemCall)
    }
  }

  /** The kernel knows nothing of a node any more. */
  forget(nodes: readonly (readonly [node: number, times: number])[]): void {
    for (const [node, times] of nodes) this.#nodes.forget(node, times)
  }

  /** Where a node is, for people. */
  pathOf(id: number): string {
    const names: string[] = []
    for (let node = this.#nodes.get(id); node?.parent !== undefined; node = node.parent) names.unshift(node.name)
    return names.join('/')
  }

  /** Lets go of all that is open. */
  close(): void {
    this.#lanes.end()
    for (const folder of this.#folders.values()) void folder.entries.return?.()
    this.#folders.clear()
  }

  async #lookUp(folder: Node, bytes: Buffer): Promise<Buffer> {
    const name = pathFromBytes(bytes)
    const item = await this.#shelf.child(folder.item, name)
    if (item === undefined) {
      if (folder.item.kind === 'group') throw new SystemError(errno.noEntry)
      // Node 0: there is none, and that stays so.
      return encodeKnown({ node: 0, attributes: groupAttributes(0n, new Date(0), this.#owner), seconds: always })
    }
    const node = this.#nodes.enter(folder, name, item)
    try {
      return encodeKnown(await this.#known(node))
    } catch (error) {
      this.#nodes.forget(node.id, 1)
      throw error
    }
  }

  async #known(node: Node): Promise<Known> {
    return { node: node.id, attributes: await this.#attributesOf(node), seconds: secondsOf(node.item) }
  }

  async #attributesOf(node: Node): Promise<Attributes> {
    const { item, inode } = node
    if (item.kind === 'group') return groupAttributes(inode, item.time, this.#owner)
    if (item.kind === 'latest') return linkAttributes(inode, item.target, item.snapshot.time, this.#owner)
    const entry = (await this.#entryOf(node))!
    return entryAttributes(inode, entry, item.snapshot.time, this.#owner)
  }

  /** What was recorded of a node; undefined for what belongs to the shelf. */
  async #entryOf(node: Node): Promise<SnapshotEntry | undefined> {
    const { item } = node
    if (item.kind === 'entry') return item.entry
    if (item.kind !== 'snapshot') return undefined
    // Permissions as they were; the time is that of the snapshot, for which people look.
    node.root ??= { ...(await item.snapshot.stat('')), mtime: undefined, ctime: undefined }
    return node.root
  }

  #read(
    node: Node,
    { offset, size }: { readonly offset: number; readonly size: number },
  ): Promise<readonly Uint8Array[]> {
    const { item } = node
    if (item.kind !== 'entry') throw new SystemError(errno.isDirectory)
    return this.#lanes.read(node.id, () => this.#shelf.open(item), offset, size)
  }

  #openFolder(node: Node): Buffer {
    const handle = this.#nextHandle++
    const entries = this.#shelf.list(node.item)
    this.#folders.set(handle, { node, entries, at: 0, waiting: undefined, last: Promise.resolve() })
    return encodeOpened(handle, node.item.kind === 'group' ? 0 : opened.keepCache | opened.cacheDir)
  }

  #closeFolder(handle: number): readonly Uint8Array[] {
    void this.#folders.get(handle)?.entries.return?.()
    this.#folders.delete(handle)
    return []
  }

  #listFolder(
    { handle, offset, size }: { readonly handle: number; readonly offset: number; readonly size: number },
    how: { readonly plus: boolean },
  ): Promise<Buffer> {
    const folder = this.#folders.get(handle)
    if (folder === undefined) throw new SystemError(errno.invalid)
    const listed = folder.last.then(() => this.#fill(folder, offset, new Listing(size, how), how.plus))
    folder.last = listed.catch(() => undefined)
    return listed
  }

  async #fill(folder: OpenFolder, offset: number, listing: Listing, plus: boolean): Promise<Buffer> {
    if (offset < folder.at) {
      folder.entries = this.#shelf.list(folder.node.item)
      folder.at = 0
      folder.waiting = undefined
    }
    for (;;) {
      const next = folder.waiting ?? (await takeNext(folder))
      if (next === undefined) return listing.body
      const [name, item] = next
      const bytes = Buffer.from(pathToBytes(name))
      folder.waiting = undefined
      if (folder.at >= offset && bytes.length <= longestName) {
        if (!listing.takes(bytes)) {
          folder.waiting = next
          return listing.body
        }
        // Of a snapshot only its name is told: for the rest, it would have to be read.
        const known =
          plus && item.kind !== 'snapshot' ? await this.#known(this.#nodes.enter(folder.node, name, item)) : undefined
        const inode = known?.attributes.inode ?? inodeOf(folder.node, name, item)
        listing.add({ name: bytes, inode, kind: kindOf(item), next: folder.at + 1 }, known)
      }
      folder.at++
    }
  }

  async #xattr(node: Node, { size, name }: { readonly size: number; readonly name: string }): Promise<Uint8Array> {
    const { xattrs = {}, longXattrs = {}, path = '' } = (await this.#entryOf(node)) ?? {}
    if (Object.hasOwn(xattrs, name)) return sized(xattrs[name]!, size)
    const { item } = node
    if (item.kind === 'group' || !Object.hasOwn(longXattrs, name)) throw new SystemError(errno.noData)
    if (size === 0) return encodeXattrSize(longXattrs[name]!)
    return sized((await item.snapshot.xattr(path, name)) ?? new Uint8Array(), size)
  }

  async #totals(): Promise<{ readonly bytes: number; readonly files: number }> {
    const totals = (await this.#shelf.snapshots()).map((snapshot) => snapshot.totals)
    return {
      bytes: totals.reduce((sum, { bytes }) => sum + bytes, 0),
      files: totals.reduce((sum, { files, directories, others }) => sum + files + directories + others, 0),
    }
  }
}

/** The number by which the kernel is told what went wrong. */
export function numberOf(error: unknown): number {
  if (error instanceof SystemError) return error.number
  if (isKlosetError(error, 'KLOSET_BUSY')) return errno.again
  return errno.io
}

function secondsOf(item: Item): number {
  return item.kind === 'entry' ? always : shortly
}

async function takeNext(folder: OpenFolder): Promise<readonly [name: string, item: Item] | undefined> {
  const { done, value } = await folder.entries.next()
  return done ? undefined : value
}

function targetOf(item: Item): Uint8Array {
  if (item.kind === 'latest') return Buffer.from(item.target)
  if (item.kind !== 'entry' || item.entry.target === undefined) throw new SystemError(errno.invalid)
  return pathToBytes(item.entry.target)
}

function xattrNames(entry: SnapshotEntry | undefined, { size }: { readonly size: number }): Uint8Array {
  const { xattrs = {}, longXattrs = {} } = entry ?? {}
  const names = Object.keys({ ...xattrs, ...longXattrs }).map((name) => `${name}\0`)
  return sized(Buffer.from(names.join('')), size)
}

/** Where the kernel gives no size, it asks how much there is. */
function sized(value: Uint8Array, size: number): Uint8Array {
  if (size === 0) return encodeXattrSize(value.length)
  if (value.length > size) throw new SystemError(errno.tooSmall)
  return value
}
