/**
 * The memory-hard part of Argon2 (RFC 9106): filling the blocks. What comes before and after it, a few hashes, is its caller's.
 * Two 64-bit words of a block are one register, so a row or a column of the permutation is eight of them.
 *
 * The memory is shared: threads fill segments of different lanes at the same time, so each lane has scratch memory of its own.
 *
 * Memory map: the first page belongs to the kernel, 4 KiB of it to each of at most 16 lanes; the blocks of 1 KiB follow, lane after lane.
 *   0x1000  a block of zeros, which nobody writes
 * of each lane, from lane × 0x1000 on:
 *   0x0400  the block at hand, between its rows and its columns
 *   0x0800  addresses of the next 128 blocks
 *   0x0c00  what they follow from: pass, lane, slice, blocks, passes, kind, counter
 */

const WORK: usize = 0x400
const ADDRESSES: usize = 0x800
const INPUT: usize = 0xc00
const ZEROS: usize = 0x1000
const BLOCKS: usize = 0x10000

const BLOCK: usize = 1024
const KIND: u64 = 2

/** §3.1.2, one segment: slice `slice` (0 to 3) of a lane in a pass. `columns`: the blocks of a lane. */
export function fillSegment(pass: u32, lane: u32, slice: u32, lanes: u32, columns: u32, passes: u32): void {
  const scratch: usize = <usize>lane << 12
  const length = columns >> 2
  const independent = pass == 0 && slice < 2
  if (independent) {
    const input = scratch + INPUT
    memory.fill(input, 0, BLOCK)
    store<u64>(input, pass, 0)
    store<u64>(input, lane, 8)
    store<u64>(input, slice, 16)
    store<u64>(input, <u64>lanes * columns, 24)
    store<u64>(input, passes, 32)
    store<u64>(input, KIND, 40)
  }
  // The first two blocks of a lane are there already.
  const start: u32 = pass == 0 && slice == 0 ? 2 : 0
  if (independent && start != 0) nextAddresses(scratch)
  for (let i = start; i < length; i++) {
    if (independent && (i & 127) == 0) nextAddresses(scratch)
    const column = slice * length + i
    const at = place(lane, columns, column)
    const before = place(lane, columns, column == 0 ? columns - 1 : column - 1)
    const pseudoRandom = load<u64>(independent ? scratch + ADDRESSES + ((<usize>i & 127) << 3) : before)
    const other = pass == 0 && slice == 0 ? lane : <u32>(pseudoRandom >> 32) % lanes
    const reference = place(other, columns, referenced(<u32>pseudoRandom, pass, slice, length, columns, i, other == lane))
    compress(scratch + WORK, before, reference, at, pass > 0)
  }
}

@inline
function place(lane: u32, columns: u32, column: u32): usize {
  return BLOCKS + ((<usize>lane * columns + column) << 10)
}

/** §3.4.2: the column of the block to refer to, among those that are done and not too near. */
function referenced(j1: u32, pass: u32, slice: u32, length: u32, columns: u32, i: u32, same: bool): u32 {
  const done = pass == 0 ? slice * length : columns - length
  const area = same ? done + i - 1 : done - (i == 0 ? 1 : 0)
  const x = (<u64>j1 * j1) >> 32
  const y = (<u64>area * x) >> 32
  const first = pass == 0 || slice == 3 ? 0 : (slice + 1) * length
  return <u32>((<u64>first + area - 1 - y) % columns)
}

/** §3.4.1.2 */
function nextAddresses(scratch: usize): void {
  const work = scratch + WORK
  const addresses = scratch + ADDRESSES
  const input = scratch + INPUT
  store<u64>(input, load<u64>(input, 48) + 1, 48)
  compress(work, ZEROS, input, addresses, false)
  compress(work, ZEROS, addresses, addresses, false)
}

/** §3.5: the compression function G of two blocks, written to a third, or added to what that is. `work`: room for a block. */
function compress(work: usize, x: usize, y: usize, to: usize, add: bool): void {
  for (let i: usize = 0; i < BLOCK; i += 16) v128.store(work + i, v128.xor(v128.load(x + i), v128.load(y + i)))
  for (let row: usize = 0; row < BLOCK; row += 128) permute(work + row, 16)
  for (let column: usize = 0; column < 128; column += 16) permute(work + column, 128)
  for (let i: usize = 0; i < BLOCK; i += 16) {
    let sum = v128.xor(v128.load(work + i), v128.xor(v128.load(x + i), v128.load(y + i)))
    if (add) sum = v128.xor(sum, v128.load(to + i))
    v128.store(to + i, sum)
  }
}

