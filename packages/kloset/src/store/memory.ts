import type { Notice } from '../api.js'
import { type Bytes, fromHex, text, toHex, utf8 } from '../bytes/index.js'
import type { ConnectOptions } from '../connector/index.js'
import { KlosetError } from '../errors.js'
import { blake3 } from '../hash/index.js'
import type { CommitLog } from '../log/index.js'
import { type LocalFiles, runtime } from '../runtime/index.js'
import type { StoreConfig } from './config.js'

/** The newest entry of a log. */
export interface Head {
  /** 0 where there is none. */
  readonly position: number
  /** BLAKE3 of it. */
  readonly hash: Bytes
}

/** The newest entry of a store's log that this machine has seen. */
export interface SeenHead extends Head {
  /** Milliseconds since 1970: when it was seen first. */
  readonly seen: number
  /** Where the store was then. */
  readonly location: string
}

/** What was at a location when it was opened last. */
interface SeenPlace {
  /** Store id. */
  readonly store: string
  readonly encrypted: boolean
}

/**
 * What this machine remembers of stores, to recognise one that went back, split, or was exchanged (protocol rule 16). None of it is
 * secret. Losing it costs only that: a machine that remembers nothing recognises nothing.
 *
 * Each head is a file of its own, named by its position, and the greatest counts: of several processes that write at once none can
 * set back what another saw, and none needs a lock.
 */
export class ClientMemory {
  readonly #files: LocalFiles
  readonly #folder: string
  readonly #notice: (notice: Notice) => void
  #broken = false

  /** Undefined where nothing is to be remembered, or where there is no filesystem. */
  static of(wanted: boolean | string | undefined, notice: (notice: Notice) => void): ClientMemory | undefined {
    const { files } = runtime
    if (wanted === undefined || wanted === false || files === undefined) return undefined
    return new ClientMemory(files, wanted === true ? files.stateHome() : wanted, notice)
  }

  private constructor(files: LocalFiles, folder: string, notice: (notice: Notice) => void) {
    this.#files = files
    this.#folder = folder
    this.#notice = notice
  }

  /** The newest entry that was seen; undefined where none was. */
  head(storeId: string): SeenHead | undefined {
    // Another process may just have put a later one in the place of the one that was listed.
    for (let tries = 0; tries < 3; tries++) {
      const listed = this.#heads(storeId)
      for (const position of listed) {
        const head = this.#try(() => this.#readHead(storeId, position))
        if (head !== undefined) return head
      }
      if (listed.length === 0) return undefined
    }
    return undefined
  }

  /** Remembers the newest entry of a store, unless one as new or newer is remembered. */
  saw(storeId: string, head: Head, location: string): void {
    const before = this.#heads(storeId)
    if (head.position > (before[0] ?? 0)) this.#write(storeId, head, location, before)
  }

  /**
   * Refuses a store without encryption where there was one with it. Whoever can write to the place could have put it there, for
   * the next backup to write into. @throws KLOSET_NOT_ENCRYPTED
   */
  refuseExchanged(location: string, { store, encryption }: StoreConfig): void {
    const before = this.#place(location)
    if (before === undefined || !before.encrypted || encryption !== 'none') return
    throw new KlosetError(
      'KLOSET_NOT_ENCRYPTED',
      `the store at ${location} is not encrypted, and the one that was there is`,
      {
        hint: 'Somebody may have exchanged it. If it was you, open it once with trust.',
        context: { location, store, before: before.store },
      },
    )
  }

  /**
   * Remembers what was opened. Another store than before at the location is told; one that is trusted is remembered as it is,
   * whatever was seen before.
   */
  opened(location: string, { store, encryption }: StoreConfig, head: Head, how: { readonly trusted: boolean }): void {
    const before = this.#place(location)
    if (before !== undefined && before.store !== store && !how.trusted) {
      const message = `at ${location} there is another store than before: ${store}, and not ${before.store}`
      this.#notice({ type: 'notice', code: 'other-store', message })
    }
    this.#keepPlace(location, { store, encrypted: encryption !== 'none' }, before)
    if (how.trusted) this.#trust(store, head, location)
    else this.saw(store, head, location)
  }

  /** What a connector remembers of a location, such as what its server can do. */
  ofConnector(location: string): ConnectOptions['memory'] {
    const path = this.#files.join(this.#folder, 'connectors', `${toHex(blake3(utf8(location)))}.json`)
    const all = (): Readonly<Record<string, unknown>> => this.#try(() => jsonOf(this.#files.read(path))) ?? {}
    return {
      get: async (key) => {
        const value = all()[key]
        return typeof value === 'string' ? value : undefined
      },
      set: async (key, value) => {
        const line = `${JSON.stringify({ ...all(), [key]: value })}\n`
        this.#try(() => this.#files.write(path, [utf8(line)]))
      },
    }
  }

