import pLimit from 'p-limit'
import { type Bytes, equalBytes, MalformedError } from '../bytes/index.js'
import type { Call } from '../connector/index.js'
import { isKlosetError, KlosetError } from '../errors.js'
import { runtime } from '../runtime/index.js'
import { encodeCheckpoint, fitsCheckpoint } from './checkpoint.js'
import { corruptEntry, decodeEntry, type EntryDraft, encodeEntry, type LogEntry } from './entry.js'
import { checkpointObject, entryObject } from './names.js'
import { type LogPlace, listedEntries, newestCheckpoint, readEntries, readEntry } from './reading.js'
import { replay } from './replay.js'
import { emptyState, type LogState } from './state.js'

/** How a log is opened. */
export interface LogOptions extends LogPlace, Call {
  /** 16 bytes that name this writer in its entries. */
  readonly writer: Bytes
  /** The newest entry this client saw earlier: shows a store that was rolled back or forked. */
  readonly remembered?: { readonly position: number; readonly hash: Uint8Array } | undefined
  /** How long to wait before each further try of a put whose outcome is not known, in milliseconds. */
  readonly delays?: readonly number[]
}

/** How an entry is appended. */
export interface AppendOptions extends Call {
  /** Position of the state that the draft was made from. */
  readonly since: number
  /**
   * Asked when the log has moved on since: gives the entry as it must be now, or throws where it must not be any more. The caller checks
   * everything it relies on against `state` (protocol rules 5 and 6) and may store anew what was taken away.
   */
  readonly reconsider: (state: LogState) => EntryDraft | Promise<EntryDraft>
}

/** The commit log of a store: the only thing in it that moves. */
export class CommitLog {
  readonly #place: LogPlace
  readonly #writer: Bytes
  readonly #remembered: NonNullable<LogOptions['remembered']>
  readonly #delays: readonly number[]
  // One call at a time reads on or puts: both depend on the head.
  readonly #turn = pLimit(1)
  readonly #followers = new Set<LogEntry[]>()
  #state: LogState = emptyState
  #damage: KlosetError | undefined
  #doubt: KlosetError | undefined
  #checkpoint = 0
  #damagedCheckpoints: readonly KlosetError[] = []

  private constructor({ storage, keyring, writer, remembered, delays = [200, 1_000, 5_000, 20_000] }: LogOptions) {
    this.#place = { storage, keyring }
    this.#writer = writer
    this.#remembered = remembered ?? { position: 0, hash: emptyState.hash }
    this.#delays = delays
  }

