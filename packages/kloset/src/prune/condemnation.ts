import { toHex } from '../bytes/index.js'
import type { Call } from '../connector/index.js'
import { isKlosetError } from '../errors.js'
import { changesIn, type Following, isReliable, type LogState } from '../log/index.js'
import type { OpenedStore } from '../store/opened.js'
import { appendWhile, namesPerEntry } from './entries.js'
import type { Plan } from './plan.js'
import type { Look } from './run.js'

/**
 * Puts what is to be condemned into the log. That the log has not moved since it was looked at proves that nobody relies on these packs;
 * where it has, what came is looked at too, before each entry (protocol rule 8). Packs only ever leave the list: a later prune
 * finds what this one would have to look for again.
 */
export class Condemnation {
  readonly #store: OpenedStore
  readonly #look: Look
  readonly #following: Following
  readonly #call: Call
  readonly #unneeded: Set<string>
  readonly #redundant: Set<string>
  readonly #suspected: Set<string>
  readonly #own = new Set<number>()
  #considered = 0

  constructor(store: OpenedStore, look: Look, { condemn }: Plan, following: Following, call: Call) {
    this.#store = store
    this.#look = look
    this.#following = following
    this.#call = call
    this.#unneeded = new Set(condemn.unneeded)
    this.#redundant = new Set(condemn.redundant)
    this.#suspected = new Set(condemn.suspected)
  }

  /** Condemns them, in as many entries as that takes; each may be the last. Resolves to those it condemned. */
  async run(): Promise<ReadonlySet<string>> {
    const condemned = new Set<string>()
    for (;;) {
      const entry = await appendWhile(
        this.#store.log,
        async (now) => {
          await this.#consider(now)
          const packs = [...this.#unneeded, ...this.#redundant, ...this.#suspected].slice(0, namesPerEntry)
          return packs.length === 0 ? undefined : { content: { kind: 'condemn' }, packs }
        },
        this.#call,
      )
      if (entry === undefined) return condemned
      this.#own.add(entry.position)
      for (const pack of entry.packs) {
        condemned.add(pack)
        this.#drop(pack)
      }
    }
  }

  /** Takes from the list what must not be condemned any more. */
  async #consider(now: LogState): Promise<void> {
    const entries = this.#following.entries.slice(this.#considered).filter(({ position }) => !this.#own.has(position))
    this.#considered = this.#following.entries.length
    if (entries.length === 0) return
    const { gone, condemned, lifted } = changesIn(entries)
    // Another prune may have condemned the very copies that this one counts on.
    if (gone.size > 0 || condemned.size > 0) this.#redundant.clear()
    for (const pack of lifted) this.#drop(pack)
    for (const pack of this.#all) if (!isReliable(now, pack)) this.#drop(pack)
    try {
      await this.#considerSnapshots(now)
    } catch (error) {
      this.#call.signal.throwIfAborted()
      if (!isKlosetError(error)) throw error
      // What was just committed cannot be read: if the log moved on, it may have been forgotten and pruned already. Nobody knows what it needs.
      await this.#store.log.refresh(this.#call)
      if (this.#store.log.state.position === now.position) throw error
      for (const pack of this.#all) this.#drop(pack)
    }
  }

  async #considerSnapshots(now: LogState): Promise<void> {
    const { survey, marking } = this.#look
    const named = new Set(survey.packs.keys())
    await survey.follow(this.#store, now.segments, this.#call)
    for (const pack of survey.packs.keys()) if (!named.has(pack)) this.#suspected.delete(pack)
    const { table, blobs } = await this.#store.loaded()
    await marking.follow(
      now,
      blobs,
      (bytes, at) => {
        for (const { frame } of table.locateAll(bytes.subarray(at, at + 32))) this.#drop(toHex(frame.pack))
      },
      this.#call,
    )
  }

  get #all(): string[] {
    return [...this.#unneeded, ...this.#redundant, ...this.#suspected]
  }

  #drop(pack: string): void {
    this.#unneeded.delete(pack)
    this.#redundant.delete(pack)
    this.#suspected.delete(pack)
  }
}
