import type { Notice, Requests } from '../api.js'
import { fromHex } from '../bytes/index.js'
import type { Call, Storage } from '../connector/index.js'
import type { Keyring } from '../crypto/index.js'
import { KlosetError } from '../errors.js'
import type { IndexTable } from '../index/index.js'
import { type CommitLog, inOrder, isReliable, type LogState, type SnapshotRecord } from '../log/index.js'
import { runtime } from '../runtime/index.js'
import type { JobSet, Pool } from '../runtime/pool.js'
import type { BlobReader } from './blobs.js'
import { keepState, keptPosition, type StoreCache } from './cache/index.js'
import type { StoreConfig } from './config.js'
import { LoadedIndex } from './loaded-index.js'
import { SortedFiles } from './sorted-files.js'

export { LoadedIndex } from './loaded-index.js'

import { dropKeys } from './unlocking.js'

/** An open store: what all verbs work with. */
export class OpenedStore {
  readonly storage: Storage
  readonly config: StoreConfig
  readonly keyring: Keyring
  readonly log: CommitLog
  readonly pool: Pool
  readonly writable: boolean
  /** A log whose end cannot be read is taken as ending there. */
  readonly damagedLog: boolean
  readonly notice: (notice: Notice) => void
  /** What this machine keeps of the store, where it keeps something. */
  readonly cache: StoreCache | undefined
  readonly #call: Call
  readonly #requests: () => Requests
  #kept: number
  #catchingUp: Promise<unknown> | undefined
  #caughtUp = Number.NEGATIVE_INFINITY
  #index: Promise<LoadedIndex> | undefined
  readonly #indexes: LoadedIndex[] = []
  #barred: { readonly in: LoadedIndex; readonly by: LogState['packs'] } | undefined
  #toldInline = false

  constructor(parts: {
    readonly storage: Storage
    readonly config: StoreConfig
    readonly keyring: Keyring
    readonly log: CommitLog
    readonly pool: Pool
    readonly writable: boolean
    readonly damagedLog?: boolean
    readonly notice: (notice: Notice) => void
    readonly cache?: StoreCache | undefined
    readonly requests: () => Requests
    readonly call: Call
  }) {
    this.storage = parts.storage
    this.config = parts.config
    this.keyring = parts.keyring
    this.log = parts.log
    this.pool = parts.pool
    this.writable = parts.writable
    this.damagedLog = parts.damagedLog === true
    this.notice = parts.notice
    this.cache = parts.cache
    this.#requests = parts.requests
    this.#call = parts.call
    this.#kept = this.cache === undefined ? 0 : keptPosition(this.cache)
  }

  get id(): string {
    return this.config.store
  }

  /** What was asked of the storage so far. */
  get requests(): Requests {
    return this.#requests()
  }

  /** The snapshots as far as the log is known, oldest first: the log has those that were synchronized later than others of their time. */
  get records(): SnapshotRecord[] {
    return inOrder(this.log.state.snapshots.values())
  }

  /**
   * Reads what came into the log. Where its end is damaged, only ids say what is meant: `latest` would be an older snapshot than it was, and a
   * list would lack some.
   * @param names which snapshots are wanted; undefined for a selection among all
   * @throws KLOSET_LOG_CORRUPT
   */
  async look(call: Call, names?: readonly string[]): Promise<void> {
    await this.log.refresh(call)
    const { incomplete, state } = this.log
    if (incomplete === undefined || this.damagedLog) return
    const ids = [...state.snapshots.keys()]
    const isId = (name: string): boolean =>
      /^[0-9a-f]{4,32}$/i.test(name) && ids.some((id) => id.startsWith(name.toLowerCase()))
    if (names?.every(isId)) return
    throw new KlosetError('KLOSET_LOG_CORRUPT', `${incomplete.message}; which snapshots came after that is not known`, {
      hint:
        'Name a snapshot by its id, or say that the log is to be taken as it was before the damage (`--damaged-log`, in the library `damagedLog`). ' +
        'Putting that entry back from another copy of the store makes it whole.',
      context: incomplete.context,
      cause: incomplete,
    })
  }

  /** @throws where nothing may be written: see {@link CommitLog.refusal} */
  requireWritable(): void {
    if (!this.writable) {
      throw new KlosetError('KLOSET_READ_ONLY', `the store at ${this.storage.location} was opened for reading`, {
        hint: 'Open it for writing.',
      })
    }
    if (this.log.refusal !== undefined) throw this.log.refusal
  }

