import { type Call, comparePaths, type Entry, everything, type Source } from '../connector/index.js'

/**
 * What is at a destination, met entry by entry in path order beside the entries of a snapshot. The scan is never behind who asks, so what
 * it says of an entry is how that was before anything was written to it.
 */
export class Current {
  readonly #entries: AsyncIterator<Entry>
  readonly #passed: (entry: Entry) => void
  #next: Entry | undefined
  #started = false

  /** `passed` hears of every entry that was not asked for, in path order. */
  constructor(source: Source, call: Call, passed: (entry: Entry) => void = () => {}) {
    this.#entries = entriesOf(source, call)
    this.#passed = passed
  }

  /** The entry at a path; paths are asked for in path order. */
  async at(path: string): Promise<Entry | undefined> {
    if (!this.#started) await this.#advance()
    while (this.#next !== undefined && comparePaths(this.#next.path, path) < 0) {
      this.#passed(this.#next)
      await this.#advance()
    }
    if (this.#next?.path !== path) return undefined
    const found = this.#next
    await this.#advance()
    return found
  }

  /** Goes on to the end. */
  async finish(): Promise<void> {
    if (!this.#started) await this.#advance()
    for (; this.#next !== undefined; await this.#advance()) this.#passed(this.#next)
  }

  async close(): Promise<void> {
    await this.#entries.return?.()
  }

  async #advance(): Promise<void> {
    this.#started = true
    const next = await this.#entries.next()
    this.#next = next.done ? undefined : next.value
  }
}

/** What is at a destination, in path order; what of it cannot be looked at is left out. */
export async function* entriesOf(source: Source, call: Call): AsyncGenerator<Entry, void, undefined> {
  const batches = source.scan({ ...call, filter: everything, under: '' })
  if (source.capabilities.order === 'path') {
    for await (const batch of batches) for (const item of batch) if (!('error' in item)) yield item
    return
  }
  const all: Entry[] = []
  for await (const batch of batches) for (const item of batch) if (!('error' in item)) all.push(item)
  yield* all.sort((a, b) => comparePaths(a.path, b.path))
}
