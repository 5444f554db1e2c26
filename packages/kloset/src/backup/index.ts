import type { BackupOptions, BackupResult, Totals } from '../api.js'
import { type Bytes, fromHex, toHex } from '../bytes/index.js'
import { bestCodec, type Codec } from '../compress/index.js'
import type { Call, Source } from '../connector/index.js'
import { KlosetError } from '../errors.js'
import { type IndexTable, SessionTable } from '../index/index.js'
import {
  type EntryDraft,
  emptyState,
  entryObject,
  isReliable,
  type LogState,
  type SnapshotRecord,
  type SourceRecord,
} from '../log/index.js'
import { PackWriter, packObject } from '../pack/index.js'
import { runtime } from '../runtime/index.js'
import { postedModule } from '../runtime/jobs.js'
import type { JobSet } from '../runtime/pool.js'
import { hostName, userName } from '../runtime/system.js'
import { StoredSnapshot } from '../snapshot/index.js'
import { packSizes } from '../store/footers.js'
import type { OpenedStore } from '../store/opened.js'
import { addTotals, type BuiltTree, noTotals, TreeBuilder } from '../tree/index.js'
import { version } from '../version.js'
import { adopt } from './adopt.js'
import { Files } from './files.js'
import type { BackupInit, StoredReply } from './messages.js'
import { type Parent, parentOf } from './parent.js'
import { BackupReport } from './report.js'
import { scanHere } from './scan.js'
import { forgetScan, scanAhead, scanThere } from './scan-ahead.js'
import { SlotQueue, UnorderedSlots } from './slots.js'
import { backupSource, ParentDamaged } from './source.js'
import { Uploads } from './uploads.js'
import { Workers } from './workers.js'

/** A checkpoint is written when so many entries came since the last one. */
const checkpointEvery = 64

/** Backs up sources into one new snapshot. */
export async function backup(
  store: OpenedStore,
  sources: readonly Source[],
  options: BackupOptions,
  call: Call,
): Promise<BackupResult> {
  const session = new BackupSession(store, sources, options, call)
  // Meanwhile the log and the index are read.
  if (sources[0] !== undefined) scanAhead(store.pool, sources[0])
  try {
    const result = await session.run().catch((error: unknown) => {
      if (!(error instanceof ParentDamaged)) throw error
      const message = `the last backup of this source is damaged, so everything is read: ${error.message}`
      options.onEvent?.({ type: 'notice', code: 'parent-damaged', message })
      return new BackupSession(store, sources, { ...options, parent: null }, call).run()
    })
    await Promise.all(sources.map((source) => source.settled?.({ snapshot: result.snapshot?.id })))
    return result
  } catch (error) {
    await Promise.allSettled(sources.map(forgetScan))
    await Promise.allSettled(sources.map((source) => source.settled?.({ snapshot: undefined })))
    throw error
  }
}

/** One backup, from the first look at the log to the commit. */
class BackupSession {
  readonly #store: OpenedStore
  readonly #sources: readonly Source[]
  readonly #options: BackupOptions
  readonly #call: Call
  readonly #report: BackupReport
  readonly #uploads: Uploads
  readonly #claims = new SessionTable(1 << 16)
  readonly #started = new Date()
  #since: LogState = emptyState
  #workers: Workers | undefined

