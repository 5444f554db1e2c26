/**
 * BLAKE3 with 32 bytes of output, keyed and unkeyed (BLAKE3 specification, §2). With SIMD, four chunks or four
 * parents at a time, one in each 32-bit lane; compiled without SIMD, the same source takes one at a time.
 *
 * Memory map: the first page, which belongs to the kernels; nothing in it outlives a call.
 *   0x0080  a last block, padded with zeros
 *   0x0100  message words of four blocks, transposed (256 bytes)
 *   0x0400  chaining values of a subtree of up to 64 chunks (2,048 bytes)
 *   0x1000  the state of a one-shot hash
 *
 * A state, wherever the caller put it (`stateSize` bytes):
 *   0  key (32), 32  flags u32, 36  bytes in the buffer u32, 40  finished chunks u64, 48  height of the stack u32,
 *   64  the chunk that is being filled (1,024), 1088  the stack: chaining values of finished subtrees (54 × 32)
 */

const PADDED: usize = 0x80
const WORDS: usize = 0x100
const SUBTREE: usize = 0x400
const ONE_SHOT: usize = 0x1000

const FLAGS: usize = 32
const FILLED: usize = 36
const CHUNKS: usize = 40
const HEIGHT: usize = 48
const BUFFER: usize = 64
const STACK: usize = 1088

const CHUNK: u32 = 1024
const CHUNK_START: u32 = 1
const CHUNK_END: u32 = 2
const PARENT: u32 = 4
const ROOT: u32 = 8
const KEYED: u32 = 16

const IV0: u32 = 0x6a09e667
const IV1: u32 = 0xbb67ae85
const IV2: u32 = 0x3c6ef372
const IV3: u32 = 0xa54ff53a

export function stateSize(): u32 {
  return <u32>STACK + 54 * 32
}

/** Starts a hash in the state at `state`; `key` points to 32 bytes, or is 0. */
export function hashStart(state: usize, key: usize): void {
  if (key == 0) {
    store<u64>(state, 0xbb67ae856a09e667, 0)
    store<u64>(state, 0xa54ff53a3c6ef372, 8)
    store<u64>(state, 0x9b05688c510e527f, 16)
    store<u64>(state, 0x5be0cd191f83d9ab, 24)
  } else {
    copy32(state, key)
  }
  store<u32>(state, key == 0 ? 0 : KEYED, FLAGS)
  store<u32>(state, 0, FILLED)
  store<u64>(state, 0, CHUNKS)
  store<u32>(state, 0, HEIGHT)
}

/** Adds `length` bytes at `from`. The last chunk stays in the buffer, as it may be the root. */
export function hashUpdate(state: usize, from: usize, length: u32): void {
  const filled = load<u32>(state, FILLED)
  if (filled != 0) {
    const room = CHUNK - filled
    const taken = length < room ? length : room
    memory.copy(state + BUFFER + filled, from, taken)
    store<u32>(state, filled + taken, FILLED)
    if (taken == length) return
    from += taken
    length -= taken
    pushChunk(state, state + BUFFER)
    store<u32>(state, 0, FILLED)
  }
  const taken = absorb(state, from, length)
  memory.copy(state + BUFFER, from + taken, length - taken)
  store<u32>(state, length - taken, FILLED)
}

/** Writes the digest of all bytes so far to `out`; the state stays as it is. */
export function hashFinish(state: usize, out: usize): void {
  finish(state, state + BUFFER, load<u32>(state, FILLED), out)
}

/** Writes the digest of `length` bytes at `from` to `out`. */
export function hash(key: usize, from: usize, length: u32, out: usize): void {
  hashStart(ONE_SHOT, key)
  const taken = absorb(ONE_SHOT, from, length)
  finish(ONE_SHOT, from + taken, length - taken, out)
}

/** Hashes whole chunks while at least one byte follows them; gives how many bytes that were. */
function absorb(state: usize, from: usize, length: u32): u32 {
  const start = from
  if (ASC_FEATURE_SIMD) {
    while (length > 4 * CHUNK) {
      const done = load<u64>(state, CHUNKS)
      let count: u32 = 64
      while (count * CHUNK >= length || (done & <u64>(count - 1)) != 0) count >>= 1
      if (count >= 4) {
        pushSubtree(state, from, count)
      } else {
        // Not at the start of a subtree of four: the chunks still go in lanes, their parents one by one.
        count = 4
        hashFour(from, CHUNK, 16, state, done, 1, flags(state), CHUNK_START, CHUNK_END, SUBTREE)
        for (let i: u32 = 0; i < 4; i++) push(state, SUBTREE + (i << 5), done + i + 1)
        store<u64>(state, done + 4, CHUNKS)
      }
      from += count * CHUNK
      length -= count * CHUNK
    }
  }
  while (length > CHUNK) {
    pushChunk(state, from)
    from += CHUNK
    length -= CHUNK
  }
  return <u32>(from - start)
}

/** §2.5: the last chunk, merged with the stack from its top down to the root. */
function finish(state: usize, tail: usize, length: u32, out: usize): void {
  let height = load<u32>(state, HEIGHT)
  const done = load<u64>(state, CHUNKS)
  if (height == 0) {
    chunk(tail, length, state, done, flags(state), ROOT, out)
    return
  }
  const pair = SUBTREE
  chunk(tail, length, state, done, flags(state), 0, pair + 32)
  while (height != 0) {
    height--
    copy32(pair, state + STACK + (height << 5))
    compress(state, pair, 0, 64, flags(state) | PARENT | (height == 0 ? ROOT : 0), pair + 32)
  }
  copy32(out, pair + 32)
}

/** Pushes a whole chunk that is not the last one. */
function pushChunk(state: usize, from: usize): void {
  const done = load<u64>(state, CHUNKS)
  chunk(from, CHUNK, state, done, flags(state), 0, SUBTREE)
  push(state, SUBTREE, done + 1)
  store<u64>(state, done + 1, CHUNKS)
}

/** Pushes a perfect subtree of `count` chunks, a power of two from 4 to 64, that does not hold the last one. */
function pushSubtree(state: usize, from: usize, count: u32): void {
  const done = load<u64>(state, CHUNKS)
  for (let i: u32 = 0; i < count; i += 4) {
    hashFour(from + i * CHUNK, CHUNK, 16, state, done + i, 1, flags(state), CHUNK_START, CHUNK_END, SUBTREE + (i << 5))
  }
  let width = count
  while (width >= 8) {
    width >>= 1
    for (let i: u32 = 0; i < width; i += 4) {
      hashFour(SUBTREE + (i << 6), 64, 1, state, 0, 0, flags(state) | PARENT, 0, 0, SUBTREE + (i << 5))
    }
  }
  compress(state, SUBTREE, 0, 64, flags(state) | PARENT, SUBTREE)
  compress(state, SUBTREE + 64, 0, 64, flags(state) | PARENT, SUBTREE + 32)
  compress(state, SUBTREE, 0, 64, flags(state) | PARENT, SUBTREE)
  push(state, SUBTREE, (done + count) / count)
  store<u64>(state, done + count, CHUNKS)
}

/**
 * Pushes a chaining value, merging equal subtrees: one for each zero bit that ends `total`, the number of subtrees of
 * its size so far (§5.1.2). Overwrites the value.
 */
