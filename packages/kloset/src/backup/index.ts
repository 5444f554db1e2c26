import type { BackupOptions, BackupResult, Notice, Totals } from '../api.js'
import { type Bytes, fromHex, toHex } from '../bytes/index.js'
import { bestCodec, type Codec } from '../compress/index.js'
import type { Call, Source } from '../connector/index.js'
import { checkLabels } from '../edit/labels.js'
import { isKlosetError, KlosetError } from '../errors.js'
import { checkRules } from '../filter/index.js'
import { type IndexTable, SessionTable } from '../index/index.js'
import {
  entryObject,
  type Following,
  type ImportedFrom,
  isReliable,
  type SnapshotRecord,
  type SourceRecord,
} from '../log/index.js'
import { PackWriter, packObject } from '../pack/index.js'
import { runtime } from '../runtime/index.js'
import { postedModule } from '../runtime/jobs.js'
import type { JobSet } from '../runtime/pool.js'
import { hostName, userName } from '../runtime/system.js'
import { StoredSnapshot } from '../snapshot/index.js'
import { largestPack, type StoreConfig } from '../store/config.js'
import { packSizes } from '../store/footers.js'
import type { OpenedStore } from '../store/opened.js'
import { addTotals, type BuiltTree, noTotals, TreeBuilder } from '../tree/index.js'
import { version } from '../version.js'
import { type Adopted, adopt } from './adopt.js'
import { comparison } from './changed.js'
import { commitSnapshot, TakenAway } from './commit.js'
import { Files } from './files.js'
import { scanRules, withoutEffect } from './filtering.js'
import type { BackupInit, StoredReply } from './messages.js'
import { type Identity, identityOf, type Parent, parentOf, sameAs } from './parent.js'
import { recordedOptions, rootsOf } from './recorded.js'
import { BackupReport } from './report.js'
import { scanHere } from './scan.js'
import { forgetScan, scanAhead, scansThere, scanThere } from './scan-ahead.js'
import { SlotQueue, UnorderedSlots } from './slots.js'
import { backupSource, ParentDamaged } from './source.js'
import { Uploads } from './uploads.js'
import { Workers } from './workers.js'

/** What a snapshot was that another program made before. */
export interface Past {
  readonly time: Date
  readonly tool: string
  readonly imported: ImportedFrom
}

/** Backs up sources into one new snapshot; with `past`, into one that is as old as what it is made from. */
export async function backup(
  store: OpenedStore,
  sources: readonly Source[],
  options: BackupOptions,
  call: Call,
  past?: Past,
): Promise<BackupResult> {
  refuseSettings(store.config, options)
  const roots = rootsOf(options)
  if (roots.length > 0 && (roots.length !== sources.length || roots.includes(''))) {
    throw new TypeError(`${sources.length} sources need as many roots to stand for, none of them empty`)
  }
  checkRules(options.filter ?? {})
  for (const source of sources) {
    for (const part of ['type', 'origin', 'root'] as const) requireText(source[part], `the ${part} of a source`)
  }
  for (const part of ['host', 'user'] as const) {
    if (options[part] !== undefined) requireText(options[part], `the option ${part}`)
  }
  // Meanwhile the log and the index are read.
  if (sources[0] !== undefined) scanAhead(store.pool, sources[0], scanRules(sources[0], options, roots[0]))
  try {
    checkLabels(options)
    const result = await backUp(store, sources, options, call, past)
    const snapshot = (result.snapshot ?? (options.dryRun ? undefined : result.unchangedSince))?.id
    await Promise.all(sources.map((source) => source.settled?.({ snapshot })))
    return result
  } catch (error) {
    await Promise.allSettled(sources.map(forgetScan))
    await Promise.allSettled(sources.map((source) => source.settled?.({ snapshot: undefined })))
    throw error
  }
}