  /** Where everything is, as of what is known of the log. */
  async index(): Promise<IndexTable> {
    return (await this.loaded()).table
  }

  /** Reads blobs by id. */
  async blobs(): Promise<BlobReader> {
    return (await this.loaded()).blobs
  }

  /** The index with what could not be used of it. Segments that came since are read; none is read twice. */
  async loaded(): Promise<LoadedIndex> {
    const before = this.#index
    const loading = (async () => {
      let loaded = await before
      for (;;) {
        // One that says what does not hold any more is of no use, nor is one that became so while it was read.
        if (loaded === undefined || loaded.isOutdated(this.log.state)) loaded = this.#newIndex({ anew: false })
        await loaded.follow(this.log.state, this.notice, this.#call)
        if (loaded.isOutdated(this.log.state)) continue
        this.#bar(loaded)
        return loaded
      }
    })()
    this.#index = loading
    try {
      return await loading
    } catch (error) {
      // The next one who asks starts anew.
      if (this.#index === loading) this.#index = undefined
      throw error
    }
  }

  /** What is in a pack that is gone or may go is looked for elsewhere first, and never relied on. */
  #bar(loaded: LoadedIndex): void {
    const { state } = this.log
    if (this.#barred?.in === loaded && this.#barred.by === state.packs) return
    for (const name of state.packs.keys()) if (!isReliable(state, name)) loaded.table.bar(fromHex(name))
    this.#barred = { in: loaded, by: state.packs }
  }

  /** The index as the storage has it now, whatever is known of it already: for those who verify the storage. */
  async loadedAnew(notice: (notice: Notice) => void, call: Call): Promise<LoadedIndex> {
    for (;;) {
      const loaded = this.#newIndex({ anew: true })
      await loaded.follow(this.log.state, notice, call)
      if (!loaded.isOutdated(this.log.state)) return loaded
    }
  }

  #newIndex({ anew }: { readonly anew: boolean }): LoadedIndex {
    const { storage, keyring, pool, cache } = this
    const { files } = runtime
    const sorted =
      files && cache && new SortedFiles({ keyring, files, folder: files.join(cache.folder, 'sorted'), pool })
    const refresh = async (): Promise<LogState> => {
      await this.log.refresh(this.#call)
      return this.log.state
    }
    const help = anew ? { anew } : { cache, catchUp: () => this.#catchUp() }
    const loaded = new LoadedIndex(storage, keyring, { sorted, refresh, ...help })
    this.#indexes.push(loaded)
    return loaded
  }

  /** Starts jobs in the pool; tells where they have to run on this thread because no other can be had. */
  async startJobs(kind: 'backup' | 'restore' | 'compare' | 'verify' | 'sync', init: unknown): Promise<JobSet> {
    const jobs = await this.pool.start(kind, init)
    const { unavailable } = this.pool
    if (unavailable !== undefined && !this.#toldInline) {
      this.#toldInline = true
      const message = `no worker threads can be started, so everything runs on one: ${unavailable.message}`
      this.notice({ type: 'notice', code: 'workers-unavailable', message })
    }
    return jobs
  }

  /** Forgets the index in memory: whoever needs it next reads what the log names. */
  dropIndex(): void {
    this.#index = undefined
  }

  /** Keeps what is known of the log on this machine, unless it is kept already. */
  keepState(): void {
    const { state, damage } = this.log
    if (this.cache === undefined || damage !== undefined || state.position === this.#kept) return
    keepState(this.cache, this.keyring, state)
    this.#kept = state.position
  }

  async close(): Promise<void> {
    if (this.cache !== undefined && this.log.damage !== undefined) {
      // It may only seem to be damaged, to one who does not know the keys that came since.
      dropKeys(this.cache)
    }
    this.keepState()
    for (const index of this.#indexes.splice(0)) index.close()
    this.cache?.close()
    await this.storage.close()
  }

  /**
   * The index with what came into the log since. For those who miss something: of many at once, and of many in a row, one asks the
   * storage.
   */
  async #catchUp(): Promise<IndexTable> {
    if (this.#catchingUp === undefined && performance.now() - this.#caughtUp >= catchUpEvery) {
      const refreshing = this.log.refresh(this.#call)
      this.#catchingUp = refreshing.finally(() => {
        this.#caughtUp = performance.now()
        this.#catchingUp = undefined
      })
    }
    await this.#catchingUp
    return this.index()
  }
}

/** Milliseconds. */
const catchUpEvery = 5_000
