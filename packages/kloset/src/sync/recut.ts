import { type Slot, SlotQueue } from '../backup/slots.js'
import { type Bytes, compareBytes, concatBytes, fromHex, toHex } from '../bytes/index.js'
import { compareKeys } from '../connector/index.js'
import { blake3, keyedBlake3 } from '../hash/index.js'
import type { SnapshotRecord, SourceRecord } from '../log/index.js'
import { nextTurn } from '../runtime/system.js'
import {
  decodeContent,
  decodeStat,
  diff,
  type Extent,
  encodeStat,
  extents,
  type FetchNode,
  hasXattrs,
  ListBuilder,
  noContent,
  TreeBuilder,
  type TreeChange,
  TreeCursor,
  xattrPieces,
} from '../tree/index.js'
import type { Base } from './bases.js'
import type { Copied, Copier } from './copier.js'
import { BaseDamaged, nodesOf, orDamaged, orMalformed, SourceDamaged } from './damage.js'
import { Recutter } from './recutter.js'
import type { SyncSession } from './session.js'
import type { Recutting } from './window.js'

/** Bytes of files that are brought together before they are cut. */
const windowBytes = 64 * 1024 * 1024

/** How many entries may wait for the content of one before them. */
const mostWaiting = 40_000

/** So many contents are remembered by what they were in the other store: files that are the same are cut once. */
const mostContents = 100_000

/** After how many entries the event loop has a turn. */
const turnEvery = 256

/**
 * Brings snapshots over between stores that cut differently. What is new since an earlier snapshot that both have is read, verified, cut
 * anew and stored; everything else is taken from the other store's own copy of that snapshot.
 */
export class Recut implements Copier {
  readonly #session: SyncSession
  readonly #recutter: Recutter
  readonly #contents = new Map<string, Uint8Array | Slot[]>()

  constructor(session: SyncSession, window: number = windowBytes) {
    this.#session = session
    this.#recutter = new Recutter(session, window)
  }

  async copy(_: SnapshotRecord, source: SourceRecord, base: Base | undefined): Promise<Copied> {
    const { report, node, to } = this.#session
    const before = { chunks: report.chunks, added: report.added, bytes: report.bytes }
    const { splitKey, nodeKey } = to.keyring
    const slots = new SlotQueue(new TreeBuilder({ splitKey, nodeKey, write: node }), () => report.tell())
    const copying = new SourceCopy(this.#session, this.#recutter, this.#contents, slots, this.#session.enter(source))
    try {
      await copying.run(fromHex(source.tree), base)
      await this.#recutter.settle()
      if (copying.failed) throw new SourceDamaged('some of its content cannot be read')
      const { root, totals } = await slots.finish()
      report.bytes = before.bytes + totals.bytes
      return {
        source: { ...source, tree: toHex(root), totals },
        blobs: report.chunks - before.chunks,
        bytes: report.added - before.added,
      }
    } catch (error) {
      await this.abandon()
      throw error
    }
  }

  /** Each source is whole before the next one begins. */
  async settle(): Promise<void> {}

  async abandon(): Promise<void> {
    await this.#recutter.abandon()
    // Some of them wait for what does not come any more.
    this.#contents.clear()
  }
}

/** One source on its way. */
class SourceCopy {
  readonly #session: SyncSession
  readonly #recutter: Recutter
  readonly #contents: Map<string, Uint8Array | Slot[]>
  readonly #slots: SlotQueue
  readonly #source: number
  failed = false

  constructor(
    session: SyncSession,
    recutter: Recutter,
    contents: Map<string, Uint8Array | Slot[]>,
    slots: SlotQueue,
    source: number,
  ) {
    this.#session = session
    this.#recutter = recutter
    this.#contents = contents
    this.#slots = slots
    this.#source = source
  }

  async run(tree: Uint8Array, base: Base | undefined): Promise<void> {
    const { from, to, call } = this.#session
    const fetch = await nodesOf(from, SourceDamaged, call)
    const copy = base && new TreeCursor(base.there, await nodesOf(to, BaseDamaged, call))
    await orMalformed(BaseDamaged, () => copy?.first())
    let count = 0
    const changes = diff(base?.here, tree, fetch)
    for (;;) {
      const next = await orMalformed(SourceDamaged, () => changes.next())
      if (next.done) break
      const change = next.value
      if (++count % turnEvery === 0) await nextTurn()
      if (copy !== undefined) await this.#keepUpTo(copy, keyOfChange(change))
      await orMalformed(SourceDamaged, () => this.#change(change, copy, fetch))
      if (copy !== undefined && change.kind !== 'added') await orMalformed(BaseDamaged, () => copy.advance())
      await this.#flow()
    }
    if (copy !== undefined) await this.#keepUpTo(copy, undefined)
  }

  /** What is the same in both snapshots is the same in the copy. */
  async #keepUpTo(copy: TreeCursor, key: Uint8Array | undefined): Promise<void> {
    let count = 0
    while (!copy.done && (key === undefined || compareKeys(copy.key, 0, copy.key.length, key, 0, key.length) < 0)) {
      this.#slots.add({ key: copy.key, stat: copy.stat, content: copy.content })
      const wait = copy.advance()
      if (wait !== undefined) await orMalformed(BaseDamaged, () => wait)
      if (++count % turnEvery === 0) await this.#flow()
    }
  }

