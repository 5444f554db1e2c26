import { type Configuration, type NamedLocation, readConfiguration } from './configuration.js'
import { connectorOf, type LoadedConnector, parseOptions, secretsAmong } from './connectors.js'
import { Failure } from './exit.js'
import { hasPassword, nameIn, safe } from './locations.js'
import type { UnlockFlags } from './passphrase.js'

/** A location with all that is known about reaching it. */
export interface Place {
  /** As the person wrote it, safe to show. */
  readonly shown: string
  readonly location: string
  readonly connector: LoadedConnector
  /** Of the connector, by name. */
  readonly options: Readonly<Record<string, string>>
  /** How it is unlocked, where the configuration says so. */
  readonly unlock: UnlockFlags | undefined
}

/**
 * Finds out what a location means: a path, a URL, or `@name` of the configuration.
 * @param given options of the connector, `NAME=VALUE`, which win over those of the configuration
 * @throws Failure for a name that is not configured, and where the configuration holds secrets that others can read
 */
export async function placeOf(
  written: string,
  given: readonly string[] | undefined,
  warn: (message: string) => void,
): Promise<Place> {
  const name = nameIn(written)
  const options = parseOptions(given)
  if (name === undefined) {
    const connector = await connectorOf(written)
    for (const secret of secretsAmong(connector, options)) warn(seen(`the option ${secret}`, connector, secret))
    if (hasPassword(written)) warn(seen('the password in the location', connector, 'password'))
    return { shown: safe(written), location: written, connector, options, unlock: undefined }
  }
  const configuration = await readConfiguration()
  const found = configuration.locations.get(name)
  if (found === undefined) throw unknownName(name, configuration)
  const connector = await connectorOf(found.url)
  refuseOpenSecrets(configuration, name, found, connector)
  return {
    shown: written,
    location: found.url,
    connector,
    options: { ...found.options, ...options },
    unlock: unlockOf(found),
  }
}

function refuseOpenSecrets(
  { file, mode }: Configuration,
  name: string,
  found: NamedLocation,
  loaded: LoadedConnector,
): void {
  if (process.platform === 'win32' || ((mode ?? 0) & 0o077) === 0) return
  const secrets = [...secretsAmong(loaded, found.options ?? {}), ...(hasPassword(found.url) ? ['a password'] : [])]
  if (secrets.length === 0) return
  throw new Failure(
    `${file} holds secrets of @${name} (${secrets.join(', ')}), and others on this machine can read it`,
    `Make it yours alone: chmod 600 ${file}`,
  )
}

function unlockOf({ passphraseFile, passphraseCommand, keyFile, encryption }: NamedLocation): UnlockFlags | undefined {
  if (passphraseFile === undefined && passphraseCommand === undefined && keyFile === undefined && encryption !== false)
    return undefined
  return {
    ...(passphraseFile !== undefined && { passphraseFile }),
    ...(passphraseCommand !== undefined && { passphraseCommand }),
    ...(keyFile !== undefined && { keyFile }),
    encryption: encryption !== false,
  }
}

function unknownName(name: string, { file, locations }: Configuration): Failure {
  const known = [...locations.keys()].map((each) => `@${each}`)
  return new Failure(
    `@${name} is not configured`,
    `${known.length === 0 ? `There is nothing in ${file}.` : `Known are ${known.join(', ')}.`} To add it: kloset config add ${name} URL. A folder of that name is ./@${name}`,
  )
}

function seen(what: string, { connector }: LoadedConnector, option: string): string {
  const variable = connector.options[option]?.env
  const instead =
    variable === undefined
      ? 'put it into the configuration (kloset help config)'
      : `set ${variable}, or put it into the configuration (kloset help config)`
  return `everybody on this machine can see ${what} among the processes; ${instead}`
}
