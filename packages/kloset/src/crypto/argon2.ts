import { blake2b } from '@noble/hashes/blake2.js'
import { type Bytes, concatBytes, u32 } from '../bytes/index.js'
import { type Argon2Blocks, argon2Blocks, argon2Memory } from '../kernels/argon2.js'
import type { Argon2Input } from '../runtime/index.js'
import { newCounters, Segments } from './segments.js'

/** Argon2id, version 0x13, without secret and associated data: 32 bytes (RFC 9106, §3.2). @throws RangeError where there is not enough memory */
export function argon2id(input: Argon2Input): Bytes {
  return argon2idPart(input, argon2idMemory(input), newCounters(false))!
}

/** Memory in which threads compute together: all call {@link argon2idPart} with it. @throws RangeError where there is not enough */
export function argon2idMemory(input: Pick<Argon2Input, 'memoryKiB' | 'lanes'>): WebAssembly.Memory {
  return argon2Memory(input.lanes, columnsOf(input))
}

/**
 * Takes part in computing {@link argon2id} in `memory`, as any number of threads may at the same time, until there is nothing left to do. The one that fills the last block
 * gets the result. Where one throws, `giveUp` has to be called with the `counters` they share, or the others wait for ever.
 */
export function argon2idPart(input: Argon2Input, memory: WebAssembly.Memory, counters: Int32Array): Bytes | undefined {
  const { passes, lanes } = input
  const columns = columnsOf(input)
  const blocks = argon2Blocks(memory, lanes, columns)
  const segments = new Segments(counters, lanes, 4 * passes)
  const seed = seedOf(input)
  let last = false
  for (let segment = segments.take(); segment !== undefined; segment = segments.take()) {
    const { step, lane } = segment
    if (step === 0) startLane(blocks, lane, seed)
    blocks.fill(step >> 2, lane, step & 3, passes)
    last = segments.finish()
  }
  return last ? tagOf(blocks, lanes, columns) : undefined
}

function columnsOf({ memoryKiB, lanes }: Pick<Argon2Input, 'memoryKiB' | 'lanes'>): number {
  return 4 * Math.floor(memoryKiB / (4 * lanes))
}

/** §3.2, step 1: H_0. */
function seedOf({ password, salt, memoryKiB, passes, lanes }: Argon2Input): Uint8Array {
  const none = u32(0)
  return blake2b(
    concatBytes(
      ...[lanes, tagLength, memoryKiB, passes, version, kind].map(u32),
      ...[u32(password.length), password, u32(salt.length), salt, none, none],
    ),
  )
}

/** Steps 3 and 4. */
function startLane(blocks: Argon2Blocks, lane: number, seed: Uint8Array): void {
  for (const column of [0, 1])
    blocks.block(lane, column).set(longHash(concatBytes(seed, u32(column), u32(lane)), blockSize))
}

/** Steps 7 and 8. */
function tagOf(blocks: Argon2Blocks, lanes: number, columns: number): Bytes {
  const last = blocks.block(0, columns - 1).slice()
  for (let lane = 1; lane < lanes; lane++) {
    const other = blocks.block(lane, columns - 1)
    for (let i = 0; i < blockSize; i++) last[i]! ^= other[i]!
  }
  return longHash(last, tagLength)
}

const blockSize = 1024
const tagLength = 32
const version = 0x13
const kind = 2

/** §3.3: the hash of variable length H'. */
function longHash(input: Uint8Array, length: number): Bytes {
  const lengthAndInput = concatBytes(u32(length), input)
  if (length <= 64) return new Uint8Array(blake2b(lengthAndInput, { dkLen: length }))
  const out = new Uint8Array(length)
  let hash = blake2b(lengthAndInput)
  let at = 0
  for (; length - at > 64; at += 32) {
    out.set(hash.subarray(0, 32), at)
    hash = blake2b(hash, { dkLen: Math.min(64, length - at - 32) })
  }
  out.set(hash, at)
  return out
}