  /** Waits for contents, so that the walk does not run ahead of them. */
  async #flow(): Promise<void> {
    if (this.#slots.length > mostWaiting) this.#recutter.send()
    if (this.#slots.length > mostWaiting) await this.#recutter.settle()
    this.#slots.check()
    this.#session.call.signal.throwIfAborted()
  }

  #change(change: TreeChange, copy: TreeCursor | undefined, fetch: FetchNode): void | Promise<void> {
    if (
      change.kind !== 'added' &&
      (copy === undefined || copy.done || compareBytes(copy.key, keyOfChange(change)) !== 0)
    ) {
      throw new BaseDamaged('it is not the same snapshot as the one it was made of')
    }
    if (change.kind === 'removed') return
    const { key, stat, content } = change.after
    const slot: Slot = { key, stat, content: undefined }
    if (hasXattrs(stat)) {
      return this.#convertXattrs(slot).then(() => this.#fill(change, slot, content, copy, fetch))
    }
    return this.#fill(change, slot, content, copy, fetch)
  }

  #fill(
    change: TreeChange,
    slot: Slot,
    content: Uint8Array,
    copy: TreeCursor | undefined,
    fetch: FetchNode,
  ): void | Promise<void> {
    if (change.kind === 'metadata') slot.content = copy!.content
    const wait = slot.content === undefined ? this.#convert(slot, content, fetch) : undefined
    this.#slots.add(slot)
    return wait
  }

  /** Gives the slot its content, now or later. */
  #convert(slot: Slot, content: Uint8Array, fetch: FetchNode): void | Promise<void> {
    const stored = decodeContent(content)
    if (stored.form === 'none' || (stored.form === 'extents' && stored.extents.length === 0)) {
      slot.content = content
      return
    }
    const key = toHex(blake3(content))
    const known = this.#contents.get(key)
    if (known instanceof Uint8Array) slot.content = known
    else if (known !== undefined) known.push(slot)
    else {
      const file = this.#begin(key, slot)
      if (stored.form === 'list') return this.#extents(file, extents(stored, fetch))
      return this.#few(file, stored.extents)
    }
  }

  #begin(key: string, slot: Slot): Recutting {
    const { nodeKey } = this.#session.to.keyring
    const waiting = [slot]
    this.#contents.set(key, waiting)
    for (const oldest of this.#contents.keys()) {
      if (this.#contents.size <= mostContents) break
      this.#contents.delete(oldest)
    }
    return {
      list: new ListBuilder({ nodeKey, write: this.#session.node }),
      failed: false,
      done: (content) => {
        if (content === undefined) {
          this.failed = true
          this.#contents.delete(key)
        } else this.#contents.set(key, content)
        for (const each of waiting) each.content = content ?? noContent
        this.#slots.drain()
      },
    }
  }

  #few(file: Recutting, few: readonly Extent[]): void | Promise<void> {
    for (const [i, { id, length }] of few.entries()) {
      const wait = this.#extent(file, id, length)
      if (wait !== undefined) return wait.then(() => this.#few(file, few.slice(i + 1)))
    }
    return this.#recutter.end(file, this.#source)
  }

  async #extents(file: Recutting, all: AsyncIterable<Extent>): Promise<void> {
    const walk = async (): Promise<void> => {
      for await (const { id, length } of all) {
        const wait = this.#extent(file, id, length)
        if (wait !== undefined) await wait
      }
    }
    try {
      await walk()
    } catch (error) {
      // The list is damaged; the snapshot is not going to be committed.
      file.failed = true
      await this.#recutter.end(file, this.#source)
      throw error
    }
    await this.#recutter.end(file, this.#source)
  }

  #extent(file: Recutting, id: Uint8Array | undefined, length: number): void | Promise<void> {
    if (id === undefined) return this.#recutter.hole(file, this.#source, length)
    return this.#recutter.chunk(file, this.#source, id, length)
  }

  /** Extended attributes that are stored as chunks get those of the other store. */
  async #convertXattrs(slot: Slot): Promise<void> {
    const stat = decodeStat(slot.stat)
    if (stat.storedXattrs === undefined) return
    const stored: [string, Extent[]][] = []
    for (const [name, extents] of Object.entries(stat.storedXattrs)) {
      stored.push([name, await this.#storeValue(await this.#value(extents))])
    }
    slot.stat = encodeStat({ ...stat, storedXattrs: Object.fromEntries(stored) })
  }

  async #value(extents: readonly Extent[]): Promise<Bytes> {
    const { from, call } = this.#session
    const blobs = await from.blobs()
    const read = async ({ id, length }: Extent): Promise<Bytes> =>
      id === undefined ? new Uint8Array(length) : orDamaged(SourceDamaged, () => blobs.chunk(id, call))
    return concatBytes(...(await Promise.all(extents.map(read))))
  }

  async #storeValue(value: Bytes): Promise<Extent[]> {
    const { to, workers } = this.#session
    const found: Extent[] = []
    let at = 0
    for (const length of xattrPieces(value.length, to.config.chunker.max)) {
      const bytes = value.slice(at, at + length)
      const id = keyedBlake3(to.keyring.chunkKey, bytes)
      if (this.#session.claim(id)) {
        const ids = id.slice()
        await workers.store({ op: 'blobs', source: this.#source, bytes, ids, lengths: Uint32Array.of(length) }, [])
      }
      found.push({ id, length })
      at += length
    }
    return found
  }
}

function keyOfChange({ before, after }: TreeChange): Uint8Array {
  return (after ?? before)!.key
}