  /**
   * Opens the log of a store: the newest checkpoint that can be read, and every entry after it. Damage does not keep it from being
   * opened: see {@link CommitLog.damage}.
   */
  static async open(options: LogOptions): Promise<CommitLog> {
    const log = new CommitLog(options)
    const { signal } = options
    if (options.storage.capabilities.list) await log.#openListed({ signal })
    else await log.#readOn({ signal })
    const head = log.#state.position
    if (head < log.#remembered.position) log.#doubt ??= changed(head + 1, 'it was there before, and is not now')
    return log
  }

  /** What follows from all entries read so far. */
  get state(): LogState {
    return this.#state
  }

  /**
   * What is wrong with the log, if something is: an entry that cannot be used, and then the state is that before it; or it is not
   * the log that is remembered. Nothing is appended.
   */
  get damage(): KlosetError | undefined {
    return this.#damage ?? this.#doubt
  }

  /** Checkpoints newer than the one used, which could not be read. They do no harm. */
  get damagedCheckpoints(): readonly KlosetError[] {
    return this.#damagedCheckpoints
  }

  /** How many entries would have to be read to open the log now. */
  get sinceCheckpoint(): number {
    return this.#state.position - this.#checkpoint
  }

  /** Reads the entries that came since; gives them. */
  async refresh({ signal }: Call): Promise<readonly LogEntry[]> {
    return this.#following((seen) => this.#turn(() => this.#readOn({ signal })).then(() => seen))
  }

  /** Why nothing can be appended, if nothing can. */
  get refusal(): KlosetError | undefined {
    const { capabilities, location } = this.#place.storage
    if (this.damage !== undefined) return this.damage
    if (this.#state.readOnly !== undefined) {
      return new KlosetError('KLOSET_VERSION', `This store was changed by a newer kloset: ${this.#state.readOnly}`, {
        hint: 'Restoring works; update kloset to write.',
      })
    }
    if (!capabilities.write) return new KlosetError('KLOSET_READ_ONLY', `${location} cannot be written to`)
    if (capabilities.putIfAbsent) return undefined
    return new KlosetError('KLOSET_UNSUPPORTED', `${location} cannot tell which of two writers was first`, {
      hint: 'Restoring works. To back up, put the store on a storage with conditional writes.',
    })
  }

  /**
   * Puts an entry after the newest one, once and only once, whatever other writers and the network do.
   * @throws whatever {@link CommitLog.refusal} says or `reconsider` throws; the storage's error where the outcome stays unknown
   */
  async append(draft: EntryDraft, { signal, since, reconsider }: AppendOptions): Promise<LogEntry> {
    // The same for every try: by it an entry is recognised that was put although nobody said so (protocol rule 7).
    const nonce = runtime.randomBytes(16)
    return this.#following(async (seen) => {
      let current = draft
      let considered = since
      for (let failures = 0; ; ) {
        const { done, failure } = await this.#turn(() => this.#tryAppend(current, nonce, considered, seen, { signal }))
        if (done !== undefined) return done
        signal.throwIfAborted()
        if (this.refusal !== undefined) throw this.refusal
        if (failure === undefined) {
          considered = this.#state.position
          current = await reconsider(this.#state)
          continue
        }
        const delay = isHopeless(failure) ? undefined : this.#delays[failures++]
        if (delay === undefined) return this.#foundAfterAll(nonce, seen, failure, { signal })
        await pause(delay, signal)
      }
    })
  }

