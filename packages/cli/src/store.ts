import type { CacheOptions, CreateOptions, Engine, Notice, OpenOptions, Store, Unlock } from 'kloset'
import { type Context, isKlosetError, KlosetError, type Source } from 'kloset/connector'
import { connectorsFor } from './connectors.js'
import { UsageError } from './exit.js'
import type { Output } from './output.js'
import {
  askNewPassphrase,
  askPassphrase,
  givenUnlock,
  noPassphrase,
  ownNames,
  peerNames,
  type UnlockFlags,
  type UnlockNames,
} from './passphrase.js'
import { type Place, placeOf } from './places.js'
import { askHidden, askOpenly, askYesNo, canAsk } from './prompt.js'
import { parseBytes } from './render/bytes.js'
import { aboutPeer } from './render/errors.js'
import { harmless } from './render/names.js'
import { requestsJson, requestsLine } from './render/requests.js'

/** The options of every verb that opens a store. */
export interface StoreFlags extends UnlockFlags {
  /** `NAME=VALUE`, as often as given. */
  readonly option?: readonly string[]
  /** False with `--no-cache`. */
  readonly cache: boolean
  readonly cacheDir?: string
  readonly cacheSize?: number
  readonly exclusive?: boolean
  /** Takes a log with a damaged end as it was before. */
  readonly damagedLog?: boolean
  /** Bytes a second. */
  readonly limitUpload?: number
  readonly limitDownload?: number
  readonly concurrency?: number
}

/** The options of verbs that open a second store. */
export interface PeerFlags {
  readonly peerOption?: readonly string[]
  readonly peerPassphraseFile?: string
  readonly peerPassphraseCommand?: string
  readonly peerKeyFile?: string
  /** True with `--peer-no-encryption`. */
  readonly peerNoEncryption?: boolean
}

/** What opening needs besides the options. */
export interface Opening {
  /** From `at STORE`, `KLOSET_STORE` or the configuration. */
  readonly location: string | undefined
  readonly output: Output
  readonly signal: AbortSignal
}

/** How a store is opened. */
export interface How {
  readonly mode: 'read' | 'write'
  /** Further locations the verb will use (sources, a target), so that their connectors are loaded too. */
  readonly others?: readonly string[]
  readonly engine?: Engine
  /** The verb needs threads: they start while the key is derived. */
  readonly threads?: true
  /** Accepts the log as it is. */
  readonly trust?: boolean
}

/** Opens the store of `at STORE`. @throws UsageError where there is none, and what the engine throws */
export async function openAt(opening: Opening, flags: StoreFlags, how: How): Promise<Store> {
  const place = await ownPlace(opening, flags)
  const given = await givenUnlock(flags, process.env, warner(opening), opening.signal, place.unlock)
  return open(place, given, ownNames, opening, flags, how)
}

/** Opens the other store of a verb that has two. */
export async function openPeer(
  opening: Opening,
  written: string,
  flags: StoreFlags & PeerFlags,
  how: How,
): Promise<Store> {
  const warn = warner(opening)
  const place = await placeOf(written, flags.peerOption, warn)
  try {
    const given = await givenUnlock(peerUnlock(flags), process.env, warn, opening.signal, place.unlock, peerNames)
    return await open(place, given, peerNames, opening, flags, how)
  } catch (error) {
    throw aboutPeer(error, place.shown)
  }
}

/**
 * Opens a store. Without a passphrase given it first tries whether this machine remembers the store as one without encryption, which an encrypted one
 * refuses at once; then a person is asked, three times at most.
 */