  constructor(store: OpenedStore, sources: readonly Source[], options: BackupOptions, call: Call) {
    this.#store = store
    this.#sources = sources
    this.#options = options
    this.#call = call
    this.#report = new BackupReport(options)
    this.#uploads = new Uploads(
      store.storage,
      store.keyring,
      call.signal,
      (object, size) => this.#report.put(object, size),
      (memory) => this.#workers?.recycle(memory),
    )
  }

  get #stores(): boolean {
    return this.#options.dryRun !== true
  }

  async run(): Promise<BackupResult> {
    const { log } = this.#store
    await log.refresh(this.#call)
    if (this.#stores) this.#store.requireWritable()
    this.#since = log.state
    const loaded = await this.#store.loaded()
    const host = this.#options.host ?? hostName()
    const parents = this.#sources.map((source) => parentOf(this.#store.records, source, host, this.#options.parent))
    if (typeof this.#options.parent === 'string' && parents.every((parent) => parent === undefined)) {
      throw new KlosetError('KLOSET_SNAPSHOT_NOT_FOUND', `snapshot ${this.#options.parent} has none of these sources`, {
        context: { snapshot: this.#options.parent },
        hint: 'Give a snapshot of the same folders, or leave the parent out: the latest that fits is found by itself.',
      })
    }
    const adopted = this.#stores
      ? await adopt(this.#store, loaded, this.#uploads, this.#call)
      : { segments: [], packs: 0 }
    if (adopted.packs > 0) {
      const message = `${adopted.packs} packs that an interrupted backup stored are used`
      this.#report.event({ type: 'notice', code: 'adopted', message })
    }
    if (this.#stores && this.#options.parent === null) await this.#barLost(loaded.table)
    for (const name of log.state.packs.keys()) if (!isReliable(log.state, name)) loaded.table.bar(fromHex(name))
    try {
      const trees = await this.#storeAll(loaded.table, parents)
      return await this.#commit(host, parents, trees, adopted.segments)
    } catch (error) {
      await this.#uploads.salvage()
      // What was adopted is part of the store only once the log says so.
      if (adopted.packs > 0) this.#store.dropIndex()
      throw error
    }
  }

  /** When everything is read, what packs held that are gone is stored again. */
  async #barLost(index: IndexTable): Promise<void> {
    const sizes = await packSizes(this.#store.storage, this.#call)
    let lost = 0
    for (const { name, size } of index.packs()) {
      if (sizes.get(packObject(name)) === size) continue
      index.bar(name)
      lost++
    }
    if (lost === 0) return
    const message = `${lost} packs are missing or cut off; what they held is stored again where it still exists`
    this.#report.event({ type: 'notice', code: 'packs-missing', message })
  }

  /** Stores the content of all sources, and their trees. */
  async #storeAll(index: IndexTable, parents: readonly (Parent | undefined)[]): Promise<BuiltTree[]> {
    const metadata = this.#metadataWriter()
    const workers = new Workers(
      () => this.#startJobs(index),
      Math.max(1, this.#store.pool.size),
      (reply) => this.#take(reply, workers),
    )
    this.#workers = workers
    const write = (id: Bytes, encoded: Bytes): void => {
      if (index.has(id) || !this.#claims.claim(id)) return
      this.#report.metadata += encoded.length
      if (this.#stores) metadata.addBytes(id, encoded)
    }
    try {
      const trees: BuiltTree[] = []
      for (const [number, source] of this.#sources.entries()) {
        trees.push(await this.#backupSource(source, number, workers, parents[number], write))
        metadata.closeFrame()
      }
      await workers.flush()
      if (this.#stores) metadata.flush()
      await this.#uploads.finish()
      return trees
    } finally {
      metadata.release()
      await workers.end()
    }
  }

  async #backupSource(
    source: Source,
    number: number,
    workers: Workers,
    parent: Parent | undefined,
    write: (id: Bytes, encoded: Bytes) => void,
  ): Promise<BuiltTree> {
    const { keyring, config } = this.#store
    const report = this.#report
    const call = this.#call
    const blobs = await this.#store.blobs()
    const { splitKey, nodeKey } = keyring
    const kind = source.capabilities.order === 'path' ? SlotQueue : UnorderedSlots
    const slots = new kind(new TreeBuilder({ splitKey, nodeKey, write }), (moved) => {
      report.entries += moved
      report.tell()
    })
    const files = new Files({
      source,
      number,
      keyring,
      sizes: config.chunker,
      workers,
      report,
      call,
      slots,
      lists: { nodeKey, write },
      room: () => this.#uploads.room(),
    })
    const scansThere = source.worker !== undefined && source.capabilities.order === 'path'
    const scan = scansThere ? scanThere(this.#store.pool, source) : scanHere(source, call)
    const fetch = (id: Uint8Array): Promise<Bytes> => blobs.node(id, call)
    try {
      return await backupSource({
        source,
        scan,
        files,
        slots,
        report,
        signal: call.signal,
        scanned: () => this.#scanEnded(number),
        parent,
        fetch,
      })
    } finally {
      await slots.abandon()
    }
  }

  #scanEnded(number: number): void {
    const isLast = number === this.#sources.length - 1
    this.#report.scanned = isLast
    if (isLast) this.#report.phase = 'read'
  }

  #metadataWriter(): PackWriter {
    const { keyring, config } = this.#store
    return new PackWriter({
      keyring,
      class: 'metadata',
      packSize: config.pack,
      frameSize: config.frame,
      codec: this.#codec,
      onPack: (pack) => this.#uploads.add(pack),
    })
  }

  #startJobs(index: IndexTable): Promise<JobSet> {
    const { keyring, config } = this.#store
    const init: BackupInit = {
      material: keyring.material,
      sizes: config.chunker,
      frameSize: config.frame,
      packSize: config.pack,
      codec: this.#codec,
      known: index.share(),
      session: this.#claims.share(),
      modules: this.#sources.map(({ worker }) => worker && postedModule(worker)),
      store: this.#stores,
    }
    return this.#store.startJobs('backup', init)
  }

  get #codec(): Codec {
    const codec = this.#options.codec ?? this.#store.config.codec
    return codec === 'auto' ? bestCodec() : codec
  }

  #take(reply: StoredReply, workers: Workers): void {
    this.#report.added(reply)
    for (const pack of reply.packs) this.#uploads.add(pack)
    if (!this.#claims.crowded) return
    this.#claims.grow()
    // Until a worker has heard, it may store a chunk again that another just stored: wasteful, not wrong.
    workers.grow(this.#claims.share()).catch(() => undefined)
  }

  async #commit(
    host: string,
    parents: readonly (Parent | undefined)[],
    trees: readonly BuiltTree[],
    adopted: readonly string[],
  ): Promise<BackupResult> {
    const report = this.#report
    report.phase = 'commit'
    report.tell(true)
    const sources = this.#sources.map(({ type, origin, root }, i): SourceRecord => {
      const { root: tree, totals } = trees[i]!
      return { type, origin, root, tree: toHex(tree), totals }
    })
    const totals: Totals = sources.reduce((sum, source) => addTotals(sum, source.totals), noTotals)
    let snapshot: StoredSnapshot | undefined
    if (this.#stores) {
      const record = this.#record(host, parents, sources)
      this.#call.signal.throwIfAborted()
      const content = { kind: 'snapshot', snapshot: record } as const
      const draft: EntryDraft = { content, segmentsAdded: [...adopted, ...this.#uploads.segments] }
      const reconsider = (now: LogState): EntryDraft => {
        stillThere(this.#since, now, parents)
        return draft
      }
      const entry = await this.#store.log.append(draft, { ...this.#call, since: this.#since.position, reconsider })
      report.put(entryObject(entry.position), entry.size)
      await this.#checkpoint()
      snapshot = new StoredSnapshot(record, {
        storeId: this.#store.id,
        call: this.#call,
        blobs: () => this.#store.blobs(),
      })
    }
    report.phase = 'done'
    report.tell(true)
    return {
      snapshot,
      failed: report.failed,
      failedCount: report.failedCount,
      totals,
      changes: { new: report.new, changed: report.changed, unchanged: report.unchanged },
      added: {
        chunks: report.chunks,
        bytes: report.addedBytes,
        stored: report.stored,
        metadata: report.metadata,
        objects: report.objects,
      },
      duration: report.elapsed,
    }
  }

  /** Saves whoever opens the store next from reading a long log. What was committed is not undone where this fails. */
  async #checkpoint(): Promise<void> {
    const { log } = this.#store
    if (log.sinceCheckpoint < checkpointEvery) return
    await log.checkpoint(this.#call).catch(() => undefined)
  }

  #record(host: string, parents: readonly (Parent | undefined)[], sources: readonly SourceRecord[]): SnapshotRecord {
    const { name, tags = [], user = userName() } = this.#options
    const parent = parents.find((each) => each !== undefined)?.snapshot
    const report = this.#report
    return {
      id: toHex(runtime.randomBytes(16)),
      time: this.#started.toISOString(),
      duration: report.elapsed,
      host,
      user,
      tags: [...new Set(tags)],
      tool: `kloset ${version}`,
      domain: 0,
      sources,
      written: { blobs: report.chunks, bytes: report.addedBytes, stored: report.stored },
      ...(name === undefined ? {} : { name }),
      ...(parent === undefined ? {} : { parent }),
    }
  }
}

/**
 * What came into the log since this backup looked at it must not have taken away what it relies on: its parents, whose unchanged
 * parts were not walked, and the packs it found chunks in (protocol rules 5 and 6).
 */
function stillThere(before: LogState, now: LogState, parents: readonly (Parent | undefined)[]): void {
  const forgotten = parents.some((parent) => parent !== undefined && !now.snapshots.has(parent.snapshot))
  const condemned = [...now.packs.keys()].some((name) => isReliable(before, name) && !isReliable(now, name))
  if (!forgotten && !condemned) return
  throw new KlosetError('KLOSET_BUSY', 'what this backup relies on was forgotten or pruned while it was running', {
    retry: 'later',
    hint: 'Run the backup again: what it stored is used, so it will be quick.',
  })
}
