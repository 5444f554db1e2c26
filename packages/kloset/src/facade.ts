import type {
  ArchiveOptions,
  ArchiveResult,
  BackupOptions,
  BackupResult,
  CheckOptions,
  EditOptions,
  EditResult,
  FileVersion,
  Finding,
  FindOptions,
  ForgetOptions,
  FoundEntry,
  ImportOptions,
  ImportResult,
  PruneOptions,
  PruneResult,
  Requests,
  RestoreOptions,
  RestoreResult,
  Snapshot,
  SnapshotEdit,
  SnapshotFilter,
  SnapshotSelection,
  StatsOptions,
  Store,
  StoreInfo,
  StoreStats,
  SyncOptions,
  SyncResult,
} from './api.js'
import { archive } from './archive/index.js'
import { backup } from './backup/index.js'
import { connectHere } from './connect.js'
import type { Bytes, Call, Destination, History, Registry, Source } from './connector/index.js'
import { edit } from './edit/index.js'
import { isKlosetError } from './errors.js'
import { importHistory } from './import/index.js'
import { forget, forgottenRecords, prune, undelete } from './prune/index.js'
import { restore } from './restore/index.js'
import {
  find,
  type SnapshotContext,
  StoredSnapshot,
  selectSnapshot,
  selectSnapshots,
  versions,
} from './snapshot/index.js'
import { stats } from './stats/index.js'
import { storeInfo } from './store/info.js'
import type { OpenedStore } from './store/opened.js'
import { synchronize } from './sync/index.js'
import type { FetchNode } from './tree/index.js'
import { check } from './verify/index.js'

/** What is behind an open store. @throws TypeError where it does not come from this library */
export function openedStore(store: Store): OpenedStore {
  if (!(store instanceof OpenStore)) throw new TypeError('a store comes from openStore or createStore')
  return store.opened
}

/** An open store as the public API shows it. */
export class OpenStore implements Store {
  readonly #store: OpenedStore
  readonly #registry: Registry
  #closed = false

  constructor(store: OpenedStore, registry: Registry) {
    this.#store = store
    this.#registry = registry
  }

  /** What verbs work with; not for users of the library. @internal */
  get opened(): OpenedStore {
    this.#requireOpen()
    return this.#store
  }

  get id(): string {
    return this.#store.id
  }

  get location(): string {
    return this.#store.storage.location
  }

  get requests(): Requests {
    return this.#store.requests
  }

