import type { Bytes } from '../bytes/index.js'
import { KlosetError } from '../errors.js'

/** The most bytes a path may have in a store. */
export const maxPathBytes: number = 65_536

/**
 * Path order: the order of the paths' bytes with `/` below every other byte, so that a directory comes just before what it holds
 * and siblings are adjacent. Negative, zero or positive. Neither `<` nor `localeCompare` gives this order: `a/x` comes before
 * `a-b`, and U+FF41 before an emoji.
 * @throws TypeError for some strings that are not paths (see {@link pathToBytes}).
 */
export function comparePaths(a: string, b: string): number {
  if (a === b) return 0
  const shared = Math.min(a.length, b.length)
  let at = 0
  while (at < shared && a.charCodeAt(at) === b.charCodeAt(at)) at++
  if (at === shared) return a.length - b.length
  const left = a.charCodeAt(at)
  const right = b.charCodeAt(at)
  // UTF-16 and UTF-8 agree on the order of code units below the surrogates, which almost all are.
  if (left < 0xd800 && right < 0xd800) return left === slash ? -1 : right === slash ? 1 : left - right
  return compareFrom(at, a, b)
}

/** Path order of `a[aStart, aEnd)` and `b[bStart, bEnd)`, paths as bytes: negative, zero or positive. */
export function compareKeys(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): number {
  const shared = Math.min(aEnd - aStart, bEnd - bStart)
  for (let i = 0; i < shared; i++) {
    const left = a[aStart + i]!
    const right = b[bStart + i]!
    if (left !== right) return left === slash ? -1 : right === slash ? 1 : left - right
  }
  return aEnd - aStart - (bEnd - bStart)
}

/**
 * The path in `bytes`: UTF-8, with each byte that is not part of valid UTF-8 as one code unit U+DC80–U+DCFF (Python's
 * surrogateescape, PEP 383). Any bytes are a path, and {@link pathToBytes} gives exactly them back.
 */
export function pathFromBytes(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch {
    return decodeEscaping(bytes)
  }
}

/** The bytes of `path`, see {@link pathFromBytes}. @throws TypeError for a lone surrogate outside U+DC80–U+DCFF. */
export function pathToBytes(path: string): Bytes {
  const scratch = path.length * 3 <= shortScratch.length ? shortScratch : new Uint8Array(path.length * 3)
  return scratch.slice(0, writePath(path, scratch, 0))
}

/**
 * Writes the bytes of `path` into `into` from `at`, which must have room for three bytes for each code unit; returns where they end.
 * @throws TypeError for a lone surrogate outside U+DC80–U+DCFF.
 */
export function writePath(path: string, into: Uint8Array, at: number): number {
  const { written } = encoder.encodeInto(path, at === 0 ? into : into.subarray(at))
  // As many bytes as code units: all of it is ASCII.
  if (written === path.length || !loneSurrogate.test(path)) return at + written
  return encodeEscaping(path, into, at)
}

/** Whether `segment` can be one name in a path: not empty, not `.` or `..`, without `/` and NUL. */
export function safeSegment(segment: string): boolean {
  return segment !== '' && segment !== '.' && segment !== '..' && !segment.includes('/') && !segment.includes('\0')
}

/**
 * Returns `path` when it is one an entry may have (the root `''` is).
 * @throws KlosetError KLOSET_PATH_UNSAFE for an empty, `.` or `..` segment, a NUL, a lone surrogate outside U+DC80–U+DCFF, and for
 * more than 65,536 bytes.
 */
export function checkPath(path: string): string {
  if (path === '') return path
  if (unsafe.test(path)) throw unsafePath(path, 'it has an empty, . or .. segment, or a NUL')
  if (path.length > maxPathBytes) throw unsafePath(path, `it is longer than ${maxPathBytes} bytes`)
  // Up to a third of the limit in code units it cannot be too long, and most paths hold no surrogates at all.
  if (path.length * 3 > maxPathBytes || loneSurrogate.test(path)) checkBytes(path)
  return path
}