  /** Writes a checkpoint of the newest entry, unless the state does not fit into one. Whether there is one now. */
  async checkpoint({ signal }: Call): Promise<boolean> {
    const { storage, keyring } = this.#place
    const state = this.#state
    if (state.position === this.#checkpoint) return state.position > 0
    if (!fitsCheckpoint(state)) return false
    const ifAbsent = storage.capabilities.putIfAbsent
    await storage.put(checkpointObject(state.position), encodeCheckpoint(keyring, state), {
      signal,
      ifAbsent,
      tier: 'hot',
    })
    this.#checkpoint = state.position
    return true
  }

  async #openListed(how: Call): Promise<void> {
    // Protocol rule 16: from what is remembered to the head the chain is verified, which a newer checkpoint would skip.
    const most = this.#remembered.position === 0 ? Number.POSITIVE_INFINITY : this.#remembered.position
    const { state, damaged } = await newestCheckpoint(this.#place, most, how)
    this.#damagedCheckpoints = damaged
    if (state !== undefined) {
      this.#state = state
      this.#checkpoint = state.position
      this.#compare(state)
    }
    const from = this.#state.position
    const listed = await listedEntries(this.#place, Math.max(1, from), how)
    const last = [...listed.keys()].reduce((most, position) => Math.max(most, position), 0)
    if (last < from) this.#damage ??= changed(from, 'it is missing, with all after it')
    for (let first = from + 1; first <= last && this.#damage === undefined; first += window) {
      this.#accept(await readEntries(this.#place, first, Math.min(last, first + window - 1), listed, how))
    }
  }

  /** Reads entries after the newest one until there is none, more at once the more there are. */
  async #readOn(how: Call): Promise<void> {
    for (let width = 1; this.#damage === undefined; width = Math.min(window, 2 * width)) {
      const first = this.#state.position + 1
      const read = await Promise.all(Array.from({ length: width }, (_, i) => readEntry(this.#place, first + i, how)))
      const end = read.indexOf(undefined)
      this.#accept((end < 0 ? read : read.slice(0, end)) as (LogEntry | KlosetError)[])
      if (end < 0) continue
      if (read.every((entry, i) => i < end || entry === undefined)) return
      // Either both were put while these were read, or one was lost: once a later entry is there, this one must be.
      const missing = first + end
      if ((await readEntry(this.#place, missing, how)) === undefined) {
        this.#damage ??= changed(missing, 'it is missing though later ones are there')
      }
    }
  }

  /** One try: reads on, and puts the entry unless it is there already or the log has moved on since it was considered. */
  async #tryAppend(
    draft: EntryDraft,
    nonce: Bytes,
    considered: number,
    seen: readonly LogEntry[],
    how: Call,
  ): Promise<Try> {
    try {
      await this.#readOn(how)
      const own = ownOf(seen, nonce)
      if (own !== undefined) return { done: own }
      if (this.refusal !== undefined || this.#state.position !== considered) return {}
    } catch (failure) {
      return { failure }
    }
    const { storage, keyring } = this.#place
    const position = this.#state.position + 1
    const place = { position, previous: this.#state.hash, nonce, writer: this.#writer, time: Date.now() }
    const bytes = encodeEntry(keyring, place, draft)
    try {
      const outcome = await storage.put(entryObject(position), bytes, { ...how, ifAbsent: true, tier: 'hot' })
      if (outcome === 'exists') return await this.#afterLoss(position, nonce, seen, how)
    } catch (failure) {
      return { failure }
    }
    const entry = decodeEntry(keyring, position, bytes)
    this.#accept([entry])
    return { done: entry }
  }

  /** The position is taken, by another writer or by an earlier try: its entry can be read. Where it cannot yet, that is a failure. */
  async #afterLoss(position: number, nonce: Bytes, seen: readonly LogEntry[], how: Call): Promise<Try> {
    await this.#readOn(how)
    const own = ownOf(seen, nonce)
    if (own !== undefined) return { done: own }
    if (this.#state.position >= position || this.damage !== undefined) return {}
    const message = `${entryObject(position)} is said to exist, and cannot be read`
    return { failure: new KlosetError('KLOSET_BUSY', message, { retry: 'later' }) }
  }

  /** Before a failure is told: was the last put applied all the same? */
  async #foundAfterAll(nonce: Bytes, seen: readonly LogEntry[], failure: unknown, how: Call): Promise<LogEntry> {
    await this.#turn(() => this.#readOn(how)).catch(() => undefined)
    const own = ownOf(seen, nonce)
    if (own === undefined) throw failure
    return own
  }

  #accept(entries: readonly (LogEntry | KlosetError)[]): void {
    const { state, damage } = replay(entries, this.#state)
    for (const entry of entries.slice(0, state.position - this.#state.position)) {
      this.#compare(entry as LogEntry)
      for (const seen of this.#followers) seen.push(entry as LogEntry)
    }
    this.#state = state
    this.#damage ??= damage
  }

  #compare({ position, hash }: { readonly position: number; readonly hash: Bytes }): void {
    if (position !== this.#remembered.position || equalBytes(hash, this.#remembered.hash)) return
    this.#doubt ??= changed(position, 'it is another one than before')
  }

  /** Runs `act` with a list that every entry read meanwhile is added to, by whichever call. */
  async #following<T>(act: (seen: readonly LogEntry[]) => Promise<T>): Promise<T> {
    const seen: LogEntry[] = []
    this.#followers.add(seen)
    try {
      return await act(seen)
    } finally {
      this.#followers.delete(seen)
    }
  }
}

/** What came of one try: an entry, a failure that says nothing about it, or neither: the log has moved on. */
interface Try {
  readonly done?: LogEntry
  readonly failure?: unknown
}

/** How many entries are read at once. */
const window = 256

/** Whether trying again cannot help: the storage said no, and did not fail halfway. */
function isHopeless(failure: unknown): boolean {
  return ['KLOSET_DENIED', 'KLOSET_READ_ONLY', 'KLOSET_FULL', 'KLOSET_UNSUPPORTED'].some(
    (code) => isKlosetError(failure) && failure.code === code,
  )
}

function ownOf(seen: readonly LogEntry[], nonce: Bytes): LogEntry | undefined {
  return seen.find((entry) => equalBytes(entry.nonce, nonce))
}

function changed(position: number, how: string): KlosetError {
  return corruptEntry(position, new MalformedError(how))
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      if (signal.aborted) reject(signal.reason)
      else resolve()
    }
    const timer = setTimeout(end, milliseconds)
    signal.addEventListener('abort', end)
  })
}
