import type { Call, Entry, Failure, Source } from '../connector/index.js'
import { checkPath } from '../connector/index.js'
import { isKlosetError, type KlosetError } from '../errors.js'
import { postedError } from '../runtime/posted.js'
import type { EntryError } from '../tree/index.js'
import { type Exclusions, ScanFilter, type ScanRules } from './filtering.js'
import { nearest, remains, unfitting } from './fitting.js'
import type { ScanReply } from './messages.js'
import { type EntryView, entryViews, RecordWriter } from './records.js'

/**
 * Turns what a scan yields into records. A directory that could not be listed comes as its entry and then a failure of the same
 * path: both become one entry with an error, so one item is held back.
 */
export class ScanEncoder {
  #records = new RecordWriter()
  #entries: Entry[] = []
  #failures: { path: string; error: ReturnType<typeof postedError> }[] = []
  #moved: string[] = []
  #held: Entry | undefined
  #last: string | undefined

  add(item: Entry | Failure): void {
    if (!('error' in item)) {
      this.release()
      this.#held = item
      return
    }
    this.#failures.push({ path: item.path, error: postedError(item.error) })
    if (this.#held?.path !== item.path) this.release()
    // One entry a path, however much went wrong with it.
    if (this.#last === item.path) return
    this.#put(this.#held ?? { path: item.path, type: 'file' }, errorText(item.error))
    this.#held = undefined
  }

  /** Lets go of the item that is held back. */
  release(): void {
    if (this.#held !== undefined) this.#put(this.#held)
    this.#held = undefined
  }

  /** What was gathered; at the end of the scan the held item too. */
  take(done: boolean): Omit<ScanReply, 'excluded'> & { readonly entries: readonly Entry[] } {
    if (done) this.release()
    const records = this.#records.finish()
    const scanned = {
      records,
      count: this.#records.count,
      entries: this.#entries,
      failures: this.#failures,
      moved: this.#moved,
      done,
    }
    this.#records = new RecordWriter()
    this.#entries = []
    this.#failures = []
    this.#moved = []
    return scanned
  }

  #put(entry: Entry, error?: EntryError): void {
    // A source that gives such a path is wrong altogether: what it means by it cannot be guessed.
    checkPath(entry.path)
    this.#last = entry.path
    const unfit = this.#attempt(entry, error)
    if (unfit === undefined) return
    const { entry: near, times } = nearest(entry)
    const failure = this.#attempt(near, error)
    if (failure === undefined) {
      if (times) this.#moved.push(entry.path)
      return
    }
    this.#failures.push({ path: entry.path, error: postedError(failure) })
    for (const rest of remains(near)) if (this.#attempt(rest, errorText(failure)) === undefined) return
  }

  /** Adds an entry, or answers why a snapshot cannot hold it. */
  #attempt(entry: Entry, error: EntryError | undefined): KlosetError | undefined {
    try {
      this.#records.add(entry, error)
    } catch (thrown) {
      const unfit = unfitting(thrown, entry.path)
      if (unfit === undefined) throw thrown
      return unfit
    }
    this.#entries.push(entry)
    return undefined
  }
}

/** Entries of a scan, in path order; where it ran on this thread, also as the source gave them. */
export interface Scanned {
  readonly views: Iterable<EntryView>
  readonly entries?: readonly Entry[]
  readonly failures: ScanReply['failures']
  readonly moved: ScanReply['moved']
  readonly excluded: Exclusions
  readonly done: boolean
}

/** What a snapshot keeps of an error. */
export function errorText(error: unknown): EntryError {
  if (isKlosetError(error)) return { code: error.code, message: error.message.slice(0, 1000) }
  const message = error instanceof Error ? error.message : String(error)
  return { code: 'KLOSET_CONNECTOR', message: message.slice(0, 1000) }
}

/** The entries of a source, scanned on this thread. */
export async function* scanHere(source: Source, rules: ScanRules, how: Call): AsyncGenerator<Scanned> {
  const encoder = new ScanEncoder()
  const filter = new ScanFilter(rules)
  const taken = (done: boolean): Scanned => {
    const { records, entries, failures, moved } = encoder.take(done)
    return { views: entryViews(records), entries, failures, moved, excluded: filter.take(), done }
  }
  for await (const batch of source.scan({ ...how, filter: filter.filter, under: '' })) {
    for (const item of batch) if (filter.keeps(item)) encoder.add(item)
    // In-order sources let go of a batch when the next one is asked for.
    if (source.capabilities.access === 'in-order') encoder.release()
    yield taken(false)
  }
  yield taken(true)
}
