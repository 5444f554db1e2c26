import type { Bytes } from '../bytes/index.js'
import { addressOf, kernels, pieceSize, workspace } from '../kernels/index.js'

/** BLAKE3 of `bytes`: 32 bytes. */
export function blake3(bytes: Uint8Array): Bytes {
  return digestOf(0, bytes)
}

/** BLAKE3 of `bytes` under a key of 32 bytes: a MAC of 32 bytes. @throws RangeError for a key of another length. */
export function keyedBlake3(key: Uint8Array, bytes: Uint8Array): Bytes {
  return digestOf(putKey(key), bytes)
}

/** Hashes bytes that come in pieces. */
export interface Hasher {
  update(bytes: Uint8Array): this
  /** The 32 bytes for everything so far; more may be added after. */
  digest(): Bytes
}

/**
 * A hasher, keyed where a `key` of 32 bytes is given. Any number of them may be alive at once: each keeps its state of 2.8 KB to itself
 * and brings it to the kernel for as long as a call lasts. @throws RangeError for a key of another length.
 */
export function createHasher(key?: Uint8Array): Hasher {
  const { hashStart, hashUpdate, hashFinish, hashStateSize, heap } = kernels()
  hashStart(state, key === undefined ? 0 : putKey(key))
  const kept = heap().slice(state, state + hashStateSize)
  return {
    update(bytes) {
      heap().set(kept, state)
      eachPiece(bytes, (from, length) => hashUpdate(state, from, length))
      kept.set(heap().subarray(state, state + hashStateSize))
      return this
    },

    digest() {
      heap().set(kept, state)
      hashFinish(state, out)
      return heap().slice(out, out + 32)
    },
  }
}

const { hashState: state, digest: out, piece } = workspace

function putKey(key: Uint8Array): number {
  if (key.length !== 32) throw new RangeError(`a BLAKE3 key has 32 bytes, not ${key.length}`)
  kernels().heap().set(key, workspace.key)
  return workspace.key
}

function digestOf(key: number, bytes: Uint8Array): Bytes {
  const { hash, hashStart, hashUpdate, hashFinish, heap } = kernels()
  const address = addressOf(bytes)
  if (address !== undefined) {
    hash(key, address, bytes.length, out)
  } else if (bytes.length <= pieceSize) {
    heap().set(bytes, piece)
    hash(key, piece, bytes.length, out)
  } else {
    hashStart(state, key)
    eachPiece(bytes, (from, length) => hashUpdate(state, from, length))
    hashFinish(state, out)
  }
  return heap().slice(out, out + 32)
}

/** Calls `take` with addresses that hold `bytes`, all at once where they are in the kernels' memory already. */
function eachPiece(bytes: Uint8Array, take: (from: number, length: number) => void): void {
  const address = addressOf(bytes)
  if (address !== undefined) {
    take(address, bytes.length)
    return
  }
  for (let at = 0; at < bytes.length; at += pieceSize) {
    const part = bytes.subarray(at, at + pieceSize)
    kernels().heap().set(part, piece)
    take(piece, part.length)
  }
}
