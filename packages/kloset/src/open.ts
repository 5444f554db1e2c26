import type { CreateOptions, Notice, OpenOptions, Store } from './api.js'
import { equalBytes, toHex } from './bytes/index.js'
import {
  type Call,
  type ConnectOptions,
  type Connector,
  Registry,
  type Source,
  type Storage,
} from './connector/index.js'
import {
  createKeyMaterial,
  createKeyring,
  createSlot,
  defaultCosts,
  epochObject,
  type Keyring,
  sealEpoch,
} from './crypto/index.js'
import { poolOf } from './engine.js'
import { KlosetError } from './errors.js'
import { OpenStore } from './facade.js'
import { CommitLog } from './log/index.js'
import { runtime } from './runtime/index.js'
import { environment } from './runtime/system.js'
import { retrying } from './storage/index.js'
import { decodeConfig, encodeConfig, type StoreConfig, verifyConfig } from './store/config.js'
import { OpenedStore } from './store/opened.js'
import { copyOf, putTwice, readIfThere, readTwice } from './store/twice.js'
import { unlockStore } from './store/unlocking.js'

/**
 * Makes a new store and opens it. Whoever loses the passphrase or key has lost what is in it.
 * @throws KLOSET_STORE_EXISTS, and what the storage throws
 */
export async function createStore(at: string | Storage, options: CreateOptions): Promise<Store> {
  const call = callOf(options.signal)
  const encryption = 'plaintext' in options.unlock ? 'none' : (options.encryption ?? 'aes-256-gcm')
  if ('plaintext' in options.unlock && options.encryption !== undefined) {
    throw new TypeError('a plaintext store has no encryption')
  }
  const registry = registryOf(options.connectors)
  const storage = await openStorage(registry, at, options.options, 'create', call)
  try {
    if ((await readIfThere(storage, 'config', call)) !== undefined || (await holdsStore(storage, call)))
      throw alreadyThere(storage)
    const storeId = runtime.randomBytes(16)
    const keyring = createKeyring(createKeyMaterial(encryption, storeId))
    const config: StoreConfig = {
      store: toHex(storeId),
      created: new Date().toISOString(),
      requires: [],
      encryption,
      chunker: options.chunker ?? { min: 256 * 1024, normal: 1024 * 1024, max: 4 * 1024 * 1024 },
      frame: options.frame ?? 1024 * 1024,
      pack: options.pack ?? 20 * 1024 * 1024,
      codec: options.codec ?? 'auto',
    }
    // Checks all of it before anything is written.
    const bytes = encodeConfig(config, keyring.configKey)
    const slot =
      'plaintext' in options.unlock ? undefined : await putSlot(storage, keyring, options.unlock, options, call)
    // The config comes last: where it is, the store is whole. Of two who create at once, one is told.
    const ifAbsent = storage.capabilities.putIfAbsent
    if ((await putTwice(storage, 'config', bytes, { ...call, ifAbsent })) === 'exists') {
      const there = await readIfThere(storage, 'config', call)
      // It is our own where the answer to a first try was lost.
      const own = there !== undefined && equalBytes(there, bytes)
      if (there !== undefined && !own) await giveWay(storage, there, slot, call)
      if (!own) throw alreadyThere(storage)
    }
    return await openWith(storage, config, keyring, registry, options, 'write', call)
  } catch (error) {
    await storage.close().catch(() => undefined)
    throw error
  }
}

/**
 * Opens a store.
 * @throws KLOSET_NO_STORE, KLOSET_WRONG_PASSPHRASE, KLOSET_LOCKED, KLOSET_NOT_ENCRYPTED, KLOSET_VERSION, KLOSET_CONFIG_CORRUPT,
 * KLOSET_KEY_CORRUPT, and what the storage throws
 */
export async function openStore(at: string | Storage, options: OpenOptions): Promise<Store> {
  const call = callOf(options.signal)
  const registry = registryOf(options.connectors)
  const mode = options.mode ?? 'write'
  const storage = await openStorage(registry, at, options.options, mode, call)
  try {
    const read = await readTwice(storage, 'config', call, async (bytes) => {
      const config = decodeConfig(bytes)
      const unlocked = await unlockStore(storage, config, options.unlock, poolOf(options.engine), call)
      // Only now can it be told whether the config is the one that was written.
      verifyConfig(bytes, unlocked.keyring.configKey)
      return { config, ...unlocked }
    })
    if (read === undefined) throw noStore(storage.location)
    const { config, keyring, damaged } = read.value
    const notice = options.onNotice?.bind(options)
    for (const { object, error } of read.bad) {
      notice?.({
        type: 'notice',
        code: 'copy-used',
        message: `${object}: ${(error as Error).message}; the other copy is used`,
      })
    }
    for (const error of damaged) notice?.({ type: 'notice', code: 'copy-used', message: error.message })
    return await openWith(storage, config, keyring, registry, options, mode, call)
  } catch (error) {
    await storage.close().catch(() => undefined)
    throw error
  }
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
  return registryOf(options.connectors).source(at, connectHere(options.options ?? {}, 'read', signal))
}

