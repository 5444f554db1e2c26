import type { Overwrite, PlannedDeletions, RestoreOptions, RestoreResult } from '../api.js'
import type { Call, Destination } from '../connector/index.js'
import { KlosetError } from '../errors.js'
import { placeOf, type StoredSnapshot } from '../snapshot/index.js'
import type { OpenedStore } from '../store/opened.js'
import { entriesOf } from './current.js'
import { type Deletions, planDeletions } from './deletions.js'
import { type Refused, type Target, targetBatches, targetsOf } from './entries.js'
import { Overwriting } from './overwrite.js'
import { type ProtectedPaths, protect } from './protecting.js'
import { cannotReadBack, readBack } from './read-back.js'
import { RestoreReport } from './report.js'
import { Restoring } from './restoring.js'
import { isFolder, type Selection } from './selected.js'
import { selectionOf } from './selection.js'
import { writerFor } from './writers.js'

/** Restores a snapshot, or a part of it. Every chunk is verified before it is written. */
export async function restore(
  store: OpenedStore,
  snapshot: StoredSnapshot,
  destination: Destination,
  options: RestoreOptions,
  call: Call,
): Promise<RestoreResult> {
  const report = new RestoreReport(options, destination)
  let complete = false
  try {
    checkOptions(options)
    await new Run(store, snapshot, destination, options, report, call).restore()
    complete = report.failedCount === 0
  } finally {
    await destination.close({ complete })
  }
  report.phase = 'done'
  report.tell(true)
  const { failed, failedCount, leftOut, totals, skipped, mended, deleted, elapsed } = report
  const verified = options.verify === true ? report.verified : undefined
  return { failed, failedCount, leftOut, totals, skipped, mended, deleted, verified, duration: elapsed }
}

function checkOptions({ stripComponents = 0, verify, dryRun }: RestoreOptions): void {
  if (!Number.isSafeInteger(stripComponents) || stripComponents < 0)
    throw new RangeError('a number of path segments to strip is a whole number, at least 0')
  if (verify === true && dryRun === true) throw new TypeError('a dry run writes nothing that could be verified')
}

/** One restore, step by step. */
class Run {
  readonly #store: OpenedStore
  readonly #snapshot: StoredSnapshot
  readonly #destination: Destination
  readonly #options: RestoreOptions
  readonly #report: RestoreReport
  readonly #call: Call

  constructor(
    store: OpenedStore,
    snapshot: StoredSnapshot,
    destination: Destination,
    options: RestoreOptions,
    report: RestoreReport,
    call: Call,
  ) {
    this.#store = store
    this.#snapshot = snapshot
    this.#destination = destination
    this.#options = options
    this.#report = report
    this.#call = call
  }

