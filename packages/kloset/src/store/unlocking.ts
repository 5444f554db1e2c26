import type { Unlock } from '../api.js'
import { type Bytes, fromHex } from '../bytes/index.js'
import { abortable, type Call, type Storage } from '../connector/index.js'
import {
  createKeyring,
  type Encryption,
  type Keyring,
  type LockedStore,
  mostSlots,
  passphraseKey,
  plaintextMaterial,
  type Unlocked,
  unlock,
} from '../crypto/index.js'
import { isKlosetError, KlosetError } from '../errors.js'
import type { StoreCache } from './cache/index.js'
import { type StoreConfig, verifyConfig } from './config.js'
import { copyOf, readIfThere } from './twice.js'

/** The keys of a store, and what was found damaged on the way to them. */
export interface UnlockedStore {
  readonly keyring: Keyring
  /** The slot that opened it; a plaintext store has none. */
  readonly slot: string | undefined
  readonly damaged: readonly KlosetError[]
  /** Whether what the keys are sealed in came from the cache: newer ones may have been added to the store since. */
  readonly kept: boolean
}

/** What is unlocked, and how. */
export interface Unlocking {
  readonly storage: Storage
  readonly config: StoreConfig
  /** The object that `config` was read from. */
  readonly configBytes: Uint8Array
  readonly how: Unlock
  /** Computes the keys of passphrases. */
  readonly derive: typeof passphraseKey | undefined
  readonly cache: StoreCache | undefined
  /** The slot that opened the store last time. */
  readonly first: string | undefined
}

/**
 * Unlocks a store, and verifies the config with the keys: nothing of it is to be believed before. How it is unlocked must fit what it is: a
 * plaintext store is not opened with a passphrase, since somebody may have put it in the place of an encrypted one.
 * @throws KLOSET_NOT_ENCRYPTED, KLOSET_LOCKED, KLOSET_WRONG_PASSPHRASE, KLOSET_KEY_CORRUPT, KLOSET_KEY_FORGED, KLOSET_CONFIG_CORRUPT
 */
export async function unlockStore(unlocking: Unlocking, call: Call): Promise<UnlockedStore> {
  const { config, configBytes } = unlocking
  const unlocked = config.encryption === 'none' ? unlockPlaintext(unlocking) : await unlockSealed(unlocking, call)
  try {
    verifyConfig(configBytes, unlocked.keyring.configKey)
  } catch (error) {
    // What was kept is only as good as what it was kept from.
    if (!unlocked.kept) throw error
    return unlockStore({ ...unlocking, cache: undefined }, call)
  }
  return unlocked
}

function unlockPlaintext({ storage, config, how }: Unlocking): UnlockedStore {
  if (!('plaintext' in how)) {
    throw new KlosetError('KLOSET_NOT_ENCRYPTED', `the store at ${storage.location} is not encrypted`, {
      hint: 'If that is what you expect, open it without a passphrase; if not, it is not the store you made.',
    })
  }
  const keyring = createKeyring(plaintextMaterial(fromHex(config.store), familyOf(config)))
  return { keyring, slot: undefined, damaged: [], kept: false }
}

async function unlockSealed(
  { storage, config, how, derive = passphraseKey, cache, first }: Unlocking,
  call: Call,
): Promise<UnlockedStore> {
  if ('plaintext' in how) {
    throw new KlosetError('KLOSET_LOCKED', `the store at ${storage.location} is encrypted`, {
      hint: 'Give its passphrase or key.',
    })
  }
  const storeId = fromHex(config.store)
  const encryption = config.encryption as Exclude<Encryption, 'none'>
  const { signal } = call
  const interruptible: typeof passphraseKey = (...what) => abortable(signal, derive(...what))
  const open = (store: Openable): Promise<Unlocked> =>
    unlock({ ...store, storeId, encryption }, how, { derive: interruptible, first, signal })
  const family = familyOf(config)
  const keyringOf = ({ material }: Unlocked): Keyring =>
    createKeyring(family === undefined ? material : { ...material, family })
  if (cache !== undefined) {
    const unlocked = await unlockKept(cache, open)
    if (unlocked !== undefined) return { keyring: keyringOf(unlocked), slot: unlocked.slot, damaged: [], kept: true }
  }
  const stored = await lockedIn(storage, first, call)
  const unlocked = await open(stored)
  const { slot, damaged } = unlocked
  if (cache !== undefined && damaged.length === 0) keepKeys(cache, stored, slot)
  return { keyring: keyringOf(unlocked), slot, damaged, kept: false }
}

