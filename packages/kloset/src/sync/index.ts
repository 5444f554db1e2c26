import type { Snapshot, SyncOptions, SyncResult } from '../api.js'
import { TakenAway } from '../backup/commit.js'
import type { Call } from '../connector/index.js'
import type { SnapshotRecord } from '../log/index.js'
import { nextTurn } from '../runtime/system.js'
import { isDamage } from '../snapshot/readable.js'
import type { OpenedStore } from '../store/opened.js'
import { addTotals, noTotals, type Totals } from '../tree/index.js'
import { type Base, Bases } from './bases.js'
import type { Copied, Copier } from './copier.js'
import { BaseDamaged, failuresOf, SourceDamaged, snapshotOf } from './damage.js'
import { Estimate } from './estimate.js'
import { areAlike } from './family.js'
import { Recut } from './recut.js'
import { entriesIn, SyncReport } from './report.js'
import { Resend } from './resend.js'
import { selectForSync } from './select.js'
import { type Pending, SyncSession } from './session.js'

/** How the work is portioned: for tests that have little of it. */
export interface SyncTuning {
  /** Bytes of files that are brought together before they are cut anew. */
  readonly window?: number
}

/** Copies snapshots of one store into another, oldest first. */
export async function synchronize(
  from: OpenedStore,
  to: OpenedStore,
  options: SyncOptions,
  call: Call,
  tuning: SyncTuning = {},
): Promise<SyncResult> {
  await Promise.all([from.log.refresh(call), to.log.refresh(call)])
  return new Sync(from, to, options, call, tuning).run()
}

/** More would mean that somebody prunes without end. */
const mostAttempts = 10

class Sync {
  readonly #from: OpenedStore
  readonly #to: OpenedStore
  readonly #options: SyncOptions
  readonly #call: Call
  readonly #tuning: SyncTuning
  readonly #report: SyncReport
  readonly #alike: boolean
  readonly #downloaded: number
  readonly #synchronized: Snapshot[] = []
  readonly #incomplete: Snapshot[] = []
  #present = 0
  #forgotten = 0
  #totals: Totals = noTotals

  constructor(from: OpenedStore, to: OpenedStore, options: SyncOptions, call: Call, tuning: SyncTuning) {
    this.#from = from
    this.#to = to
    this.#options = options
    this.#call = call
    this.#tuning = tuning
    this.#report = new SyncReport(options)
    this.#alike = areAlike(from, to)
    this.#downloaded = from.requests.downloaded
  }

