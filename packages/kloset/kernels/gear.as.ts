/**
 * FastCDC cut points with a 64-bit gear hash (docs/format.md, "Chunks"; Xia et al., 2016, §3).
 *
 * Memory map: none of its own. The bytes, and the table of 256 u64 gear values, are wherever the caller put them.
 */

/**
 * Length of the first chunk of the `length` bytes at `from`; `length` where they hold no cut point.
 * The first `scanned` bytes are known to hold none: only the last 64 of them are read, as an older byte
 * has been shifted out of the hash.
 */
export function cut(gear: usize, from: usize, length: u32, min: u32, normal: u32, max: u32, scanned: u32): u32 {
  const end = length < max ? length : max
  const bits = <u64>(31 - clz(normal))
  // The top n bits of a hash are zero where it is below 2^(64 - n).
  const strict = (<u64>1) << (62 - bits)
  const loose = (<u64>1) << (66 - bits)

  let at = scanned > min ? scanned : min
  const middle = normal < end ? normal : end
  if (at < middle) {
    const found = scan(gear, from + at, from + middle, hashBefore(gear, from, at, min), strict)
    if (found != 0) return <u32>(found - from)
    at = middle
  }
  if (at < end) {
    const found = scan(gear, from + at, from + end, hashBefore(gear, from, at, min), loose)
    if (found != 0) return <u32>(found - from)
  }
  return end
}

/** The hash after the first `at` bytes: made of the last 64 of them, and of none before `min`. */
function hashBefore(gear: usize, from: usize, at: u32, min: u32): u64 {
  let hash: u64 = 0
  for (let i = at - min > 64 ? at - 64 : min; i < at; i++) {
    hash = (hash << 1) + load<u64>(gear + ((<usize>load<u8>(from + i)) << 3))
  }
  return hash
}

/** The address after the first byte where the hash is below `limit`, 0 where there is none. */
function scan(gear: usize, start: usize, end: usize, before: u64, limit: u64): usize {
  let hash = before
  let at = start
  if (end - start >= 8) {
    const last = end - 8
    while (at <= last) {
      // One load for eight bytes; each becomes the place of its value in the table, times 8.
      const eight = load<u64>(at)
      hash = (hash << 1) + load<u64>(gear + <usize>((eight << 3) & 0x7f8))
      if (hash < limit) return at + 1
      hash = (hash << 1) + load<u64>(gear + <usize>((eight >> 5) & 0x7f8))
      if (hash < limit) return at + 2
      hash = (hash << 1) + load<u64>(gear + <usize>((eight >> 13) & 0x7f8))
      if (hash < limit) return at + 3
      hash = (hash << 1) + load<u64>(gear + <usize>((eight >> 21) & 0x7f8))
      if (hash < limit) return at + 4
      hash = (hash << 1) + load<u64>(gear + <usize>((eight >> 29) & 0x7f8))
      if (hash < limit) return at + 5
      hash = (hash << 1) + load<u64>(gear + <usize>((eight >> 37) & 0x7f8))
      if (hash < limit) return at + 6
      hash = (hash << 1) + load<u64>(gear + <usize>((eight >> 45) & 0x7f8))
      if (hash < limit) return at + 7
      hash = (hash << 1) + load<u64>(gear + <usize>((eight >> 53) & 0x7f8))
      if (hash < limit) return at + 8
      at += 8
    }
  }
  for (; at < end; at++) {
    hash = (hash << 1) + load<u64>(gear + ((<usize>load<u8>(at)) << 3))
    if (hash < limit) return at + 1
  }
  return 0
}
