import type { Call, Entry, Failure, Source } from '../connector/index.js'
import { everything } from '../connector/index.js'
import { isKlosetError } from '../errors.js'
import { postedError } from '../runtime/posted.js'
import type { ScanReply } from './messages.js'
import { RecordWriter } from './records.js'

/**
 * Turns what a scan yields into records. A directory that could not be listed comes as its entry and then a failure of the same
 * path: both become one entry with an error, so one item is always held back.
 */
export class ScanEncoder {
  #records = new RecordWriter()
  #failures: { path: string; error: ReturnType<typeof postedError> }[] = []
  #held: Entry | undefined

  add(item: Entry | Failure): void {
    if (!('error' in item)) {
      this.#release()
      this.#held = item
      return
    }
    this.#failures.push({ path: item.path, error: postedError(item.error) })
    const entry: Entry = this.#held?.path === item.path ? this.#held : { path: item.path, type: 'file' }
    if (this.#held !== entry) this.#release()
    this.#held = undefined
    this.#records.add(entry, errorText(item.error))
  }

  /** What was gathered; at the end of the scan the held item too. */
  take(done: boolean): ScanReply {
    if (done) this.#release()
    const reply = { records: this.#records.finish(), count: this.#records.count, failures: this.#failures, done }
    this.#records = new RecordWriter()
    this.#failures = []
    return reply
  }

  #release(): void {
    if (this.#held !== undefined) this.#records.add(this.#held)
    this.#held = undefined
  }
}

/** What a snapshot keeps of an error. */
export function errorText(error: unknown): { code: string; message: string } {
  if (isKlosetError(error)) return { code: error.code, message: error.message.slice(0, 1000) }
  const message = error instanceof Error ? error.message : String(error)
  return { code: 'KLOSET_CONNECTOR', message: message.slice(0, 1000) }
}

/** The entries of a source, scanned on this thread. */
export async function* scanHere(source: Source, how: Call): AsyncGenerator<ScanReply> {
  const encoder = new ScanEncoder()
  for await (const batch of source.scan({ ...how, filter: everything, under: '' })) {
    for (const item of batch) encoder.add(item)
    yield encoder.take(false)
  }
  yield encoder.take(true)
}

/** The entries of a source, scanned by a worker: several requests are under way, so that it never waits for this thread. */
export async function* scanThere(ask: () => Promise<ScanReply>): AsyncGenerator<ScanReply> {
  const ahead: Promise<ScanReply>[] = []
  try {
    for (;;) {
      while (ahead.length < 4) {
        const reply = ask()
        // Taken below, in order; until then a failure must not count as unhandled.
        reply.catch(() => undefined)
        ahead.push(reply)
      }
      const reply = await ahead.shift()!
      yield reply
      if (reply.done) return
    }
  } finally {
    await Promise.allSettled(ahead)
  }
}
