import { type Bytes, equalBytes, MalformedError, toHex } from '../../bytes/index.js'
import type { Keyring } from '../../crypto/index.js'
import { keyedBlake3 } from '../../hash/index.js'
import type { LocalFile } from '../../runtime/index.js'
import {
  decodeTrailer,
  filterWords,
  type Layout,
  layoutOf,
  macLength,
  type Trailer,
  trailerLength,
  u32At,
} from './layout.js'

/** What the end of a sorted file says. */
export interface Opening {
  readonly key: Bytes
  readonly trailer: Trailer
  /** The names of the segments that it covers. */
  readonly covers: readonly string[]
  /** Those of packs, then those of records. */
  readonly fences: SharedArrayBuffer
}

/** Reads what has to be known before anything can be found. @throws MalformedError where it is damaged, or another store's */
export function readOpening(keyring: Keyring, file: LocalFile): Opening {
  const start = file.size - trailerLength
  if (start < 0) throw new MalformedError('it is too short')
  const { trailer, key } = decodeTrailer(keyring, read(file, start, trailerLength))
  const { directory, filter, packBlocks, recordBlocks, trailer: expected } = layoutOf(trailer)
  if (expected !== start) throw new MalformedError('it has another length than its counts say')
  const bytes = read(file, directory, filter - directory)
  verify(bytes, key, trailer.directoryMac)
  const covers: string[] = []
  for (let i = 0; i < trailer.segments; i++) covers.push(toHex(bytes.subarray(32 * i, 32 * i + 32)))
  const fences = new SharedArrayBuffer(4 * (packBlocks + recordBlocks))
  const words = new Uint32Array(fences)
  for (let i = 0; i < words.length; i++) words[i] = u32At(bytes, 32 * trailer.segments + 4 * i)
  return { key, trailer, covers, fences }
}

/** Reads the filter. @throws MalformedError where it is damaged */
export function readFilter(
  file: LocalFile,
  layout: Layout,
  { key, trailer }: Pick<Opening, 'key' | 'trailer'>,
): Int32Array {
  const filter = new SharedArrayBuffer(4 * filterWords * layout.recordBlocks)
  const bytes = new Uint8Array(filter)
  fill(bytes, file, layout.filter)
  verify(bytes, key, trailer.filterMac)
  return new Int32Array(filter)
}

function read(file: LocalFile, at: number, length: number): Bytes {
  const bytes = new Uint8Array(length)
  fill(bytes, file, at)
  return bytes
}

/** A disk that cannot read it any more costs no more than damage does. */
function fill(bytes: Uint8Array, file: LocalFile, at: number): void {
  let length: number
  try {
    length = file.read(bytes, at)
  } catch (cause) {
    throw new MalformedError(`it cannot be read: ${(cause as Error).message}`, { cause })
  }
  if (length !== bytes.length) throw new MalformedError('it was cut off')
}

function verify(bytes: Uint8Array, key: Uint8Array, mac: Uint8Array): void {
  if (!equalBytes(keyedBlake3(key, bytes).subarray(0, macLength), mac))
    throw new MalformedError('a part of it is damaged')
}
