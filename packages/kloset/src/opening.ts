import type { Limits, Notice, OpenOptions, Requests, Store } from './api.js'
import { connectHere } from './connect.js'
import {
  type Call,
  isPlaceAbsent,
  parseLocation,
  Registry,
  type ResolvedLocation,
  type Storage,
} from './connector/index.js'
import type { Keyring } from './crypto/index.js'
import { poolOf } from './engine.js'
import { KlosetError } from './errors.js'
import { OpenStore } from './facade.js'
import { CommitLog, checkpointEvery, inOrder, isInFuture, type LogOptions } from './log/index.js'
import { runtime } from './runtime/index.js'
import { limited, metered, retrying, throttled, tryingToOpen } from './storage/index.js'
import { type AheadStorage, readingAhead } from './store/ahead.js'
import { type CachePlace, cachePlace, noteStoreAt, StoreCache } from './store/cache/index.js'
import { ClientMemory } from './store/memory.js'
import { OpenedStore } from './store/opened.js'

/** What is there of a store before anything was read of it. */
export interface Opening {
  readonly storage: AheadStorage
  readonly requests: () => Requests
  readonly registry: Registry
  readonly place: CachePlace | undefined
  readonly memory: ClientMemory | undefined
  readonly mode: 'read' | 'write' | 'create'
  readonly options: Omit<OpenOptions, 'mode'>
  readonly notice: (notice: Notice) => void
  readonly call: Call
}

/** Connects to a store's place, and gets ready what this machine keeps and remembers. */
export async function startOpening(
  at: string | Storage,
  options: Omit<OpenOptions, 'mode'>,
  mode: Opening['mode'],
  call: Call,
): Promise<Opening> {
  const notice = (each: Notice): void => options.onNotice?.(each)
  const registry = new Registry(options.connectors ?? [])
  const place = cachePlace(options.cache)
  const memory = ClientMemory.of(options.remember, notice)
  // Innermost, so that what is tried again is counted again.
  const counted = metered(await storageAt(registry, at, options, memory, mode, call))
  const requests = (): Requests => {
    const { requests, uploaded, downloaded } = counted.meter
    return { ...requests, uploaded, downloaded }
  }
  return {
    storage: readingAhead(retrying(within(counted, options.limits))),
    requests,
    registry,
    place,
    memory,
    mode,
    options,
    notice,
    call,
  }
}

/** A storage that keeps within limits. @throws RangeError for limits under which nothing would come to its end */
export function within(storage: Storage, { upload, download, concurrency }: Limits = {}): Storage {
  for (const [name, rate] of Object.entries({ upload, download })) {
    if (rate !== undefined && !(rate >= leastRate && rate < Number.POSITIVE_INFINITY))
      throw new RangeError(`the limit of ${name} must be at least ${leastRate} bytes a second, not ${rate}`)
  }
  const fewer =
    concurrency === undefined ? storage : limited(storage, Math.min(concurrency, storage.capabilities.concurrency))
  return upload === undefined && download === undefined ? fewer : throttled(fewer, { upload, download })
}

/** Slower than this, requests would be taken for hanging. */
const leastRate = 16 * 1024

async function storageAt(
  registry: Registry,
  at: string | Storage,
  { options = {}, ask }: Pick<OpenOptions, 'options' | 'ask'>,
  memory: ClientMemory | undefined,
  mode: Opening['mode'],
  call: Call,
): Promise<Storage> {
  if (typeof at !== 'string') return at
  try {
    const here = connectHere(options, mode, call.signal)
    const kept = memory?.ofConnector(serverOf(await registry.resolve(at, here)))
    const how = { ...here, ...(kept && { memory: kept }), ...(ask && { ask }) }
    return await tryingToOpen(() => registry.storage(at, how), call.signal)
  } catch (error) {
    if (mode !== 'create' && isPlaceAbsent(error)) throw noStore(String(parseLocation(at).location), error)
    throw error
  }
}

/** What names a place for its connector: also the options that say which server it is on. */
function serverOf({ connector, location, options }: ResolvedLocation): string {
  const open = Object.entries(options).filter(([name]) => connector.options[name]?.secret !== true)
  return `${location} ${JSON.stringify(open.sort(([a], [b]) => (a < b ? -1 : 1)))}`
}

/** Opens the log: that of `known`, where the store still has it. */
export function openLog(
  { storage, options, call }: Opening,
  keyring: Keyring,
  from: Pick<LogOptions, 'remembered' | 'known'>,
): Promise<CommitLog> {
  return CommitLog.open({
    storage,
    keyring,
    writer: runtime.randomBytes(16),
    exclusive: options.exclusive,
    damagedLog: options.damagedLog,
    ...from,
    ...call,
  })
}

/** Puts together what was opened, remembers what was seen, and goes on doing so. */
export function finishOpening(
  { storage, requests, registry, place, memory, mode, options, notice }: Opening,
  {
    config,
    keyring,
    slot,
    log,
    cache,
  }: Pick<OpenedStore, 'config' | 'keyring' | 'log' | 'cache'> & { readonly slot: string | undefined },
): Store {
  storage.end()
  const tellDamage = ({ message }: KlosetError): void => notice({ type: 'notice', code: 'log-damaged', message })
  if (log.damage !== undefined) tellDamage(log.damage)
  // Where a state was kept, the entries after it are read later.
  log.watchDamage(tellDamage)
  const newest = inOrder(log.state.snapshots.values()).at(-1)
  if (newest !== undefined && isInFuture(newest, Date.now())) {
    const message = `the latest snapshot ${newest.id.slice(0, 8)} is dated in the future, ${newest.time}: the clock of ${newest.host || 'the machine that made it'} was wrong, or that of this one is`
    notice({ type: 'notice', code: 'snapshot-in-future', message })
  }
  if (place !== undefined) noteStoreAt(place, storage.location, config.store)
  const pool = poolOf(options.engine)
  const writable = mode !== 'read' && storage.capabilities.write
  // Verbs bring their own signals: that of opening must not end what is done later.
  const call = callOf(undefined)
  const store = new OpenedStore({
    ...{ storage, config, keyring, log, pool, writable, notice, cache, requests, call },
    damagedLog: options.damagedLog === true,
  })
  const { location } = storage
  memory?.opened(
    { location, config, keyring, slot, head: log.state },
    { trusted: options.trust === true || mode === 'create' },
  )
  log.watch((newest) => {
    memory?.saw(config.store, newest, location)
    // Whoever comes after a run that did not end well should not have much to read.
    if (newest.position % checkpointEvery === 0) store.keepState()
  })
  return new OpenStore(store, registry)
}

/** What this machine keeps of a store, if it is to keep anything. */
export function cacheOf({ place, notice }: Opening, storeId: string): StoreCache | undefined {
  return place && new StoreCache(place, storeId, notice)
}

/** A call with this signal; one that is never aborted without. */
export function callOf(signal: AbortSignal | undefined): Call {
  return { signal: signal ?? neverAborted }
}

const neverAborted = new AbortController().signal

/** There is no store at a location. */
export function noStore(location: string, cause?: unknown): KlosetError {
  return new KlosetError('KLOSET_NO_STORE', `there is no store at ${location}`, {
    context: { location },
    hint: 'Check the location, or create a store there first.',
    cause,
  })
}
