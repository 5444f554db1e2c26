/**
 * LZ4 blocks (LZ4 block format description): a fast compressor, and a decompressor for hostile input. SIMD makes neither
 * faster, so there is one build.
 *
 * Memory map: none of its own. The compressor's table of `tableSize` bytes is wherever the caller put it: for each hash of
 * 5 bytes the place where it was last seen, as the low 16 bits of its distance from the start of the input. A match reaches
 * 65,535 bytes back, so no more is needed: a place that is further away, or that was never written, names another byte
 * within reach, and comparing what is there decides as for any other. This keeps the table in the first-level cache.
 *
 * All addresses are above 65,535 and below 2^32 - 65,536, so sums with small numbers do not wrap around.
 */

const HASH_BITS: u32 = 14
const MIN_MATCH: u32 = 4
// Of a short sequence, at most 14 literals and a match of 18 bytes.
const SHORT: u32 = 32
// The block ends with at least this many literals, and its last match starts this long before its end.
const LAST_LITERALS: u32 = 5
const MATCH_LIMIT: u32 = 12
// What follows any match: the token of the last literals, and them.
const LAST_SEQUENCE: u32 = 1 + LAST_LITERALS

export function tableSize(): u32 {
  return 2 << HASH_BITS
}

/** Most bytes that `length` bytes can become. */
export function bound(length: u32): u32 {
  return length + length / 255 + 16
}

/** Compresses `length` bytes at `from` to `to`; gives the size of the block, or 0 where that is above `capacity`. */
export function compress(from: usize, length: u32, to: usize, capacity: u32, table: usize): u32 {
  const end = from + length
  const limit = to + capacity
  let out = to
  let anchor = from
  if (length > MATCH_LIMIT) {
    memory.fill(table, 0, 2 << HASH_BITS)
    const matchStarts = end - MATCH_LIMIT
    const matchEnds = end - LAST_LITERALS
    let at = from + 1
    while (true) {
      // Find a match, in larger steps the longer there was none.
      let candidate: usize
      let tries: usize = 64
      let next = at
      while (true) {
        at = next
        if (at > matchStarts) break
        next += tries++ >> 6
        const bytes = load<u64>(at)
        const slot = slotOf(table, bytes)
        const distance = ((at - from) - <usize>load<u16>(slot)) & 0xffff
        store<u16>(slot, <u16>(at - from))
        candidate = at - distance
        // A place may lie before the input; what is compared there does not count then.
        if (load<u32>(candidate) == <u32>bytes && candidate >= from && distance != 0) break
      }
      if (at > matchStarts) break
      while (at > anchor && candidate > from && load<u8>(at - 1) == load<u8>(candidate - 1)) {
        at--
        candidate--
      }

      const token = out++
      const literals = <u32>(at - anchor)
      let high = literals << 4
      if (literals >= 15) {
        if (out + lengthBytes(literals) > limit) return 0
        high = 0xf0
        out = putLength(out, literals)
      }
      if (out + literals + 2 + LAST_SEQUENCE > limit) return 0
      copyBytes(out, anchor, literals, limit, end)
      out += literals
      store<u16>(out, <u16>(at - candidate))
      out += 2

      const start = at
      at += MIN_MATCH
      at += countEqual(at, candidate + MIN_MATCH, matchEnds)
      const rest = <u32>(at - start) - MIN_MATCH
      if (rest < 15) {
        store<u8>(token, <u8>(high | rest))
      } else {
        store<u8>(token, <u8>(high | 15))
        if (out + lengthBytes(rest) + LAST_SEQUENCE > limit) return 0
        out = putLength(out, rest)
      }
      anchor = at
      if (at > matchStarts) break
      // Some places within the match: 3 % smaller blocks, and not slower, as more is found.
      remember(table, start + 1, from)
      remember(table, start + 2, from)
      remember(table, at - 3, from)
      remember(table, at - 2, from)
      remember(table, at - 1, from)
    }
  }

  const literals = <u32>(end - anchor)
  const more = literals < 15 ? 0 : lengthBytes(literals)
  if (out + 1 + more + literals > limit) return 0
  store<u8>(out++, <u8>(literals < 15 ? literals << 4 : 0xf0))
  if (more != 0) out = putLength(out, literals)
  memory.copy(out, anchor, literals)
  return <u32>(out + literals - to)
}

