import pLimit from 'p-limit'
import type { RestoreOptions } from '../api.js'
import type { Call, Destination, Making } from '../connector/index.js'
import { StoredFile } from '../snapshot/index.js'
import type { OpenedStore } from '../store/opened.js'
import type { Target } from './entries.js'
import type { RestoreReport } from './report.js'
import { WorkerRestore } from './workers.js'
import { withXattrs } from './xattrs.js'

/** What takes entries, in path order. */
export interface Writer {
  /** A promise says: wait for it before adding another. */
  add(target: Target): void | Promise<void>
  /** Resolves when everything added is written. */
  flush(): Promise<void>
  /** Ends what is left, then gives directories their times. */
  finish(): Promise<void>
  close(): Promise<void>
}

/** What writes to a destination: through its worker module where it has one, and nothing in a dry run. */
export async function writerFor(
  store: OpenedStore,
  destination: Destination,
  options: RestoreOptions,
  report: RestoreReport,
  call: Call,
): Promise<Writer> {
  if (options.dryRun === true) return new CountingWriter(report)
  const plain = new PlainWriter(store, destination, report, call)
  const writer =
    destination.worker === undefined
      ? plain
      : await WorkerRestore.start(store, destination.worker, report, call, (target) => plain.write(target))
  return withValues(writer, (target) => withXattrs(target, store, report, call))
}

/** A writer whose targets get the long values of their extended attributes first. */
function withValues(writer: Writer, whole: (target: Target) => Promise<Target>): Writer {
  return {
    add: (target) =>
      target.stat.storedXattrs === undefined ? writer.add(target) : whole(target).then((filled) => writer.add(filled)),
    flush: () => writer.flush(),
    finish: () => writer.finish(),
    close: () => writer.close(),
  }
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
  readonly #how: Making
  readonly #limit: ReturnType<typeof pLimit>
  readonly #under = new Set<Promise<void>>()
  readonly #directories: Target[] = []

  constructor(store: OpenedStore, destination: Destination, report: RestoreReport, call: Call) {
    this.#store = store
    this.#destination = destination
    this.#report = report
    this.#call = call
    this.#how = report.making(call)
    this.#limit = pLimit(Math.max(1, destination.capabilities.concurrency))
  }

  async add(target: Target): Promise<void> {
    const { stat } = target
    if (stat.type === 'directory') this.#directories.push(target)
    if (stat.type !== 'file') {
      // Where this fails, what lies below fails too, each with its own reason.
      await this.#tell(target, () => this.#destination.create({ ...stat, path: target.path }, this.#how))
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
    await this.#destination.write({ ...stat, path }, file, this.#how)
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
        await this.#destination.finish({ ...stat, path }, this.#how)
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