  async run(): Promise<SyncResult> {
    const report = this.#report
    const { wanted, present, forgotten } = selectForSync(this.#from.records, this.#to.log.state, this.#options)
    this.#present = present.length
    this.#forgotten = forgotten.length
    for (const record of [...present, ...forgotten]) {
      report.event({ type: 'skipped', snapshot: snapshotOf(this.#from, record, this.#call) })
    }
    const totals = wanted.reduce((sum, record) => addTotals(sum, totalsOf(record)), noTotals)
    report.total = { entries: entriesIn(totals), bytes: totals.bytes }
    report.phase = 'read'
    report.tell(true)
    const { read, sent } = this.#options.dryRun === true ? await this.#wouldDo(wanted) : await this.#do(wanted)
    report.phase = 'done'
    report.tell(true)
    return {
      synchronized: this.#synchronized,
      present: this.#present,
      forgotten: this.#forgotten,
      incomplete: this.#incomplete,
      failed: report.failed,
      failedCount: report.failedCount,
      rechunked: !this.#alike && wanted.length > 0,
      read,
      sent,
      deduplicated: Math.max(0, this.#totals.bytes - report.added),
      duration: report.elapsed,
    }
  }

  async #wouldDo(wanted: readonly SnapshotRecord[]): Promise<{ read: number; sent: number }> {
    const bases = this.#bases()
    const estimate = await Estimate.start(this.#from, this.#alike ? this.#to : undefined, this.#call)
    for (const record of wanted) {
      const snapshot = snapshotOf(this.#from, record, this.#call)
      try {
        for (const source of record.sources) await estimate.add(source, bases.find(record, source))
      } catch (error) {
        if (!isDamage(error)) throw error
        await this.#giveUp(record, new Map())
        continue
      }
      // What comes after it would have it to start from.
      bases.add(record, record)
      this.#totals = addTotals(this.#totals, totalsOf(record))
      this.#synchronized.push(snapshot)
    }
    this.#report.added = estimate.bytes
    const stored = Math.round(estimate.stored)
    return { read: stored, sent: stored }
  }

  async #do(wanted: readonly SnapshotRecord[]): Promise<{ read: number; sent: number }> {
    const report = this.#report
    if (wanted.length > 0) this.#to.requireWritable()
    const left = [...wanted]
    for (let attempt = 1; left.length > 0; attempt++) {
      const before = left.length
      try {
        await this.#session(left, attempt > 1)
      } catch (error) {
        if (!(error instanceof TakenAway) || attempt === mostAttempts) throw error
        if (left.length < before) attempt = 1
        report.goBackTo(this.#totals)
        await this.#to.log.refresh(this.#call)
        const message =
          'something this synchronization relied on was pruned meanwhile; it goes on with what it has stored'
        report.event({ type: 'notice', code: 'pruned-meanwhile', message })
      }
    }
    if (report.recut > 0) {
      const message = `the stores cut and name chunks differently: ${mebibytes(report.recut)} MiB were read and cut anew, and what is the same in both is not recognised before. Stores of which one was created like the other avoid that`
      report.event({ type: 'notice', code: 'rechunked', message })
    }
    return { read: this.#from.requests.downloaded - this.#downloaded, sent: report.sent }
  }

  /** Brings over snapshots from the beginning of `left`, which those that are done leave. */
  async #session(left: SnapshotRecord[], again: boolean): Promise<void> {
    const session = await SyncSession.start(this.#from, this.#to, this.#report, again, this.#call)
    const copier = this.#alike ? new Resend(session) : new Recut(session, this.#tuning.window)
    try {
      const bases = this.#bases()
      let pending: Pending[] = []
      for (let next = 0; next < left.length; ) {
        const here = left[next++]!
        const there = await this.#copy(here, session, copier, bases)
        if (there === undefined) left.splice(--next, 1)
        else {
          pending.push(there)
          // What follows is compared with it here. To be built upon there it has to be committed first.
          if (this.#alike) bases.add(here, there.there, there.relies)
        }
        const waits = this.#alike && next < left.length && !session.isDue
        if (pending.length === 0 || waits) continue
        await copier.settle()
        if (session.lost.size > 0) pending = await this.#whole(pending, left, session)
        await this.#commit(pending, left, session, this.#alike ? undefined : bases)
        // Those that were waited for are done: the next ones are at the beginning.
        pending = []
        next = 0
      }
      await copier.settle()
    } finally {
      await copier.abandon()
      await session.end()
    }
  }

  /** Brings one snapshot on its way; undefined where its trees are damaged. */
  async #copy(here: SnapshotRecord, session: SyncSession, copier: Copier, bases: Bases): Promise<Pending | undefined> {
    const report = this.#report
    const copied: Copied[] = []
    const relies = new Set<string>()
    try {
      for (const source of here.sources) {
        report.current = source.root
        const base = bases.find(here, source)
        const { relied, ...one } = await this.#copySource(here, source, base, copier, session)
        for (const id of relied) relies.add(id)
        copied.push(one)
      }
    } catch (error) {
      if (!(error instanceof SourceDamaged)) throw error
      await this.#giveUp(here, session.lost)
      return undefined
    }
    report.finished(totalsOf(here))
    const sum = (of: (each: Copied) => number): number => copied.reduce((all, each) => all + of(each), 0)
    const written = { blobs: sum(({ blobs }) => blobs), bytes: sum(({ bytes }) => bytes), stored: 0 }
    const there = { ...here, sources: copied.map(({ source }) => source), written }
    return { here, there, relies: [...relies] }
  }

  async #copySource(
    here: SnapshotRecord,
    source: SnapshotRecord['sources'][number],
    base: Base | undefined,
    copier: Copier,
    session: SyncSession,
  ): Promise<Copied & { readonly relied: readonly string[] }> {
    try {
      return { ...(await copier.copy(here, source, base)), relied: base?.relies ?? [] }
    } catch (error) {
      if (!(error instanceof BaseDamaged)) throw error
      const message = `the other store's copy of an earlier snapshot is damaged, so everything is read: ${error.message}`
      this.#report.event({ type: 'notice', code: 'parent-damaged', message })
      session.distrust(error.cause)
      return { ...(await copier.copy(here, source, undefined)), relied: [] }
    }
  }

  /** Of snapshots whose content was sent, those of which nothing is lost. */
  async #whole(pending: readonly Pending[], left: SnapshotRecord[], session: SyncSession): Promise<Pending[]> {
    const whole: Pending[] = []
    for (const each of pending) {
      if (await this.#isWhole(each.here, session)) {
        whole.push(each)
        continue
      }
      await this.#giveUp(each.here, session.lost)
      left.splice(left.indexOf(each.here), 1)
    }
    return whole
  }

  async #isWhole(here: SnapshotRecord, { lost }: SyncSession): Promise<boolean> {
    const failures = failuresOf(this.#from, snapshotOf(this.#from, here, this.#call), lost, this.#call)
    const { done } = await failures.next()
    await failures.return(undefined)
    return done === true
  }

  /**
   * Leaves a snapshot out, and tells which of its entries cannot be read. A copy without them must not bear its id: once the store was
   * healed, the next synchronization would take the snapshot for present.
   */
  async #giveUp(here: SnapshotRecord, lost: ReadonlyMap<string, unknown>): Promise<void> {
    const snapshot = snapshotOf(this.#from, here, this.#call)
    this.#incomplete.push(snapshot)
    let count = 0
    for await (const { path, error } of failuresOf(this.#from, snapshot, lost, this.#call)) {
      this.#report.fail(path, error)
      if (++count % 256 === 0) await nextTurn()
    }
  }

  async #commit(
    pending: readonly Pending[],
    left: SnapshotRecord[],
    session: SyncSession,
    bases: Bases | undefined,
  ): Promise<void> {
    const report = this.#report
    report.phase = 'commit'
    report.tell(true)
    const { log } = this.#to
    const isWanted = ({ here }: Pending): boolean => {
      // Others may have brought it over, or have done so and then forgotten it, while this was under way.
      const present = log.state.snapshots.has(here.id)
      const forgotten = !present && log.state.forgotten.has(here.id) && this.#options.includeForgotten !== true
      if (present) this.#present++
      if (forgotten) this.#forgotten++
      if (present || forgotten) left.splice(left.indexOf(here), 1)
      return !present && !forgotten
    }
    await session.commit(pending, isWanted, ({ here, there }) => {
      left.splice(left.indexOf(here), 1)
      bases?.add(here, there)
      this.#totals = addTotals(this.#totals, totalsOf(here))
      const snapshot = snapshotOf(this.#to, there, this.#call)
      this.#synchronized.push(snapshot)
      report.event({ type: 'synchronized', snapshot })
    })
    report.phase = 'read'
  }

  /** The snapshots that both stores have. */
  #bases(): Bases {
    const bases = new Bases()
    for (const record of this.#from.records) {
      const there = this.#to.log.state.snapshots.get(record.id)?.record
      if (there !== undefined) bases.add(record, there)
    }
    return bases
  }
}

function totalsOf({ sources }: SnapshotRecord): Totals {
  return sources.reduce((sum, { totals }) => addTotals(sum, totals), noTotals)
}

function mebibytes(bytes: number): string {
  return (bytes / (1024 * 1024)).toFixed(1)
}
