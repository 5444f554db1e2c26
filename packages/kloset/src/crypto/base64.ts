import { type Bytes, MalformedError } from '../bytes/index.js'

/** Base64 with padding (RFC 4648 §4). For short bytes. */
export function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
}

/** The bytes of base64 `digits`. @throws MalformedError unless they are exactly what {@link base64} writes for them */
export function bytesOfBase64(digits: string): Bytes {
  let bytes: Bytes
  try {
    bytes = Uint8Array.from(atob(digits), (character) => character.charCodeAt(0))
  } catch (cause) {
    throw new MalformedError('these are not base64 digits', { cause })
  }
  if (base64(bytes) !== digits) throw new MalformedError('these are not base64 digits in their usual form')
  return bytes
}
