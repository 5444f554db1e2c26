import { ByteReader, type Bytes, ByteWriter, MalformedError } from '../bytes/index.js'

/**
 * An LZ4 block of `raw`: the twin of the compressor, which takes other matches but follows the same rules ("LZ4 block format
 * description"): the last 5 bytes are literals, the last match starts at least 12 bytes before the end.
 */
export function lz4CompressReference(raw: Uint8Array): Bytes {
  const block = new ByteWriter()
  const seen = new Map<string, number>()
  let anchor = 0
  let at = 0
  while (at + 12 <= raw.length) {
    const four = raw.subarray(at, at + minMatch).join()
    const candidate = seen.get(four)
    seen.set(four, at)
    if (candidate === undefined || at - candidate > 65_535) {
      at++
      continue
    }
    let length = minMatch
    while (at + length < raw.length - 5 && raw[at + length] === raw[candidate + length]) length++
    putSequence(block, raw.subarray(anchor, at), at - candidate, length)
    at += length
    anchor = at
  }
  putSequence(block, raw.subarray(anchor))
  return block.finish()
}

/** The `rawLength` bytes of an LZ4 block. @throws MalformedError where it does not give exactly those. */
export function lz4DecompressReference(block: Uint8Array, rawLength: number): Bytes {
  const reader = new ByteReader(block)
  const raw = new Uint8Array(rawLength)
  let at = 0
  while (true) {
    const token = reader.u8()
    const literals = reader.bytes(takeLength(reader, token >> 4))
    if (literals.length > rawLength - at) throw new MalformedError('more literals than raw bytes')
    raw.set(literals, at)
    at += literals.length
    if (reader.left === 0) break

    const offset = reader.u16()
    const length = minMatch + takeLength(reader, token & 15)
    if (offset === 0 || offset > at) throw new MalformedError('a match from before the first byte')
    if (length > rawLength - at) throw new MalformedError('a match longer than the raw bytes')
    for (const end = at + length; at < end; at++) raw[at] = raw[at - offset]!
  }
  if (at !== rawLength) throw new MalformedError(`${at} raw bytes where ${rawLength} are expected`)
  return raw
}

const minMatch = 4

/** Token, more of the number of literals, literals; unless it is the last one: offset, more of the match's length. */
function putSequence(block: ByteWriter, literals: Uint8Array, offset?: number, length: number = minMatch): void {
  const rest = length - minMatch
  block.u8((Math.min(literals.length, 15) << 4) | Math.min(rest, 15))
  putLength(block, literals.length)
  block.bytes(literals)
  if (offset === undefined) return
  block.u16(offset)
  putLength(block, rest)
}

/** What the nibble of a token cannot say: bytes that add up, the last of them below 255. */
function putLength(block: ByteWriter, length: number): void {
  if (length < 15) return
  let rest = length - 15
  for (; rest >= 255; rest -= 255) block.u8(255)
  block.u8(rest)
}

function takeLength(reader: ByteReader, nibble: number): number {
  let length = nibble
  if (nibble < 15) return length
  for (let more = 255; more === 255; length += more) more = reader.u8()
  return length
}
