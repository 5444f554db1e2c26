import { blake2b } from '@noble/hashes/blake2.js'
import { type Bytes, concatBytes } from '../bytes/index.js'
import { argon2Blocks } from '../kernels/argon2.js'

/** What Argon2 is given. */
export interface Argon2Input {
  readonly password: Uint8Array
  readonly salt: Uint8Array
  readonly memoryKiB: number
  readonly passes: number
  readonly lanes: number
}

/** Argon2id, version 0x13, without secret and associated data: 32 bytes (RFC 9106, §3.2). */
export function argon2id({ password, salt, memoryKiB, passes, lanes }: Argon2Input): Bytes {
  const columns = 4 * Math.floor(memoryKiB / (4 * lanes))
  const none = u32(0)
  const first = blake2b(
    concatBytes(
      ...[lanes, tagLength, memoryKiB, passes, version, kind].map(u32),
      ...[u32(password.length), password, u32(salt.length), salt, none, none],
    ),
  )
  const blocks = argon2Blocks(lanes, columns)
  for (let lane = 0; lane < lanes; lane++) {
    for (const column of [0, 1])
      blocks.block(lane, column).set(longHash(concatBytes(first, u32(column), u32(lane)), blockSize))
  }
  for (let pass = 0; pass < passes; pass++) {
    for (let slice = 0; slice < 4; slice++) {
      for (let lane = 0; lane < lanes; lane++) blocks.fill(pass, lane, slice, passes)
    }
  }
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

function u32(value: number): Bytes {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value, true)
  return bytes
}
