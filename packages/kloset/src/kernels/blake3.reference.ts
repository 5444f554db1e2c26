import type { Bytes } from '../bytes/index.js'

/**
 * BLAKE3 of `bytes`, keyed where a `key` of 32 bytes is given. The twin of the BLAKE3 kernel, written from the paper
 * "BLAKE3: one function, fast everywhere"; sections are cited from there.
 */
export function blake3Reference(bytes: Uint8Array, key?: Uint8Array): Bytes {
  const keyWords = key === undefined ? iv : words(key, 8)
  const root = subtree(bytes, 0n, keyWords, key === undefined ? 0 : flag.keyed)
  const digest = new Uint8Array(32)
  const view = new DataView(digest.buffer)
  compress({ ...root, flags: root.flags | flag.root }).forEach((word, i) => {
    view.setUint32(4 * i, word, true)
  })
  return digest
}

/** What a compression takes (§2.2). The one at the root is made again with its flag, so it is kept as its inputs. */
interface Node {
  readonly value: readonly number[]
  readonly block: readonly number[]
  readonly counter: bigint
  readonly length: number
  readonly flags: number
}

// §2.3, table 3.
const flag = { chunkStart: 1, chunkEnd: 2, parent: 4, root: 8, keyed: 16 } as const

// §2.2, table 1 and table 2.
const iv: readonly number[] = [
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
]
const permutation: readonly number[] = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8]

const chunkSize = 1024

/** §2.1: the left child of a tree is the largest perfect one that leaves at least a byte for the right. */
function subtree(bytes: Uint8Array, counter: bigint, key: readonly number[], flags: number): Node {
  if (bytes.length <= chunkSize) return chunk(bytes, counter, key, flags)
  let left = chunkSize
  while (2 * left < bytes.length) left *= 2
  const children = [
    subtree(bytes.subarray(0, left), counter, key, flags),
    subtree(bytes.subarray(left), counter + BigInt(left / chunkSize), key, flags),
  ]
  return { value: key, block: children.flatMap(compress), counter: 0n, length: 64, flags: flags | flag.parent }
}

/** §2.4: the last compression of a chunk, after all before it. */
function chunk(bytes: Uint8Array, counter: bigint, key: readonly number[], flags: number): Node {
  let value = key
  let start: number = flag.chunkStart
  let at = 0
  for (; bytes.length - at > 64; at += 64) {
    value = compress({ value, block: words(bytes.subarray(at), 16), counter, length: 64, flags: flags | start })
    start = 0
  }
  const last = bytes.subarray(at)
  return { value, block: words(last, 16), counter, length: last.length, flags: flags | start | flag.chunkEnd }
}

/** §2.2: seven rounds over the state; the first eight words of what comes out. */
function compress({ value, block, counter, length, flags }: Node): number[] {
  const state = [
    ...value,
    ...iv.slice(0, 4),
    Number(BigInt.asUintN(32, counter)),
    Number(BigInt.asUintN(32, counter >> 32n)),
    length,
    flags,
  ]
  let message = block
  for (let round = 0; round < 7; round++) {
    const mix = (a: number, b: number, c: number, d: number, i: number): void =>
      quarter(state, a, b, c, d, message[2 * i]!, message[2 * i + 1]!)
    mix(0, 4, 8, 12, 0)
    mix(1, 5, 9, 13, 1)
    mix(2, 6, 10, 14, 2)
    mix(3, 7, 11, 15, 3)
    mix(0, 5, 10, 15, 4)
    mix(1, 6, 11, 12, 5)
    mix(2, 7, 8, 13, 6)
    mix(3, 4, 9, 14, 7)
    message = permutation.map((i) => message[i]!)
  }
  return state.slice(0, 8).map((word, i) => (word ^ state[i + 8]!) >>> 0)
}

/** §2.2: the function G on one column or diagonal. */
function quarter(state: number[], a: number, b: number, c: number, d: number, x: number, y: number): void {
  state[a] = (state[a]! + state[b]! + x) >>> 0
  state[d] = rotate(state[d]! ^ state[a]!, 16)
  state[c] = (state[c]! + state[d]!) >>> 0
  state[b] = rotate(state[b]! ^ state[c]!, 12)
  state[a] = (state[a]! + state[b]! + y) >>> 0
  state[d] = rotate(state[d]! ^ state[a]!, 8)
  state[c] = (state[c]! + state[d]!) >>> 0
  state[b] = rotate(state[b]! ^ state[c]!, 7)
}

function rotate(word: number, by: number): number {
  return ((word >>> by) | (word << (32 - by))) >>> 0
}

/** The first `count` little-endian words of `bytes`, zeros after their end. */
function words(bytes: Uint8Array, count: number): number[] {
  const padded = new Uint8Array(4 * count)
  padded.set(bytes.subarray(0, 4 * count))
  const view = new DataView(padded.buffer)
  return Array.from({ length: count }, (_, i) => view.getUint32(4 * i, true))
}