/** What is not typed in JavaScript would otherwise be found out at the commit, when all is stored. */
function requireText(value: unknown, what: string): void {
  if (typeof value !== 'string') throw new TypeError(`${what} must be a text, not ${JSON.stringify(value)}`)
}

function refuseSettings({ frame }: StoreConfig, { packSize = largestPack, readConcurrency = 1 }: BackupOptions): void {
  if (!(Number.isInteger(packSize) && packSize >= frame && packSize <= largestPack))
    throw new RangeError(`packs of ${packSize} bytes, where one frame (${frame} bytes) to ${largestPack} are allowed`)
  if (!(Number.isInteger(readConcurrency) && readConcurrency >= 1))
    throw new RangeError(`to read ${readConcurrency} files at once is not possible`)
}

/** Tries until a backup ends in a commit: what it relied on may be pruned meanwhile, or turn out to be damaged. */
async function backUp(
  store: OpenedStore,
  sources: readonly Source[],
  options: BackupOptions,
  call: Call,
  past: Past | undefined,
): Promise<BackupResult> {
  let again = options
  for (let attempt = 1; ; attempt++) {
    const session = new BackupSession(store, sources, again, call, past)
    try {
      return await session.run(attempt > 1)
    } catch (error) {
      if (!isRepeatable(error, sources) || attempt === mostAttempts)
        throw error instanceof ParentDamaged ? notAgain(error) : error
      await store.log.refresh(call)
      const forgotten = !session.parents.every((id) => store.log.state.snapshots.has(id))
      const damaged = error instanceof ParentDamaged && !forgotten
      const { parent: _, ...others } = again
      if (damaged) again = { ...others, parent: null }
      else if (forgotten && typeof again.parent === 'string') again = others
      options.onEvent?.({ type: 'notice', ...(damaged ? parentDamaged(error) : prunedMeanwhile) })
    }
  }
}

/** More would mean that somebody prunes without end. */
const mostAttempts = 10

/** Whether a backup can start over. What comes in order, such as the output of a program, comes only once. */
function isRepeatable(error: unknown, sources: readonly Source[]): boolean {
  const starts = error instanceof ParentDamaged || error instanceof TakenAway
  return starts && sources.every(({ capabilities }) => capabilities.access !== 'in-order')
}

/** What comes in order was taken of its source already: a second look would find nothing, and commit that. */
function notAgain({ message, cause }: ParentDamaged): KlosetError {
  const code = isKlosetError(cause) ? cause.code : 'KLOSET_TREE_CORRUPT'
  return new KlosetError(
    code,
    `the last backup of this source is damaged, and its content comes only once: ${message}`,
    {
      hint: 'Nothing was committed. Run it again without a parent, so that nothing of the damaged snapshot is needed.',
      cause,
    },
  )
}

function parentDamaged(error: Error): Pick<Notice, 'code' | 'message'> {
  const message = `the last backup of this source is damaged, so everything is read: ${error.message}`
  return { code: 'parent-damaged', message }
}

