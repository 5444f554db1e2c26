import { adopt } from '../backup/adopt.js'
import { commitSnapshot } from '../backup/commit.js'
import type { StoredReply } from '../backup/messages.js'
import { Uploads } from '../backup/uploads.js'
import { Workers } from '../backup/workers.js'
import { fromHex } from '../bytes/index.js'
import { bestCodec, type Codec } from '../compress/index.js'
import type { Call } from '../connector/index.js'
import { isKlosetError } from '../errors.js'
import { type IndexTable, SessionTable } from '../index/index.js'
import { type Following, isReliable, type SnapshotRecord } from '../log/index.js'
import { PackWriter } from '../pack/index.js'
import type { LoadedIndex, OpenedStore } from '../store/opened.js'
import { PackRanges } from '../store/reads.js'
import { keyOf } from './bases.js'
import { reusedCodecs } from './family.js'
import type { SyncInit, SyncRequest } from './messages.js'
import type { SyncReport } from './report.js'

/** A snapshot of which everything is on its way to the other store. */
export interface Pending {
  /** As the store that is read records it, and as the other will. */
  readonly here: SnapshotRecord
  readonly there: SnapshotRecord
  /** Snapshots that the other store must still have. */
  readonly relies: readonly string[]
}

/** So long snapshots may wait for others to be committed with them, in milliseconds. */
const mostWaiting = 30_000

/**
 * What the snapshots of one synchronization share, as long as nothing they rely on is taken away: what the other store has, what it got
 * meanwhile, the workers. Packs are filled across snapshots, so that many small ones do not leave many small packs.
 */
export class SyncSession {
  readonly from: OpenedStore
  readonly to: OpenedStore
  readonly report: SyncReport
  readonly call: Call
  /** What the other store had. */
  readonly known: IndexTable
  /** Where everything is in the store that is read. */
  readonly index: IndexTable
  readonly #claims = new SessionTable(1 << 16)
  /** Chunks that cannot be read, by id, with the reason. */
  readonly lost: Map<string, unknown> = new Map()
  readonly workers: Workers<SyncRequest>
  readonly ranges: PackRanges
  readonly #following: Following
  readonly #metadata: PackWriter
  readonly #sources = new Map<string, number>()
  #source = -1
  #uploads: Uploads
  #segments: string[] = []
  readonly #packs = new Set<string>()
  #adopted = 0
  #added = 0
  #committed = performance.now()

