import type { Bytes } from '../bytes/index.js'
import { keyedBlake3 } from '../hash/index.js'
import { kernels } from '../kernels/index.js'
import { maxKeyBytes } from './limits.js'

/** The keys of a store that decide its trees: 32 bytes each. */
export interface NodeKeys {
  /** Decides where nodes end. */
  readonly splitKey: Uint8Array
  /** Makes the ids of nodes. */
  readonly nodeKey: Uint8Array
}

/** The id of an encoded node of a tree or list. */
export function nodeId(keys: Pick<NodeKeys, 'nodeKey'>, encoded: Uint8Array): Bytes {
  return keyedBlake3(keys.nodeKey, encoded)
}

/** The number that decides whether a node ends after `key`: the first u32 of keyed BLAKE3 of the level and the key. */
export function splitHash(keys: NodeKeys, level: number, key: Uint8Array): number {
  const { heap, hash } = kernels()
  places ??= reservePlaces()
  const { splitKey, input, out } = places
  const memory = heap()
  // Asked for each entry of a backup, and almost always under the same key.
  if (loaded !== keys.splitKey) {
    memory.set(keys.splitKey, splitKey)
    loaded = keys.splitKey
  }
  memory[input] = level
  memory.set(key, input + 1)
  hash(splitKey, input, key.length + 1, out)
  return (memory[out]! | (memory[out + 1]! << 8) | (memory[out + 2]! << 16) | (memory[out + 3]! << 24)) >>> 0
}

interface Places {
  readonly splitKey: number
  readonly input: number
  readonly out: number
}

// Regions of the kernels' memory are never freed, so a thread has these once.
let places: Places | undefined
let loaded: Uint8Array | undefined

function reservePlaces(): Places {
  const { reserve } = kernels()
  return { splitKey: reserve(32), input: reserve(1 + maxKeyBytes), out: reserve(32) }
}