  async backup(
    from: string | Source | readonly (string | Source)[],
    options: BackupOptions = {},
  ): Promise<BackupResult> {
    const call = this.#call(options.signal)
    const wanted = typeof from === 'string' || !isList(from) ? [from] : from
    if (wanted.length === 0) throw new TypeError('a backup needs at least one source')
    const opened: Source[] = []
    try {
      const sources: Source[] = []
      for (const each of wanted) {
        if (typeof each === 'string')
          opened.push(await this.#registry.source(each, connectHere(options.options ?? {}, 'read', call.signal)))
        sources.push(typeof each === 'string' ? opened.at(-1)! : each)
      }
      return await backup(this.#store, sources, options, call)
    } finally {
      await Promise.allSettled(opened.map((source) => source.close()))
    }
  }

  async restore(
    snapshot: string | Snapshot,
    to: string | Destination,
    options: RestoreOptions = {},
  ): Promise<RestoreResult> {
    const call = this.#call(options.signal)
    const stored = await this.#viewOf(snapshot, call)
    if (typeof to !== 'string') return restore(this.#store, stored, to, options, call)
    // Before a folder is made for it.
    await stored.stored(options.path ?? '')
    const destination = await this.#destination(to, options, call)
    return restore(this.#store, stored, destination, options, call)
  }

  async *archive(
    snapshot: string | Snapshot,
    options: ArchiveOptions = {},
  ): AsyncGenerator<Bytes, ArchiveResult, undefined> {
    const call = this.#call(options.signal)
    return yield* archive(this.#store, await this.#viewOf(snapshot, call), options, call)
  }

  async *check(options: CheckOptions = {}): AsyncGenerator<Finding> {
    const call = this.#call(options.signal)
    await this.#store.log.refresh(call)
    const wanted: StoredSnapshot[] = []
    if (options.snapshots !== undefined)
      for (const name of options.snapshots) wanted.push(await this.#stored(name, call))
    else for (const record of this.#store.records) wanted.push(this.#view(record, call))
    yield* check(this.#store, wanted, options, call)
  }

  async *snapshots(where: SnapshotFilter = {}): AsyncGenerator<Snapshot> {
    const call = this.#call(undefined)
    await this.#store.look(call)
    for (const record of selectSnapshots(this.#store.records, undefined, where)) yield this.#view(record, call)
  }

  async snapshot(name: string, where: SnapshotFilter = {}): Promise<Snapshot> {
    return this.#stored(name, this.#call(undefined), where)
  }

  async select({ snapshots, where }: SnapshotSelection = {}): Promise<readonly Snapshot[]> {
    const call = this.#call(undefined)
    await this.#store.look(call, snapshots)
    return selectSnapshots(this.#store.records, snapshots, where).map((record) => this.#view(record, call))
  }

  async forget(snapshots: readonly string[], options: ForgetOptions = {}): Promise<readonly Snapshot[]> {
    const call = this.#call(options.signal)
    return (await forget(this.#store, snapshots, options, call)).map((record) => this.#view(record, call))
  }

  async undelete(snapshots: readonly string[], options: ForgetOptions = {}): Promise<readonly Snapshot[]> {
    const call = this.#call(options.signal)
    return (await undelete(this.#store, snapshots, options, call)).map((record) => this.#view(record, call))
  }

  async edit(snapshots: readonly string[], change: SnapshotEdit, options: EditOptions = {}): Promise<EditResult> {
    const call = this.#call(options.signal)
    const { edited, unchanged } = await edit(this.#store, snapshots, change, options, call)
    return {
      edited: edited.map(({ before, after }) => ({ before: this.#view(before, call), after: this.#view(after, call) })),
      unchanged: unchanged.map((record) => this.#view(record, call)),
    }
  }

  async *forgotten(): AsyncGenerator<Snapshot> {
    const call = this.#call(undefined)
    await this.#store.look(call)
    for (const record of forgottenRecords(this.#store)) yield this.#view(record, call)
  }

  async prune(options: PruneOptions = {}): Promise<PruneResult> {
    return prune(this.#store, options, this.#call(options.signal))
  }

  async *find(options: FindOptions = {}): AsyncGenerator<FoundEntry> {
    yield* find(...(await this.#searched(options)), options)
  }

  async *versions(options: FindOptions = {}): AsyncGenerator<FileVersion> {
    yield* versions(...(await this.#searched(options)), options)
  }

  async stats(options: StatsOptions = {}): Promise<StoreStats> {
    const call = this.#call(options.signal)
    await this.#store.look(call, options.snapshots)
    const records = selectSnapshots(this.#store.records, options.snapshots, options.where)
    return stats(
      this.#store,
      records.map((record) => this.#view(record, call)),
      options,
      call,
    )
  }

  async info(): Promise<StoreInfo> {
    return storeInfo(this.#store, this.#call(undefined))
  }

  async syncTo(peer: Store, options: SyncOptions = {}): Promise<SyncResult> {
    const call = this.#call(options.signal)
    await this.#store.look(call, options.snapshots)
    return synchronize(this.#store, openedStore(peer), options, call)
  }

  async importFrom(history: History, options: ImportOptions = {}): Promise<ImportResult> {
    return importHistory(this.#store, history, options, this.#call(options.signal))
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#store.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #stored(name: string, call: Call, where: SnapshotFilter = {}): Promise<StoredSnapshot> {
    await this.#store.look(call, [name])
    return this.#view(selectSnapshot(this.#store.records, name, where), call)
  }

  async #viewOf(snapshot: string | Snapshot, call: Call): Promise<StoredSnapshot> {
    if (typeof snapshot === 'string') return this.#stored(snapshot, call)
    const known = this.#store.log.state.snapshots.get(snapshot.id)
    return known === undefined ? this.#stored(snapshot.id, call) : this.#view(known.record, call)
  }

  async #destination(to: string, { dryRun, options = {} }: RestoreOptions, call: Call): Promise<Destination> {
    if (dryRun !== true) return this.#registry.destination(to, connectHere(options, 'create', call.signal))
    try {
      return await this.#registry.destination(to, connectHere(options, 'read', call.signal))
    } catch (error) {
      if (!isKlosetError(error, 'KLOSET_NOT_FOUND')) throw error
      return newPlace
    }
  }

  /** The snapshots to search, and what reads their nodes. */
  async #searched({ snapshots, where, signal }: FindOptions): Promise<[StoredSnapshot[], FetchNode]> {
    const call = this.#call(signal)
    await this.#store.look(call, snapshots)
    const wanted = selectSnapshots(this.#store.records, snapshots, where)
    const blobs = await this.#store.blobs()
    const fetch: FetchNode = (id) => {
      call.signal.throwIfAborted()
      return blobs.node(id, call)
    }
    return [wanted.map((record) => this.#view(record, call)), fetch]
  }

  #view(record: StoredSnapshot['record'], call: Call): StoredSnapshot {
    const blobs = async (): ReturnType<OpenedStore['blobs']> => {
      this.#requireOpen()
      return this.#store.blobs()
    }
    const context: SnapshotContext = { storeId: this.#store.id, call, blobs }
    return new StoredSnapshot(record, context)
  }

  #call(signal: AbortSignal | undefined): Call {
    this.#requireOpen()
    signal?.throwIfAborted()
    return { signal: signal ?? neverAborted }
  }

  #requireOpen(): void {
    if (this.#closed) throw new TypeError('the store is closed')
  }
}

function isList<T>(value: T | readonly T[]): value is readonly T[] {
  return Array.isArray(value)
}

/** What is not there yet: a dry run writes nothing to it. */
const newPlace: Destination = {
  capabilities: {
    keeps: ['directories', 'symlinks', 'special', 'devices', 'mode', 'owner', 'mtime', 'xattrs', 'holes'],
    order: 'path',
    concurrency: 1,
    names: { caseSensitive: true },
  },
  async create() {},
  async write() {},
  async close() {},
}

const neverAborted = new AbortController().signal