  private constructor(
    from: OpenedStore,
    to: OpenedStore,
    report: SyncReport,
    call: Call,
    index: IndexTable,
    known: IndexTable,
    following: Following,
  ) {
    this.from = from
    this.to = to
    this.report = report
    this.call = call
    this.index = index
    this.known = known
    this.#following = following
    this.#uploads = this.#newUploads()
    this.ranges = new PackRanges(from.storage, call, () => report.tell())
    this.workers = new Workers(
      () => this.to.startJobs('sync', this.#init),
      Math.max(1, to.pool.size),
      (reply) => this.#take(reply),
    )
    this.#metadata = new PackWriter({
      keyring: to.keyring,
      class: 'metadata',
      packSize: to.config.pack,
      frameSize: to.config.frame,
      codec: this.#codec,
      onPack: (pack) => this.#uploads.add(pack),
    })
  }

  /**
   * Looks at what the other store has, as of what is known of its log, and at what an interrupted synchronization or backup left there.
   * `again`: an earlier session of this one did.
   */
  static async start(
    from: OpenedStore,
    to: OpenedStore,
    report: SyncReport,
    again: boolean,
    call: Call,
  ): Promise<SyncSession> {
    const following = to.log.follow()
    let session: SyncSession | undefined
    try {
      const [index, loaded] = await Promise.all([from.index(), to.loaded()])
      session = new SyncSession(from, to, report, call, index, loaded.table, following)
      if (again || to.cache === undefined || to.cache.unfinished) await session.#adopt(loaded)
      if (to.cache !== undefined) to.cache.unfinished = true
      const { state } = to.log
      for (const name of state.packs.keys()) if (!isReliable(state, name)) loaded.table.bar(fromHex(name))
      return session
    } catch (error) {
      following.end()
      await session?.end()
      throw error
    }
  }

  /** Goes on to a source of a snapshot and gives its number: frames never mix sources. */
  enter(source: Parameters<typeof keyOf>[0]): number {
    const key = keyOf(source)
    const number = this.#sources.get(key) ?? this.#sources.size
    this.#sources.set(key, number)
    if (number !== this.#source) this.#metadata.closeFrame()
    this.#source = number
    return number
  }

  /** Whether the other store neither has this blob nor is getting it: then whoever asks sees to it. */
  claim(id: Uint8Array): boolean {
    if (this.known.has(id) || !this.#claims.claim(id)) return false
    if (this.#claims.crowded) this.#grow()
    return true
  }

  /** Stores a node of a tree or list, unless it is there. */
  readonly node = (id: Uint8Array, encoded: Uint8Array): void => {
    if (this.claim(id)) this.#metadata.addBytes(id, encoded)
  }

  /** Relies no more on the pack that turned out damaged, if it was one: what it held is stored again. */
  distrust(error: unknown): void {
    if (!isKlosetError(error)) return
    const [, name] = /^packs\/[0-9a-f]{2}\/([0-9a-f]{64})$/.exec(String(error.context.object)) ?? []
    if (name !== undefined) this.known.bar(fromHex(name))
  }

  /** Resolves when the storage has caught up. */
  room(): Promise<void> {
    return this.#uploads.room()
  }

  /** How many requests are read at once: enough to keep the workers busy, and a storage that is far away. */
  get lanes(): number {
    const { concurrency } = this.from.storage.capabilities
    return Math.max(2, Math.min(2 * this.workers.size, concurrency), Math.min(8, concurrency))
  }

  /** Whether what waits is worth a commit of its own. */
  get isDue(): boolean {
    return this.#added >= 2 * this.to.config.pack || performance.now() - this.#committed > mostWaiting
  }

  /**
   * Commits snapshots, of which everything was given to the workers, one after the other, as far as they are still `wanted` then.
   * @throws TakenAway where something that this session relies on is gone
   */
  async commit(
    pending: readonly Pending[],
    wanted: (each: Pending) => boolean,
    done: (each: Pending) => void,
  ): Promise<void> {
    const { report, to, call } = this
    await this.workers.flush()
    this.#metadata.flush()
    await this.#uploads.finish()
    const { stored, segments, packs } = this.#uploads
    this.#segments.push(...segments)
    for (const name of packs) this.#packs.add(name)
    this.#uploads = this.#newUploads()
    this.#added = 0
    const added = pending.reduce((sum, { there }) => sum + there.written.bytes, 0)
    for (const each of pending) {
      call.signal.throwIfAborted()
      if (!wanted(each)) continue
      const { written } = each.there
      // Packs hold what is new of all of them: each counts its share.
      const share = added === 0 ? 1 / pending.length : written.bytes / added
      const record = { ...each.there, written: { ...written, stored: Math.round(stored * share) } }
      const entry = await commitSnapshot(
        to,
        {
          record,
          segments: this.#segments,
          packs: this.#packs,
          parents: each.relies,
          following: this.#following,
          table: this.known,
        },
        call,
      )
      report.sent += entry.size
      // The first entry names them all.
      this.#segments = []
      this.#adopted = 0
      done({ ...each, there: record })
    }
    this.#committed = performance.now()
  }

  /** Ends the session. What was stored and is not part of a snapshot is made easy to find for the next one. */
  async end(): Promise<void> {
    this.#following.end()
    this.#metadata.release()
    await this.workers.end()
    await this.#uploads.salvage()
    const isFinished = this.#segments.length === 0 && this.#uploads.packs.size === 0
    if (isFinished && this.to.cache !== undefined) this.to.cache.unfinished = false
    // What was adopted is part of the store only once the log says so.
    if (this.#adopted > 0) this.to.dropIndex()
  }

  async #adopt(loaded: LoadedIndex): Promise<void> {
    const { segments, packs } = await adopt(this.to, loaded, this.#uploads, this.call)
    this.#segments.push(...segments)
    for (const pack of packs) this.#packs.add(pack)
    this.#adopted = packs.size
    if (packs.size === 0) return
    const message = `${packs.size} packs that were stored by what was interrupted are used`
    this.report.event({ type: 'notice', code: 'adopted', message })
  }

  get #codec(): Codec {
    const { codec } = this.to.config
    return codec === 'auto' ? bestCodec() : codec
  }

  get #init(): SyncInit {
    const { from, to } = this
    return {
      material: to.keyring.material,
      from: from.keyring.material,
      sizes: to.config.chunker,
      frameSize: to.config.frame,
      packSize: to.config.pack,
      codec: this.#codec,
      reused: reusedCodecs(from, to),
      known: this.known.share(),
      session: this.#claims.share(),
      store: true,
    }
  }

  #newUploads(): Uploads {
    return new Uploads(
      this.to.storage,
      this.to.keyring,
      this.call.signal,
      (_, size) => {
        this.report.sent += size
        this.report.tell()
      },
      (memory) => this.workers.recycle(memory),
      this.to.cache,
    )
  }

  #take(reply: StoredReply): void {
    this.report.chunks += reply.added.chunks
    this.report.added += reply.added.bytes
    this.#added += reply.added.bytes
    for (const pack of reply.packs) this.#uploads.add(pack)
    if (this.#claims.crowded) this.#grow()
  }

  #grow(): void {
    this.#claims.grow()
    // Until a worker has heard, it may store a chunk again that another just stored: wasteful, not wrong.
    this.workers.grow(this.#claims.share()).catch(() => undefined)
  }
}