/** §3.6: the permutation P of eight registers that are `step` bytes apart. */
function permute(at: usize, step: usize): void {
  let a0 = v128.load(at)
  let a1 = v128.load(at + step)
  let b0 = v128.load(at + 2 * step)
  let b1 = v128.load(at + 3 * step)
  let c0 = v128.load(at + 4 * step)
  let c1 = v128.load(at + 5 * step)
  let d0 = v128.load(at + 6 * step)
  let d1 = v128.load(at + 7 * step)

  a0 = mix(a0, b0)
  a1 = mix(a1, b1)
  d0 = rotate32(v128.xor(d0, a0))
  d1 = rotate32(v128.xor(d1, a1))
  c0 = mix(c0, d0)
  c1 = mix(c1, d1)
  b0 = rotate24(v128.xor(b0, c0))
  b1 = rotate24(v128.xor(b1, c1))
  a0 = mix(a0, b0)
  a1 = mix(a1, b1)
  d0 = rotate16(v128.xor(d0, a0))
  d1 = rotate16(v128.xor(d1, a1))
  c0 = mix(c0, d0)
  c1 = mix(c1, d1)
  b0 = rotate63(v128.xor(b0, c0))
  b1 = rotate63(v128.xor(b1, c1))

  // The diagonals become columns.
  let kept = b0
  b0 = join(b0, b1)
  b1 = join(b1, kept)
  kept = c0
  c0 = c1
  c1 = kept
  kept = d0
  d0 = join(d1, d0)
  d1 = join(kept, d1)

  a0 = mix(a0, b0)
  a1 = mix(a1, b1)
  d0 = rotate32(v128.xor(d0, a0))
  d1 = rotate32(v128.xor(d1, a1))
  c0 = mix(c0, d0)
  c1 = mix(c1, d1)
  b0 = rotate24(v128.xor(b0, c0))
  b1 = rotate24(v128.xor(b1, c1))
  a0 = mix(a0, b0)
  a1 = mix(a1, b1)
  d0 = rotate16(v128.xor(d0, a0))
  d1 = rotate16(v128.xor(d1, a1))
  c0 = mix(c0, d0)
  c1 = mix(c1, d1)
  b0 = rotate63(v128.xor(b0, c0))
  b1 = rotate63(v128.xor(b1, c1))

  kept = b0
  b0 = join(b1, b0)
  b1 = join(kept, b1)
  kept = c0
  c0 = c1
  c1 = kept
  kept = d0
  d0 = join(d0, d1)
  d1 = join(d1, kept)

  v128.store(at, a0)
  v128.store(at + step, a1)
  v128.store(at + 2 * step, b0)
  v128.store(at + 3 * step, b1)
  v128.store(at + 4 * step, c0)
  v128.store(at + 5 * step, c1)
  v128.store(at + 6 * step, d0)
  v128.store(at + 7 * step, d1)
}

/** a + b + 2 × the product of their lower halves, in both words. */
// @ts-ignore: decorator
@inline
function mix(a: v128, b: v128): v128 {
  const product = i64x2.extmul_low_i32x4_u(lower(a), lower(b))
  return i64x2.add(i64x2.add(a, b), i64x2.add(product, product))
}

/** The lower halves of both words, side by side. */
// @ts-ignore: decorator
@inline
function lower(a: v128): v128 {
  return i32x4.shuffle(a, a, 0, 2, 0, 2)
}

/** The higher word of `a` and the lower one of `b`. */
// @ts-ignore: decorator
@inline
function join(a: v128, b: v128): v128 {
  return i64x2.shuffle(a, b, 1, 2)
}

// @ts-ignore: decorator
@inline
function rotate32(a: v128): v128 {
  return i32x4.shuffle(a, a, 1, 0, 3, 2)
}

// @ts-ignore: decorator
@inline
function rotate24(a: v128): v128 {
  return i8x16.shuffle(a, a, 3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10)
}

// @ts-ignore: decorator
@inline
function rotate16(a: v128): v128 {
  return i8x16.shuffle(a, a, 2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9)
}

// @ts-ignore: decorator
@inline
function rotate63(a: v128): v128 {
  return v128.xor(i64x2.add(a, a), i64x2.shr_u(a, 63))
}
