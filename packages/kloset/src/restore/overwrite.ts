import type { Overwrite } from '../api.js'
import { type Call, comparePaths, type Destination, type Entry, everything } from '../connector/index.js'
import { KlosetError } from '../errors.js'
import type { Target } from './entries.js'

/** Decides, entry by entry in path order, what is written where the target already has something. */
export class Existing {
  readonly #policy: Overwrite
  readonly #entries: AsyncIterator<Entry> | undefined
  #next: Entry | undefined
  #started = false

  constructor(policy: Overwrite, entries: AsyncIterator<Entry> | undefined) {
    this.#policy = policy
    this.#entries = policy === 'always' ? undefined : entries
  }

  /** Whether what is there is left as it is. A directory that is to be a directory never is: what is in them is merged. */
  async keeps({ path, stat }: Target): Promise<boolean> {
    if (this.#entries === undefined) return false
    if (!this.#started) await this.#advance()
    this.#started = true
    while (this.#next !== undefined && comparePaths(this.#next.path, path) < 0) await this.#advance()
    const there = this.#next
    if (there === undefined || there.path !== path) return false
    if (stat.type === 'directory' && there.type === 'directory') return false
    switch (this.#policy) {
      case 'never':
        return true
      case 'if-changed':
        return isSame(there, stat)
      case 'if-newer':
        return there.mtime !== undefined && stat.mtime !== undefined && stat.mtime <= there.mtime
      default:
        return false
    }
  }

  async close(): Promise<void> {
    await this.#entries?.return?.()
  }

  async #advance(): Promise<void> {
    const next = await this.#entries!.next()
    this.#next = next.done ? undefined : next.value
  }
}

/**
 * Looks at what is at the destination. Writing into something that is not empty needs a policy that says so.
 * @throws KLOSET_EXISTS
 */
export async function lookAtTarget(
  destination: Destination,
  policy: Overwrite | undefined,
  call: Call,
): Promise<Existing> {
  const entries = destination.current === undefined ? undefined : currentEntries(destination.current, call)
  if (policy !== undefined) return new Existing(policy, entries)
  if (entries !== undefined) {
    for await (const entry of entries) {
      if (entry.path === '') continue
      throw new KlosetError('KLOSET_EXISTS', 'the target is not empty', {
        context: { path: entry.path },
        hint: 'Restore into an empty folder, or say what to do with files that are there: --overwrite always, if-changed, if-newer or never.',
      })
    }
  }
  return new Existing('always', undefined)
}

function isSame(there: Entry, stat: Target['stat']): boolean {
  return (
    there.type === stat.type && there.size === stat.size && there.mtime === stat.mtime && there.target === stat.target
  )
}

async function* currentEntries(current: NonNullable<Destination['current']>, call: Call): AsyncGenerator<Entry> {
  for await (const batch of current.scan({ ...call, filter: everything, under: '' })) {
    for (const item of batch) if (!('error' in item)) yield item
  }
}
