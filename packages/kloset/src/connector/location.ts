import { utf8 } from '../bytes/index.js'
import { KlosetError } from '../errors.js'
import type { Location } from './contract.js'
import { pathFromBytes, pathToBytes } from './paths.js'

/** A location and what of it must not be shown. */
export interface ParsedLocation {
  readonly location: Location
  /** The password that was in the URL. */
  readonly secrets: { readonly password: string | undefined }
}

/**
 * Reads a location: a URL (`s3://host:9000/bucket/prefix`) or a plain path, whose protocol is `fs`. `fs:` and `file:` in front of a
 * path say that it is one; it may then be percent-encoded and have a query. `C:\x` and `C:/x` are paths. What would be read as
 * something else than was meant is refused: `s3:bucket` without slashes, and a `#` in a URL.
 *
 * The query's values are not part of `toString()`, as any may be a secret: who knows the options gives them back with
 * {@link withQuery}.
 * @throws KlosetError KLOSET_CONNECTOR, without the text, which may hold a password
 */
export function parseLocation(text: string): ParsedLocation {
  const protocol = protocolOf(text)
  if (protocol === undefined) return { location: plainPath(text), secrets: { password: undefined } }
  const rest = text.slice(protocol.length + 1)
  const name = protocol.toLowerCase()
  if (name === 'fs' || name === 'file') return { location: pathUrl(rest), secrets: { password: undefined } }
  if (!rest.startsWith('//')) {
    throw malformed(
      `a location that starts with “${name}:” goes on with two slashes`,
      `Write ${name}://…, or ./${name}:… for a file of that name.`,
    )
  }
  return url(text, name)
}

/** The same location with other query values, all of which `toString()` then shows: without secrets, therefore. */
export function withQuery(location: Location, query: URLSearchParams): Location {
  return locationOf({ ...location, query, shown: query })
}

interface Parts {
  readonly protocol: string
  readonly host: string
  readonly port: number | undefined
  readonly user: string | undefined
  readonly path: string
  readonly query: URLSearchParams
  /** What of the query `toString()` shows. */
  readonly shown: URLSearchParams
}

const nothing = { host: '', port: undefined, user: undefined }

// A single letter is a drive. What stands before the colon must not hold a separator: that is a path with a colon in it.
function protocolOf(text: string): string | undefined {
  return /^([a-z][a-z0-9+.-]+):/i.exec(text)?.[1]
}

function plainPath(path: string): Location {
  if (path === '') throw malformed('a location is empty', 'Write a path or a URL.')
  return locationOf({ ...nothing, protocol: 'fs', path, query: new URLSearchParams(), shown: new URLSearchParams() })
}

function pathUrl(rest: string): Location {
  const [, host, path = '', query = ''] = /^(?:\/\/([^/?]*))?([^?]*)(?:\?(.*))?$/s.exec(rest) ?? []
  if (host !== undefined && host !== '' && host.toLowerCase() !== 'localhost') {
    throw malformed('a location of files names another machine', 'Write fs:relative/path or fs:///absolute/path.')
  }
  const decoded = decode(path)
  if (decoded === '') throw malformed('a location is empty', 'Write a path behind the colon.')
  const own = /^\/[a-z]:(?:[\\/]|$)/i.test(decoded) ? decoded.slice(1) : decoded
  return locationOf({
    ...nothing,
    protocol: 'fs',
    path: own,
    query: new URLSearchParams(query),
    shown: new URLSearchParams(),
  })
}

function url(text: string, protocol: string): ParsedLocation {
  // `URL` drops line ends and tabs without a word.
  if (/\p{Cc}/u.test(text)) throw malformed(`a ${protocol} location has a control character`, 'Percent-encode it.')
  let parsed: URL
  try {
    parsed = new URL(text)
  } catch {
    const [, port] = /:(\d+)$/.exec(text.slice(protocol.length + 3).split(/[/?#]/)[0]!) ?? []
    if (Number(port) > 65_535)
      throw malformed(`the port of a ${protocol} location is out of range`, 'Ports go from 1 to 65535.')
    // The error of `URL` holds the text, and with it the password.
    throw malformed(
      `a ${protocol} location is not a URL`,
      'Percent-encode what is special in user, password and path (@ is %40).',
    )
  }
  if (parsed.hash !== '') throw malformed(`a ${protocol} location has a #`, 'Write it as %23.')
  const location = locationOf({
    protocol,
    host: parsed.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: parsed.port === '' ? undefined : Number(parsed.port),
    user: parsed.username === '' ? undefined : decode(parsed.username),
    path: decode(parsed.pathname),
    query: new URLSearchParams(parsed.search),
    shown: new URLSearchParams(),
  })
  return { location, secrets: { password: parsed.password === '' ? undefined : decode(parsed.password) } }
}

function locationOf({ protocol, host, port, user, path, query, shown }: Parts): Location {
  return {
    protocol,
    host,
    port,
    user,
    path,
    query,
    toString: () => show({ protocol, host, port, user, path, query, shown }),
  }
}

function show({ protocol, host, port, user, path, shown }: Parts): string {
  const search = shown.toString()
  const query = search === '' ? '' : `?${search}`
  if (protocol === 'fs') return query === '' && protocolOf(path) === undefined ? path : `fs:${encode(path)}${query}`
  const at = user === undefined ? '' : `${encode(user).replace(/[@:/[\]]/g, encodeURIComponent)}@`
  const authority = `${at}${host.includes(':') ? `[${host}]` : host}${port === undefined ? '' : `:${port}`}`
  return `${protocol}://${authority}${encode(path)}${query}`
}

// Enough that it can be read again, and no more: locations are shown to people.
function encode(text: string): string {
  return text.replace(/[%?#\s]|\p{Cc}|\p{Surrogate}/gu, (character) =>
    Array.from(pathToBytes(character), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  )
}

function decode(encoded: string): string {
  if (!encoded.includes('%')) return encoded
  if (/%(?![0-9a-f]{2})/i.test(encoded)) throw malformed('a location has a % that encodes nothing', 'Write it as %25.')
  const bytes = utf8(encoded)
  const decoded: number[] = []
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] !== percent) decoded.push(bytes[i]!)
    else {
      decoded.push(Number.parseInt(String.fromCharCode(bytes[i + 1]!, bytes[i + 2]!), 16))
      i += 2
    }
  }
  return pathFromBytes(Uint8Array.from(decoded))
}

const percent = 0x25

function malformed(message: string, hint: string): KlosetError {
  return new KlosetError('KLOSET_CONNECTOR', message, { hint })
}
