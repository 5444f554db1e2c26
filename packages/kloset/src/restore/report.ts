import type { RestoreEvent, RestoreOptions } from '../api.js'
import { mostFailed } from '../backup/report.js'
import { Telling } from '../backup/telling.js'
import type { Call, Destination, Kept, Making } from '../connector/index.js'
import { KlosetError } from '../errors.js'
import type { FailedEntry, Progress } from '../run.js'
import type { Stat } from '../tree/index.js'

/** What of the options says what is told. */
type Reported = Pick<RestoreOptions, 'entries' | 'verify' | 'onEvent' | 'onProgress'>

/** Counts what a restore does and tells it. */
export class RestoreReport {
  readonly failed: FailedEntry[] = []
  failedCount = 0
  skipped = 0
  mended = 0
  deleted = 0
  /** What was read back and found to be right. */
  readonly verified = { files: 0, directories: 0, others: 0, bytes: 0 }
  readonly leftOut: Record<string, number> = {}
  readonly totals = { files: 0, directories: 0, others: 0, bytes: 0, errors: 0 }
  read = 0
  phase: Progress['phase'] = 'write'
  total: Progress['total']
  readonly #options: Reported
  readonly #keeps: ReadonlySet<Kept>
  readonly #capabilities: Destination['capabilities']
  readonly #telling: Telling
  // Paths that are followed, and whether they failed.
  readonly #followed = new Map<string, boolean>()
  // Protected paths that were told of.
  readonly #protected = new Set<string>()
  // Paths of which it is known that they are not as the snapshot has them; only where that is asked.
  readonly #settled: Set<string> | undefined

  constructor(options: Reported, { capabilities }: Pick<Destination, 'capabilities'>) {
    this.#options = options
    this.#settled = options.verify === true ? new Set() : undefined
    this.#telling = new Telling(options)
    this.#capabilities = capabilities
    this.#keeps = new Set(capabilities.keeps)
  }

  get elapsed(): number {
    return this.#telling.elapsed
  }

  event(event: RestoreEvent): void {
    this.#options.onEvent?.(event)
  }

  /** Whether the destination keeps this kind of entry at all. */
  keepsKindOf(stat: Stat): boolean {
    const kind = kindOf(stat.type)
    return kind === undefined || this.#keeps.has(kind)
  }

  /** Whether the destination keeps this kind of entry at all; what it does not keep of it is counted. */
  takes(stat: Stat): boolean {
    const kind = kindOf(stat.type)
    if (kind !== undefined && !this.#keeps.has(kind)) {
      this.leave(kind)
      return false
    }
    if (stat.owner !== undefined && !this.#givesOwner(stat.owner)) this.leave('owner')
    if (hasXattrs(stat) && !this.#keeps.has('xattrs')) this.leave('xattrs')
    if (stat.mode !== undefined && !this.#keeps.has('mode')) this.leave('mode')
    if (stat.mtime !== undefined && !this.#keeps.has('mtime')) this.leave('mtime')
    for (const name of Object.keys(stat.attributes ?? {})) {
      if (!this.#keeps.has(`attributes:${name}`)) this.leave(`attributes:${name}`)
    }
    return true
  }

  done(path: string, stat: Stat): void {
    if (stat.type === 'file') {
      this.totals.files++
      this.totals.bytes += stat.size ?? 0
    } else if (stat.type === 'directory') this.totals.directories++
    else this.totals.others++
    if (this.#options.entries === true) this.event({ type: 'restored', path })
    this.tell()
  }

  skip(path: string): void {
    this.skipped++
    if (this.#options.entries === true) this.event({ type: 'skipped', path })
  }

  /** Left as it is although it may be something else than the snapshot has. */
  keep(path: string): void {
    this.#settled?.add(path)
    this.skip(path)
  }

  /** Left as it is, because the run needs what is at `kept` itself. */
  protect(path: string, kept: string): void {
    this.keep(path)
    if (this.#protected.has(kept)) return
    this.#protected.add(kept)
    const message = `${kept} is left as it is, with all that is in it: this run needs it itself`
    this.event({ type: 'notice', code: 'protected', message })
  }

  /** Of what is there, mode, owner and times stay. */
  keepMetadata(path: string): void {
    this.#settled?.add(path)
  }

  /** Given its mode, owner and times; its content was right. */
  mend(path: string): void {
    this.mended++
    if (this.#options.entries === true) this.event({ type: 'metadata', path })
  }

  /** Deleted, because the snapshot does not have it. */
  delete(path: string): void {
    this.deleted++
    if (this.#options.entries === true) this.event({ type: 'deleted', path })
  }

  /** Read back, and right. */
  verify({ type, size }: Stat): void {
    if (type === 'file') {
      this.verified.files++
      this.verified.bytes += size ?? 0
    } else if (type === 'directory') this.verified.directories++
    else this.verified.others++
    this.tell()
  }

  /** Read back, and not as the snapshot has it; `what` says what of it. */
  differs(path: string, what: string, cause?: unknown): void {
    const message = `${path} is not as the snapshot has it: ${what}`
    const hint =
      'Restore it again with --overwrite always. If that does not help, something changes it, or the disk is failing.'
    this.fail(path, new KlosetError('KLOSET_RESTORE_DIFFERS', message, { context: { path }, hint, cause }))
  }

  /** Whether it is known that a path is not as the snapshot has it: it was left as it was, or failed. */
  isSettled(path: string): boolean {
    return this.#settled?.has(path) === true
  }

  /** Remembers what becomes of a path, for {@link RestoreReport.hasFailed}. */
  follow(path: string): void {
    this.#followed.set(path, false)
  }

  /** Whether a path that is followed could not be restored. */
  hasFailed(path: string): boolean {
    return this.#followed.get(path) === true
  }

  fail(path: string, error: unknown): void {
    if (this.#followed.has(path)) this.#followed.set(path, true)
    this.#settled?.add(path)
    this.failedCount++
    this.totals.errors++
    if (this.failed.length < mostFailed) this.failed.push({ path, error })
    this.event({ type: 'failed', path, error })
  }

  #givesOwner(owner: NonNullable<Stat['owner']>): boolean {
    return this.#keeps.has('owner') || this.#capabilities.givesOwner?.(owner) === true
  }

  /** Tells the progress, at most ten times a second unless `now`. */
  tell(now = false): void {
    const { files, directories, others, bytes } = this.phase === 'check' ? this.verified : this.totals
    this.#telling.tell(now, () => ({
      phase: this.phase,
      entries: files + directories + others,
      files,
      bytes,
      total: this.total,
      failed: this.failedCount,
      stored: this.read,
      current: undefined,
    }))
  }

  /** What a call that makes something gets: what is left out is counted here. */
  making(call: Call): Making {
    return { ...call, leftOut: (kind) => this.leave(kind) }
  }

  /** Counts what the destination did not keep of entries. */
  leave(kind: string, count = 1): void {
    this.leftOut[kind] = (this.leftOut[kind] ?? 0) + count
  }
}

function hasXattrs({ xattrs, storedXattrs }: Stat): boolean {
  return xattrs !== undefined || storedXattrs !== undefined
}

function kindOf(type: Stat['type']): Kept | undefined {
  switch (type) {
    case 'file':
      return undefined
    case 'directory':
      return 'directories'
    case 'symlink':
      return 'symlinks'
    case 'fifo':
    case 'socket':
      return 'special'
    case 'block':
    case 'character':
      return 'devices'
    default:
      throw new TypeError(`unknown type ${type satisfies never}`)
  }
}