async function open(
  place: Place,
  given: Unlock | undefined,
  names: UnlockNames,
  opening: Opening,
  flags: StoreFlags,
  { mode, others = [], engine, threads, trust }: How,
): Promise<Store> {
  const { output, signal } = opening
  const [{ openStore }, connectors] = await Promise.all([import('kloset'), connectorsFor([place.location, ...others])])
  const unlockWith = (unlock: Unlock): Promise<Store> =>
    openStore(place.location, {
      ...openingOptions(place, opening, flags),
      unlock,
      connectors,
      mode,
      ...(engine && { engine }),
      ...(threads && { threadsAhead: true }),
      ...(trust && { trust }),
    })
  if (given) return unlockWith(given)
  try {
    return await unlockWith({ plaintext: 'remembered' })
  } catch (error) {
    if (!isKlosetError(error, 'KLOSET_LOCKED') || !canAsk()) throw error
  }
  for (let attempt = 1; ; attempt++) {
    const passphrase = await askPassphrase(place.shown, signal, names)
    try {
      return await unlockWith({ passphrase })
    } catch (error) {
      if (!isKlosetError(error, 'KLOSET_WRONG_PASSPHRASE') || attempt === 3) throw error
      output.error('Wrong passphrase, try again.')
    }
  }
}

/** Opens the sources of a backup with settings of their connectors, so that a folder that is not there is told before a passphrase is asked for. */
export async function openSources(
  { signal }: Opening,
  locations: readonly string[],
  options: NonNullable<OpenOptions['options']> = {},
): Promise<Source[]> {
  const [{ openSource }, connectors] = await Promise.all([import('kloset'), connectorsFor(locations)])
  return Promise.all(locations.map((location) => openSource(location, { connectors, signal, options })))
}

/** Opens what a list names; a list of nothing is no source. */
export async function openListed(paths: readonly string[], options: { readonly xattrs?: boolean }): Promise<Source[]> {
  if (paths.length === 0) return []
  const { fsListSources } = await import('@kloset/connector-fs')
  return fsListSources(paths, '.', options)
}

/** Settings of a store that is made. */
export type StoreSettings = Partial<Pick<CreateOptions, 'encryption' | 'chunker' | 'codec' | 'pack' | 'label' | 'like'>>

/** Makes a store, with a passphrase that is given or asked for. */
export async function createAt(opening: Opening, flags: StoreFlags, settings: StoreSettings): Promise<Store> {
  const { output, signal } = opening
  const place = await ownPlace(opening, flags)
  const [{ createStore }, connectors] = await Promise.all([import('kloset'), connectorsFor([place.location])])
  let unlock = await givenUnlock(flags, process.env, warner(opening), signal, place.unlock)
  if (!unlock) {
    if (!canAsk()) throw noPassphrase()
    // Nobody likes to choose a passphrase and then hear that it was for nothing.
    await refuseExisting(opening, flags)
    unlock = { passphrase: await askNewPassphrase(place.shown, signal, (text) => output.error(text)) }
  }
  return createStore(place.location, { ...openingOptions(place, opening, flags), ...settings, unlock, connectors })
}

/** Returns where no store can be found at the location. @throws KLOSET_STORE_EXISTS */
export async function refuseExisting(opening: Opening, flags: StoreFlags): Promise<void> {
  const place = await ownPlace(opening, flags)
  const [{ openStore }, connectors] = await Promise.all([import('kloset'), connectorsFor([place.location])])
  try {
    const options = { ...openingOptions(place, opening, flags), cache: false, remember: false }
    const store = await openStore(place.location, { ...options, unlock: { plaintext: true }, connectors, mode: 'read' })
    await store.close()
  } catch (error) {
    if (isKlosetError(error, 'KLOSET_NO_STORE')) return
    if (!isKlosetError(error, 'KLOSET_LOCKED') && !isKlosetError(error, 'KLOSET_VERSION')) throw error
  }
  throw new KlosetError('KLOSET_STORE_EXISTS', `there already is a store at ${place.shown}`)
}

/** Closes a store; with `--verbose`, first tells what was asked of its storage. */
export async function leave(store: Store, output: Output): Promise<void> {
  await tellRequests(store, output)
  await store.close()
}

