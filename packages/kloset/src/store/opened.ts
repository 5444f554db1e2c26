import type { Notice } from '../api.js'
import type { Call, Storage } from '../connector/index.js'
import type { Keyring } from '../crypto/index.js'
import { KlosetError } from '../errors.js'
import { IndexTable } from '../index/index.js'
import type { CommitLog, SnapshotRecord } from '../log/index.js'
import type { JobSet, Pool } from '../runtime/pool.js'
import { BlobReader } from './blobs.js'
import type { StoreConfig } from './config.js'
import { type BadSegment, loadFooters, loadSegments } from './load-index.js'

/** An open store: what all verbs work with. */
export class OpenedStore {
  readonly storage: Storage
  readonly config: StoreConfig
  readonly keyring: Keyring
  readonly log: CommitLog
  readonly pool: Pool
  readonly writable: boolean
  readonly notice: (notice: Notice) => void
  readonly #call: Call
  #index: Promise<LoadedIndex> | undefined
  #toldInline = false

  constructor(parts: {
    readonly storage: Storage
    readonly config: StoreConfig
    readonly keyring: Keyring
    readonly log: CommitLog
    readonly pool: Pool
    readonly writable: boolean
    readonly notice: (notice: Notice) => void
    readonly call: Call
  }) {
    this.storage = parts.storage
    this.config = parts.config
    this.keyring = parts.keyring
    this.log = parts.log
    this.pool = parts.pool
    this.writable = parts.writable
    this.notice = parts.notice
    this.#call = parts.call
  }

  get id(): string {
    return this.config.store
  }

  /** The snapshots as far as the log is known, oldest first. */
  get records(): SnapshotRecord[] {
    return [...this.log.state.snapshots.values()].map(({ record }) => record)
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
      const loaded = (await before) ?? new LoadedIndex(this.storage, this.keyring)
      await loaded.follow(this.log.state.segments, this.notice, this.#call)
      return loaded
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

  /** Starts jobs in the pool; tells where they have to run on this thread because no other can be had. */
  async startJobs(kind: 'backup' | 'restore' | 'verify', init: unknown): Promise<JobSet> {
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

  async close(): Promise<void> {
    await this.storage.close()
  }
}

/** The index of a store in memory. */
export class LoadedIndex {
  readonly table: IndexTable = new IndexTable()
  readonly blobs: BlobReader
  readonly bad: BadSegment[] = []
  readonly #storage: Storage
  readonly #keyring: Keyring
  readonly #names = new Set<string>()

  constructor(storage: Storage, keyring: Keyring) {
    this.#storage = storage
    this.#keyring = keyring
    this.blobs = new BlobReader(storage, keyring, this.table)
  }

  /** Reads the segments that are not known yet. Where some are lost, the footers of the packs say the same. */
  async follow(names: Iterable<string>, notice: (notice: Notice) => void, call: Call): Promise<void> {
    const wanted = [...names].filter((name) => !this.#names.has(name))
    if (wanted.length === 0) return
    const bad = await loadSegments(this.#storage, this.#keyring, wanted, this.table, call)
    for (const name of wanted) this.#names.add(name)
    if (bad.length === 0) return
    this.bad.push(...bad)
    const found = await loadFooters(this.#storage, this.#keyring, this.table, call)
    const objects = bad.map(({ name }) => `index/${name}`).join(', ')
    notice({
      type: 'notice',
      code: 'index-rebuilt',
      message: `${objects} cannot be used; read the contents of ${found} packs instead`,
    })
  }
}
