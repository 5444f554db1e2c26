import { text, utf8 } from '../../bytes/index.js'
import type { LocalFiles } from '../../runtime/index.js'

/**
 * Keeps all that is below a folder within a size. Counting it means to look at every file, so that is done only once a sixteenth of the
 * size came in since the last time, by whichever process, or a day has passed; then what was not used for longest goes.
 */
export class CacheBudget {
  readonly #files: LocalFiles
  readonly #folder: string
  readonly #size: number
  #kept = 0

  constructor(place: { readonly files: LocalFiles; readonly folder: string; readonly size: number }) {
    this.#files = place.files
    this.#folder = place.folder
    this.#size = place.size
  }

  /** Whether something of this size is to be kept at all. */
  takes(size: number): boolean {
    return size <= this.#size / share
  }

  /** Notes that something was kept. */
  kept(size: number): void {
    this.#kept += size
    if (this.#kept > this.#size / share) this.settle()
  }

  /** Adds what came in to what other processes told, and cleans up where it is time. */
  settle(): void {
    if (this.#kept === 0) return
    const { since, bytes } = this.#told()
    const now = Date.now()
    const total = bytes + this.#kept
    this.#kept = 0
    const due = total > this.#size / share || now - since > cleanEvery || since > now
    if (due) this.#clean(now)
    this.#files.write(this.#file, [utf8(JSON.stringify(due ? { since: now, bytes: 0 } : { since, bytes: total }))])
  }

  #clean(now: number): void {
    const found = this.#files.list(this.#folder).sort((a, b) => a.used - b.used)
    let total = found.reduce((sum, { size }) => sum + size, 0)
    if (!found.some(({ name }) => name === tag)) this.#files.write(this.#files.join(this.#folder, tag), [utf8(tagText)])
    for (const { name, size, used } of found) {
      if (name === tag) continue
      // What somebody is writing stays, however much it is; what was given up goes. What comes in until the next time has to fit as well.
      const stays = name.endsWith('.tmp') ? now - used <= abandonedAfter : total <= this.#size * (1 - 2 / share)
      if (stays) continue
      // Without its sorted index a large store would need as much memory: all else makes room for that, as long as somebody uses it.
      if (/\/sorted\/[^/.]+$/.test(name) && now - used < forgottenAfter) continue
      this.#files.remove(this.#files.join(this.#folder, ...name.split('/')))
      total -= size
    }
  }

  get #file(): string {
    return this.#files.join(this.#folder, 'kept.json')
  }

  /** What came in since the last time; where nobody knows, it is time. */
  #told(): { since: number; bytes: number } {
    try {
      const { since, bytes } = JSON.parse(text(this.#files.read(this.#file) ?? new Uint8Array()))
      if (Number.isFinite(since) && Number.isFinite(bytes)) return { since, bytes }
    } catch {
      // Half of it, or something else: the same as nothing.
    }
    return { since: 0, bytes: 0 }
  }
}

/** What tells other programs not to back this up (https://bford.info/cachedir/). */
const tag = 'CACHEDIR.TAG'
const tagText = `Signature: 8a477f597d28d172789f06886806bc55
# This folder is a cache of kloset: what is in it can be had again from the stores.
`

/** The part of the size that may come in before it is looked at how much there is. */
const share = 16

/** Milliseconds. */
const cleanEvery = 24 * 60 * 60 * 1000
const abandonedAfter = 60 * 60 * 1000
const forgottenAfter = 30 * 24 * 60 * 60 * 1000
