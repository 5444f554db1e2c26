import { Deflate, deflateSync, inflateSync } from 'fflate'
import { type Bytes, concatBytes, MalformedError } from '../../bytes/index.js'
import type { Deflater } from '../types.js'

/** Raw deflate in JavaScript. */
export function deflate(raw: Uint8Array, level: number): Bytes {
  return deflateSync(raw, { level: level as 1 })
}

export function deflater(level: number): Deflater {
  let ready: Uint8Array[] = []
  const stream = new Deflate({ level: level as 1 }, (part) => ready.push(part))
  const next = (raw: Uint8Array, last: boolean): Bytes => {
    ready = []
    stream.push(raw, last)
    return concatBytes(...ready)
  }
  return { push: (raw) => next(raw, false), end: () => next(new Uint8Array(0), true) }
}

/** What {@link deflate} made. @throws MalformedError unless it gives exactly `rawLength` bytes. */
export function inflate(stored: Uint8Array, rawLength: number): Bytes {
  // A byte more than needed: fflate stops silently where its output is full.
  const out = new Uint8Array(rawLength + 1)
  let raw: Uint8Array
  try {
    raw = inflateSync(stored, { out })
  } catch (cause) {
    throw new MalformedError('deflated bytes are damaged', { cause })
  }
  if (raw.length !== rawLength) throw new MalformedError(`other than ${rawLength} bytes inflated`)
  return out.slice(0, rawLength)
}