function push(state: usize, value: usize, total: u64): void {
  let height = load<u32>(state, HEIGHT)
  while ((total & 1) == 0) {
    height--
    // The one on the stack is the left child; the new one is written beside it.
    const left = state + STACK + (height << 5)
    copy32(left + 32, value)
    compress(state, left, 0, 64, flags(state) | PARENT, value)
    total >>= 1
  }
  copy32(state + STACK + (height << 5), value)
  store<u32>(state, height + 1, HEIGHT)
}

/** §2.4: the chaining value of one chunk of at most 1,024 bytes. */
function chunk(from: usize, length: u32, key: usize, counter: u64, flags: u32, last: u32, out: usize): void {
  let value = key
  let start = CHUNK_START
  while (length > 64) {
    compress(value, from, counter, 64, flags | start, out)
    value = out
    start = 0
    from += 64
    length -= 64
  }
  let block = from
  if (length != 64) {
    block = PADDED
    memory.fill(PADDED, 0, 64)
    memory.copy(PADDED, from, length)
  }
  compress(value, block, counter, length, flags | start | CHUNK_END | last, out)
}

// @ts-ignore: decorator
@inline
function flags(state: usize): u32 {
  return load<u32>(state, FLAGS)
}

// @ts-ignore: decorator
@inline
function copy32(to: usize, from: usize): void {
  const a = load<u64>(from, 0)
  const b = load<u64>(from, 8)
  const c = load<u64>(from, 16)
  const d = load<u64>(from, 24)
  store<u64>(to, a, 0)
  store<u64>(to, b, 8)
  store<u64>(to, c, 16)
  store<u64>(to, d, 24)
}

/**
 * §2.2: one block after the chaining value at `value`; the new one, or the digest, is written to `out`, which may be the
 * same place. The rounds are written out: as a loop that looks up the order of the words they take 1.6 times as long, and
 * with the rows of the state in vectors twice as long, waiting for their shuffles.
 */
