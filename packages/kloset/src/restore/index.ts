import pLimit from 'p-limit'
import type { RestoreOptions, RestoreResult } from '../api.js'
import type { Call, Destination } from '../connector/index.js'
import { KlosetError } from '../errors.js'
import { nextTurn } from '../runtime/system.js'
import { StoredFile, type StoredSnapshot } from '../snapshot/index.js'
import type { OpenedStore } from '../store/opened.js'
import { type Refused, type Target, targetsOf } from './entries.js'
import { HardLinks } from './links.js'
import { type Existing, lookAtTarget } from './overwrite.js'
import { RestoreReport } from './report.js'
import { WorkerRestore } from './workers.js'

/** Restores a snapshot, or what is at and below a path of it. Every chunk is verified before it is written. */
export async function restore(
  store: OpenedStore,
  snapshot: StoredSnapshot,
  destination: Destination,
  options: RestoreOptions,
  call: Call,
): Promise<RestoreResult> {
  const report = new RestoreReport(options, destination)
  const path = options.path ?? ''
  let complete = false
  try {
    const existing = await lookAtTarget(destination, options.overwrite, call)
    try {
      report.total = await expected(snapshot, path)
      const writer = await writerFor(store, destination, options, report, call)
      try {
        const links = options.dryRun === true ? undefined : new HardLinks(destination, report, call)
        const targets = targetsOf(snapshot, path, destination.capabilities.names)
        await writeAll(targets, existing, writer, links, report, call)
      } finally {
        await writer.close()
      }
    } finally {
      await existing.close()
    }
    complete = report.failedCount === 0
  } finally {
    await destination.close({ complete })
  }
  report.phase = 'done'
  report.tell(true)
  const { failed, failedCount, leftOut, totals, skipped, elapsed } = report
  return { failed, failedCount, leftOut, totals, skipped, duration: elapsed }
}

async function writeAll(
  items: AsyncIterable<Target | Refused>,
  existing: Existing,
  writer: Writer,
  links: HardLinks | undefined,
  report: RestoreReport,
  call: Call,
): Promise<void> {
  let blocked: string | undefined
  let count = 0
  for await (const item of items) {
    // Planning is faster than writing, and all on this thread: what is planned already must not wait for the rest.
    if (++count % turnEvery === 0) await nextTurn()
    call.signal.throwIfAborted()
    if ('error' in item) report.fail(item.path, item.error)
    else if (blocked !== undefined && item.path.startsWith(`${blocked}/`))
      report.fail(item.path, inTheWay(item, blocked))
    else if (item.stat.type === 'file' && item.content.form === 'none') report.fail(item.path, neverStored(item))
    else if (!report.takes(item.stat)) continue
    else if (await existing.keeps(item)) {
      report.skip(item.path)
      if (item.stat.type === 'directory') blocked = item.path
    } else if (links?.takes(item) !== true) await writer.add(item)
  }
  await writer.flush()
  await links?.make((target) => writer.add(target))
  await writer.finish()
}

/** After how many entries the event loop has a turn. */
const turnEvery = 256

/** What takes entries, in path order. */
interface Writer {
  add(target: Target): Promise<void>
  /** Resolves when everything added is written. */
  flush(): Promise<void>
  /** Ends what is left, then gives directories their times. */
  finish(): Promise<void>
  close(): Promise<void>
}

async function writerFor(
  store: OpenedStore,
  destination: Destination,
  options: RestoreOptions,
  report: RestoreReport,
  call: Call,
): Promise<Writer> {
  if (options.dryRun === true) return new CountingWriter(report)
  const plain = new PlainWriter(store, destination, report, call)
  if (destination.worker === undefined) return plain
  return WorkerRestore.start(store, destination.worker, report, call, (target) => plain.write(target))
}

/** Writes nothing. */
class CountingWriter implements Writer {
  readonly #report: RestoreReport

  constructor(report: RestoreReport) {
    this.#report = report
  }

  async add({ path, stat }: Target): Promise<void> {
    this.#report.done(path, stat)
  }

  async flush(): Promise<void> {}

  async finish(): Promise<void> {}

  async close(): Promise<void> {}
}

/** Writes through the destination's own methods: for those without a worker module. */
class PlainWriter implements Writer {
  readonly #store: OpenedStore
  readonly #destination: Destination
  readonly #report: RestoreReport
  readonly #call: Call
  readonly #limit: ReturnType<typeof pLimit>
  readonly #under = new Set<Promise<void>>()
  readonly #directories: Target[] = []

  constructor(store: OpenedStore, destination: Destination, report: RestoreReport, call: Call) {
    this.#store = store
    this.#destination = destination
    this.#report = report
    this.#call = call
    this.#limit = pLimit(Math.max(1, destination.capabilities.concurrency))
  }

  async add(target: Target): Promise<void> {
    const { stat } = target
    if (stat.type === 'directory') this.#directories.push(target)
    if (stat.type !== 'file') {
      // Where this fails, what lies below fails too, each with its own reason.
      await this.#tell(target, () => this.#destination.create({ ...stat, path: target.path }, this.#call))
      return
    }
    const work = this.#limit(() => this.#tell(target, () => this.write(target)))
    const tracked = work.finally(() => this.#under.delete(tracked))
    // Thrown by whoever waits; when nobody does any more it must not count as unhandled.
    tracked.catch(() => undefined)
    this.#under.add(tracked)
    if (this.#limit.pendingCount > 64) await Promise.race(this.#under)
  }

  /** Writes one file. */
  async write({ path, stat, content }: Target): Promise<void> {
    const file = new StoredFile(content, await this.#store.blobs(), this.#call)
    await this.#destination.write({ ...stat, path }, file, this.#call)
  }

  async flush(): Promise<void> {
    await Promise.all(this.#under)
  }

  async finish(): Promise<void> {
    await this.flush()
    this.#call.signal.throwIfAborted()
    if (this.#destination.finish === undefined) return
    for (const { path, stat } of this.#directories.reverse()) {
      try {
        await this.#destination.finish({ ...stat, path }, this.#call)
      } catch (error) {
        this.#call.signal.throwIfAborted()
        this.#report.fail(path, error)
      }
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#under)
  }

  async #tell({ path, stat }: Target, act: () => Promise<void>): Promise<void> {
    try {
      await act()
      this.#report.done(path, stat)
    } catch (error) {
      this.#call.signal.throwIfAborted()
      this.#report.fail(path, error)
    }
  }
}

async function expected(snapshot: StoredSnapshot, path: string): Promise<RestoreReport['total']> {
  const { files, directories, others, bytes } = await snapshot.totalsOf(path)
  return { entries: files + directories + others, bytes }
}

function neverStored({ path, stat }: Target): KlosetError {
  return new KlosetError('KLOSET_PATH_NOT_FOUND', 'it could not be read when the backup was made', {
    context: { path },
    hint: stat.error === undefined ? '' : `The reason then was: ${stat.error.message}`,
  })
}

function inTheWay({ path }: Target, blocked: string): KlosetError {
  return new KlosetError('KLOSET_EXISTS', `${blocked} is there already and is not a directory`, {
    context: { path },
    hint: 'It was left as it is, as the overwrite policy says, so nothing could be restored below it.',
  })
}
