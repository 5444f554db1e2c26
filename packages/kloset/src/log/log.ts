import pLimit from 'p-limit'
import { type Bytes, equalBytes, MalformedError } from '../bytes/index.js'
import type { Call } from '../connector/index.js'
import { isKlosetError, KlosetError } from '../errors.js'
import { runtime } from '../runtime/index.js'
import { decodeCheckpoint, encodeCheckpoint, fitsCheckpoint } from './checkpoint.js'
import { corruptEntry, type EntryDraft, encodeEntry, type LogEntry, soundEntry } from './entry.js'
import { checkpointObject, entryObject, exclusiveObject } from './names.js'
import {
  type ListedEntry,
  type LogPlace,
  listedEntries,
  newestCheckpoint,
  readEntries,
  readEntry,
  readListed,
} from './reading.js'
import { replay } from './replay.js'
import { emptyState, type LogState } from './state.js'

/** How a log is opened. */
export interface LogOptions extends LogPlace, Call {
  /** 16 bytes that name this writer in its entries. */
  readonly writer: Bytes
  /** The newest entry this client saw earlier: shows a store that was rolled back or forked. */
  readonly remembered?: { readonly position: number; readonly hash: Uint8Array } | undefined
  /** The state at an earlier look: where the log still has the entry that it is of, nothing before that is read. */
  readonly known?: LogState | undefined
  /** Reads what came before damage, even where later entries are remembered. Nothing is appended. */
  readonly damagedLog?: boolean | undefined
  /** How long to wait before each further try of a put whose outcome is not known, in milliseconds. */
  readonly delays?: readonly number[]
  /** Nobody else writes meanwhile: then a storage that cannot tell who was first will do. */
  readonly exclusive?: boolean | undefined
}

/** The entries that came since a moment, by whichever call they were read. */
export interface Following {
  /** What was known at that moment. */
  readonly since: LogState
  readonly entries: readonly LogEntry[]
  /** Gathers no more. */
  end(): void
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
  readonly #exclusive: boolean
  // One call at a time reads on or puts: both depend on the head.
  readonly #turn = pLimit(1)
  readonly #followers = new Set<LogEntry[]>()
  #state: LogState = emptyState
  #damage: KlosetError | undefined
  #doubt: KlosetError | undefined
  // The newest entry is damaged in the store, and what follows from it is known all the same.
  #lacking: KlosetError | undefined
  #damageTold: ((damage: KlosetError) => void) | undefined
  // Whoever cannot rely on put-if-absent looks whether somebody else wrote, which only a listing tells.
  readonly #listsEntries: boolean
  // Entries of which the plain name is missing yet, by position.
  readonly #bare = new Map<number, string>()
  #readAt = 0
  #checkpoint = 0
  #damagedCheckpoints: readonly KlosetError[] = []
  #sawHead = Date.now()
  #told: ((newest: LogEntry) => void) | undefined

  private constructor(options: LogOptions) {
    const { storage, keyring, writer, remembered, delays = [200, 1_000, 5_000, 20_000], exclusive = false } = options
    this.#place = { storage, keyring }
    this.#writer = writer
    this.#exclusive = exclusive
    this.#listsEntries = exclusive && !storage.capabilities.putIfAbsent && storage.capabilities.list
    this.#remembered = remembered ?? { position: 0, hash: emptyState.hash }
    this.#delays = delays
  }