function compress(value: usize, block: usize, counter: u64, length: u32, flags: u32, out: usize): void {
  let v0 = load<u32>(value), v1 = load<u32>(value, 4), v2 = load<u32>(value, 8), v3 = load<u32>(value, 12)
  let v4 = load<u32>(value, 16), v5 = load<u32>(value, 20), v6 = load<u32>(value, 24), v7 = load<u32>(value, 28)
  let v8 = IV0, v9 = IV1, v10 = IV2, v11 = IV3
  let v12 = <u32>counter, v13 = <u32>(counter >> 32), v14 = length, v15 = flags
  // Round 1: words 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15.
  v0 += v4 + load<u32>(block, 0); v12 = rotr(v12 ^ v0, 16); v8 += v12; v4 = rotr(v4 ^ v8, 12)
  v0 += v4 + load<u32>(block, 4); v12 = rotr(v12 ^ v0, 8); v8 += v12; v4 = rotr(v4 ^ v8, 7)
  v1 += v5 + load<u32>(block, 8); v13 = rotr(v13 ^ v1, 16); v9 += v13; v5 = rotr(v5 ^ v9, 12)
  v1 += v5 + load<u32>(block, 12); v13 = rotr(v13 ^ v1, 8); v9 += v13; v5 = rotr(v5 ^ v9, 7)
  v2 += v6 + load<u32>(block, 16); v14 = rotr(v14 ^ v2, 16); v10 += v14; v6 = rotr(v6 ^ v10, 12)
  v2 += v6 + load<u32>(block, 20); v14 = rotr(v14 ^ v2, 8); v10 += v14; v6 = rotr(v6 ^ v10, 7)
  v3 += v7 + load<u32>(block, 24); v15 = rotr(v15 ^ v3, 16); v11 += v15; v7 = rotr(v7 ^ v11, 12)
  v3 += v7 + load<u32>(block, 28); v15 = rotr(v15 ^ v3, 8); v11 += v15; v7 = rotr(v7 ^ v11, 7)
  v0 += v5 + load<u32>(block, 32); v15 = rotr(v15 ^ v0, 16); v10 += v15; v5 = rotr(v5 ^ v10, 12)
  v0 += v5 + load<u32>(block, 36); v15 = rotr(v15 ^ v0, 8); v10 += v15; v5 = rotr(v5 ^ v10, 7)
  v1 += v6 + load<u32>(block, 40); v12 = rotr(v12 ^ v1, 16); v11 += v12; v6 = rotr(v6 ^ v11, 12)
  v1 += v6 + load<u32>(block, 44); v12 = rotr(v12 ^ v1, 8); v11 += v12; v6 = rotr(v6 ^ v11, 7)
  v2 += v7 + load<u32>(block, 48); v13 = rotr(v13 ^ v2, 16); v8 += v13; v7 = rotr(v7 ^ v8, 12)
  v2 += v7 + load<u32>(block, 52); v13 = rotr(v13 ^ v2, 8); v8 += v13; v7 = rotr(v7 ^ v8, 7)
  v3 += v4 + load<u32>(block, 56); v14 = rotr(v14 ^ v3, 16); v9 += v14; v4 = rotr(v4 ^ v9, 12)
  v3 += v4 + load<u32>(block, 60); v14 = rotr(v14 ^ v3, 8); v9 += v14; v4 = rotr(v4 ^ v9, 7)
  // Round 2: words 2 6 3 10 7 0 4 13 1 11 12 5 9 14 15 8.
  v0 += v4 + load<u32>(block, 8); v12 = rotr(v12 ^ v0, 16); v8 += v12; v4 = rotr(v4 ^ v8, 12)
  v0 += v4 + load<u32>(block, 24); v12 = rotr(v12 ^ v0, 8); v8 += v12; v4 = rotr(v4 ^ v8, 7)
  v1 += v5 + load<u32>(block, 12); v13 = rotr(v13 ^ v1, 16); v9 += v13; v5 = rotr(v5 ^ v9, 12)
  v1 += v5 + load<u32>(block, 40); v13 = rotr(v13 ^ v1, 8); v9 += v13; v5 = rotr(v5 ^ v9, 7)
  v2 += v6 + load<u32>(block, 28); v14 = rotr(v14 ^ v2, 16); v10 += v14; v6 = rotr(v6 ^ v10, 12)
  v2 += v6 + load<u32>(block, 0); v14 = rotr(v14 ^ v2, 8); v10 += v14; v6 = rotr(v6 ^ v10, 7)
  v3 += v7 + load<u32>(block, 16); v15 = rotr(v15 ^ v3, 16); v11 += v15; v7 = rotr(v7 ^ v11, 12)
  v3 += v7 + load<u32>(block, 52); v15 = rotr(v15 ^ v3, 8); v11 += v15; v7 = rotr(v7 ^ v11, 7)
  v0 += v5 + load<u32>(block, 4); v15 = rotr(v15 ^ v0, 16); v10 += v15; v5 = rotr(v5 ^ v10, 12)
  v0 += v5 + load<u32>(block, 44); v15 = rotr(v15 ^ v0, 8); v10 += v15; v5 = rotr(v5 ^ v10, 7)
  v1 += v6 + load<u32>(block, 48); v12 = rotr(v12 ^ v1, 16); v11 += v12; v6 = rotr(v6 ^ v11, 12)
  v1 += v6 + load<u32>(block, 20); v12 = rotr(v12 ^ v1, 8); v11 += v12; v6 = rotr(v6 ^ v11, 7)
  v2 += v7 + load<u32>(block, 36); v13 = rotr(v13 ^ v2, 16); v8 += v13; v7 = rotr(v7 ^ v8, 12)
  v2 += v7 + load<u32>(block, 56); v13 = rotr(v13 ^ v2, 8); v8 += v13; v7 = rotr(v7 ^ v8, 7)
  v3 += v4 + load<u32>(block, 60); v14 = rotr(v14 ^ v3, 16); v9 += v14; v4 = rotr(v4 ^ v9, 12)
  v3 += v4 + load<u32>(block, 32); v14 = rotr(v14 ^ v3, 8); v9 += v14; v4 = rotr(v4 ^ v9, 7)
  // Round 3: words 3 4 10 12 13 2 7 14 6 5 9 0 11 15 8 1.
  v0 += v4 + load<u32>(block, 12); v12 = rotr(v12 ^ v0, 16); v8 += v12; v4 = rotr(v4 ^ v8, 12)
  v0 += v4 + load<u32>(block, 16); v12 = rotr(v12 ^ v0, 8); v8 += v12; v4 = rotr(v4 ^ v8, 7)
  v1 += v5 + load<u32>(block, 40); v13 = rotr(v13 ^ v1, 16); v9 += v13; v5 = rotr(v5 ^ v9, 12)
  v1 += v5 + load<u32>(block, 48); v13 = rotr(v13 ^ v1, 8); v9 += v13; v5 = rotr(v5 ^ v9, 7)
  v2 += v6 + load<u32>(block, 52); v14 = rotr(v14 ^ v2, 16); v10 += v14; v6 = rotr(v6 ^ v10, 12)
  v2 += v6 + load<u32>(block, 8); v14 = rotr(v14 ^ v2, 8); v10 += v14; v6 = rotr(v6 ^ v10, 7)
  v3 += v7 + load<u32>(block, 28); v15 = rotr(v15 ^ v3, 16); v11 += v15; v7 = rotr(v7 ^ v11, 12)
  v3 += v7 + load<u32>(block, 56); v15 = rotr(v15 ^ v3, 8); v11 += v15; v7 = rotr(v7 ^ v11, 7)
  v0 += v5 + load<u32>(block, 24); v15 = rotr(v15 ^ v0, 16); v10 += v15; v5 = rotr(v5 ^ v10, 12)
  v0 += v5 + load<u32>(block, 20); v15 = rotr(v15 ^ v0, 8); v10 += v15; v5 = rotr(v5 ^ v10, 7)
  v1 += v6 + load<u32>(block, 36); v12 = rotr(v12 ^ v1, 16); v11 += v12; v6 = rotr(v6 ^ v11, 12)
  v1 += v6 + load<u32>(block, 0); v12 = rotr(v12 ^ v1, 8); v11 += v12; v6 = rotr(v6 ^ v11, 7)
  v2 += v7 + load<u32>(block, 44); v13 = rotr(v13 ^ v2, 16); v8 += v13; v7 = rotr(v7 ^ v8, 12)
  v2 += v7 + load<u32>(block, 60); v13 = rotr(v13 ^ v2, 8); v8 += v13; v7 = rotr(v7 ^ v8, 7)
  v3 += v4 + load<u32>(block, 32); v14 = rotr(v14 ^ v3, 16); v9 += v14; v4 = rotr(v4 ^ v9, 12)
  v3 += v4 + load<u32>(block, 4); v14 = rotr(v14 ^ v3, 8); v9 += v14; v4 = rotr(v4 ^ v9, 7)
  // Round 4: words 10 7 12 9 14 3 13 15 4 0 11 2 5 8 1 6.
  v0 += v4 + load<u32>(block, 40); v12 = rotr(v12 ^ v0, 16); v8 += v12; v4 = rotr(v4 ^ v8, 12)
  v0 += v4 + load<u32>(block, 28); v12 = rotr(v12 ^ v0, 8); v8 += v12; v4 = rotr(v4 ^ v8, 7)
  v1 += v5 + load<u32>(block, 48); v13 = rotr(v13 ^ v1, 16); v9 += v13; v5 = rotr(v5 ^ v9, 12)
  v1 += v5 + load<u32>(block, 36); v13 = rotr(v13 ^ v1, 8); v9 += v13; v5 = rotr(v5 ^ v9, 7)
  v2 += v6 + load<u32>(block, 56); v14 = rotr(v14 ^ v2, 16); v10 += v14; v6 = rotr(v6 ^ v10, 12)
  v2 += v6 + load<u32>(block, 12); v14 = rotr(v14 ^ v2, 8); v10 += v14; v6 = rotr(v6 ^ v10, 7)
  v3 += v7 + load<u32>(block, 52); v15 = rotr(v15 ^ v3, 16); v11 += v15; v7 = rotr(v7 ^ v11, 12)
  v3 += v7 + load<u32>(block, 60); v15 = rotr(v15 ^ v3, 8); v11 += v15; v7 = rotr(v7 ^ v11, 7)
  v0 += v5 + load<u32>(block, 16); v15 = rotr(v15 ^ v0, 16); v10 += v15; v5 = rotr(v5 ^ v10, 12)
  v0 += v5 + load<u32>(block, 0); v15 = rotr(v15 ^ v0, 8); v10 += v15; v5 = rotr(v5 ^ v10, 7)
  v1 += v6 + load<u32>(block, 44); v12 = rotr(v12 ^ v1, 16); v11 += v12; v6 = rotr(v6 ^ v11, 12)
  v1 += v6 + load<u32>(block, 8); v12 = rotr(v12 ^ v1, 8); v11 += v12; v6 = rotr(v6 ^ v11, 7)
  v2 += v7 + load<u32>(block, 20); v13 = rotr(v13 ^ v2, 16); v8 += v13; v7 = rotr(v7 ^ v8, 12)
  v2 += v7 + load<u32>(block, 32); v13 = rotr(v13 ^ v2, 8); v8 += v13; v7 = rotr(v7 ^ v8, 7)
  v3 += v4 + load<u32>(block, 4); v14 = rotr(v14 ^ v3, 16); v9 += v14; v4 = rotr(v4 ^ v9, 12)
  v3 += v4 + load<u32>(block, 24); v14 = rotr(v14 ^ v3, 8); v9 += v14; v4 = rotr(v4 ^ v9, 7)
  // Round 5: words 12 13 9 11 15 10 14 8 7 2 5 3 0 1 6 4.
  v0 += v4 + load<u32>(block, 48); v12 = rotr(v12 ^ v0, 16); v8 += v12; v4 = rotr(v4 ^ v8, 12)
  v0 += v4 + load<u32>(block, 52); v12 = rotr(v12 ^ v0, 8); v8 += v12; v4 = rotr(v4 ^ v8, 7)
  v1 += v5 + load<u32>(block, 36); v13 = rotr(v13 ^ v1, 16); v9 += v13; v5 = rotr(v5 ^ v9, 12)
  v1 += v5 + load<u32>(block, 44); v13 = rotr(v13 ^ v1, 8); v9 += v13; v5 = rotr(v5 ^ v9, 7)
  v2 += v6 + load<u32>(block, 60); v14 = rotr(v14 ^ v2, 16); v10 += v14; v6 = rotr(v6 ^ v10, 12)
  v2 += v6 + load<u32>(block, 40); v14 = rotr(v14 ^ v2, 8); v10 += v14; v6 = rotr(v6 ^ v10, 7)
  v3 += v7 + load<u32>(block, 56); v15 = rotr(v15 ^ v3, 16); v11 += v15; v7 = rotr(v7 ^ v11, 12)
  v3 += v7 + load<u32>(block, 32); v15 = rotr(v15 ^ v3, 8); v11 += v15; v7 = rotr(v7 ^ v11, 7)
  v0 += v5 + load<u32>(block, 28); v15 = rotr(v15 ^ v0, 16); v10 += v15; v5 = rotr(v5 ^ v10, 12)
  v0 += v5 + load<u32>(block, 8); v15 = rotr(v15 ^ v0, 8); v10 += v15; v5 = rotr(v5 ^ v10, 7)
  v1 += v6 + load<u32>(block, 20); v12 = rotr(v12 ^ v1, 16); v11 += v12; v6 = rotr(v6 ^ v11, 12)
  v1 += v6 + load<u32>(block, 12); v12 = rotr(v12 ^ v1, 8); v11 += v12; v6 = rotr(v6 ^ v11, 7)
  v2 += v7 + load<u32>(block, 0); v13 = rotr(v13 ^ v2, 16); v8 += v13; v7 = rotr(v7 ^ v8, 12)
  v2 += v7 + load<u32>(block, 4); v13 = rotr(v13 ^ v2, 8); v8 += v13; v7 = rotr(v7 ^ v8, 7)
  v3 += v4 + load<u32>(block, 24); v14 = rotr(v14 ^ v3, 16); v9 += v14; v4 = rotr(v4 ^ v9, 12)
  v3 += v4 + load<u32>(block, 16); v14 = rotr(v14 ^ v3, 8); v9 += v14; v4 = rotr(v4 ^ v9, 7)
  // Round 6: words 9 14 11 5 8 12 15 1 13 3 0 10 2 6 4 7.
  v0 += v4 + load<u32>(block, 36); v12 = rotr(v12 ^ v0, 16); v8 += v12; v4 = rotr(v4 ^ v8, 12)
  v0 += v4 + load<u32>(block, 56); v12 = rotr(v12 ^ v0, 8); v8 += v12; v4 = rotr(v4 ^ v8, 7)
  v1 += v5 + load<u32>(block, 44); v13 = rotr(v13 ^ v1, 16); v9 += v13; v5 = rotr(v5 ^ v9, 12)
  v1 += v5 + load<u32>(block, 20); v13 = rotr(v13 ^ v1, 8); v9 += v13; v5 = rotr(v5 ^ v9, 7)
  v2 += v6 + load<u32>(block, 32); v14 = rotr(v14 ^ v2, 16); v10 += v14; v6 = rotr(v6 ^ v10, 12)
  v2 += v6 + load<u32>(block, 48); v14 = rotr(v14 ^ v2, 8); v10 += v14; v6 = rotr(v6 ^ v10, 7)
  v3 += v7 + load<u32>(block, 60); v15 = rotr(v15 ^ v3, 16); v11 += v15; v7 = rotr(v7 ^ v11, 12)
  v3 += v7 + load<u32>(block, 4); v15 = rotr(v15 ^ v3, 8); v11 += v15; v7 = rotr(v7 ^ v11, 7)
  v0 += v5 + load<u32>(block, 52); v15 = rotr(v15 ^ v0, 16); v10 += v15; v5 = rotr(v5 ^ v10, 12)
  v0 += v5 + load<u32>(block, 12); v15 = rotr(v15 ^ v0, 8); v10 += v15; v5 = rotr(v5 ^ v10, 7)
  v1 += v6 + load<u32>(block, 0); v12 = rotr(v12 ^ v1, 16); v11 += v12; v6 = rotr(v6 ^ v11, 12)
  v1 += v6 + load<u32>(block, 40); v12 = rotr(v12 ^ v1, 8); v11 += v12; v6 = rotr(v6 ^ v11, 7)
  v2 += v7 + load<u32>(block, 8); v13 = rotr(v13 ^ v2, 16); v8 += v13; v7 = rotr(v7 ^ v8, 12)
  v2 += v7 + load<u32>(block, 24); v13 = rotr(v13 ^ v2, 8); v8 += v13; v7 = rotr(v7 ^ v8, 7)
  v3 += v4 + load<u32>(block, 16); v14 = rotr(v14 ^ v3, 16); v9 += v14; v4 = rotr(v4 ^ v9, 12)
  v3 += v4 + load<u32>(block, 28); v14 = rotr(v14 ^ v3, 8); v9 += v14; v4 = rotr(v4 ^ v9, 7)
  // Round 7: words 11 15 5 0 1 9 8 6 14 10 2 12 3 4 7 13.
  v0 += v4 + load<u32>(block, 44); v12 = rotr(v12 ^ v0, 16); v8 += v12; v4 = rotr(v4 ^ v8, 12)
  v0 += v4 + load<u32>(block, 60); v12 = rotr(v12 ^ v0, 8); v8 += v12; v4 = rotr(v4 ^ v8, 7)
  v1 += v5 + load<u32>(block, 20); v13 = rotr(v13 ^ v1, 16); v9 += v13; v5 = rotr(v5 ^ v9, 12)
  v1 += v5 + load<u32>(block, 0); v13 = rotr(v13 ^ v1, 8); v9 += v13; v5 = rotr(v5 ^ v9, 7)
  v2 += v6 + load<u32>(block, 4); v14 = rotr(v14 ^ v2, 16); v10 += v14; v6 = rotr(v6 ^ v10, 12)
  v2 += v6 + load<u32>(block, 36); v14 = rotr(v14 ^ v2, 8); v10 += v14; v6 = rotr(v6 ^ v10, 7)
  v3 += v7 + load<u32>(block, 32); v15 = rotr(v15 ^ v3, 16); v11 += v15; v7 = rotr(v7 ^ v11, 12)
  v3 += v7 + load<u32>(block, 24); v15 = rotr(v15 ^ v3, 8); v11 += v15; v7 = rotr(v7 ^ v11, 7)
  v0 += v5 + load<u32>(block, 56); v15 = rotr(v15 ^ v0, 16); v10 += v15; v5 = rotr(v5 ^ v10, 12)
  v0 += v5 + load<u32>(block, 40); v15 = rotr(v15 ^ v0, 8); v10 += v15; v5 = rotr(v5 ^ v10, 7)
  v1 += v6 + load<u32>(block, 8); v12 = rotr(v12 ^ v1, 16); v11 += v12; v6 = rotr(v6 ^ v11, 12)
  v1 += v6 + load<u32>(block, 48); v12 = rotr(v12 ^ v1, 8); v11 += v12; v6 = rotr(v6 ^ v11, 7)
  v2 += v7 + load<u32>(block, 12); v13 = rotr(v13 ^ v2, 16); v8 += v13; v7 = rotr(v7 ^ v8, 12)
  v2 += v7 + load<u32>(block, 16); v13 = rotr(v13 ^ v2, 8); v8 += v13; v7 = rotr(v7 ^ v8, 7)
  v3 += v4 + load<u32>(block, 28); v14 = rotr(v14 ^ v3, 16); v9 += v14; v4 = rotr(v4 ^ v9, 12)
  v3 += v4 + load<u32>(block, 52); v14 = rotr(v14 ^ v3, 8); v9 += v14; v4 = rotr(v4 ^ v9, 7)
  store<u32>(out, v0 ^ v8, 0)
  store<u32>(out, v1 ^ v9, 4)
  store<u32>(out, v2 ^ v10, 8)
  store<u32>(out, v3 ^ v11, 12)
  store<u32>(out, v4 ^ v12, 16)
  store<u32>(out, v5 ^ v13, 20)
  store<u32>(out, v6 ^ v14, 24)
  store<u32>(out, v7 ^ v15, 28)
}

