import { equalBytes, fromHex, toHex } from '../bytes/index.js'
import type { SnapshotRecord, SourceRecord } from '../log/index.js'
import { nextTurn } from '../runtime/system.js'
import { isDamage } from '../snapshot/readable.js'
import { type Placed, planReads } from '../store/reads.js'
import { decodeContent, diff, type FetchNode, type RawEntry, type StoredContent } from '../tree/index.js'
import { decodeListNode, type ListReference } from '../tree/list-node.js'
import type { Base } from './bases.js'
import type { Copied, Copier } from './copier.js'
import { chunkMissing, nodesOf, orMalformed, SourceDamaged, xattrChunks } from './damage.js'
import { eachOf } from './lanes.js'
import type { ResendReply } from './messages.js'
import { framesOf } from './parts.js'
import type { SyncSession } from './session.js'

/** A chunk that the other store lacks. */
interface Wanted extends Placed {
  readonly length: number
  readonly id: Uint8Array
}

/** So much is planned together: the larger it is, the more frames are wanted whole. */
const planBytes = 1024 * 1024 * 1024
const planChunks = 65_536

/** A request reads at most about so many bytes. */
const requestBytes = 8 * 1024 * 1024

/** After how many entries the event loop has a turn. */
const turnEvery = 256

/**
 * Brings snapshots over between stores that cut and name everything alike. Trees are walked from the top, along those that the other store
 * has, so that what they share is not looked at. Of the rest, each node and chunk that the other store lacks is sent on as it is, chunks in
 * the frames they are in where that is possible.
 */
export class Resend implements Copier {
  readonly #session: SyncSession
  #plan: Wanted[] = []
  #planned = 0
  #source = -1
  #running: Promise<void> = Promise.resolve()
  #added = { blobs: 0, bytes: 0 }

  constructor(session: SyncSession) {
    this.#session = session
  }

  async copy(_: SnapshotRecord, source: SourceRecord, base: Base | undefined): Promise<Copied> {
    const { from, call, node, report } = this.#session
    const number = this.#session.enter(source)
    if (number !== this.#source) await this.#run()
    this.#source = number
    this.#added = { blobs: 0, bytes: 0 }
    const fetch = await nodesOf(from, SourceDamaged, call)
    // Trees of stores that are alike are the same. Were one not, it was made in another way, and nothing follows from it.
    const before = base !== undefined && equalBytes(base.here, base.there) ? base.here : undefined
    await orMalformed(SourceDamaged, async () => {
      let count = 0
      for await (const change of diff(before, fromHex(source.tree), fetch, { entered: node })) {
        if (++count % turnEvery === 0) await nextTurn()
        if (change.kind === 'removed') continue
        const wait = this.#entry(change.after, change.kind !== 'metadata', fetch)
        if (wait !== undefined) await wait
        if (this.#planned >= planBytes || this.#plan.length >= planChunks) await this.#run()
        call.signal.throwIfAborted()
      }
    })
    report.bytes += source.totals.bytes - this.#added.bytes
    return { source, ...this.#added }
  }

  async settle(): Promise<void> {
    await this.#run()
    await this.#running
  }

  async abandon(): Promise<void> {
    this.#plan = []
    await this.#running.catch(() => undefined)
  }

  #entry(entry: RawEntry, hasContent: boolean, fetch: FetchNode): void | Promise<void> {
    for (const { id, length } of xattrChunks(entry.stat)) this.#chunk(id, length)
    if (!hasContent) return
    const content: StoredContent = decodeContent(entry.content)
    if (content.form === 'extents') for (const { id, length } of content.extents) this.#chunk(id, length)
    else if (content.form === 'list') return this.#list(content, fetch)
  }

  /** That the other store has a node says nothing of what is below it: an interrupted synchronization may have left it. */
  async #list(reference: ListReference, fetch: FetchNode): Promise<void> {
    const encoded = await fetch(reference.id)
    const list = decodeListNode(encoded, reference)
    this.#session.node(reference.id, encoded)
    if ('extents' in list) for (const { id, length } of list.extents) this.#chunk(id, length)
    else for (const child of list.children) await this.#list({ ...child, level: list.level - 1 }, fetch)
    if (this.#planned >= planBytes || this.#plan.length >= planChunks) await this.#run()
  }

  #chunk(id: Uint8Array | undefined, length: number): void {
    const { index, lost } = this.#session
    if (id === undefined || !this.#session.claim(id)) return
    const place = index.locate(id)
    if (place === undefined || place.length !== length) {
      lost.set(toHex(id), chunkMissing(id))
      return
    }
    this.#plan.push({ frame: place.frame, offset: place.offset, length, id: id.slice() })
    this.#planned += length
    this.#added.blobs++
    this.#added.bytes += length
  }

  /** Starts to send what was planned, when what was started before is done: meanwhile more is planned. */
  async #run(): Promise<void> {
    const plan = this.#plan
    const source = this.#source
    if (plan.length === 0) return
    this.#plan = []
    this.#planned = 0
    await this.#running
    this.#running = this.#send(plan, source)
    // Thrown by whoever waits next.
    this.#running.catch(() => undefined)
  }

  async #send(plan: readonly Wanted[], source: number): Promise<void> {
    const { call, report, ranges, workers, lanes } = this.#session
    await eachOf(planReads(plan, requestBytes), lanes, async (read) => {
      call.signal.throwIfAborted()
      await this.#session.room()
      let failed = read.wanted
      try {
        const parts = framesOf(read, await ranges.read(read))
        const reply = await workers.store<ResendReply>({ op: 'resend', source, ...parts }, [parts.bytes.buffer])
        failed = reply.failed.map((i) => read.wanted[i]!)
      } catch (error) {
        if (!isDamage(error)) throw error
      }
      for (const wanted of failed) await this.#sendSingly(wanted, source)
      report.bytes += read.wanted.reduce((sum, { length }) => sum + length, 0)
      report.tell()
    })
  }

  /** A chunk that is damaged, or gone, where it was looked for may be whole in another place. */
  async #sendSingly({ id, length }: Wanted, source: number): Promise<void> {
    const { from, call, workers, lost } = this.#session
    try {
      const bytes = (await (await from.blobs()).chunk(id, call)).slice()
      const ids = id.slice()
      await workers.store({ op: 'blobs', source, bytes, ids, lengths: Uint32Array.of(length) }, [bytes.buffer])
    } catch (error) {
      if (!isDamage(error)) throw error
      lost.set(toHex(id), error)
    }
  }
}