const prunedMeanwhile: Pick<Notice, 'code' | 'message'> = {
  code: 'pruned-meanwhile',
  message: 'something this backup relied on was pruned while it was running; it starts over with what it has stored',
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
  readonly #past: Past | undefined
  readonly #time: Date
  readonly #host: string
  readonly #identities: readonly Identity[]
  #parents: readonly (Parent | undefined)[] = []
  #workers: Workers | undefined

  constructor(
    store: OpenedStore,
    sources: readonly Source[],
    options: BackupOptions,
    call: Call,
    past: Past | undefined,
  ) {
    this.#past = past
    this.#time = past?.time ?? new Date()
    this.#store = store
    this.#sources = sources
    this.#options = options
    this.#call = call
    this.#host = options.host ?? hostName()
    this.#identities = sources.map((source, i) => identityOf(source, this.#host, rootsOf(options)[i]))
    this.#report = new BackupReport(options)
    this.#uploads = new Uploads(
      store.storage,
      store.keyring,
      call.signal,
      (object, size) => this.#report.put(object, size),
      (memory) => this.#workers?.recycle(memory),
      store.cache,
    )
  }

  get #stores(): boolean {
    return this.#options.dryRun !== true
  }

  /** The snapshots it may compare with: of what is brought over from before, those that were made until then. */
  get #earlier(): readonly SnapshotRecord[] {
    const { records } = this.#store
    if (this.#past === undefined) return records
    const time = this.#time.toISOString()
    return records.filter((record) => record.time <= time)
  }

  /** Ids of the snapshots it compares with. */
  get parents(): readonly string[] {
    return this.#parents.flatMap((parent) => parent?.snapshot ?? [])
  }

  /** `again`: an earlier try left something that can be used. */
  async run(again: boolean): Promise<BackupResult> {
    const { log } = this.#store
    await log.refresh(this.#call, again ? 0 : freshEnough)
    if (this.#stores) this.#store.requireWritable()
    const following = log.follow()
    try {
      return await this.#run(following, again)
    } finally {
      following.end()
    }
  }

  async #run(following: Following, again: boolean): Promise<BackupResult> {
    const { state } = this.#store.log
    const loaded = await this.#store.loaded()
    const parents = this.#identities.map((each) => parentOf(this.#earlier, each, this.#host, this.#options.parent))
    this.#parents = parents
    if (typeof this.#options.parent === 'string' && parents.every((parent) => parent === undefined)) {
      throw new KlosetError('KLOSET_SNAPSHOT_NOT_FOUND', `snapshot ${this.#options.parent} has none of these sources`, {
        context: { snapshot: this.#options.parent },
        hint: 'Give a snapshot of the same folders, or leave the parent out: the latest that fits is found by itself.',
      })
    }
    const { cache } = this.#store
    const mayFind = this.#stores && (again || cache === undefined || cache.unfinished || loaded.bad.length > 0)
    const adopted: Adopted = mayFind
      ? await adopt(this.#store, loaded, this.#uploads, this.#call)
      : { segments: [], packs: new Set() }
    if (adopted.packs.size > 0) {
      const message = `${adopted.packs.size} packs that an interrupted backup stored are used`
      this.#report.event({ type: 'notice', code: 'adopted', message })
    }
    if (this.#stores && this.#options.parent === null) await this.#barLost(loaded.table)
    for (const name of state.packs.keys()) if (!isReliable(state, name)) loaded.table.bar(fromHex(name))
    if (this.#stores && cache !== undefined) cache.unfinished = true
    try {
      const trees = await this.#storeAll(loaded.table, parents)
      const records = this.#identities.map((identity, i): SourceRecord => {
        const { root: tree, totals } = trees[i]!
        return { ...identity, tree: toHex(tree), totals }
      })
      const same = this.#options.skipIfUnchanged ? await this.#unchangedSince(records) : undefined
      const made = this.#stores && same === undefined
      const snapshot = made ? await this.#commit(records, adopted, following, loaded.table) : undefined
      if (snapshot === undefined) this.#dropAdopted(adopted)
      if (this.#stores && cache !== undefined) cache.unfinished = snapshot === undefined && adopted.packs.size > 0
      return this.#result(records, snapshot, same)
    } catch (error) {
      await this.#uploads.salvage()
      this.#dropAdopted(adopted)
      throw error
    }
  }

  /** What was adopted is part of the store only once the log says so. */
  #dropAdopted(adopted: Adopted): void {
    if (adopted.packs.size > 0) this.#store.dropIndex()
  }

  /** The snapshot that makes another one superfluous. What had to be stored anew, because it was lost, needs one. */
  async #unchangedSince(sources: readonly SourceRecord[]): Promise<StoredSnapshot | undefined> {
    if (this.#report.chunks > 0 || this.#report.metadata > 0) return undefined
    await this.#store.log.refresh(this.#call, 0)
    const record = sameAs(this.#store.records, sources, this.#host)
    return record && this.#view(record)
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
      Math.max(1, Math.min(this.#store.pool.size, this.#options.readConcurrency ?? Number.POSITIVE_INFINITY)),
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
        for (const message of source.lacks ?? []) this.#report.event({ type: 'notice', code: 'source-lacks', message })
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
      concurrency: this.#options.readConcurrency,
    })
    const rules = scanRules(source, this.#options, rootsOf(this.#options)[number])
    this.#tellWithoutEffect(source)
    const scan = scansThere(source) ? scanThere(this.#store.pool, source, rules) : scanHere(source, rules, call)
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
        parent: parent && {
          tree: parent.tree,
          comparison: comparison(this.#options.compare, parent.time, source.capabilities.timeGrain),
        },
        fetch,
      })
    } finally {
      await slots.abandon()
    }
  }

  #tellWithoutEffect(source: Source): void {
    const rules = withoutEffect(source, this.#options.filter ?? {})
    if (rules.length === 0) return
    const message = `a source of type ${source.type} cannot tell ${rules.join(' and ')}: nothing is left out on their account`
    this.#report.event({ type: 'notice', code: 'source-lacks', message })
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
      packSize: this.#packSize,
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
      packSize: this.#packSize,
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

  get #packSize(): number {
    return this.#options.packSize ?? this.#store.config.pack
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
    sources: readonly SourceRecord[],
    adopted: Adopted,
    following: Following,
    table: IndexTable,
  ): Promise<StoredSnapshot> {
    this.#report.phase = 'commit'
    this.#report.tell(true)
    const record = this.#record(sources)
    this.#call.signal.throwIfAborted()
    const entry = await commitSnapshot(
      this.#store,
      {
        record,
        segments: [...adopted.segments, ...this.#uploads.segments],
        packs: new Set([...adopted.packs, ...this.#uploads.packs]),
        parents: this.parents,
        following,
        table,
      },
      this.#call,
    )
    this.#report.put(entryObject(entry.position), entry.size)
    return this.#view(record)
  }

  #view(record: SnapshotRecord): StoredSnapshot {
    return new StoredSnapshot(record, {
      storeId: this.#store.id,
      call: this.#call,
      blobs: () => this.#store.blobs(),
    })
  }

  #result(
    sources: readonly SourceRecord[],
    snapshot: StoredSnapshot | undefined,
    unchangedSince: StoredSnapshot | undefined,
  ): BackupResult {
    const report = this.#report
    report.phase = 'done'
    report.tell(true)
    return {
      snapshot,
      unchangedSince,
      failed: report.failed,
      failedCount: report.failedCount,
      excluded: report.excluded,
      totals: sources.reduce((sum, source): Totals => addTotals(sum, source.totals), noTotals),
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

  #record(sources: readonly SourceRecord[]): SnapshotRecord {
    const { name, tags = [], user = userName() } = this.#options
    const [parent] = this.parents
    const recorded = recordedOptions(this.#options, this.#sources)
    const imported = this.#past && { imported: this.#past.imported }
    const report = this.#report
    return {
      id: toHex(runtime.randomBytes(16)),
      time: this.#time.toISOString(),
      duration: report.elapsed,
      host: this.#host,
      user,
      tags: [...new Set(tags)],
      tool: this.#past?.tool ?? `kloset ${version}`,
      domain: 0,
      sources,
      written: { blobs: report.chunks, bytes: report.addedBytes, stored: report.stored },
      ...(name === undefined ? {} : { name }),
      ...(parent === undefined ? {} : { parent }),
      ...(recorded === undefined && imported === undefined ? {} : { options: { ...recorded, ...imported } }),
    }
  }
}

/** A look at the log that is no older, in milliseconds, serves a backup as well as a new one: what came since shows at the commit. */
const freshEnough = 5_000
