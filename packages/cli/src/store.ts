import type { CreateOptions, Engine, Notice, Store, Unlock } from 'kloset'
import { type Connector, isKlosetError, KlosetError, type Source } from 'kloset/connector'
import { UsageError } from './exit.js'
import { protocolOf } from './locations.js'
import type { Output } from './output.js'
import { askNewPassphrase, askPassphrase, givenUnlock, noPassphrase, type UnlockFlags } from './passphrase.js'
import { canAsk } from './prompt.js'

/** The options of every verb that opens a store. */
export interface StoreFlags extends UnlockFlags {
  /** `NAME=VALUE`, as often as given. */
  readonly option?: readonly string[]
}

/** What opening needs besides the options. */
export interface Opening {
  /** From `at STORE` or `KLOSET_STORE`. */
  readonly location: string | undefined
  readonly output: Output
  readonly signal: AbortSignal
}

/**
 * Opens the store. Without a passphrase given it first tries whether the store is plaintext, which an encrypted one refuses at
 * once; then a person is asked, three times at most.
 * @param others further locations the verb will use (sources, a target), so that their connectors are loaded too
 */
export async function openAt(
  opening: Opening,
  flags: StoreFlags,
  mode: 'read' | 'write',
  others: readonly string[] = [],
  engine?: Engine,
): Promise<Store> {
  const { output, signal } = opening
  const location = locationOf(opening)
  const [{ openStore }, connectors] = await Promise.all([import('kloset'), connectorsFor([location, ...others])])
  const options = connectorOptions(flags)
  const unlockWith = (unlock: Unlock): Promise<Store> =>
    openStore(location, {
      unlock,
      connectors,
      options,
      mode,
      signal,
      ...(engine && { engine }),
      onNotice: (notice) => tell(notice, output),
    })

  const given = await givenUnlock(flags, process.env, (message) => output.warn(message), signal)
  if (given) return unlockWith(given)
  try {
    return await unlockWith({ plaintext: true })
  } catch (error) {
    if (!isKlosetError(error, 'KLOSET_LOCKED') || !canAsk()) throw error
  }
  for (let attempt = 1; ; attempt++) {
    const passphrase = await askPassphrase(location, signal)
    try {
      return await unlockWith({ passphrase })
    } catch (error) {
      if (!isKlosetError(error, 'KLOSET_WRONG_PASSPHRASE') || attempt === 3) throw error
      output.error('Wrong passphrase, try again.')
    }
  }
}

/** Opens the sources of a backup, so that a folder that is not there is told before a passphrase is asked for. */
export async function openSources({ signal }: Opening, locations: readonly string[]): Promise<Source[]> {
  const [{ openSource }, connectors] = await Promise.all([import('kloset'), connectorsFor(locations)])
  return Promise.all(locations.map((location) => openSource(location, { connectors, signal })))
}

/** Makes a store, with a passphrase that is given or asked for. */
export async function createAt(
  opening: Opening,
  flags: StoreFlags,
  settings: Partial<Pick<CreateOptions, 'encryption' | 'chunker' | 'codec' | 'label'>>,
): Promise<Store> {
  const { output, signal } = opening
  const location = locationOf(opening)
  const [{ createStore }, connectors] = await Promise.all([import('kloset'), connectorsFor([location])])
  const options = connectorOptions(flags)
  let unlock = await givenUnlock(flags, process.env, (message) => output.warn(message), signal)
  if (!unlock) {
    if (!canAsk()) throw noPassphrase()
    // Nobody likes to choose a passphrase and then hear that it was for nothing.
    await refuseExisting(opening, flags)
    unlock = { passphrase: await askNewPassphrase(location, signal, (text) => output.error(text)) }
  }
  const onNotice = (notice: Notice): void => tell(notice, output)
  return createStore(location, { ...settings, unlock, connectors, options, signal, onNotice })
}

/** Returns where no store can be found at the location. @throws KLOSET_STORE_EXISTS */
export async function refuseExisting(opening: Opening, flags: StoreFlags): Promise<void> {
  const location = locationOf(opening)
  const [{ openStore }, connectors] = await Promise.all([import('kloset'), connectorsFor([location])])
  const { signal } = opening
  try {
    const options = connectorOptions(flags)
    const store = await openStore(location, { unlock: { plaintext: true }, connectors, options, mode: 'read', signal })
    await store.close()
  } catch (error) {
    if (isKlosetError(error, 'KLOSET_NO_STORE')) return
    if (!isKlosetError(error, 'KLOSET_LOCKED') && !isKlosetError(error, 'KLOSET_VERSION')) throw error
  }
  throw new KlosetError('KLOSET_STORE_EXISTS', `there already is a store at ${location}`)
}

/** The location as the person wrote it. @throws UsageError where there is none */
export function locationOf(opening: Pick<Opening, 'location'>): string {
  if (opening.location) return opening.location
  throw new UsageError('which store?', 'Say it: kloset at STORE …, or set KLOSET_STORE.')
}

/** Shows a notice of the engine: an event with `--json`, else a line on stderr. */
export function tell(notice: Notice, output: Output): void {
  if (output.json) void output.emit({ ...notice })
  else output.note(`note: ${notice.message}`)
}

// Loaded only when a location needs them.
const filesystem = async (): Promise<Connector> => (await import('@kloset/connector-fs')).fs
const connectors: ReadonlyMap<string, () => Promise<Connector>> = new Map([
  ['fs', filesystem],
  ['file', filesystem],
])

async function connectorsFor(locations: readonly string[]): Promise<Connector[]> {
  const loaded = new Set<Connector>()
  for (const protocol of new Set(locations.map(protocolOf))) {
    const load = connectors.get(protocol)
    if (!load)
      throw new KlosetError('KLOSET_NO_CONNECTOR', `there is no connector for ${protocol}:// locations`, {
        hint: `Known are plain paths and ${[...connectors.keys()].map((name) => `${name}://`).join(', ')}.`,
      })
    loaded.add(await load())
  }
  return [...loaded]
}

function connectorOptions(flags: StoreFlags): Record<string, string> {
  const options: Record<string, string> = {}
  for (const text of flags.option ?? []) {
    const equals = text.indexOf('=')
    if (equals < 1) throw new UsageError(`'${text}' is not an option of a connector`, 'Write it as -o NAME=VALUE.')
    options[text.slice(0, equals)] = text.slice(equals + 1)
  }
  return options
}
