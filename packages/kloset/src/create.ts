import type { CreateOptions, Store } from './api.js'
import { type Bytes, equalBytes, toHex } from './bytes/index.js'
import { type ChunkSizes, defaultSizes } from './chunk/index.js'
import type { Call, Storage } from './connector/index.js'
import {
  createKeyMaterial,
  createKeyring,
  createSlot,
  defaultCosts,
  epochObject,
  type Keyring,
  readSlot,
  sealEpoch,
  verifyEpoch,
  verifySlot,
} from './crypto/index.js'
import { KlosetError } from './errors.js'
import { openedStore } from './facade.js'
import { emptyState } from './log/index.js'
import { cacheOf, callOf, finishOpening, openLog, startOpening } from './opening.js'
import { runtime } from './runtime/index.js'
import { encodeConfig, type StoreConfig } from './store/config.js'
import type { OpenedStore } from './store/opened.js'
import { copyOf, putTwice, readIfThere } from './store/twice.js'

/**
 * Makes a new store and opens it. Whoever loses the passphrase or key has lost what is in it.
 * @throws KLOSET_STORE_EXISTS, and what the storage throws
 */
export async function createStore(at: string | Storage, options: CreateOptions): Promise<Store> {
  const call = callOf(options.signal)
  if ('plaintext' in options.unlock && options.unlock.plaintext !== true)
    throw new TypeError('a new store is made without encryption only by `plaintext: true`')
  const encryption = 'plaintext' in options.unlock ? 'none' : (options.encryption ?? 'aes-256-gcm')
  const like = options.like === undefined ? undefined : storeToBeLike(options.like, encryption, options.chunker)
  if ('plaintext' in options.unlock && options.encryption !== undefined) {
    throw new TypeError('a plaintext store has no encryption')
  }
  const opening = await startOpening(at, options, 'create', call)
  const { storage } = opening
  try {
    const [config, remains] = await Promise.all([readIfThere(storage, 'config', call), holdsStore(storage, call)])
    if (config !== undefined || remains) throw alreadyThere(storage)
    const storeId = runtime.randomBytes(16)
    const keyring = createKeyring(createKeyMaterial(encryption, storeId, like?.keyring.material))
    const { family } = keyring.material
    const made: StoreConfig = {
      store: toHex(storeId),
      ...(family === undefined ? {} : { family: toHex(family) }),
      created: new Date().toISOString(),
      requires: [],
      encryption,
      chunker: like?.config.chunker ?? options.chunker ?? defaultSizes,
      frame: options.frame ?? 1024 * 1024,
      pack: options.pack ?? 20 * 1024 * 1024,
      codec: options.codec ?? 'auto',
    }
    // Checks all of it before anything is written.
    const bytes = encodeConfig(made, keyring.configKey)
    const slot =
      'plaintext' in options.unlock ? undefined : await putSlot(storage, keyring, options.unlock, options, call)
    // The config comes last: where it is, the store is whole. Of two who create at once, one is told.
    const ifAbsent = storage.capabilities.putIfAbsent
    if ((await putTwice(storage, 'config', bytes, { ...call, ifAbsent })) === 'exists') {
      const there = await readIfThere(storage, 'config', call)
      // It is our own where the answer to a first try was lost.
      const own = there !== undefined && equalBytes(there, bytes)
      if (there !== undefined && !own)
        await giveWay(
          storage,
          there,
          slot?.objects.map(([name]) => name),
          call,
        )
      if (!own) throw alreadyThere(storage)
    }
    await removeLeftovers(storage, new Set(slot?.objects.map(([name]) => name)), call)
    // Without it, a full place needs somebody to remove something by hand.
    await storage.reserve?.keep(call).catch(() => call.signal.throwIfAborted())
    const cache = cacheOf(opening, made.store)
    for (const [name, sealed] of slot?.objects ?? []) cache?.keep(name, sealed)
    const log = await openLog(opening, keyring, { known: emptyState })
    return finishOpening(opening, { config: made, keyring, slot: slot?.id, log, cache })
  } catch (error) {
    await storage.close().catch(() => undefined)
    throw error
  }
}

/** The store that a new one is to cut and name chunks like. @throws TypeError where the two cannot be alike */
function storeToBeLike(
  like: Store,
  encryption: StoreConfig['encryption'],
  chunker: ChunkSizes | undefined,
): OpenedStore {
  const other = openedStore(like)
  if ((encryption === 'none') !== (other.config.encryption === 'none')) {
    throw new TypeError('of two stores that are alike, both are encrypted or neither is')
  }
  const { min, normal, max } = other.config.chunker
  if (chunker !== undefined && (chunker.min !== min || chunker.normal !== normal || chunker.max !== max)) {
    throw new TypeError(`a store like that one has chunks of ${min}, ${normal} and ${max} bytes`)
  }
  return other
}

/** Writes what unlocks the store: a slot, and the keys of epoch 0 sealed to it. Gives the slot's id, and both objects by name. */
async function putSlot(
  storage: Storage,
  keyring: Keyring,
  secret: Exclude<CreateOptions['unlock'], { plaintext: unknown }>,
  { label, argon2 }: CreateOptions,
  call: Call,
): Promise<{ readonly id: string; readonly objects: readonly (readonly [string, Bytes])[] }> {
  const { storeId, secret: storeSecret, auth, epochs } = keyring.material
  const slot = await createSlot({
    material: keyring.material,
    secret,
    label: label ?? '',
    // A clock before 1970 is nothing that a slot can hold.
    created: Math.max(0, Date.now()),
    costs: { ...defaultCosts, ...argon2 },
  })
  const sealed = await sealEpoch({ storeId, epoch: 0, slot: slot.id }, slot.publicKey, {
    master: epochs[0]!,
    secret: storeSecret,
    auth,
  })
  // Nothing is stored that readers would refuse.
  const { id } = slot
  readSlot(slot.bytes, { id, storeId })
  verifySlot(id, slot.bytes, keyring.slotsKey)
  verifyEpoch({ storeId, epoch: 0, slot: id }, sealed, auth)
  const objects = [[epochObject(0, slot.id), sealed] as const, [`keys/${slot.id}`, slot.bytes] as const]
  await Promise.all(objects.map(([name, bytes]) => putTwice(storage, name, bytes, { ...call, ifAbsent: false })))
  return { id: slot.id, objects }
}

/**
 * Removes what an earlier creation that failed left to unlock its own store. Only now: until the config is there, it may be another creator's
 * who is about to be first.
 */
async function removeLeftovers(storage: Storage, own: ReadonlySet<string>, call: Call): Promise<void> {
  const others: string[] = []
  for (const prefix of ['keys/', 'epochs/']) {
    for await (const batch of storage.list(prefix, { ...call, after: undefined })) {
      for (const { name } of batch) if (!own.has(name.replace(/\.copy$/, ''))) others.push(name)
    }
  }
  if (others.length > 0) await storage.remove(others, call)
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
  const holds = async (prefix: string): Promise<boolean> => {
    for await (const batch of storage.list(prefix, { ...call, after: undefined })) if (batch.length > 0) return true
    return false
  }
  const found = await Promise.all(['log/', 'packs/', 'checkpoints/'].map(holds))
  return found.includes(true)
}

function alreadyThere(storage: Storage): KlosetError {
  return new KlosetError('KLOSET_STORE_EXISTS', `there is a store at ${storage.location} already`, {
    context: { location: storage.location },
    hint: 'Open it, or choose an empty place.',
  })
}
