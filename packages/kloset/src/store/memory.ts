import type { Notice } from '../api.js'
import { type Bytes, fromHex, toHex } from '../bytes/index.js'
import type { ConnectOptions } from '../connector/index.js'
import type { Keyring } from '../crypto/index.js'
import { keysChanged, notEncryptedAnyMore, storeChanged } from './changed.js'
import type { StoreConfig } from './config.js'
import { type Members, MemoryFiles, nameFor } from './memory-files.js'

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

/** The keys of a store that this machine has seen, by their fingerprints. */
export interface SeenKeys {
  /** The newest epoch. */
  readonly epoch: number
  readonly auth: string
  /** Of the master key of that epoch. */
  readonly master: string
  /** The slot that opened the store; a plaintext store has none. */
  readonly slot: string | undefined
}

/** What was opened. */
export interface Seen {
  readonly location: string
  readonly config: StoreConfig
  readonly keyring: Keyring
  readonly slot: string | undefined
  readonly head: Head
}

/** What was at a location when it was opened last. */
interface SeenPlace {
  /** Store id. */
  readonly store: string
  readonly encrypted: boolean
}

/**
 * What this machine remembers of stores, to recognise one that was exchanged, was given other keys, went back or split (protocol rule 16). None of it
 * is secret. Losing it costs only that: a machine that remembers nothing recognises nothing.
 */
export class ClientMemory {
  readonly #files: MemoryFiles

  /** Undefined where nothing is to be remembered, or where there is no filesystem. */
  static of(wanted: boolean | string | undefined, notice: (notice: Notice) => void): ClientMemory | undefined {
    const files = MemoryFiles.in(wanted, notice)
    return files && new ClientMemory(files)
  }

  private constructor(files: MemoryFiles) {
    this.#files = files
  }

  /** The newest entry that was seen; undefined where none was. */
  head(storeId: string): SeenHead | undefined {
    const found = this.#files.newest(headsOf(storeId), seenHeadOf)
    return found && { position: found.number, ...found.value }
  }

  /** Remembers the newest entry of a store, unless one as new or newer is remembered. */
  saw(storeId: string, head: Head, location: string): void {
    if (head.position > (this.head(storeId)?.position ?? 0)) this.#putHead(storeId, head, location, false)
  }

  /** The slot that opened a store last time. */
  slot(storeId: string): string | undefined {
    return this.#keys(storeId)?.slot
  }

  /** Whether the store that this machine saw at a location is this one, and without encryption. */
  knowsPlaintext(location: string, { store }: StoreConfig): boolean {
    const before = this.#place(location)
    return before?.store === store && !before.encrypted
  }

  /**
   * Refuses another store than the one that was seen at a location. Whoever can write to the place could have put it there, for the next backup to
   * write into, or to have its content restored. @throws KLOSET_NOT_ENCRYPTED, KLOSET_STORE_CHANGED
   */
  refuseOther(location: string, { store, encryption }: StoreConfig): void {
    const before = this.#place(location)
    if (before === undefined) return
    if (before.encrypted && encryption === 'none') throw notEncryptedAnyMore(location, store, before.store)
    if (before.store !== store) throw storeChanged(location, store, before.store)
  }

  /** Refuses other keys than those that were seen, and older ones. @throws KLOSET_KEYS_CHANGED */
  refuseOtherKeys(location: string, config: StoreConfig, keyring: Keyring): void {
    const before = this.#keys(config.store)
    if (before === undefined) return
    const older = keyring.epoch < before.epoch
    const now = older ? undefined : keyring.fingerprints(before.epoch)
    if (now?.auth !== before.auth || now.master !== before.master)
      throw keysChanged(location, config, keyring.epoch, before)
  }

  /** Remembers what was opened. What is trusted is remembered as it is, whatever was seen before. */
  opened({ location, config, keyring, slot, head }: Seen, how: { readonly trusted: boolean }): void {
    const { store, encryption } = config
    this.#keepPlace(location, { store, encrypted: encryption !== 'none' })
    this.#keepKeys(store, { epoch: keyring.epoch, ...keyring.fingerprints(keyring.epoch), slot }, how.trusted)
    if (!how.trusted) this.saw(store, head, location)
    else if (head.position > 0) this.#putHead(store, head, location, true)
    else this.#files.clear(headsOf(store))
  }

  /** What a connector remembers of a location, such as what its server can do: each in a file of its own. */
  ofConnector(location: string): ConnectOptions['memory'] {
    const fileOf = (key: string): string[] => ['connectors', nameFor(location), nameFor(key)]
    return {
      get: async (key) => this.#files.read(fileOf(key), ({ value }) => (typeof value === 'string' ? value : undefined)),
      set: async (key, value) => this.#files.write(fileOf(key), { key, value }),
    }
  }

  #putHead(storeId: string, { position, hash }: Head, location: string, alone: boolean): void {
    const members = { hash: toHex(hash), seen: new Date().toISOString(), location }
    this.#files.put(headsOf(storeId), position, members, { alone })
  }

  #place(location: string): SeenPlace | undefined {
    return this.#files.read(placeFile(location), ({ store, encrypted }) =>
      typeof store === 'string' && typeof encrypted === 'boolean' ? { store, encrypted } : undefined,
    )
  }

  #keepPlace(location: string, now: SeenPlace): void {
    const before = this.#place(location)
    if (before?.store === now.store && before.encrypted === now.encrypted) return
    this.#files.write(placeFile(location), { location, ...now })
  }

  #keys(storeId: string): SeenKeys | undefined {
    const found = this.#files.newest(keysOf(storeId), seenKeysOf)
    return found && { epoch: found.number, ...found.value }
  }

  #keepKeys(storeId: string, now: SeenKeys, trusted: boolean): void {
    const before = this.#keys(storeId)
    const { epoch, auth, master, slot } = now
    if (before?.epoch === epoch && before.auth === auth && before.master === master && before.slot === slot) return
    this.#files.put(keysOf(storeId), epoch, { auth, master, ...(slot !== undefined && { slot }) }, { alone: trusted })
  }
}

function headsOf(storeId: string): readonly string[] {
  return ['heads', storeId]
}

function keysOf(storeId: string): readonly string[] {
  return ['keys', storeId]
}

function placeFile(location: string): readonly string[] {
  return ['locations', nameFor(location)]
}

function seenHeadOf({ hash, seen, location }: Members): Omit<SeenHead, 'position'> | undefined {
  if (typeof hash !== 'string' || !/^[0-9a-f]{64}$/.test(hash)) return undefined
  if (typeof seen !== 'string' || Number.isNaN(Date.parse(seen)) || typeof location !== 'string') return undefined
  return { hash: fromHex(hash), seen: Date.parse(seen), location }
}

function seenKeysOf({ auth, master, slot }: Members): Omit<SeenKeys, 'epoch'> | undefined {
  if (typeof auth !== 'string' || typeof master !== 'string') return undefined
  return { auth, master, slot: typeof slot === 'string' ? slot : undefined }
}