function familyOf({ family }: StoreConfig): Bytes | undefined {
  return family === undefined ? undefined : fromHex(family)
}

/** What unlocking needs of a store. */
type Openable = Pick<LockedStore, 'slots' | 'epochs' | 'fetch'>

/** What is stored to unlock a store with; `read` gathers the objects below `epochs/` that were asked for. */
async function lockedIn(
  storage: Storage,
  first: string | undefined,
  call: Call,
): Promise<Openable & { readonly read: ReadonlyMap<string, Uint8Array> }> {
  const [keys, epochs] = await Promise.all([namesUnder(storage, 'keys/', call), namesUnder(storage, 'epochs/', call)])
  // Whoever can write to the store can add any number. Each has a copy, and those of the other kind do not count.
  const read = new Map<string, Uint8Array>()
  const wanted = keys.sort((a, b) => Number(slotIdOf(b) === first) - Number(slotIdOf(a) === first))
  const slots = await Promise.all(
    wanted
      .slice(0, 4 * mostSlots)
      .map(async (name) => ({ id: slotIdOf(name), bytes: await readOrEmpty(storage, name, call) })),
  )
  return {
    slots: slots.flatMap(({ id, bytes }) => (id === undefined || bytes === undefined ? [] : [{ id, bytes }])),
    epochs,
    read,
    async fetch(name) {
      const versions = await Promise.all([name, copyOf(name)].map((each) => readOrEmpty(storage, each, call)))
      const found = versions.filter((bytes) => bytes !== undefined)
      if (found[0] !== undefined) read.set(name, found[0])
      return found
    },
  }
}

/** As {@link readIfThere}; what is too large is as damaged as what is empty, and another slot or copy may serve. */
async function readOrEmpty(storage: Storage, name: string, call: Call): Promise<Uint8Array | undefined> {
  try {
    return await readIfThere(storage, name, call)
  } catch (error) {
    if (isKlosetError(error, 'KLOSET_KEY_CORRUPT')) return new Uint8Array(0)
    throw error
  }
}

/** Unlocks with what this machine unlocked the store with before; undefined where the store has to be asked. */
async function unlockKept(
  cache: StoreCache,
  open: (store: Openable) => Promise<Unlocked>,
): Promise<Unlocked | undefined> {
  const read = (name: string): Bytes[] => {
    const bytes = cache.read(name)
    return bytes === undefined ? [] : [bytes]
  }
  const slots = cache.names('keys/').flatMap((name) => {
    const id = slotIdOf(name)
    return id === undefined ? [] : read(name).map((bytes) => ({ id, bytes }))
  })
  if (slots.length === 0) return undefined
  try {
    const unlocked = await open({ slots, epochs: cache.names('epochs/'), fetch: async (name) => read(name) })
    return unlocked.damaged.length === 0 ? unlocked : undefined
  } catch (error) {
    // Another passphrase than the one before, or damage: the store knows.
    if (!isKlosetError(error)) throw error
    return undefined
  }
}

function keepKeys(
  cache: StoreCache,
  { slots, read }: { readonly slots: Openable['slots']; readonly read: ReadonlyMap<string, Uint8Array> },
  slot: string,
): void {
  dropKeys(cache)
  const opened = slots.find(({ id }) => id === slot)!
  cache.keep(`keys/${slot}`, opened.bytes)
  for (const [name, bytes] of read) cache.keep(name, bytes)
}

/** Lets go of the keys that are kept: the store has newer ones. */
export function dropKeys(cache: StoreCache): void {
  for (const name of [...cache.names('keys/'), ...cache.names('epochs/')]) cache.drop(name)
}

/** The slot that an object under `keys/` is, or is the copy of. */
export function slotIdOf(name: string): string | undefined {
  return /^keys\/([0-9a-f]{32})(\.copy)?$/.exec(name)?.[1]
}

/** All names with a prefix. */
export async function namesUnder(storage: Storage, prefix: string, call: Call): Promise<string[]> {
  const names: string[] = []
  for await (const batch of storage.list(prefix, { ...call, after: undefined })) {
    for (const { name } of batch) names.push(name)
  }
  return names
}