/**
 * `blocks` blocks of four inputs at a time, one in each lane: those at `from`, `from + stride`, …, with counters
 * `counter`, `counter + step`, …. Their chaining values are written one after the other to `out`. `first` and `last`
 * are flags of the first and the last block. The four columns go side by side, as a step waits for the one before it;
 * words are added before rows, as they are there already. The rounds are written out: looking up the order of the words
 * takes 1.27 times as long.
 */
function hashFour(
  from: usize, stride: usize, blocks: u32, key: usize, counter: u64, step: u64, flags: u32, first: u32, last: u32,
  out: usize,
): void {
  let h0 = splat(key, 0), h1 = splat(key, 4), h2 = splat(key, 8), h3 = splat(key, 12)
  let h4 = splat(key, 16), h5 = splat(key, 20), h6 = splat(key, 24), h7 = splat(key, 28)
  const low = i32x4(<u32>counter, <u32>(counter + step), <u32>(counter + 2 * step), <u32>(counter + 3 * step))
  const high = i32x4(
    <u32>(counter >> 32), <u32>((counter + step) >> 32),
    <u32>((counter + 2 * step) >> 32), <u32>((counter + 3 * step) >> 32),
  )
  let at0 = from, at1 = from + stride, at2 = from + 2 * stride, at3 = from + 3 * stride
  flags |= first
  while (blocks != 0) {
    if (blocks == 1) flags |= last
    transpose(at0, at1, at2, at3, 0)
    transpose(at0, at1, at2, at3, 16)
    transpose(at0, at1, at2, at3, 32)
    transpose(at0, at1, at2, at3, 48)

    let v0 = h0, v1 = h1, v2 = h2, v3 = h3, v4 = h4, v5 = h5, v6 = h6, v7 = h7
    let v8 = i32x4.splat(IV0), v9 = i32x4.splat(IV1), v10 = i32x4.splat(IV2), v11 = i32x4.splat(IV3)
    let v12 = low, v13 = high, v14 = i32x4.splat(64), v15 = i32x4.splat(flags)
    // Round 1: words 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15.
    v0 = add(v0, load<v128>(WORDS, 0)); v1 = add(v1, load<v128>(WORDS, 32)); v2 = add(v2, load<v128>(WORDS, 64)); v3 = add(v3, load<v128>(WORDS, 96))
    v0 = add(v0, v4); v1 = add(v1, v5); v2 = add(v2, v6); v3 = add(v3, v7)
    v12 = right16(xor(v12, v0)); v13 = right16(xor(v13, v1)); v14 = right16(xor(v14, v2)); v15 = right16(xor(v15, v3))
    v8 = add(v8, v12); v9 = add(v9, v13); v10 = add(v10, v14); v11 = add(v11, v15)
    v4 = right12(xor(v4, v8)); v5 = right12(xor(v5, v9)); v6 = right12(xor(v6, v10)); v7 = right12(xor(v7, v11))
    v0 = add(v0, load<v128>(WORDS, 16)); v1 = add(v1, load<v128>(WORDS, 48)); v2 = add(v2, load<v128>(WORDS, 80)); v3 = add(v3, load<v128>(WORDS, 112))
    v0 = add(v0, v4); v1 = add(v1, v5); v2 = add(v2, v6); v3 = add(v3, v7)
    v12 = right8(xor(v12, v0)); v13 = right8(xor(v13, v1)); v14 = right8(xor(v14, v2)); v15 = right8(xor(v15, v3))
    v8 = add(v8, v12); v9 = add(v9, v13); v10 = add(v10, v14); v11 = add(v11, v15)
    v4 = right7(xor(v4, v8)); v5 = right7(xor(v5, v9)); v6 = right7(xor(v6, v10)); v7 = right7(xor(v7, v11))
    v0 = add(v0, load<v128>(WORDS, 128)); v1 = add(v1, load<v128>(WORDS, 160)); v2 = add(v2, load<v128>(WORDS, 192)); v3 = add(v3, load<v128>(WORDS, 224))
    v0 = add(v0, v5); v1 = add(v1, v6); v2 = add(v2, v7); v3 = add(v3, v4)
    v15 = right16(xor(v15, v0)); v12 = right16(xor(v12, v1)); v13 = right16(xor(v13, v2)); v14 = right16(xor(v14, v3))
    v10 = add(v10, v15); v11 = add(v11, v12); v8 = add(v8, v13); v9 = add(v9, v14)
    v5 = right12(xor(v5, v10)); v6 = right12(xor(v6, v11)); v7 = right12(xor(v7, v8)); v4 = right12(xor(v4, v9))
    v0 = add(v0, load<v128>(WORDS, 144)); v1 = add(v1, load<v128>(WORDS, 176)); v2 = add(v2, load<v128>(WORDS, 208)); v3 = add(v3, load<v128>(WORDS, 240))
    v0 = add(v0, v5); v1 = add(v1, v6); v2 = add(v2, v7); v3 = add(v3, v4)
    v15 = right8(xor(v15, v0)); v12 = right8(xor(v12, v1)); v13 = right8(xor(v13, v2)); v14 = right8(xor(v14, v3))
    v10 = add(v10, v15); v11 = add(v11, v12); v8 = add(v8, v13); v9 = add(v9, v14)
    v5 = right7(xor(v5, v10)); v6 = right7(xor(v6, v11)); v7 = right7(xor(v7, v8)); v4 = right7(xor(v4, v9))
    // Round 2: words 2 6 3 10 7 0 4 13 1 11 12 5 9 14 15 8.
    v0 = add(v0, load<v128>(WORDS, 32)); v1 = add(v1, load<v128>(WORDS, 48)); v2 = add(v2, load<v128>(WORDS, 112)); v3 = add(v3, load<v128>(WORDS, 64))
    v0 = add(v0, v4); v1 = add(v1, v5); v2 = add(v2, v6); v3 = add(v3, v7)
    v12 = right16(xor(v12, v0)); v13 = right16(xor(v13, v1)); v14 = right16(xor(v14, v2)); v15 = right16(xor(v15, v3))
    v8 = add(v8, v12); v9 = add(v9, v13); v10 = add(v10, v14); v11 = add(v11, v15)
    v4 = right12(xor(v4, v8)); v5 = right12(xor(v5, v9)); v6 = right12(xor(v6, v10)); v7 = right12(xor(v7, v11))
    v0 = add(v0, load<v128>(WORDS, 96)); v1 = add(v1, load<v128>(WORDS, 160)); v2 = add(v2, load<v128>(WORDS, 0)); v3 = add(v3, load<v128>(WORDS, 208))
    v0 = add(v0, v4); v1 = add(v1, v5); v2 = add(v2, v6); v3 = add(v3, v7)
    v12 = right8(xor(v12, v0)); v13 = right8(xor(v13, v1)); v14 = right8(xor(v14, v2)); v15 = right8(xor(v15, v3))
    v8 = add(v8, v12); v9 = add(v9, v13); v10 = add(v10, v14); v11 = add(v11, v15)
    v4 = right7(xor(v4, v8)); v5 = right7(xor(v5, v9)); v6 = right7(xor(v6, v10)); v7 = right7(xor(v7, v11))
    v0 = add(v0, load<v128>(WORDS, 16)); v1 = add(v1, load<v128>(WORDS, 192)); v2 = add(v2, load<v128>(WORDS, 144)); v3 = add(v3, load<v128>(WORDS, 240))
    v0 = add(v0, v5); v1 = add(v1, v6); v2 = add(v2, v7); v3 = add(v3, v4)
    v15 = right16(xor(v15, v0)); v12 = right16(xor(v12, v1)); v13 = right16(xor(v13, v2)); v14 = right16(xor(v14, v3))
    v10 = add(v10, v15); v11 = add(v11, v12); v8 = add(v8, v13); v9 = add(v9, v14)
    v5 = right12(xor(v5, v10)); v6 = right12(xor(v6, v11)); v7 = right12(xor(v7, v8)); v4 = right12(xor(v4, v9))
    v0 = add(v0, load<v128>(WORDS, 176)); v1 = add(v1, load<v128>(WORDS, 80)); v2 = add(v2, load<v128>(WORDS, 224)); v3 = add(v3, load<v128>(WORDS, 128))
    v0 = add(v0, v5); v1 = add(v1, v6); v2 = add(v2, v7); v3 = add(v3, v4)
    v15 = right8(xor(v15, v0)); v12 = right8(xor(v12, v1)); v13 = right8(xor(v13, v2)); v14 = right8(xor(v14, v3))
    v10 = add(v10, v15); v11 = add(v11, v12); v8 = add(v8, v13); v9 = add(v9, v14)
    v5 = right7(xor(v5, v10)); v6 = right7(xor(v6, v11)); v7 = right7(xor(v7, v8)); v4 = right7(xor(v4, v9))
    // Round 3: words 3 4 10 12 13 2 7 14 6 5 9 0 11 15 8 1.
    v0 = add(v0, load<v128>(WORDS, 48)); v1 = add(v1, load<v128>(WORDS, 160)); v2 = add(v2, load<v128>(WORDS, 208)); v3 = add(v3, load<v128>(WORDS, 112))
    v0 = add(v0, v4); v1 = add(v1, v5); v2 = add(v2, v6); v3 = add(v3, v7)
    v12 = right16(xor(v12, v0)); v13 = right16(xor(v13, v1)); v14 = right16(xor(v14, v2)); v15 = right16(xor(v15, v3))
    v8 = add(v8, v12); v9 = add(v9, v13); v10 = add(v10, v14); v11 = add(v11, v15)
    v4 = right12(xor(v4, v8)); v5 = right12(xor(v5, v9)); v6 = right12(xor(v6, v10)); v7 = right12(xor(v7, v11))
    v0 = add(v0, load<v128>(WORDS, 64)); v1 = add(v1, load<v128>(WORDS, 192)); v2 = add(v2, load<v128>(WORDS, 32)); v3 = add(v3, load<v128>(WORDS, 224))
    v0 = add(v0, v4); v1 = add(v1, v5); v2 = add(v2, v6); v3 = add(v3, v7)
    v12 = right8(xor(v12, v0)); v13 = right8(xor(v13, v1)); v14 = right8(xor(v14, v2)); v15 = right8(xor(v15, v3))
    v8 = add(v8, v12); v9 = add(v9, v13); v10 = add(v10, v14); v11 = add(v11, v15)
    v4 = right7(xor(v4, v8)); v5 = right7(xor(v5, v9)); v6 = right7(xor(v6, v10)); v7 = right7(xor(v7, v11))
    v0 = add(v0, load<v128>(WORDS, 96)); v1 = add(v1, load<v128>(WORDS, 144)); v2 = add(v2, load<v128>(WORDS, 176)); v3 = add(v3, load<v128>(WORDS, 128))
    v0 = add(v0, v5); v1 = add(v1, v6); v2 = add(v2, v7); v3 = add(v3, v4)
    v15 = right16(xor(v15, v0)); v12 = right16(xor(v12, v1)); v13 = right16(xor(v13, v2)); v14 = right16(xor(v14, v3))
    v10 = add(v10, v15); v11 = add(v11, v12); v8 = add(v8, v13); v9 = add(v9, v14)
    v5 = right12(xor(v5, v10)); v6 = right12(xor(v6, v11)); v7 = right12(xor(v7, v8)); v4 = right12(xor(v4, v9))
    v0 = add(v0, load<v128>(WORDS, 80)); v1 = add(v1, load<v128>(WORDS, 0)); v2 = add(v2, load<v128>(WORDS, 240)); v3 = add(v3, load<v128>(WORDS, 16))
    v0 = add(v0, v5); v1 = add(v1, v6); v2 = add(v2, v7); v3 = add(v3, v4)
    v15 = right8(xor(v15, v0)); v12 = right8(xor(v12, v1)); v13 = right8(xor(v13, v2)); v14 = right8(xor(v14, v3))
    v10 = add(v10, v15); v11 = add(v11, v12); v8 = add(v8, v13); v9 = add(v9, v14)
    v5 = right7(xor(v5, v10)); v6 = right7(xor(v6, v11)); v7 = right7(xor(v7, v8)); v4 = right7(xor(v4, v9))
    // Round 4: words 10 7 12 9 14 3 13 15 4 0 11 2 5 8 1 6.
    v0 = add(v0, load<v128>(WORDS, 160)); v1 = add(v1, load<v128>(WORDS, 192)); v2 = add(v2, load<v128>(WORDS, 224)); v3 = add(v3, load<v128>(WORDS, 208))
    v0 = add(v0, v4); v1 = add(v1, v5); v2 = add(v2, v6); v3 = add(v3, v7)
    v12 = right16(xor(v12, v0)); v13 = right16(xor(v13, v1)); v14 = right16(xor(v14, v2)); v15 = right16(xor(v15, v3))
    v8 = add(v8, v12); v9 = add(v9, v13); v10 = add(v10, v14); v11 = add(v11, v15)
    v4 = right12(xor(v4, v8)); v5 = right12(xor(v5, v9)); v6 = right12(xor(v6, v10)); v7 = right12(xor(v7, v11))
    v0 = add(v0, load<v128>(WORDS, 112)); v1 = add(v1, load<v128>(WORDS, 144)); v2 = add(v2, load<v128>(WORDS, 48)); v3 = add(v3, load<v128>(WORDS, 240))
    v0 = add(v0, v4); v1 = add(v1, v5); v2 = add(v2, v6); v3 = add(v3, v7)
    v12 = right8(xor(v12, v0)); v13 = right8(xor(v13, v1)); v14 = right8(xor(v14, v2)); v15 = right8(xor(v15, v3))
    v8 = add(v8, v12); v9 = add(v9, v13); v10 = add(v10, v14); v11 = add(v11, v15)
    v4 = right7(xor(v4, v8)); v5 = right7(xor(v5, v9)); v6 = right7(xor(v6, v10)); v7 = right7(xor(v7, v11))
    v0 = add(v0, load<v128>(WORDS, 64)); v1 = add(v1, load<v128>(WORDS, 176)); v2 = add(v2, load<v128>(WORDS, 80)); v3 = add(v3, load<v128>(WORDS, 16))
    v0 = add(v0, v5); v1 = add(v1, v6); v2 = add(v2, v7); v3 = add(v3, v4)
    v15 = right16(xor(v15, v0)); v12 = right16(xor(v12, v1)); v13 = right16(xor(v13, v2)); v14 = right16(xor(v14, v3))
    v10 = add(v10, v15); v11 = add(v11, v12); v8 = add(v8, v13); v9 = add(v9, v14)
    v5 = right12(xor(v5, v10)); v6 = right12(xor(v6, v11)); v7 = right12(xor(v7, v8)); v4 = right12(xor(v4, v9))
    v0 = add(v0, load<v128>(WORDS, 0)); v1 = add(v1, load<v128>(WORDS, 32)); v2 = add(v2, load<v128>(WORDS, 128)); v3 = add(v3, load<v128>(WORDS, 96))
    v0 = add(v0, v5); v1 = add(v1, v6); v2 = add(v2, v7); v3 = add(v3, v4)
    v15 = right8(xor(v15, v0)); v12 = right8(xor(v12, v1)); v13 = right8(xor(v13, v2)); v14 = right8(xor(v14, v3))
    v10 = add(v10, v15); v11 = add(v11, v12); v8 = add(v8, v13); v9 = add(v9, v14)
    v5 = right7(xor(v5, v10)); v6 = right7(xor(v6, v11)); v7 = right7(xor(v7, v8)); v4 = right7(xor(v4, v9))
    // Round 5: words 12 13 9 11 15 10 14 8 7 2 5 3 0 1 6 4.
    v0 = add(v0, load<v128>(WORDS, 192)); v1 = add(v1, load<v128>(WORDS, 144)); v2 = add(v2, load<v128>(WORDS, 240)); v3 = add(v3, load<v128>(WORDS, 224))
    v0 = add(v0, v4); v1 = add(v1, v5); v2 = add(v2, v6); v3 = add(v3, v7)
    v12 = right16(xor(v12, v0)); v13 = right16(xor(v13, v1)); v14 = right16(xor(v14, v2)); v15 = right16(xor(v15, v3))
    v8 = add(v8, v12); v9 = add(v9, v13); v10 = add(v10, v14); v11 = add(v11, v15)
    v4 = right12(xor(v4, v8)); v5 = right12(xor(v5, v9)); v6 = right12(xor(v6, v10)); v7 = right12(xor(v7, v11))
    v0 = add(v0, load<v128>(WORDS, 208)); v1 = add(v1, load<v128>(WORDS, 176)); v2 = add(v2, load<v128>(WORDS, 160)); v3 = add(v3, load<v128>(WORDS, 128))
    v0 = add(v0, v4); v1 = add(v1, v5); v2 = add(v2, v6); v3 = add(v3, v7)
    v12 = right8(xor(v12, v0)); v13 = right8(xor(v13, v1)); v14 = right8(xor(v14, v2)); v15 = right8(xor(v15, v3))
    v8 = add(v8, v12); v9 = add(v9, v13); v10 = add(v10, v14); v11 = add(v11, v15)
    v4 = right7(xor(v4, v8)); v5 = right7(xor(v5, v9)); v6 = right7(xor(v6, v10)); v7 = right7(xor(v7, v11))
    v0 = add(v0, load<v128>(WORDS, 112)); v1 = add(v1, load<v128>(WORDS, 80)); v2 = add(v2, load<v128>(WORDS, 0)); v3 = add(v3, load<v128>(WORDS, 96))
    v0 = add(v0, v5); v1 = add(v1, v6); v2 = add(v2, v7); v3 = add(v3, v4)
    v15 = right16(xor(v15, v0)); v12 = right16(xor(v12, v1)); v13 = right16(xor(v13, v2)); v14 = right16(xor(v14, v3))
    v10 = add(v10, v15); v11 = add(v11, v12); v8 = add(v8, v13); v9 = add(v9, v14)
    v5 = right12(xor(v5, v10)); v6 = right12(xor(v6, v11)); v7 = right12(xor(v7, v8)); v4 = right12(xor(v4, v9))
    v0 = add(v0, load<v128>(WORDS, 32)); v1 = add(v1, load<v128>(WORDS, 48)); v2 = add(v2, load<v128>(WORDS, 16)); v3 = add(v3, load<v128>(WORDS, 64))
    v0 = add(v0, v5); v1 = add(v1, v6); v2 = add(v2, v7); v3 = add(v3, v4)
    v15 = right8(xor(v15, v0)); v12 = right8(xor(v12, v1)); v13 = right8(xor(v13, v2)); v14 = right8(xor(v14, v3))
    v10 = add(v10, v15); v11 = add(v11, v12); v8 = add(v8, v13); v9 = add(v9, v14)
    v5 = right7(xor(v5, v10)); v6 = right7(xor(v6, v11)); v7 = right7(xor(v7, v8)); v4 = right7(xor(v4, v9))
    // Round 6: words 9 14 11 5 8 12 15 1 13 3 0 10 2 6 4 7.
    v0 = add(v0, load<v128>(WORDS, 144)); v1 = add(v1, load<v128>(WORDS, 176)); v2 = add(v2, load<v128>(WORDS, 128)); v3 = add(v3, load<v128>(WORDS, 240))
    v0 = add(v0, v4); v1 = add(v1, v5); v2 = add(v2, v6); v3 = add(v3, v7)
    v12 = right16(xor(v12, v0)); v13 = right16(xor(v13, v1)); v14 = right16(xor(v14, v2)); v15 = right16(xor(v15, v3))
    v8 = add(v8, v12); v9 = add(v9, v13); v10 = add(v10, v14); v11 = add(v11, v15)
    v4 = right12(xor(v4, v8)); v5 = right12(xor(v5, v9)); v6 = right12(xor(v6, v10)); v7 = right12(xor(v7, v11))
    v0 = add(v0, load<v128>(WORDS, 224)); v1 = add(v1, load<v128>(WORDS, 80)); v2 = add(v2, load<v128>(WORDS, 192)); v3 = add(v3, load<v128>(WORDS, 16))
    v0 = add(v0, v4); v1 = add(v1, v5); v2 = add(v2, v6); v3 = add(v3, v7)
    v12 = right8(xor(v12, v0)); v13 = right8(xor(v13, v1)); v14 = right8(xor(v14, v2)); v15 = right8(xor(v15, v3))
    v8 = add(v8, v12); v9 = add(v9, v13); v10 = add(v10, v14); v11 = add(v11, v15)
    v4 = right7(xor(v4, v8)); v5 = right7(xor(v5, v9)); v6 = right7(xor(v6, v10)); v7 = right7(xor(v7, v11))
    v0 = add(v0, load<v128>(WORDS, 208)); v1 = add(v1, load<v128>(WORDS, 0)); v2 = add(v2, load<v128>(WORDS, 32)); v3 = add(v3, load<v128>(WORDS, 64))
    v0 = add(v0, v5); v1 = add(v1, v6); v2 = add(v2, v7); v3 = add(v3, v4)
    v15 = right16(xor(v15, v0)); v12 = right16(xor(v12, v1)); v13 = right16(xor(v13, v2)); v14 = right16(xor(v14, v3))
    v10 = add(v10, v15); v11 = add(v11, v12); v8 = add(v8, v13); v9 = add(v9, v14)
    v5 = right12(xor(v5, v10)); v6 = right12(xor(v6, v11)); v7 = right12(xor(v7, v8)); v4 = right12(xor(v4, v9))
    v0 = add(v0, load<v128>(WORDS, 48)); v1 = add(v1, load<v128>(WORDS, 160)); v2 = add(v2, load<v128>(WORDS, 96)); v3 = add(v3, load<v128>(WORDS, 112))
    v0 = add(v0, v5); v1 = add(v1, v6); v2 = add(v2, v7); v3 = add(v3, v4)
    v15 = right8(xor(v15, v0)); v12 = right8(xor(v12, v1)); v13 = right8(xor(v13, v2)); v14 = right8(xor(v14, v3))
    v10 = add(v10, v15); v11 = add(v11, v12); v8 = add(v8, v13); v9 = add(v9, v14)
    v5 = right7(xor(v5, v10)); v6 = right7(xor(v6, v11)); v7 = right7(xor(v7, v8)); v4 = right7(xor(v4, v9))
    // Round 7: words 11 15 5 0 1 9 8 6 14 10 2 12 3 4 7 13.
    v0 = add(v0, load<v128>(WORDS, 176)); v1 = add(v1, load<v128>(WORDS, 80)); v2 = add(v2, load<v128>(WORDS, 16)); v3 = add(v3, load<v128>(WORDS, 128))
    v0 = add(v0, v4); v1 = add(v1, v5); v2 = add(v2, v6); v3 = add(v3, v7)
    v12 = right16(xor(v12, v0)); v13 = right16(xor(v13, v1)); v14 = right16(xor(v14, v2)); v15 = right16(xor(v15, v3))
    v8 = add(v8, v12); v9 = add(v9, v13); v10 = add(v10, v14); v11 = add(v11, v15)
    v4 = right12(xor(v4, v8)); v5 = right12(xor(v5, v9)); v6 = right12(xor(v6, v10)); v7 = right12(xor(v7, v11))
    v0 = add(v0, load<v128>(WORDS, 240)); v1 = add(v1, load<v128>(WORDS, 0)); v2 = add(v2, load<v128>(WORDS, 144)); v3 = add(v3, load<v128>(WORDS, 96))
    v0 = add(v0, v4); v1 = add(v1, v5); v2 = add(v2, v6); v3 = add(v3, v7)
    v12 = right8(xor(v12, v0)); v13 = right8(xor(v13, v1)); v14 = right8(xor(v14, v2)); v15 = right8(xor(v15, v3))
    v8 = add(v8, v12); v9 = add(v9, v13); v10 = add(v10, v14); v11 = add(v11, v15)
    v4 = right7(xor(v4, v8)); v5 = right7(xor(v5, v9)); v6 = right7(xor(v6, v10)); v7 = right7(xor(v7, v11))
    v0 = add(v0, load<v128>(WORDS, 224)); v1 = add(v1, load<v128>(WORDS, 32)); v2 = add(v2, load<v128>(WORDS, 48)); v3 = add(v3, load<v128>(WORDS, 112))
    v0 = add(v0, v5); v1 = add(v1, v6); v2 = add(v2, v7); v3 = add(v3, v4)
    v15 = right16(xor(v15, v0)); v12 = right16(xor(v12, v1)); v13 = right16(xor(v13, v2)); v14 = right16(xor(v14, v3))
    v10 = add(v10, v15); v11 = add(v11, v12); v8 = add(v8, v13); v9 = add(v9, v14)
    v5 = right12(xor(v5, v10)); v6 = right12(xor(v6, v11)); v7 = right12(xor(v7, v8)); v4 = right12(xor(v4, v9))
    v0 = add(v0, load<v128>(WORDS, 160)); v1 = add(v1, load<v128>(WORDS, 192)); v2 = add(v2, load<v128>(WORDS, 64)); v3 = add(v3, load<v128>(WORDS, 208))
    v0 = add(v0, v5); v1 = add(v1, v6); v2 = add(v2, v7); v3 = add(v3, v4)
    v15 = right8(xor(v15, v0)); v12 = right8(xor(v12, v1)); v13 = right8(xor(v13, v2)); v14 = right8(xor(v14, v3))
    v10 = add(v10, v15); v11 = add(v11, v12); v8 = add(v8, v13); v9 = add(v9, v14)
    v5 = right7(xor(v5, v10)); v6 = right7(xor(v6, v11)); v7 = right7(xor(v7, v8)); v4 = right7(xor(v4, v9))
    h0 = xor(v0, v8); h1 = xor(v1, v9); h2 = xor(v2, v10); h3 = xor(v3, v11)
    h4 = xor(v4, v12); h5 = xor(v5, v13); h6 = xor(v6, v14); h7 = xor(v7, v15)

    at0 += 64; at1 += 64; at2 += 64; at3 += 64
    flags &= ~first
    blocks--
  }
  storeLanes(out, h0, h1, h2, h3)
  storeLanes(out + 16, h4, h5, h6, h7)
}