  async restore(): Promise<void> {
    const { dryRun, verify } = this.#options
    const report = this.#report
    if (verify === true && this.#destination.current === undefined) throw cannotReadBack()
    const overwrite = await this.#policy()
    const protects = await protect(this.#store, this.#destination, this.#options)
    const overwriting = new Overwriting(overwrite ?? 'always', this.#destination)
    const deletions = await this.#plan(overwriting, protects)
    if (deletions !== undefined && dryRun !== true) await this.#options.onDelete?.(plannedOf(deletions))
    report.total = await this.#expected()
    await this.#write(overwrite, overwriting, deletions, protects)
    if (verify !== true) return
    report.phase = 'check'
    await readBack(this.#store, this.#targets(), this.#destination, { overwriting, report }, this.#call)
  }

  /**
   * What to do with what is there; undefined where nothing is. Writing into something that is not empty needs a policy that says so.
   * @throws KLOSET_EXISTS
   */
  async #policy(): Promise<Overwrite | undefined> {
    const { overwrite, delete: deletes } = this.#options
    const { current } = this.#destination
    if (overwrite !== undefined || deletes === true) return overwrite ?? 'if-changed'
    if (current === undefined) return undefined
    for await (const { path } of entriesOf(current, this.#call)) if (path !== '') throw notEmpty(path)
    return undefined
  }

  async #plan(overwriting: Overwriting, protects: ProtectedPaths): Promise<Deletions | undefined> {
    if (this.#options.delete !== true) return undefined
    const { path, strip, patterns } = this.#selection()
    if (!(await isFolder(this.#snapshot, path))) throw needsFolder(path)
    if (strip > 0 && patterns !== undefined)
      throw new TypeError('with `delete`, `patterns` and `stripComponents` cannot be given together')
    const tops = topsOf(this.#snapshot, path, strip)
    const how = { overwriting, patterns, protects, tops }
    const plan = await planDeletions(this.#targets(), this.#destination, how, this.#call)
    for (const mount of plan?.mounts ?? [])
      this.#notDeleted(
        `${mount} is another file system, of which the snapshot has nothing: what is in it was left alone`,
      )
    return plan
  }

  async #write(
    overwrite: Overwrite | undefined,
    overwriting: Overwriting,
    deletions: Deletions | undefined,
    protects: ProtectedPaths,
  ): Promise<void> {
    const writer = await writerFor(this.#store, this.#destination, this.#options, this.#report, this.#call)
    const restoring = new Restoring({
      store: this.#store,
      destination: this.#destination,
      overwriting: this.#looks(overwrite) ? overwriting : undefined,
      clears: deletions?.clears,
      protects,
      dryRun: this.#options.dryRun === true,
      writer,
      report: this.#report,
      call: this.#call,
    })
    try {
      await restoring.write(targetBatches(this.#snapshot, this.#selection(), this.#destination.capabilities.names))
      if (this.#report.failedCount === 0 && deletions !== undefined) {
        await this.#delete(deletions)
        await restoring.fillPlaces()
      } else if (this.#options.delete === true) {
        this.#notDeleted('nothing was deleted, because not everything could be restored')
        restoring.leavePlaces()
      }
      await restoring.finish()
    } finally {
      await restoring.close()
      await writer.close()
    }
  }

  /** Whether what is there makes a difference; a dry run has to tell also what could not be overwritten. */
  #looks(overwrite: Overwrite | undefined): boolean {
    if (this.#destination.current === undefined || overwrite === undefined) return false
    return overwrite !== 'always' || this.#options.dryRun === true || this.#options.delete === true
  }

  /** What is in a directory goes before it. */
  async #delete({ entries }: Deletions): Promise<void> {
    for (const { path } of entries.toReversed()) {
      this.#call.signal.throwIfAborted()
      try {
        if (this.#options.dryRun !== true) await this.#destination.remove!([path], this.#call)
        this.#report.delete(path)
      } catch (error) {
        this.#call.signal.throwIfAborted()
        this.#report.fail(path, error)
      }
    }
  }

  #notDeleted(message: string): void {
    this.#report.event({ type: 'notice', code: 'not-deleted', message })
  }

  #targets(): AsyncGenerator<Target | Refused> {
    return targetsOf(this.#snapshot, this.#selection(), this.#destination.capabilities.names)
  }

  #selection(): Selection {
    return selectionOf(this.#snapshot, this.#options)
  }

  /** How much there is to do; undefined where only going through it can tell. */
  async #expected(): Promise<RestoreReport['total']> {
    if (this.#selection().patterns !== undefined) return undefined
    const { files, directories, others, bytes } = await this.#snapshot.totalsOf(this.#options.path ?? '')
    return { entries: files + directories + others, bytes }
  }
}

/**
 * The names at the top of a target that a snapshot tells of; undefined where it tells of all. The folder of several sources is none that was
 * backed up, and of the folders above what a list names nobody knows what else belongs there.
 * @throws KLOSET_UNSUPPORTED for a list
 */
function topsOf({ places }: StoredSnapshot, path: string, strip: number): ReadonlySet<string> | undefined {
  const found = placeOf(places, path)
  const concerned = found?.place === undefined ? places : [found.place]
  if ((found?.inside ?? '') === '' && concerned.some(({ source }) => source.type.endsWith('-list'))) throw needsPath()
  return found?.place === undefined && strip === 0 ? new Set(places.map(({ at }) => at)) : undefined
}

function plannedOf({ entries }: Deletions): PlannedDeletions {
  const planned = { files: 0, directories: 0, others: 0, bytes: 0 }
  for (const { type, size } of entries) {
    if (type === 'file') planned.files++
    else if (type === 'directory') planned.directories++
    else planned.others++
    planned.bytes += type === 'file' ? (size ?? 0) : 0
  }
  return { ...planned, paths: entries.map(({ path }) => path) }
}

function notEmpty(path: string): KlosetError {
  return new KlosetError('KLOSET_EXISTS', 'the target is not empty', {
    context: { path },
    hint:
      'If a restore into it was interrupted, --overwrite if-changed goes on from there. Else restore into an empty folder, or say what to do ' +
      'with files that are there: --overwrite always, if-changed, if-different, if-newer or never.',
  })
}

function needsPath(): KlosetError {
  return new KlosetError(
    'KLOSET_UNSUPPORTED',
    'a backup of a list does not say what else belongs beside what was listed',
    {
      hint: 'Leave out --delete, or name a folder that was listed: ID:PATH',
    },
  )
}

function needsFolder(path: string): KlosetError {
  return new KlosetError('KLOSET_UNSUPPORTED', `${path} is not a folder, so no target can be made equal to it`, {
    context: { path },
    hint: 'Leave out --delete, or restore the folder that it is in.',
  })
}