/** What connectors are given besides the location. */
export function connectHere(
  options: Readonly<Record<string, string | number | boolean>>,
  mode: ConnectOptions['mode'],
  signal: AbortSignal,
): ConnectOptions {
  const memory = new Map<string, string>()
  return {
    options,
    mode,
    signal,
    env: environment(),
    log: () => undefined,
    memory: {
      get: async (key) => memory.get(key),
      set: async (key, value) => void memory.set(key, value),
    },
  }
}

async function openWith(
  storage: Storage,
  config: StoreConfig,
  keyring: Keyring,
  registry: Registry,
  options: Pick<OpenOptions, 'engine' | 'onNotice'>,
  mode: 'read' | 'write',
  call: Call,
): Promise<Store> {
  const log = await CommitLog.open({ storage, keyring, writer: runtime.randomBytes(16), ...call })
  const pool = poolOf(options.engine)
  const notice = (each: Notice): void => options.onNotice?.(each)
  if (log.damage !== undefined) notice({ type: 'notice', code: 'log-damaged', message: log.damage.message })
  const writable = mode === 'write' && storage.capabilities.write
  // Verbs bring their own signals: that of opening must not end what is done later.
  const store = new OpenedStore({ storage, config, keyring, log, pool, writable, notice, call: callOf(undefined) })
  return new OpenStore(store, registry)
}

async function openStorage(
  registry: Registry,
  at: string | Storage,
  options: Readonly<Record<string, string | number | boolean>> | undefined,
  mode: 'read' | 'write' | 'create',
  call: Call,
): Promise<Storage> {
  if (typeof at !== 'string') return retrying(at)
  try {
    return retrying(await registry.storage(at, connectHere(options ?? {}, mode, call.signal)))
  } catch (error) {
    if (mode !== 'create' && error instanceof KlosetError && error.code === 'KLOSET_NOT_FOUND') throw noStore(at, error)
    throw error
  }
}

/** Writes what unlocks the store: a slot, and the keys of epoch 0 sealed to it. Gives the names of both. */
async function putSlot(
  storage: Storage,
  keyring: Keyring,
  secret: Exclude<CreateOptions['unlock'], { plaintext: true }>,
  { label, argon2 }: CreateOptions,
  call: Call,
): Promise<readonly string[]> {
  const { storeId, secret: storeSecret, epochs } = keyring.material
  const slot = await createSlot({
    storeId,
    slotsKey: keyring.slotsKey,
    secret,
    label: label ?? '',
    created: Date.now(),
    costs: { ...defaultCosts, ...argon2 },
  })
  const sealed = await sealEpoch({ storeId, epoch: 0, slot: slot.id }, slot.publicKey, {
    master: epochs[0]!,
    secret: storeSecret,
  })
  const names = [epochObject(0, slot.id), `keys/${slot.id}`] as const
  await putTwice(storage, names[0], sealed, { ...call, ifAbsent: false })
  await putTwice(storage, names[1], slot.bytes, { ...call, ifAbsent: false })
  return names
}

/** Another creator was first: its config gets its copy back, and what this one wrote to unlock its own store goes. */
async function giveWay(
  storage: Storage,
  config: Uint8Array,
  written: readonly string[] | undefined,
  call: Call,
): Promise<void> {
  await storage.put(copyOf('config'), new Uint8Array(config), { ...call, ifAbsent: false, tier: 'hot' })
  if (written === undefined) return
  await storage.remove(
    written.flatMap((name) => [name, copyOf(name)]),
    call,
  )
}

/** Whether there is something of a store without a config: then it is damaged, not absent, and must not be written over. */
async function holdsStore(storage: Storage, call: Call): Promise<boolean> {
  for (const prefix of ['log/', 'packs/', 'checkpoints/']) {
    for await (const batch of storage.list(prefix, { ...call, after: undefined })) if (batch.length > 0) return true
  }
  return (
    (await readIfThere(storage, 'config.copy', call)) !== undefined &&
    (await storage.stat('log/00000000000000000001', call)) !== undefined
  )
}

function registryOf(connectors: readonly Connector[] = []): Registry {
  return new Registry(connectors)
}

function callOf(signal: AbortSignal | undefined): Call {
  return { signal: signal ?? neverAborted }
}

const neverAborted = new AbortController().signal

function noStore(location: string, cause?: unknown): KlosetError {
  return new KlosetError('KLOSET_NO_STORE', `there is no store at ${location}`, {
    context: { location },
    hint: 'Check the location, or create a store there first.',
    cause,
  })
}

function alreadyThere(storage: Storage): KlosetError {
  return new KlosetError('KLOSET_STORE_EXISTS', `there is a store at ${storage.location} already`, {
    context: { location: storage.location },
    hint: 'Open it, or choose an empty place.',
  })
}
