import { compareKeys, type Source } from '../connector/index.js'
import { postedModule } from '../runtime/jobs.js'
import type { JobSet, Pool } from '../runtime/pool.js'
import { hasError } from '../tree/index.js'
import type { Exclusion, Exclusions, ScanRules } from './filtering.js'
import type { ScanReply } from './messages.js'
import { type EntryView, entryViews } from './records.js'
import type { Scanned } from './scan.js'
import type { ScanInit, ScanMessage } from './scan-job.js'

/** How many batches of up to 1,000 entries a worker may be ahead of who takes them: about 5 MB. */
const mostAhead = 32

/** How many of them are asked for at a time: other work of the worker comes in between. */
const mostAsked = 3

/** A scan in the workers of a pool, all at once. It starts when it is made and goes on while nobody takes from it yet. */
export class ScanAhead {
  readonly #jobs: Promise<JobSet>
  readonly #parts: Part[] = []
  // Folders at the top, which every part sees, with what was told of them.
  readonly #failed = new Set<string>()
  readonly #moved = new Set<string>()

  constructor(pool: Pool, source: Source, rules: ScanRules) {
    const parts = Math.max(1, pool.size)
    const init: ScanInit = { module: postedModule(source.worker!), parts, rules }
    this.#jobs = pool.start('scan', init)
    // Told by whoever takes first.
    this.#jobs.catch(() => undefined)
    for (let part = 0; part < parts; part++) this.#parts.push(new Part(this.#jobs, part))
  }

  /** The entries, in path order. To be taken once. */
  async *take(): AsyncGenerator<Scanned> {
    try {
      await Promise.all(this.#parts.map((part) => part.load()))
      let views: EntryView[] = []
      for (;;) {
        const least = leastOf(this.#parts)
        if (least === undefined) break
        let view = least.view!
        // Folders at the top come from every part, and may have failed in any of them.
        for (const part of this.#parts) {
          if (part === least || part.view === undefined || compare(part, least) !== 0) continue
          if (hasError(part.view.stat)) view = part.view
          if (!part.advance()) await part.load()
        }
        views.push(view)
        if (least.advance() && views.length < 1000) continue
        yield { views, ...this.#heard(), done: false }
        views = []
        if (least.view === undefined) await least.load()
      }
      yield { views, ...this.#heard(), done: true }
    } finally {
      await this.end()
    }
  }

  async end(): Promise<void> {
    await Promise.allSettled(this.#parts.map((part) => part.end()))
    await this.#jobs.then(
      (jobs) => jobs.end(),
      () => undefined,
    )
  }

  #excluded(): Exclusions {
    const count = this.#parts.reduce((sum, part) => sum + part.excluded, 0)
    for (const part of this.#parts) part.excluded = 0
    return { count, entries: this.#parts.flatMap((part) => part.exclusions.splice(0)) }
  }

  /** What the parts had to say since it was asked last. */
  #heard(): Pick<Scanned, 'failures' | 'moved' | 'excluded'> {
    const failures = this.#parts.flatMap((part) => part.failures.splice(0))
    const moved = this.#parts.flatMap((part) => part.moved.splice(0))
    return {
      failures: failures.filter(({ path }) => isFirst(path, this.#failed)),
      moved: moved.filter((path) => isFirst(path, this.#moved)),
      excluded: this.#excluded(),
    }
  }
}

/** What one worker scans, and where in it the merging is. */
class Part {
  readonly failures: ScanReply['failures'][number][] = []
  readonly moved: string[] = []
  readonly exclusions: Exclusion[] = []
  excluded = 0
  view: EntryView | undefined
  readonly #jobs: Promise<JobSet>
  readonly #part: number
  readonly #ahead: Promise<ScanReply>[] = []
  #views: Iterator<EntryView> = [][Symbol.iterator]()
  #asked = 0
  // Whether the last batch was answered, and whether it was taken.
  #ended = false
  #done = false

  constructor(jobs: Promise<JobSet>, part: number) {
    this.#jobs = jobs
    this.#part = part
    this.#ask()
  }

  /** Moves to the next entry at hand. */
  advance(): boolean {
    const next = this.#views.next()
    this.view = next.done ? undefined : next.value
    return !next.done
  }

  /** Moves to the first entry of the next batch that has one. */
  async load(): Promise<void> {
    while (!this.advance() && !this.#done) {
      const reply = await this.#ahead.shift()!
      this.failures.push(...reply.failures)
      this.moved.push(...reply.moved)
      this.excluded += reply.excluded.count
      for (const each of reply.excluded.entries) this.exclusions.push(each)
      this.#done = reply.done
      this.#views = entryViews(reply.records)
      this.#ask()
    }
  }

  async end(): Promise<void> {
    this.#ended = true
    await Promise.allSettled(this.#ahead)
  }

  #ask(): void {
    while (!this.#ended && this.#asked < mostAsked && this.#ahead.length < mostAhead) {
      this.#asked++
      const part = this.#part
      const reply = this.#jobs.then((jobs) => jobs.call(part, { part } satisfies ScanMessage) as Promise<ScanReply>)
      this.#ahead.push(reply)
      // A failure is told when its turn to be taken comes.
      reply.then(
        ({ done }) => this.#answered(done),
        () => this.#answered(true),
      )
    }
  }

  #answered(last: boolean): void {
    this.#asked--
    this.#ended ||= last
    this.#ask()
  }
}

/** Whether a path at the top was not told before; others come from one part only. */
function isFirst(path: string, told: Set<string>): boolean {
  if (path.includes('/')) return true
  if (told.has(path)) return false
  told.add(path)
  return true
}

function leastOf(parts: readonly Part[]): Part | undefined {
  let least: Part | undefined
  for (const part of parts) {
    if (part.view !== undefined && (least === undefined || compare(part, least) < 0)) least = part
  }
  return least
}

function compare(a: Part, b: Part): number {
  const [one, other] = [a.view!.key, b.view!.key]
  return compareKeys(one, 0, one.length, other, 0, other.length)
}

const started = new WeakMap<Source, { readonly pool: Pool; readonly rules: string; readonly scan: ScanAhead }>()

/** Whether a source is scanned in workers. */
export function scansThere({ worker, capabilities }: Source): boolean {
  return worker !== undefined && capabilities.order === 'path' && capabilities.few !== true
}

/** Starts the scan of a source before it is needed. */
export function scanAhead(pool: Pool, source: Source, rules: ScanRules): void {
  if (!scansThere(source) || started.has(source)) return
  started.set(source, { pool, rules: JSON.stringify(rules), scan: new ScanAhead(pool, source, rules) })
}

/** The scan of a source in the workers of a pool: the one that was started, if by the same rules, or a new one. */
export async function* scanThere(pool: Pool, source: Source, rules: ScanRules): AsyncGenerator<Scanned> {
  const ahead = started.get(source)
  if (ahead?.pool === pool && ahead.rules === JSON.stringify(rules)) {
    started.delete(source)
    yield* ahead.scan.take()
    return
  }
  await forgetScan(source)
  yield* new ScanAhead(pool, source, rules).take()
}

/** Ends a scan that was started and never taken. */
export async function forgetScan(source: Source): Promise<void> {
  const ahead = started.get(source)
  started.delete(source)
  await ahead?.scan.end()
}
