/** A path as it is sent and signed: all but unreserved characters and `/` is encoded. */
export function encodePath(path: string): string {
  return path.split('/').map(encode).join('/')
}

/** Parameters as they are sent and signed: encoded, and sorted by name. */
export function queryOf(parameters: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(parameters).filter((each): each is [string, string] => each[1] !== undefined)
  const encoded = given.map(([name, value]) => [encode(name), encode(value)] as const)
  encoded.sort(([a], [b]) => (a < b ? -1 : 1))
  return encoded.map(([name, value]) => `${name}=${value}`).join('&')
}

// RFC 3986 reserves five characters that encodeURIComponent lets through.
function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
}
