import { type Connector, KlosetError, type Location } from 'kloset/connector'
import { UsageError } from './exit.js'
import { protocolOf } from './locations.js'

/** A connector, and what this command wants to know of it besides the contract. */
export interface LoadedConnector {
  readonly connector: Connector
  /** The server that a location is on; undefined where it is on this machine. */
  serverOf(at: Location, options: Readonly<Record<string, unknown>>): Server | undefined
}

/** Where connections go. */
export interface Server {
  readonly host: string
  readonly port: number
  readonly tls: boolean
}

/** The connector of a location, loaded. @throws KLOSET_NO_CONNECTOR */
export async function connectorOf(location: string): Promise<LoadedConnector> {
  const protocol = protocolOf(location)
  const load = loaders.get(protocol)
  if (load) return load()
  throw new KlosetError('KLOSET_NO_CONNECTOR', `there is no connector for ${protocol}:// locations`, {
    hint: `Known are plain paths and ${[...loaders.keys()].map((name) => `${name}://`).join(', ')}.`,
  })
}

/** The connectors that these locations need. @throws KLOSET_NO_CONNECTOR */
export async function connectorsFor(locations: readonly string[]): Promise<Connector[]> {
  const loaded = await Promise.all(locations.map(connectorOf))
  return [...new Set(loaded.map(({ connector }) => connector))]
}

/** Reads `NAME=VALUE`, as often as given. @throws UsageError */
export function parseOptions(given: readonly string[] = []): Record<string, string> {
  const options: Record<string, string> = {}
  for (const text of given) {
    const equals = text.indexOf('=')
    if (equals < 1) throw new UsageError(`'${text}' is not an option of a connector`, 'Write it as -o NAME=VALUE.')
    options[text.slice(0, equals)] = text.slice(equals + 1)
  }
  return options
}

/** The names of those of `options` that are secrets of the connector. */
export function secretsAmong({ connector }: LoadedConnector, options: Readonly<Record<string, unknown>>): string[] {
  return Object.keys(options).filter((name) => connector.options[name]?.secret === true)
}

// Loaded only when a location needs them: a connector may weigh more than all the rest.
const loaders: ReadonlyMap<string, () => Promise<LoadedConnector>> = new Map([
  ['fs', filesystem],
  ['file', filesystem],
  [
    's3',
    async () => {
      const { s3, serverOf } = await import('@kloset/connector-s3')
      return { connector: s3, serverOf: serverOf as LoadedConnector['serverOf'] }
    },
  ],
  [
    'sftp',
    async () => {
      const { sftp, serverOf } = await import('@kloset/connector-sftp')
      return { connector: sftp as Connector, serverOf: serverOf as LoadedConnector['serverOf'] }
    },
  ],
])

async function filesystem(): Promise<LoadedConnector> {
  const { fs } = await import('@kloset/connector-fs')
  return { connector: fs, serverOf: () => undefined }
}