/** Four words of each lane's block, from byte `offset` of it, as four vectors of one word of each lane. */
// @ts-ignore: decorator
@inline
function transpose(at0: usize, at1: usize, at2: usize, at3: usize, offset: usize): void {
  const a = load<v128>(at0 + offset)
  const b = load<v128>(at1 + offset)
  const c = load<v128>(at2 + offset)
  const d = load<v128>(at3 + offset)
  const ab = v128.shuffle<u32>(a, b, 0, 4, 1, 5)
  const cd = v128.shuffle<u32>(c, d, 0, 4, 1, 5)
  const AB = v128.shuffle<u32>(a, b, 2, 6, 3, 7)
  const CD = v128.shuffle<u32>(c, d, 2, 6, 3, 7)
  const to = WORDS + (offset << 2)
  store<v128>(to, v128.shuffle<u64>(ab, cd, 0, 2), 0)
  store<v128>(to, v128.shuffle<u64>(ab, cd, 1, 3), 16)
  store<v128>(to, v128.shuffle<u64>(AB, CD, 0, 2), 32)
  store<v128>(to, v128.shuffle<u64>(AB, CD, 1, 3), 48)
}

/** The way back: four words of each lane's chaining value, 32 bytes apart. */
// @ts-ignore: decorator
@inline
function storeLanes(out: usize, a: v128, b: v128, c: v128, d: v128): void {
  const ab = v128.shuffle<u32>(a, b, 0, 4, 1, 5)
  const cd = v128.shuffle<u32>(c, d, 0, 4, 1, 5)
  const AB = v128.shuffle<u32>(a, b, 2, 6, 3, 7)
  const CD = v128.shuffle<u32>(c, d, 2, 6, 3, 7)
  store<v128>(out, v128.shuffle<u64>(ab, cd, 0, 2), 0)
  store<v128>(out, v128.shuffle<u64>(ab, cd, 1, 3), 32)
  store<v128>(out, v128.shuffle<u64>(AB, CD, 0, 2), 64)
  store<v128>(out, v128.shuffle<u64>(AB, CD, 1, 3), 96)
}

// @ts-ignore: decorator
@inline
function splat(key: usize, offset: usize): v128 {
  return v128.load_splat<u32>(key + offset)
}

// @ts-ignore: decorator
@inline
function add(a: v128, b: v128): v128 {
  return i32x4.add(a, b)
}

// @ts-ignore: decorator
@inline
function xor(a: v128, b: v128): v128 {
  return v128.xor(a, b)
}

// Rotations by whole bytes are one instruction with swizzle; shuffles were 5 % slower in V8.
// @ts-ignore: decorator
@inline
function right16(x: v128): v128 {
  return v128.swizzle(x, i8x16(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13))
}

// @ts-ignore: decorator
@inline
function right12(x: v128): v128 {
  return v128.or(i32x4.shl(x, 20), i32x4.shr_u(x, 12))
}

// @ts-ignore: decorator
@inline
function right8(x: v128): v128 {
  return v128.swizzle(x, i8x16(1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12))
}

// @ts-ignore: decorator
@inline
function right7(x: v128): v128 {
  return v128.or(i32x4.shl(x, 25), i32x4.shr_u(x, 7))
}
