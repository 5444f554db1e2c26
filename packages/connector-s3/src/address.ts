import { KlosetError, type Location } from 'kloset/connector'
import { encodePath } from './encoding.js'
import type { S3Settings } from './options.js'

/** Which objects a location means, and where they are asked for. */
export interface Address {
  /** Safe to show. */
  readonly location: string
  readonly bucket: string
  /** What the keys of all objects start with: empty, or a path that ends with a slash. */
  readonly prefix: string
  /** The server. Absent: AWS, whose servers go by region. */
  readonly server: Server | undefined
  /** The region that the name of an AWS server has in it. */
  readonly region: string | undefined
  readonly secure: boolean
  /** Whether nobody can listen in, as nothing leaves the machine. */
  readonly loopback: boolean
  /** Whether the bucket is part of the host's name. */
  readonly virtual: boolean
}

/** A server that is not one of AWS's regions. */
export interface Server {
  readonly host: string
  readonly port: number | undefined
  /** In front of all paths: empty, or without a slash at its end. */
  readonly path: string
}

/** Where a request goes. */
export interface Target {
  readonly host: string
  readonly port: number | undefined
  /** The header of the same name. */
  readonly hostHeader: string
  /** The path, encoded. */
  readonly path: string
}

type Settings = Pick<S3Settings, 'endpoint' | 'tls' | 'path-style'>
type Environment = Readonly<Record<string, string | undefined>>

/**
 * Reads a location. Its host is a server where it has a port or a dot or is `localhost` (`s3://minio.example:9000/bucket/prefix`), and
 * else a bucket (`s3://bucket/prefix`): at the server of `endpoint`, at that of AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL, or at AWS. With
 * the option `endpoint`, it always is a bucket.
 * @throws KLOSET_CONNECTOR where that does not come out
 */
export function addressOf(at: Location, settings: Settings, env: Environment): Address {
  const given = settings.endpoint === undefined ? undefined : endpointOf(settings.endpoint, 'the option endpoint')
  const isServer = given === undefined && looksLikeServer(at)
  if (given !== undefined && at.port !== undefined) throw twoServers(at)
  const [bucket, ...below] = isServer ? segmentsOf(at) : [at.host, ...segmentsOf(at)]
  if (bucket === undefined || bucket === '') throw noBucket(at)
  const elsewhere = given ?? (isServer ? serverOf(at) : endpointInEnvironment(env))
  const aws = elsewhere && awsServer(elsewhere)
  const server = aws ? undefined : elsewhere && { host: elsewhere.host, port: elsewhere.port, path: elsewhere.path }
  const loopback = server !== undefined && isLoopback(server.host)
  const pathStyle = settings['path-style'] ?? (server !== undefined || !fitsHostName(bucket))
  return {
    location: String(at),
    bucket,
    prefix: below.map((segment) => `${segment}/`).join(''),
    server,
    region: aws?.region,
    secure: settings.tls ?? elsewhere?.secure ?? !loopback,
    loopback,
    virtual: !pathStyle,
  }
}

/** Where a request for `key` goes, `''` being the bucket itself. */
export function targetOf(address: Address, region: string, key: string): Target {
  const { bucket, virtual, secure } = address
  const { host, port, path } = address.server ?? { host: hostOfRegion(region), port: undefined, path: '' }
  const name = virtual ? `${bucket}.${host}` : host
  const shown = name.includes(':') ? `[${name}]` : name
  const usual = port === undefined || port === (secure ? 443 : 80)
  return {
    host: name,
    port,
    hostHeader: usual ? shown : `${shown}:${port}`,
    path: encodePath(virtual ? `${path}/${key}` : `${path}/${bucket}${key === '' ? '' : `/${key}`}`),
  }
}

interface Endpoint extends Server {
  /** What the URL's scheme says. */
  readonly secure: boolean | undefined
}

function looksLikeServer({ host, port }: Location): boolean {
  return port !== undefined || host.includes('.') || host.includes(':') || host === 'localhost'
}

function serverOf({ host, port }: Location): Endpoint {
  return { host, port, path: '', secure: undefined }
}

/** What the usual name of an AWS server says: such a server is reached as every other of AWS, wherever the bucket is. */
function awsServer({ host, port, path }: Endpoint): { readonly region: string | undefined } | undefined {
  const [name, region] = /^s3(?:[.-]([a-z]{2,}(?:-[a-z]+)+-\d+))?\.amazonaws\.(?:com|com\.cn|eu)$/.exec(host) ?? []
  return name === undefined || port !== undefined || path !== '' ? undefined : { region }
}

function endpointInEnvironment(env: Environment): Endpoint | undefined {
  const name = ['AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'].find((each) => env[each])
  return name === undefined ? undefined : endpointOf(env[name]!, name)
}

function endpointOf(text: string, from: string): Endpoint {
  const withScheme = /^[a-z]+:\/\//i.test(text)
  let url: URL
  try {
    url = new URL(withScheme ? text : `https://${text}`)
  } catch {
    throw badEndpoint(from)
  }
  const secure = { 'https:': true, 'http:': false }[url.protocol]
  if (secure === undefined || url.username !== '' || url.search !== '' || url.hash !== '') throw badEndpoint(from)
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? undefined : Number(url.port),
    path: url.pathname.replace(/\/+$/, ''),
    secure: withScheme ? secure : undefined,
  }
}

function segmentsOf(at: Location): string[] {
  const segments = at.path.split('/').filter((segment) => segment !== '')
  if (!segments.some((segment) => segment === '.' || segment === '..')) return segments
  throw new KlosetError('KLOSET_CONNECTOR', `the path of ${at} has a part that is only dots`, {
    hint: 'Write the path without . and .. in it.',
    context: { location: String(at) },
  })
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || /^127(\.\d+){3}$/.test(host) || host === '::1'
}

// A dot in a bucket's name would make it a host that no certificate of the server is for.
function fitsHostName(bucket: string): boolean {
  return /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/.test(bucket)
}

function hostOfRegion(region: string): string {
  if (region.startsWith('cn-')) return `s3.${region}.amazonaws.com.cn`
  return `s3.${region}.amazonaws.${region.startsWith('eusc-') ? 'eu' : 'com'}`
}

function twoServers(at: Location): KlosetError {
  return new KlosetError('KLOSET_CONNECTOR', `${at} names a server, and the option endpoint another one`, {
    hint: 'Leave out the option, or write s3://bucket/prefix.',
    context: { location: String(at) },
  })
}

function noBucket(at: Location): KlosetError {
  return new KlosetError('KLOSET_CONNECTOR', `${at} names no bucket`, {
    hint: 'Write s3://bucket/prefix for AWS, or s3://host:port/bucket/prefix for another server.',
    context: { location: String(at) },
  })
}

function badEndpoint(from: string): KlosetError {
  return new KlosetError('KLOSET_CONNECTOR', `${from} is not the URL of a server`, {
    hint: 'Write https://host:port, or http:// where the connection is not encrypted.',
  })
}