/**
 * Nanoseconds since 1970 of a time in milliseconds, fractions included.
 * @throws RangeError for a time that is not finite (an invalid Date).
 */
export function nanoseconds(time: number | Date): bigint {
  const milliseconds = typeof time === 'number' ? time : time.getTime()
  if (!Number.isFinite(milliseconds)) throw new RangeError('not a time')
  // Apart, because the product is beyond what a number holds exactly.
  const whole = Math.floor(milliseconds)
  return BigInt(whole) * 1_000_000n + BigInt(Math.round((milliseconds - whole) * 1_000_000))
}

const slash = 0x2f
const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const shortScratch: Bytes = new Uint8Array(16_384)
// With the u flag a surrogate that is part of a pair is not matched.
const loneSurrogate = /\p{Surrogate}/u
const unsafe = /\0|(?:^|\/)\.{0,2}(?:\/|$)/

function compareFrom(at: number, a: string, b: string): number {
  // Where the difference is in the second half of a pair, the first half, which is equal, belongs to it.
  const inPair = at > 0 && (a.charCodeAt(at - 1) & 0xfc00) === 0xd800
  const from = inPair ? at - 1 : at
  const left = pathToBytes(a.slice(from))
  const right = pathToBytes(b.slice(from))
  return compareKeys(left, 0, left.length, right, 0, right.length)
}

function encodeEscaping(path: string, into: Uint8Array, at: number): number {
  let end = at
  let plainFrom = 0
  const flush = (to: number): void => {
    if (to > plainFrom) end += encoder.encodeInto(path.slice(plainFrom, to), into.subarray(end)).written
  }
  for (let i = 0; i < path.length; i++) {
    const unit = path.charCodeAt(i)
    if (unit < 0xd800 || unit > 0xdfff) continue
    if (unit < 0xdc00 && i + 1 < path.length && (path.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
      i++
      continue
    }
    if (unit < 0xdc80 || unit > 0xdcff) throw new TypeError('the path holds a lone surrogate that stands for no byte')
    flush(i)
    into[end++] = unit - 0xdc00
    plainFrom = i + 1
  }
  flush(path.length)
  return end
}

function decodeEscaping(bytes: Uint8Array): string {
  let path = ''
  let plainFrom = 0
  let at = 0
  while (at < bytes.length) {
    const length = sequenceLength(bytes, at)
    if (length > 0) {
      at += length
      continue
    }
    path += decoder.decode(bytes.subarray(plainFrom, at))
    path += String.fromCharCode(0xdc00 + bytes[at]!)
    plainFrom = ++at
  }
  return path + decoder.decode(bytes.subarray(plainFrom, at))
}

// Length of the well-formed UTF-8 sequence at `at`, 0 where there is none (Unicode, table 3-7).
function sequenceLength(bytes: Uint8Array, at: number): number {
  const lead = bytes[at]!
  if (lead < 0x80) return 1
  if (lead < 0xc2 || lead > 0xf4) return 0
  const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
  if (at + length > bytes.length) return 0
  const second = bytes[at + 1]!
  const lowest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
  const highest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
  if (second < lowest || second > highest) return 0
  for (let i = 2; i < length; i++) if ((bytes[at + i]! & 0xc0) !== 0x80) return 0
  return length
}

function checkBytes(path: string): void {
  let length: number
  try {
    length = pathToBytes(path).length
  } catch (cause) {
    throw unsafePath(path, 'it holds a lone surrogate that stands for no byte', cause)
  }
  if (length > maxPathBytes) throw unsafePath(path, `it is longer than ${maxPathBytes} bytes`)
}

function unsafePath(path: string, why: string, cause?: unknown): KlosetError {
  const shown = path.length > 200 ? `${path.slice(0, 200)}…` : path
  return new KlosetError('KLOSET_PATH_UNSAFE', `the path ${JSON.stringify(shown)} cannot be used: ${why}`, {
    context: { path: shown },
    ...(cause === undefined ? {} : { cause }),
  })
}
