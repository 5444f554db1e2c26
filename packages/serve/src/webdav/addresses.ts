import { pathFromBytes, pathToBytes, safeSegment } from 'kloset/connector'

/**
 * The names on the way to what a request is about, from the root; undefined for what cannot be a path. The bytes of each name are percent-encoded, whether or not
 * they are UTF-8.
 */
export function namesIn(target: string): string[] | undefined {
  // Clients of proxies send the whole URL.
  const path = target.replace(/^https?:\/\/[^/?#]*/i, '').replace(/[?#].*$/s, '')
  const names: string[] = []
  for (const segment of path.split('/')) {
    if (segment === '') continue
    const bytes = decoded(segment)
    const name = bytes && pathFromBytes(bytes)
    if (name === undefined || !safeSegment(name)) return undefined
    names.push(name)
  }
  return names
}

/** Where something is on the server: a folder ends in `/`. */
export function hrefOf(names: readonly string[], { folder }: { readonly folder: boolean }): string {
  const path = names.map((name) => `/${encoded(name)}`).join('')
  return folder ? `${path}/` : path
}

function decoded(segment: string): Uint8Array | undefined {
  if (/%(?![0-9a-f]{2})/i.test(segment)) return undefined
  const bytes = Buffer.from(segment)
  if (!segment.includes('%')) return bytes
  const text = bytes
    .toString('latin1')
    .replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(text, 'latin1')
}

/** Everything but what RFC 3986 calls unreserved. */
function encoded(name: string): string {
  if (/^[\w.~-]+$/.test(name)) return name
  let text = ''
  for (const byte of pathToBytes(name)) {
    const character = String.fromCharCode(byte)
    text += /[\w.~-]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return text
}