/** Decompresses to exactly `rawLength` bytes and gives that length; -1 where the input does not give them. */
export function decompress(from: usize, length: u32, to: usize, rawLength: u32): i32 {
  const end = from + length
  const limit = to + rawLength
  // Up to here on both sides, a short sequence is copied without counting.
  const calm = length < SHORT ? <usize>0 : end - SHORT
  const roomy = rawLength < SHORT ? <usize>0 : limit - SHORT
  let at = from
  let out = to
  while (at < end) {
    const token = <usize>load<u8>(at++)

    let literals = token >> 4
    if (literals < 15 && at <= calm && out <= roomy) {
      copy16(out, at)
      at += literals
      out += literals
      const offset = <usize>load<u16>(at)
      const matched = token & 15
      if (matched < 15 && offset >= 8 && offset <= out - to) {
        at += 2
        const match = out - offset
        store<u64>(out, load<u64>(match))
        store<u64>(out, load<u64>(match, 8), 8)
        store<u16>(out, load<u16>(match, 16), 16)
        out += matched + MIN_MATCH
        continue
      }
    } else {
      if (literals == 15) {
        let more: usize = 255
        while (more == 255) {
          if (at == end || literals > rawLength) return -1
          more = load<u8>(at++)
          literals += more
        }
      }
      if (literals > end - at || literals > limit - out) return -1
      copyBytes(out, at, literals, limit, end)
      at += literals
      out += literals
      // Only the last sequence ends after its literals.
      if (at == end) return out == limit ? <i32>rawLength : -1
    }

    if (end - at < 2) return -1
    const offset = <usize>load<u16>(at)
    at += 2
    if (offset == 0 || offset > out - to) return -1
    let matched = (token & 15) + MIN_MATCH
    if (matched == 15 + MIN_MATCH) {
      let more: usize = 255
      while (more == 255) {
        if (at == end || matched > rawLength) return -1
        more = load<u8>(at++)
        matched += more
      }
    }
    if (matched > limit - out) return -1
    copyMatch(out, offset, matched, limit)
    out += matched
  }
  return -1
}

// @ts-ignore: decorator
@inline
function remember(table: usize, at: usize, from: usize): void {
  store<u16>(slotOf(table, load<u64>(at)), <u16>(at - from))
}

/** Where the table keeps the place of the lowest 5 bytes of `bytes` (multiplicative hashing, as in the C library). */
// @ts-ignore: decorator
@inline
function slotOf(table: usize, bytes: u64): usize {
  return table + (<usize>(((bytes << 24) * 889523592379) >> (64 - HASH_BITS)) << 1)
}

/** How many bytes `putLength` writes. */
// @ts-ignore: decorator
@inline
function lengthBytes(length: u32): u32 {
  return (length - 15) / 255 + 1
}

/** What the four bits of a token cannot say of a length from 15 on: bytes that add up, the last of them below 255. */
// @ts-ignore: decorator
@inline
function putLength(out: usize, length: u32): usize {
  let rest = length - 15
  while (rest >= 255) {
    store<u8>(out++, 255)
    rest -= 255
  }
  store<u8>(out++, <u8>rest)
  return out
}

/** How many bytes are equal from `at` and `candidate` on, up to `end`. */
// @ts-ignore: decorator
@inline
function countEqual(at: usize, candidate: usize, end: usize): usize {
  const start = at
  while (end - at >= 8) {
    const difference = load<u64>(at) ^ load<u64>(candidate)
    if (difference != 0) return at - start + <usize>(ctz(difference) >> 3)
    at += 8
    candidate += 8
  }
  while (at < end && load<u8>(at) == load<u8>(candidate)) {
    at++
    candidate++
  }
  return at - start
}

/** Copies bytes that do not overlap, in steps of 16 where both sides go on for that long. */
// @ts-ignore: decorator
@inline
function copyBytes(out: usize, from: usize, length: usize, limit: usize, end: usize): void {
  if (length <= 256 && out + length + 16 <= limit && from + length + 16 <= end) {
    copy16(out, from)
    for (let i: usize = 16; i < length; i += 16) copy16(out + i, from + i)
  } else {
    memory.copy(out, from, length)
  }
}

/** Copies `length` bytes from `offset` before `out`, where the two may overlap; writes no further than `limit`. */
// @ts-ignore: decorator
@inline
function copyMatch(out: usize, offset: usize, length: usize, limit: usize): void {
  const end = out + length
  let from = out - offset
  // Steps of 8 and 16 may go beyond the end of the match, not beyond that of the output.
  const stop = min(end, limit - 16)
  if (out < stop) {
    if (offset >= 16) {
      do {
        copy16(out, from)
        out += 16
        from += 16
      } while (out < stop)
    } else {
      if (offset < 8) {
        for (let i = 0; i < 8; i++) store<u8>(out++, load<u8>(from++))
        // The least multiple of the offset from 8 on: as far back, the same bytes are found and do not overlap 8 of them.
        from = out - <usize>((0xeca89880 >> (<u32>offset << 2)) & 15)
      }
      while (out < stop) {
        store<u64>(out, load<u64>(from))
        out += 8
        from += 8
      }
    }
  }
  while (out < end) store<u8>(out++, load<u8>(from++))
}

// @ts-ignore: decorator
@inline
function copy16(out: usize, from: usize): void {
  const low = load<u64>(from)
  const high = load<u64>(from, 8)
  store<u64>(out, low)
  store<u64>(out, high, 8)
}
