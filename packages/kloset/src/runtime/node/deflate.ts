import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'
import { type Bytes, MalformedError } from '../../bytes/index.js'
import type { Deflater } from '../types.js'
import { owned } from './buffers.js'

/** Raw deflate by zlib. */
export function deflate(raw: Uint8Array, level: number): Bytes {
  return owned(deflateRawSync(raw, { level }))
}

/** Each part is deflated by itself, up to a border of bytes, so that what comes of all of them is one stream. */
export function deflater(level: number): Deflater {
  return {
    push: (raw) => owned(deflateRawSync(raw, { level, finishFlush: constants.Z_SYNC_FLUSH })),
    // A last block with nothing in it.
    end: () => Uint8Array.of(3, 0),
  }
}

/** What {@link deflate} made. @throws MalformedError unless it gives exactly `rawLength` bytes. */
export function inflate(stored: Uint8Array, rawLength: number): Bytes {
  let raw: Uint8Array
  try {
    raw = inflateRawSync(stored, bounds(rawLength))
  } catch (cause) {
    throw new MalformedError('deflated bytes are damaged', { cause })
  }
  if (raw.length !== rawLength) throw new MalformedError(`${raw.length} bytes inflated where ${rawLength} are expected`)
  return owned(raw)
}

/**
 * Options of a zlib call that gives at most `rawLength` bytes, and wants all of them in one piece: a byte more than needed, so
 * that zlib sees the end without asking for another piece.
 */
export function bounds(rawLength: number): { chunkSize: number; maxOutputLength: number } {
  return { chunkSize: Math.max(64, rawLength + 1), maxOutputLength: Math.max(1, rawLength) }
}
