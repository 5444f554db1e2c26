import { KlosetError } from '../errors.js'
import type { Connector, Context, Destination, Location, OptionSchema, Source, Storage } from './contract.js'
import { parseLocation, withQuery } from './location.js'
import { fillOptions, type OptionValue, openQuery } from './options.js'

/** The version of the contract that this package speaks. */
export const contractVersion = 1

/** A connector that is known but not loaded: what its `package.json` says under `kloset`. */
export interface ConnectorListing {
  readonly name: string
  readonly protocols: readonly string[]
  readonly contract: number
  load(): Promise<Connector>
}

/** What {@link Registry.resolve} takes besides a location. */
export interface ResolveOptions {
  /** Values of the connector's options, or their text. */
  readonly options?: Readonly<Record<string, OptionValue | undefined>> | undefined
  /** The environment variables that options may name. Default: none. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
}

/** What opening a location takes besides: see {@link Context}. */
export interface ConnectOptions extends ResolveOptions, Omit<Context, 'options'> {}

/** A location, the connector for it, and the values of its options. */
export interface ResolvedLocation {
  readonly connector: Connector
  /** Without secrets: they are in the options only. */
  readonly location: Location
  readonly options: Readonly<Record<string, OptionValue | undefined>>
}

/** The connectors that locations can name: one for each protocol. */
export class Registry {
  readonly #listings = new Map<string, ConnectorListing>()
  // A listing made here for a loaded connector is as new each time; this tells that the connector is the same.
  readonly #origins = new Map<ConnectorListing, Connector | ConnectorListing>()

  constructor(connectors: Iterable<Connector | ConnectorListing> = []) {
    for (const connector of connectors) this.register(connector)
  }

  /**
   * Adds a connector, loaded or only listed. Adding the same one again is fine.
   * @throws KlosetError KLOSET_VERSION for a version of the contract this package does not speak, KLOSET_CONNECTOR where another
   * connector has one of its protocols
   */
  register(connector: Connector | ConnectorListing): void {
    const listing = 'load' in connector ? connector : listingOf(connector)
    checkVersion(listing.name, listing.contract)
    for (const protocol of listing.protocols) {
      const other = this.#listings.get(protocol)
      if (other !== undefined && this.#origins.get(other) !== connector) throw claimedTwice(protocol, other, listing)
    }
    this.#origins.set(listing, connector)
    for (const protocol of listing.protocols) this.#listings.set(protocol, listing)
  }

  /** The protocols that have a connector, in alphabetical order. */
  get protocols(): string[] {
    return [...this.#listings.keys()].sort()
  }

  /**
   * The connector of a protocol, loaded.
   * @throws KlosetError KLOSET_NO_CONNECTOR, and KLOSET_VERSION where what was loaded is for another version than it was listed with
   */
  async find(protocol: string): Promise<Connector> {
    const listing = this.#listings.get(protocol)
    if (listing === undefined) throw noConnector(protocol, this.protocols)
    const connector = await listing.load()
    checkVersion(connector.name, connector.contract)
    return connector
  }

  /**
   * Finds the connector of a location and fills its options: given ones first, then the URL's password and query, then environment
   * variables, then defaults. Secrets in the query move to the options.
   * @throws KlosetError KLOSET_NO_CONNECTOR, and KLOSET_CONNECTOR for a malformed location and for options that do not fit
   */
  async resolve(at: string, how: ResolveOptions = {}): Promise<ResolvedLocation> {
    const { location, secrets } = parseLocation(at)
    const connector = await this.find(location.protocol)
    const schema: OptionSchema = connector.options
    const options = fillOptions(connector.name, schema, {
      given: how.options ?? {},
      password: secrets.password,
      query: location.query,
      env: how.env ?? {},
    })
    return { connector, location: withQuery(location, openQuery(schema, location.query)), options }
  }

  /** Opens a location as a storage. @throws KlosetError as `resolve`, KLOSET_UNSUPPORTED, and what the connector throws */
  async storage(at: string, how: ConnectOptions): Promise<Storage> {
    const { connector, location, options } = await this.resolve(at, how)
    if (connector.storage === undefined) throw withoutRole(connector, 'storage', location)
    return connector.storage(location, contextOf(how, options))
  }

  /** Opens a location as a source. @throws KlosetError as `resolve`, KLOSET_UNSUPPORTED, and what the connector throws */
  async source(at: string, how: ConnectOptions): Promise<Source> {
    const { connector, location, options } = await this.resolve(at, how)
    if (connector.source === undefined) throw withoutRole(connector, 'source', location)
    return connector.source(location, contextOf(how, options))
  }

  /** Opens a location as a destination. @throws KlosetError as `resolve`, KLOSET_UNSUPPORTED, and what the connector throws */
  async destination(at: string, how: ConnectOptions): Promise<Destination> {
    const { connector, location, options } = await this.resolve(at, how)
    if (connector.destination === undefined) throw withoutRole(connector, 'destination', location)
    return connector.destination(location, contextOf(how, options))
  }
}

function listingOf(connector: Connector): ConnectorListing {
  const { name, protocols, contract } = connector
  return { name, protocols, contract, load: async () => connector }
}

function contextOf(how: ConnectOptions, options: ResolvedLocation['options']): Context {
  const { signal, mode, memory } = how
  return {
    signal,
    mode,
    memory,
    // Filled by the connector's own schema.
    options: options as Context['options'],
    log: (level, message) => how.log(level, message),
    ...(how.ask === undefined ? {} : { ask: (question) => how.ask!(question) }),
  }
}

function checkVersion(name: string, version: number): void {
  if (version === contractVersion) return
  throw new KlosetError(
    'KLOSET_VERSION',
    `the connector ${name} is written for version ${version} of the connector contract`,
    {
      hint: `This kloset speaks version ${contractVersion}: install a version of the connector that does, or update kloset.`,
      context: { connector: name, version },
    },
  )
}

function claimedTwice(protocol: string, one: ConnectorListing, other: ConnectorListing): KlosetError {
  return new KlosetError(
    'KLOSET_CONNECTOR',
    `two connectors claim the protocol ${protocol}: ${one.name} and ${other.name}`,
    {
      hint: 'Remove one of them.',
      context: { protocol, first: one.name, second: other.name },
    },
  )
}

function noConnector(protocol: string, known: readonly string[]): KlosetError {
  return new KlosetError('KLOSET_NO_CONNECTOR', `no connector for ${protocol} is installed`, {
    hint: known.length === 0 ? 'No connector is.' : `There are connectors for: ${known.join(', ')}.`,
    context: { protocol },
  })
}

function withoutRole(connector: Connector, role: string, location: Location): KlosetError {
  return new KlosetError(
    'KLOSET_UNSUPPORTED',
    `the connector ${connector.name} has no ${role}: ${location} cannot be used as one`,
    {
      context: { connector: connector.name, location: String(location) },
    },
  )
}