/** With `--verbose`: what was asked of the storage. */
export async function tellRequests(store: Store, output: Output): Promise<void> {
  if (!output.verbose) return
  if (output.json) await output.emit(requestsJson(store))
  else output.note(requestsLine(store))
}

/** The location as the person wrote it. @throws UsageError where there is none */
export function locationOf(opening: Pick<Opening, 'location'>): string {
  if (opening.location) return opening.location
  throw new UsageError('which store?', 'Say it: kloset at STORE …, or set KLOSET_STORE.')
}

/** The location of the store, also where its name stands for it in the configuration. */
export async function ownLocation(opening: Pick<Opening, 'location'>): Promise<string> {
  const { location } = await placeOf(locationOf(opening), undefined, () => undefined)
  return location
}

/** What `at STORE` means. */
export function ownPlace(opening: Opening, flags: Pick<StoreFlags, 'option'>): Promise<Place> {
  return placeOf(locationOf(opening), flags.option, warner(opening))
}

/** Shows a notice of the engine: an event with `--json`, else a line on stderr, which `--quiet` does not silence where snapshots may be missing. */
export function tell(notice: Notice, output: Output): void {
  if (output.json) void output.emit({ ...notice })
  else if (loud.has(notice.code)) output.warn(notice.message)
  else output.note(`note: ${harmless(notice.message)}`)
}

const loud: ReadonlySet<Notice['code']> = new Set(['log-damaged'])

/** What a connector may ask a person; undefined where there is nobody. */
export function asker(signal: AbortSignal): Context['ask'] | undefined {
  if (!canAsk()) return undefined
  return async ({ kind, message, url }) => {
    const text = harmless(url === undefined ? message : `${message} ${url}`)
    if (kind === 'confirm') return askYesNo(text, signal)
    if (kind === 'secret') return askHidden(text, signal)
    return askOpenly(`${text} (Enter when done)`, signal)
  }
}

function openingOptions(
  { options }: Place,
  { output, signal }: Opening,
  flags: StoreFlags,
): Omit<OpenOptions, 'unlock' | 'mode'> {
  return {
    options,
    signal,
    ask: asker(signal),
    cache: cacheOf(flags),
    remember: true,
    ...(flags.exclusive && { exclusive: true }),
    ...(flags.damagedLog && { damagedLog: true }),
    limits: limitsOf(flags),
    onNotice: (notice) => tell(notice, output),
  }
}

/** What the options say of how much may be used. */
export function limitsOf({ limitUpload, limitDownload, concurrency }: StoreFlags): NonNullable<OpenOptions['limits']> {
  return {
    ...(limitUpload !== undefined && { upload: limitUpload }),
    ...(limitDownload !== undefined && { download: limitDownload }),
    ...(concurrency !== undefined && { concurrency }),
  }
}

function cacheOf(flags: StoreFlags, env: NodeJS.ProcessEnv = process.env): boolean | CacheOptions {
  if (!flags.cache || /^(?:no|off|0|false)$/i.test(env.KLOSET_CACHE ?? '')) return false
  const folder = flags.cacheDir ?? (env.KLOSET_CACHE_DIR || undefined)
  const size = flags.cacheSize ?? (env.KLOSET_CACHE_SIZE ? parseBytes(env.KLOSET_CACHE_SIZE) : undefined)
  return { ...(folder !== undefined && { folder }), ...(size !== undefined && { size }) }
}

/** What the options for the other store say of unlocking it. */
export function peerUnlock(flags: PeerFlags): UnlockFlags {
  const { peerPassphraseFile: file, peerPassphraseCommand: command, peerKeyFile: key } = flags
  return {
    ...(file !== undefined && { passphraseFile: file }),
    ...(command !== undefined && { passphraseCommand: command }),
    ...(key !== undefined && { keyFile: key }),
    encryption: flags.peerNoEncryption !== true,
  }
}

function warner({ output }: Pick<Opening, 'output'>): (message: string) => void {
  return (message) => output.warn(message)
}
