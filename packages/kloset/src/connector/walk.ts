import type { Call, Entry, Failure, Filter } from './contract.js'
import { type ListDirectory, Listing } from './listing.js'

/** How {@link walk} goes: what a scan is given, and what the source adds. */
export interface WalkOptions extends Call {
  readonly filter: Filter
  readonly under: string
  /** How many directories are listed at once; default 16. */
  readonly concurrency?: number
}

/**
 * Turns "list one directory" into a scan in path order: everything below `under`, directories before what they hold, nothing that the
 * filter does not take; listings that will be needed are under way while earlier entries are consumed.
 *
 * A directory that cannot be listed comes as its entry and then as a {@link Failure} of the same path; only for `under` itself the
 * scan throws. An entry that is not directly in the listed directory, or has a path no entry may have, is a Failure of the directory.
 * A listing that throws a KlosetError with `retry: 'later'` is tried again, three times.
 */
export async function* walk(
  list: ListDirectory,
  how: WalkOptions,
): AsyncGenerator<readonly (Entry | Failure)[], void, undefined> {
  const { signal } = how
  signal.throwIfAborted()
  const walker = new Walker(list, how)
  const stop = (): void => walker.stop(signal.reason)
  signal.addEventListener('abort', stop)
  try {
    await walker.start(how.under)
    for (let batch = await walker.next(); batch !== undefined; batch = await walker.next()) {
      signal.throwIfAborted()
      if (batch.length > 0) yield batch
    }
  } finally {
    signal.removeEventListener('abort', stop)
    // What was listed ahead is not wanted any more.
    walker.stop(new Error('the walk has ended'))
  }
}

const batchSize = 500
const defaultConcurrency = 16
// How many entries may be listed ahead before no more directories are: memory, should directories be huge.
const mostAhead = 100_000

class Walker {
  readonly #list: ListDirectory
  readonly #how: WalkOptions
  readonly #concurrency: number
  // From `under` to the directory that is gone through now.
  readonly #stack: Listing[] = []
  // Of the listings under way. Each has a signal of its own: of many listeners on one, Node warns.
  readonly #active = new Set<AbortController>()
  #entriesAhead = 0
  #stopped = false

  constructor(list: ListDirectory, how: WalkOptions) {
    this.#list = list
    this.#how = how
    this.#concurrency = how.concurrency ?? defaultConcurrency
  }

  // Lists where the walk starts.
  async start(under: string): Promise<void> {
    const first = new Listing(under)
    await this.#begin(first)
    if (first.failed) throw first.error
    this.#enter(first)
  }

  // The next entries, as many as are there without waiting; undefined at the end.
  async next(): Promise<readonly (Entry | Failure)[] | undefined> {
    const batch: (Entry | Failure)[] = []
    for (
      let listing = this.#stack.at(-1);
      listing !== undefined && batch.length < batchSize;
      listing = this.#stack.at(-1)
    ) {
      const entering = listing.entering
      if (entering !== undefined) {
        const listed = this.#begin(entering)
        if (!entering.done) {
          if (batch.length > 0) return batch
          await listed
        }
        listing.entering = undefined
        if (entering.failed) batch.push({ path: entering.path, error: entering.error })
        else this.#enter(entering)
        continue
      }
      const child = listing.next()
      if (child === undefined) this.#stack.pop()
      else batch.push(child)
    }
    return batch.length > 0 || this.#stack.length > 0 ? batch : undefined
  }

  // Aborts what is under way; nothing is begun after.
  stop(reason: unknown): void {
    this.#stopped = true
    for (const controller of this.#active) controller.abort(reason)
  }

  #enter(listing: Listing): void {
    this.#entriesAhead -= listing.children.length
    this.#stack.push(listing)
    this.#lookAhead()
  }

  // Lists a directory unless that was begun; resolves, never rejects, when it is done.
  #begin(listing: Listing): Promise<void> {
    if (listing.begun !== undefined) return listing.begun
    const controller = new AbortController()
    this.#active.add(controller)
    listing.begun = listing.read(this.#list, this.#how.filter, controller.signal).then(() => {
      this.#active.delete(controller)
      this.#entriesAhead += listing.children.length
      this.#lookAhead()
    })
    return listing.begun
  }

  // Begins to list the directories that come next, in path order, among those known so far.
  #lookAhead(): void {
    if (this.#stopped) return
    let candidates = 4 * this.#concurrency
    const visit = (listing: Listing): void => {
      for (const directory of listing.directoriesLeft()) {
        if (candidates-- <= 0 || this.#active.size >= this.#concurrency || this.#entriesAhead > mostAhead) return
        if (directory.begun === undefined) void this.#begin(directory)
        else if (directory.done) visit(directory)
      }
    }
    for (const listing of [...this.#stack].reverse()) visit(listing)
  }
}
