import pLimit from 'p-limit'
import { toHex } from '../bytes/index.js'
import type { Storage } from '../connector/index.js'
import type { Keyring } from '../crypto/index.js'
import { SegmentBuilder } from '../index/index.js'
import { packObject } from '../pack/index.js'
import type { StoreCache } from '../store/cache/index.js'
import type { FooterContents } from '../store/footers.js'
import type { PostedPack } from './messages.js'

/** How many bytes of sealed packs may wait for the storage before work stops for them. */
const mostWaiting = 48 * 1024 * 1024

// A put that has begun is finished also when the backup is aborted: what is stored, the next one uses.
const neverAborted = new AbortController().signal

/** At most so many records go into one segment: 11 MB. */
const segmentRecords = 262_144

/**
 * Puts packs, and index segments after the packs they name. Only the segment of the first pack goes ahead of it, so that an
 * interrupted backup always leaves a mark by which the next one finds what was stored; more follow as time goes by.
 */
export class Uploads {
  readonly segments: string[] = []
  /** Names of the packs, adopted ones included, in hexadecimal digits. */
  readonly packs: Set<string> = new Set()
  stored = 0
  objects = 0
  readonly #storage: Storage
  readonly #keyring: Keyring
  readonly #signal: AbortSignal
  readonly #told: (object: string, size: number) => void
  readonly #free: (memory: ArrayBuffer) => void
  readonly #cache: StoreCache | undefined
  readonly #limit: ReturnType<typeof pLimit>
  readonly #segmentLimit = pLimit(1)
  readonly #builders: Record<'data' | 'metadata', SegmentBuilder>
  readonly #under = new Set<Promise<void>>()
  readonly #started = performance.now()
  #waiting = 0
  #mark: Promise<string> | undefined
  #lastSegment = 0
  #failure: { error: unknown } | undefined
  #roomy: (() => void)[] = []

  constructor(
    storage: Storage,
    keyring: Keyring,
    signal: AbortSignal,
    told: (object: string, size: number) => void,
    free: (memory: ArrayBuffer) => void,
    cache?: StoreCache | undefined,
  ) {
    this.#storage = storage
    this.#keyring = keyring
    this.#signal = signal
    this.#told = told
    this.#free = free
    this.#cache = cache
    this.#limit = pLimit(Math.max(1, Math.min(8, storage.capabilities.concurrency)))
    this.#builders = { data: new SegmentBuilder(keyring, 'data'), metadata: new SegmentBuilder(keyring, 'metadata') }
  }

  /** Starts putting a pack. */
  add(pack: PostedPack): void {
    this.packs.add(toHex(pack.name))
    this.#waiting += pack.file.length
    const isFirst = this.#mark === undefined
    this.#mark ??= this.#putMark(pack)
    const mark = this.#mark
    this.#track(
      this.#limit(async () => {
        try {
          const name = await mark
          this.#check()
          await this.#put(packObject(pack.name), pack.file, pack.class === 'data' ? 'cold' : 'hot')
          // The builder asks only for its length, and the file's memory is about to serve another pack.
          if (isFirst) this.segments.push(name)
          else this.#builders[pack.class].add({ ...pack, file: { length: pack.file.length } })
          if (pack.class === 'data') this.#free(pack.file.buffer)
        } finally {
          this.#waiting -= pack.file.length
          for (const go of this.#roomy.splice(0)) go()
        }
        if (this.#segmentIsDue()) await this.#putSegments()
      }),
    )
  }

  /** Takes a pack that is stored already and that no segment names. */
  adopt(pack: FooterContents): void {
    this.packs.add(toHex(pack.name))
    this.#builders[pack.class].add(pack)
  }

  /** Resolves when there is room for more; throws what went wrong with a put. */
  async room(): Promise<void> {
    this.#check()
    while (this.#waiting > mostWaiting) {
      await new Promise<void>((resolve) => this.#roomy.push(resolve))
      this.#check()
    }
  }

  /** Resolves when every pack is stored and named by a stored segment. */
  async finish(): Promise<void> {
    while (this.#under.size > 0) await Promise.all(this.#under)
    this.#check()
    await this.#putSegments()
  }

  /** After a failure: waits for what is under way, and saves the segments of what did get stored if that is possible. */
  async salvage(): Promise<void> {
    await Promise.allSettled(this.#under)
    await this.#putSegments().catch(() => undefined)
  }

  /**
   * Puts the segment of the first pack before the pack itself. It counts only once the log names it; until then it tells the next
   * backup, should this one be interrupted at any moment, that there are packs to look for.
   */
  async #putMark(pack: PostedPack): Promise<string> {
    const builder = new SegmentBuilder(this.#keyring, pack.class)
    builder.add(pack)
    const [segment] = builder.take()
    this.#lastSegment = performance.now()
    await this.#put(`index/${segment!.name}`, segment!.bytes, 'hot')
    return segment!.name
  }

  #segmentIsDue(): boolean {
    const records = this.#builders.data.records + this.#builders.metadata.records
    if (records >= segmentRecords) return true
    // Rarer as the backup grows longer, so that its log entry can name them all.
    const now = performance.now()
    return now - this.#lastSegment > Math.max(15_000, (now - this.#started) / 40)
  }

  async #putSegments(): Promise<void> {
    await this.#segmentLimit(async () => {
      this.#lastSegment = performance.now()
      for (const builder of [this.#builders.data, this.#builders.metadata]) {
        for (const segment of builder.take()) {
          await this.#put(`index/${segment.name}`, segment.bytes, 'hot')
          this.segments.push(segment.name)
        }
      }
    })
  }

  async #put(name: string, body: PostedPack['file'], tier: 'hot' | 'cold'): Promise<void> {
    await this.#storage.put(name, body, { signal: neverAborted, ifAbsent: false, tier })
    // What the next backup reads: it need not come back from the storage.
    if (tier === 'hot') this.#cache?.keep(name, body)
    this.stored += body.length
    this.objects++
    this.#told(name, body.length)
  }

  #track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => {
        this.#failure ??= { error }
      })
      .finally(() => this.#under.delete(tracked))
    this.#under.add(tracked)
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure.error
    this.#signal.throwIfAborted()
  }
}
