import type { OpenOptions, Store } from './api.js'
import { connectHere } from './connect.js'
import { type Call, Registry, type Source, type Storage } from './connector/index.js'
import { derivesElsewhere } from './crypto/index.js'
import { poolOf } from './engine.js'
import { KlosetError } from './errors.js'
import { entryObject } from './log/index.js'
import { cacheOf, callOf, finishOpening, noStore, type Opening, openLog, startOpening, within } from './opening.js'
import { retrying, tryingToOpen } from './storage/index.js'
import { dropStateUnless, keptPosition, keptState, StoreCache, storeSeenAt } from './store/cache/index.js'
import { logChanged } from './store/changed.js'
import { decodeConfig, type StoreConfig } from './store/config.js'
import { Deriving } from './store/derive.js'
import type { ClientMemory } from './store/memory.js'
import { readTwice } from './store/twice.js'
import { dropKeys, type UnlockedStore, unlockStore } from './store/unlocking.js'

/**
 * Opens a store.
 * @throws KLOSET_NO_STORE, KLOSET_WRONG_PASSPHRASE, KLOSET_LOCKED, KLOSET_NOT_ENCRYPTED, KLOSET_VERSION, KLOSET_CONFIG_CORRUPT,
 * KLOSET_KEY_CORRUPT, KLOSET_KEY_FORGED, KLOSET_STORE_CHANGED, KLOSET_KEYS_CHANGED, KLOSET_LOG_CHANGED, and what the storage throws
 */
export async function openStore(at: string | Storage, options: OpenOptions): Promise<Store> {
  const call = callOf(options.signal)
  const pool = poolOf(options.engine)
  const ahead = options.threadsAhead === true
  if (ahead) pool.startAhead()
  // Threads that are there anyway derive too.
  const deriving =
    'passphrase' in options.unlock
      ? new Deriving(derivesElsewhere ? undefined : pool, ahead || pool.isStarted)
      : undefined
  try {
    const opening = await startOpening(at, options, options.mode ?? 'write', call)
    return await openAt(opening, options, deriving, call)
  } finally {
    deriving?.close()
  }
}

async function openAt(
  opening: Opening,
  options: OpenOptions,
  deriving: Deriving | undefined,
  call: Call,
): Promise<Store> {
  const { storage, notice, memory } = opening
  const { location } = storage
  try {
    beginReading(opening)
    const read = await readTwice(storage, 'config', call, async (bytes) => {
      const config = decodeConfig(bytes)
      if (options.trust !== true) refuseUnknown(config, location, options.unlock, memory)
      const cache = cacheOf(opening, config.store)
      const unlocking = {
        storage,
        config,
        configBytes: bytes,
        how: options.unlock,
        derive: deriving?.derive,
        first: memory?.slot(config.store),
      }
      /** Whatever the keys come from, they are held against the config and what this machine saw. */
      const unlock = async (from: StoreCache | undefined): Promise<UnlockedStore> => {
        const unlocked = await unlockStore({ ...unlocking, cache: from }, call)
        if (options.trust === true) return unlocked
        try {
          memory?.refuseOtherKeys(location, config, unlocked.keyring)
          return unlocked
        } catch (error) {
          // Another process of this machine may have seen newer keys than those that are kept.
          if (!unlocked.kept) throw error
          dropKeys(cache!)
          return unlock(undefined)
        }
      }
      return { config, cache, unlock, unlocked: await unlock(cache) }
    })
    if (read === undefined) throw noStore(location)
    const { config, cache, unlock } = read.value
    let { unlocked } = read.value
    for (const { object, error } of read.bad) {
      notice({
        type: 'notice',
        code: 'copy-used',
        message: `${object}: ${(error as Error).message}; the other copy is used`,
      })
    }
    const remembered = options.trust === true ? undefined : memory?.head(config.store)
    const known = cache && keptState(cache, unlocked.keyring)
    let log = await openLog(opening, unlocked.keyring, { remembered, known })
    if (unlocked.kept && log.damage !== undefined && cache !== undefined) {
      // It may have been written with newer keys than those that are kept.
      dropKeys(cache)
      unlocked = await unlock(undefined)
      log = await openLog(opening, unlocked.keyring, { remembered, known })
    }
    if (known !== undefined) dropStateUnless(cache!, known, log.state)
    for (const error of unlocked.damaged) notice({ type: 'notice', code: 'copy-used', message: error.message })
    if (log.doubt !== undefined) throw logChanged(location, log, log.doubt, remembered!)
    return finishOpening(opening, { config, keyring: unlocked.keyring, slot: unlocked.slot, log, cache })
  } catch (error) {
    await storage.close().catch(() => undefined)
    throw error
  }
}

/** Refuses a store that is not the one this machine saw at the place, and one without encryption that nobody said is one. */
function refuseUnknown(
  config: StoreConfig,
  location: string,
  unlock: OpenOptions['unlock'],
  memory: ClientMemory | undefined,
): void {
  memory?.refuseOther(location, config)
  const saysSo = !('plaintext' in unlock) || unlock.plaintext === true
  if (saysSo || config.encryption !== 'none' || memory?.knowsPlaintext(location, config) === true) return
  throw new KlosetError('KLOSET_NOT_ENCRYPTED', `the store at ${location} is not encrypted`, {
    hint: 'Anybody could have put it there. If that is what you expect, open it as one without encryption.',
    context: { location, store: config.store },
  })
}

/**
 * Opens a location as a source, for {@link Store.backup} or {@link Engine.scanAhead}. Close it when it is no longer needed.
 * @throws KLOSET_NO_CONNECTOR, KLOSET_NOT_FOUND, and what the connector throws
 */
export async function openSource(
  at: string,
  options: Pick<OpenOptions, 'connectors' | 'options' | 'signal'> = {},
): Promise<Source> {
  const { signal } = callOf(options.signal)
  return new Registry(options.connectors ?? []).source(at, connectHere(options.options ?? {}, 'read', signal))
}

/**
 * Opens a location as a storage to read from, such as the repository of another program: what fails and may succeed later is tried again. Close it when
 * it is no longer needed.
 * @throws KLOSET_NO_CONNECTOR, KLOSET_NOT_FOUND, and what the connector throws
 */
export async function openStorage(
  at: string,
  options: Pick<OpenOptions, 'connectors' | 'options' | 'ask' | 'limits' | 'signal'> = {},
): Promise<Storage> {
  const { signal } = callOf(options.signal)
  const { ask } = options
  const how = { ...connectHere(options.options ?? {}, 'read', signal), ...(ask && { ask }) }
  const registry = new Registry(options.connectors ?? [])
  const storage = await tryingToOpen(() => registry.storage(at, how), signal)
  return retrying(within(storage, options.limits))
}

/** Starts to read what opening will ask for, all at once, instead of one thing after the other. */
function beginReading({ storage, place, options, call }: Opening): void {
  const { list, putIfAbsent } = storage.capabilities
  // Such a writer lists the log.
  const alone = options.exclusive === true && !putIfAbsent
  const id = place && storeSeenAt(place, storage.location)
  const cache = id === undefined ? undefined : new StoreCache(place!, id, () => undefined)
  const head = cache === undefined || alone ? 0 : keptPosition(cache)
  const hasKeys = 'plaintext' in options.unlock || (cache !== undefined && cache.names('keys/').length > 0)
  const prefixes = [...(hasKeys ? [] : ['keys/', 'epochs/']), ...(head > 0 ? [] : ['checkpoints/'])]
  storage.begin({ objects: ['config', ...(head > 0 ? [entryObject(head)] : [])], prefixes: list ? prefixes : [] }, call)
}