  /**
   * Opens the log of a store: the newest checkpoint that can be read, and every entry after it. Damage does not keep it from being
   * opened: see {@link CommitLog.damage}.
   */
  static async open(options: LogOptions): Promise<CommitLog> {
    const log = new CommitLog(options)
    const { signal, known } = options
    if (known === undefined || !(await log.#openKnown(known, { signal }))) {
      if (options.storage.capabilities.list) await log.#openListed({ signal })
      else await log.#readOn({ signal })
    }
    const head = log.#state.position
    // Whoever takes a log back may as well damage its end: the snapshots that are missing are the same.
    if (head < log.#remembered.position && (log.#damage === undefined || options.damagedLog !== true))
      log.#doubt ??= log.#damage === undefined ? gone(head + 1) : unreadable(head + 1, log.#damage)
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
    return this.#damage ?? this.#doubt ?? this.#lacking
  }

  /** Why the state may lack entries, if it may: those from a damaged one on. Then nobody knows which snapshot is the latest. */
  get incomplete(): KlosetError | undefined {
    return this.#damage
  }

  /** Whether it is not the log that is remembered: KLOSET_LOG_CHANGED. */
  get doubt(): KlosetError | undefined {
    return this.#doubt
  }

  /** Calls `told` with the newest entry whenever the log has moved on. */
  watch(told: (newest: LogEntry) => void): void {
    this.#told = told
  }

  /** Calls `told` with damage that is found from now on, once. */
  watchDamage(told: (damage: KlosetError) => void): void {
    if (this.damage === undefined) this.#damageTold = told
  }

  /** Checkpoints newer than the one used, which could not be read. They do no harm. */
  get damagedCheckpoints(): readonly KlosetError[] {
    return this.#damagedCheckpoints
  }

  /** How many entries would have to be read to open the log now. */
  get sinceCheckpoint(): number {
    return this.#state.position - this.#checkpoint
  }

  /** Reads the entries that came since; gives them. Not again where that was done less than `freshness` milliseconds ago. */
  async refresh({ signal }: Call, freshness = 0): Promise<readonly LogEntry[]> {
    if (ageOf(this.#readAt) < freshness) return []
    return this.#following((seen) => this.#inTurn(() => this.#readOn({ signal })).then(() => seen))
  }

  /** Gathers the entries that come from now on. */
  follow(): Following {
    const entries: LogEntry[] = []
    this.#followers.add(entries)
    return { since: this.#state, entries, end: () => void this.#followers.delete(entries) }
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
    if (capabilities.putIfAbsent || (this.#exclusive && capabilities.list)) return undefined
    return new KlosetError('KLOSET_UNSUPPORTED', `${location} cannot tell which of two writers was first`, {
      hint: 'Restoring works. To write, promise that nobody else does meanwhile (`exclusive`), or use a storage with conditional writes.',
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
      let attempt: Attempt = { draft, nonce, considered: since, doubtful: false, sealed: undefined }
      for (let failures = 0, losses = 0; ; ) {
        const { done, failure } = await this.#inTurn(() => this.#tryAppend(attempt, seen, { signal }))
        if (done !== undefined) return done
        signal.throwIfAborted()
        if (this.refusal !== undefined) throw this.refusal
        if (failure === undefined) {
          // Writers that lost to the same one would go on in step.
          if (++losses > 1) await pause(Math.random() * Math.min(10 * losses, longestJitter), signal)
          const considered = this.#state.position
          const again = await reconsider(this.#state)
          attempt = { draft: again, nonce, considered, doubtful: attempt.doubtful, sealed: undefined }
          continue
        }
        attempt.doubtful = true
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
    const bytes = encodeCheckpoint(keyring, state)
    // One that readers refuse would be of no use to anybody.
    decodeCheckpoint(keyring, state.position, bytes)
    await storage.put(checkpointObject(state.position), bytes, {
      signal,
      ifAbsent,
      tier: 'hot',
    })
    this.#checkpoint = state.position
    return true
  }

  /**
   * Goes on from a state that is known, if the log still has the entry that it is of. What came after that is not read yet: every verb
   * begins with it.
   */
  async #openKnown(known: LogState, how: Call): Promise<boolean> {
    const { position } = this.#remembered
    if (known.position === 0) return position === 0
    // A state that is newer than what is remembered says nothing about the entries between the two.
    if (this.#listsEntries || (position > 0 && known.position > position)) return false
    const entry = await readEntry(this.#place, known.position, how)
    if (entry === undefined || (!isKlosetError(entry) && !equalBytes(entry.hash, known.hash))) return false
    // It was whole when this state was kept, and the state is authentic: what is damaged is the store's copy alone.
    if (isKlosetError(entry)) this.#lacking = entry
    this.#state = known
    // Whoever passed the last multiple of this wrote one, as far as can be told without asking.
    this.#checkpoint = known.position - (known.position % checkpointEvery)
    this.#compare(known)
    if (known.position < position) await this.#readOn(how)
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
    await this.#readListed(how)
  }

  /** Reads the entries that are listed after the newest one. */
  async #readListed(how: Call): Promise<void> {
    const from = this.#state.position
    const started = Date.now()
    const listed = await listedEntries(this.#place, Math.max(1, from), how)
    const last = [...listed.keys()].reduce((most, position) => Math.max(most, position), 0)
    if (last < from) this.#damage ??= changed(from, 'it is missing, with all after it')
    const newest = listed.get(from)
    if (newest?.rival !== undefined || newest?.twin !== undefined) await this.#compareNewest(newest, how)
    for (const [position, { object }] of listed) {
      if (object !== entryObject(position)) this.#bare.set(position, object)
    }
    for (let first = from + 1; first <= last && this.#damage === undefined; first += window) {
      const positions = Array.from({ length: Math.min(window, last - first + 1) }, (_, i) => first + i)
      this.#accept(await readEntries(this.#place, positions, listed, how))
    }
    this.#readAt = started
  }

  /** The newest entry has several names. All must be of the entry that was read. */
  async #compareNewest(listed: ListedEntry, how: Call): Promise<void> {
    const { position, hash } = this.#state
    const entry = await readListed(this.#place, position, listed, how)
    if (isKlosetError(entry)) this.#damage ??= entry
    else if (!equalBytes(entry.hash, hash)) this.#doubt ??= other(position)
  }

  /** Gives plain names to entries that a writer left without: by those others find them who do not list. */
  async #nameBare(how: Call): Promise<void> {
    const { storage } = this.#place
    const { putIfAbsent } = storage.capabilities
    for (const [position, object] of this.#bare) {
      if ((await storage.stat(entryObject(position), how)) === undefined) {
        const bytes = new Uint8Array(await storage.get(object, { ...how, range: undefined }))
        await storage.put(entryObject(position), bytes, { ...how, ifAbsent: putIfAbsent, tier: 'hot' })
      }
      this.#bare.delete(position)
    }
  }

  /** Reads entries after the newest one until there is none, more at once the more there are. */
  async #readOn(how: Call): Promise<void> {
    if (this.#listsEntries) return this.#readListed(how)
    const started = Date.now()
    await this.#lookAgain(how)
    const limit = pLimit(Math.max(1, Math.min(64, this.#place.storage.capabilities.concurrency)))
    for (let width = 1; (this.#damage ?? this.#doubt) === undefined; width = Math.min(window, 2 * width)) {
      const first = this.#state.position + 1
      const read = await Promise.all(
        Array.from({ length: width }, (_, i) => limit(() => readEntry(this.#place, first + i, how))),
      )
      const end = read.indexOf(undefined)
      this.#accept((end < 0 ? read : read.slice(0, end)) as (LogEntry | KlosetError)[])
      if (end < 0) continue
      this.#readAt = started
      if (read.every((entry, i) => i < end || entry === undefined)) return
      // Either both were put while these were read, or one was lost: once a later entry is there, this one must be.
      const missing = first + end
      if ((await readEntry(this.#place, missing, how)) === undefined) {
        this.#damage ??= changed(missing, 'it is missing though later ones are there')
      }
    }
  }

  /**
   * A log that ends earlier than it did is not seen by reading on, and an entry put after the end that is known would be put beyond the
   * end that there is. So the newest entry is looked at again where that was not done for a while.
   */
  async #lookAgain(how: Call): Promise<void> {
    const { position, hash } = this.#state
    // A listing shows it by itself.
    if (position === 0 || this.#listsEntries || this.damage !== undefined || ageOf(this.#sawHead) < lookAgainAfter)
      return
    const entry = await readEntry(this.#place, position, how)
    if (entry === undefined) this.#doubt ??= gone(position)
    else if (isKlosetError(entry)) this.#lacking ??= entry
    else if (!equalBytes(entry.hash, hash)) this.#doubt ??= other(position)
    this.#sawHead = Date.now()
  }

  /**
   * One try: puts the entry, unless it is there already or the log has moved on since it was considered. That the position after the
   * newest entry was free proves that nothing came in between, so the log is read first only where an earlier put may have been
   * applied unnoticed, or where the storage cannot tell.
   */
  async #tryAppend(attempt: Attempt, seen: readonly LogEntry[], how: Call): Promise<Try> {
    const { storage, keyring } = this.#place
    const { putIfAbsent } = storage.capabilities
    const { nonce } = attempt
    try {
      if (attempt.doubtful || !putIfAbsent) await this.#readOn(how)
      else await this.#lookAgain(how)
      if (this.refusal === undefined) await this.#nameBare(how)
      const own = ownOf(seen, nonce)
      if (own !== undefined) return { done: own }
      if (this.refusal !== undefined || this.#state.position !== attempt.considered) return {}
    } catch (failure) {
      return { failure }
    }
    const position = this.#state.position + 1
    const place = { position, previous: this.#state.hash, nonce, writer: this.#writer, time: Date.now() }
    // The same bytes each time: without put-if-absent a late one would otherwise change what was stored.
    attempt.sealed ??= encodeEntry(keyring, place, attempt.draft)
    const entry = soundEntry(keyring, position, attempt.sealed, attempt.draft)
    const object = entryObject(position)
    try {
      if (!putIfAbsent) {
        await storage.put(exclusiveObject(position, nonce), attempt.sealed, { ...how, ifAbsent: false, tier: 'hot' })
        // Somebody broke the promise that nobody else writes: now it shows, and nothing is overwritten.
        if ((await storage.stat(object, how)) !== undefined) return await this.#afterLoss(position, nonce, seen, how)
      }
      const outcome = await storage.put(object, attempt.sealed, { ...how, ifAbsent: putIfAbsent, tier: 'hot' })
      if (outcome === 'exists') return await this.#afterLoss(position, nonce, seen, how)
    } catch (failure) {
      return { failure }
    }
    this.#accept([entry])
    this.#readAt = Date.now()
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
    await this.#inTurn(() => this.#readOn(how)).catch(() => undefined)
    const own = ownOf(seen, nonce)
    if (own === undefined) throw failure
    return own
  }

  #accept(entries: readonly (LogEntry | KlosetError)[]): void {
    const { state, damage } = replay(entries, this.#state)
    let newest: LogEntry | undefined
    for (const entry of entries.slice(0, state.position - this.#state.position)) {
      this.#compare(entry as LogEntry)
      for (const seen of this.#followers) seen.push(entry as LogEntry)
      newest = entry as LogEntry
    }
    this.#state = state
    this.#damage ??= damage
    if (newest === undefined) return
    this.#sawHead = Date.now()
    if (this.#doubt === undefined) this.#told?.(newest)
  }

  #compare({ position, hash }: { readonly position: number; readonly hash: Bytes }): void {
    if (position !== this.#remembered.position || equalBytes(hash, this.#remembered.hash)) return
    this.#doubt ??= other(position)
  }

  async #inTurn<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await this.#turn(act)
    } finally {
      const { damage } = this
      if (damage !== undefined) {
        const told = this.#damageTold
        this.#damageTold = undefined
        told?.(damage)
      }
    }
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

/** An entry on its way into the log. */
interface Attempt {
  readonly draft: EntryDraft
  readonly nonce: Bytes
  /** Position of the state that the draft fits. */
  readonly considered: number
  /** Whether an earlier put may have been applied, or may yet be. */
  doubtful: boolean
  sealed: Bytes | undefined
}

/** What came of one try: an entry, a failure that says nothing about it, or neither: the log has moved on. */
interface Try {
  readonly done?: LogEntry
  readonly failure?: unknown
}

/** Milliseconds. */
const longestJitter = 200

/** How many entries are read at once. */
const window = 256

/** Writers leave a checkpoint about every so many entries. */
export const checkpointEvery = 64

/** After so many milliseconds it is looked whether the newest entry is still there. */
const lookAgainAfter = 60_000

/** Milliseconds since a moment. A monotonic clock may stand still while a machine sleeps; that of the system may be set back, which counts as long ago. */
function ageOf(moment: number): number {
  return Math.abs(Date.now() - moment)
}

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

function gone(position: number): KlosetError {
  return notRemembered(position, 'was there before and is not now')
}

function unreadable(position: number, { message }: KlosetError): KlosetError {
  return notRemembered(position, `was there before and cannot be read now (${message})`)
}

function other(position: number): KlosetError {
  return notRemembered(position, 'is another one than before')
}

function notRemembered(position: number, how: string): KlosetError {
  return new KlosetError(
    'KLOSET_LOG_CHANGED',
    `The log of the store went back or was forked: entry ${position} ${how}`,
    {
      hint: 'Somebody may have put an older copy of the store in its place. Nothing is written to it until it is opened anew.',
      context: { position },
    },
  )
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