  #trust(storeId: string, head: Head, location: string): void {
    const before = this.#heads(storeId)
    if (head.position > 0) this.#write(storeId, head, location, before)
    else for (const position of before) this.#try(() => this.#files.remove(this.#headFile(storeId, position)))
  }

  #place(location: string): SeenPlace | undefined {
    return this.#try(() => {
      const { store, encrypted } = jsonOf(this.#files.read(this.#placeFile(location)))
      return typeof store === 'string' && typeof encrypted === 'boolean' ? { store, encrypted } : undefined
    })
  }

  #keepPlace(location: string, now: SeenPlace, before: SeenPlace | undefined): void {
    if (before?.store === now.store && before.encrypted === now.encrypted) return
    const line = `${JSON.stringify({ location, ...now })}\n`
    this.#try(() => this.#files.write(this.#placeFile(location), [utf8(line)]))
  }

  /** Positions of the heads that are remembered, the greatest first. */
  #heads(storeId: string): number[] {
    const found = this.#try(() => this.#files.list(this.#files.join(this.#folder, 'heads', storeId))) ?? []
    const positions = found.flatMap(({ name }) => (/^\d{20}$/.test(name) ? [Number(name)] : []))
    return positions.filter(Number.isSafeInteger).sort((a, b) => b - a)
  }

  #readHead(storeId: string, position: number): SeenHead | undefined {
    const { hash, seen, location } = jsonOf(this.#files.read(this.#headFile(storeId, position)))
    if (typeof hash !== 'string' || !/^[0-9a-f]{64}$/.test(hash)) return undefined
    if (typeof seen !== 'string' || typeof location !== 'string') return undefined
    return { position, hash: fromHex(hash), seen: Date.parse(seen), location }
  }

  #write(storeId: string, { position, hash }: Head, location: string, before: readonly number[]): void {
    const line = `${JSON.stringify({ hash: toHex(hash), seen: new Date().toISOString(), location })}\n`
    this.#try(() => {
      this.#files.write(this.#headFile(storeId, position), [utf8(line)])
      for (const each of before) if (each !== position) this.#files.remove(this.#headFile(storeId, each))
    })
  }

  #headFile(storeId: string, position: number): string {
    return this.#files.join(this.#folder, 'heads', storeId, String(position).padStart(20, '0'))
  }

  #placeFile(location: string): string {
    return this.#files.join(this.#folder, 'locations', `${toHex(blake3(utf8(location)))}.json`)
  }

  #try<T>(act: () => T): T | undefined {
    try {
      return act()
    } catch (error) {
      if (!this.#broken) {
        this.#broken = true
        const message = `what was seen of the store cannot be remembered in ${this.#folder}: ${(error as Error).message}`
        this.#notice({ type: 'notice', code: 'memory-unusable', message })
      }
      return undefined
    }
  }
}

/** A log that is not the one that was seen before. @param doubt what {@link CommitLog.doubt} says */
export function logChanged(location: string, log: CommitLog, doubt: KlosetError, before: SeenHead): KlosetError {
  const { position, snapshots } = log.state
  const last = [...snapshots.values()].reduce((latest, { time }) => Math.max(latest, time), 0)
  const now = `now the log has ${position} entries${last === 0 ? '' : `, and its last snapshot was committed on ${dateOf(last)}`}`
  const then = `on ${dateOf(before.seen)} this machine saw entry ${before.position} of it`
  const damage = log.incomplete === undefined ? '' : `. ${log.incomplete.message}`
  const elsewhere = before.location === location ? '' : ` at ${before.location}`
  return new KlosetError(
    'KLOSET_LOG_CHANGED',
    `the store at ${location} went back or was forked: ${then}${elsewhere}; ${now}${damage}`,
    {
      hint:
        'Somebody may have put an older or another copy of the store in its place. Find out what happened to it first; ' +
        'if it is what you want, such as a copy that was restored, open it once with trust.',
      context: { location, entry: position, seen: before.position },
      cause: doubt,
    },
  )
}

function dateOf(time: number): string {
  return new Date(time).toISOString()
}

/** The members of a JSON object; none where there is no such file, or half of it. */
function jsonOf(bytes: Uint8Array | undefined): Readonly<Record<string, unknown>> {
  try {
    const found: unknown = JSON.parse(text(bytes ?? new Uint8Array()))
    return typeof found === 'object' && found !== null ? { ...found } : {}
  } catch {
    return {}
  }
}
