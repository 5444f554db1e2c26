import type { Bytes } from '../bytes/index.js'
import { MalformedError } from '../bytes/index.js'
import { compareKeys } from '../connector/paths.js'
import { orCorrupt } from './corrupt.js'
import { idBytes, maxKeyBytes, maxLevel, maxNodeBytes, maxValueBytes, nodeVersion } from './limits.js'
import { Scanner } from './scanner.js'
import { scanTotals, Tally, type Totals } from './totals.js'

/**
 * A decoded node: where its entries' keys and values are, in place of an object for each entry. In a leaf a value is a stat and a
 * content; above, the id of a child.
 */
export interface TreeNode {
  /** 0: a leaf. */
  readonly level: number
  readonly count: number
  /** The encoding; values are in it. */
  readonly bytes: Uint8Array
  /** All keys, one after the other. */
  readonly keys: Bytes
  /** Where each key starts in `keys`; the one after it starts where it ends, so there is one more than keys. */
  readonly keyStarts: Uint32Array
  /** Where each value starts in `bytes`: in a leaf its stat, above the child's id. */
  readonly valueStarts: Uint32Array
  /** In a leaf, where each stat ends in `bytes` and the content starts; above, where the id ends. */
  readonly contentStarts: Uint32Array
  /** Where each value ends in `bytes`. */
  readonly valueEnds: Uint32Array
  /** Of everything below; of each child in an inner node. */
  readonly totals: Totals
  readonly childTotals: readonly Totals[]
}

/**
 * Decodes a node. It is checked completely but for what is inside the stats, so it may come from anybody.
 * @throws KlosetError KLOSET_TREE_CORRUPT; `id` is for its message
 */
export function decodeNode(bytes: Uint8Array, id?: Uint8Array): TreeNode {
  return orCorrupt('a node of the tree is damaged', id, () => readNode(bytes))
}

/** The key of entry `index`, a view. */
export function keyAt(node: TreeNode, index: number): Uint8Array {
  return node.keys.subarray(node.keyStarts[index]!, node.keyStarts[index + 1]!)
}

/** The stat of entry `index` of a leaf, or the id of child `index`: a view. */
export function statAt(node: TreeNode, index: number): Uint8Array {
  return node.bytes.subarray(node.valueStarts[index]!, node.contentStarts[index]!)
}

/** The content of entry `index` of a leaf, a view. */
export function contentAt(node: TreeNode, index: number): Uint8Array {
  return node.bytes.subarray(node.contentStarts[index]!, node.valueEnds[index]!)
}

/** Path order of the key of entry `index` and `key`. */
export function compareKeyAt(node: TreeNode, index: number, key: Uint8Array): number {
  return compareKeys(node.keys, node.keyStarts[index]!, node.keyStarts[index + 1]!, key, 0, key.length)
}

/** The first entry, from `from` on, whose key is `key` or after it; the number of entries where there is none. */
export function firstFrom(node: TreeNode, key: Uint8Array, from = 0): number {
  let low = from
  let high = node.count
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareKeyAt(node, middle, key) < 0) low = middle + 1
    else high = middle
  }
  return low
}

// Keys are written out here, then copied in one piece of the right size.
const keyScratch: Bytes = new Uint8Array(maxNodeBytes)
const leastEntryBytes = 5

function readNode(bytes: Uint8Array): TreeNode {
  if (bytes.length > maxNodeBytes) throw new MalformedError(`a node of ${bytes.length} bytes`)
  const scanner = new Scanner(bytes)
  if (scanner.u8() !== nodeVersion) throw new MalformedError('an unknown version of node')
  const level = scanner.u8()
  if (level > maxLevel) throw new MalformedError('a level that is too high')
  const count = scanner.varint()
  if (count === 0) throw new MalformedError('a node without entries')
  if (count * leastEntryBytes > bytes.length - scanner.at)
    throw new MalformedError('a count that is larger than what follows')

  const keyStarts = new Uint32Array(count + 1)
  const valueStarts = new Uint32Array(count)
  const contentStarts = new Uint32Array(count)
  const valueEnds = new Uint32Array(count)
  const childTotals: Totals[] = []
  const totals = new Tally()
  let size = 0
  for (let i = 0; i < count; i++) {
    const keyEnd = readKey(scanner, i === 0 ? 0 : keyStarts[i - 1]!, keyStarts[i]!, i === 0)
    const valueLength = scanner.varint()
    if (valueLength > maxValueBytes) throw new MalformedError(`a value of ${valueLength} bytes`)
    size += 4 + keyEnd - keyStarts[i]! + valueLength
    if (size > maxNodeBytes) throw new MalformedError('entries of too many bytes')
    const valueEnd = scanner.at + valueLength
    scanner.end = scanner.skip(valueLength) + valueLength
    scanner.at = valueEnd - valueLength
    if (level === 0) {
      const statLength = scanner.varint()
      const start = scanner.skip(statLength)
      valueStarts[i] = start
      contentStarts[i] = start + statLength
      scanner.at = start
      totals.addEntry(scanner, start + statLength)
    } else {
      const start = scanner.skip(idBytes)
      valueStarts[i] = start
      contentStarts[i] = start + idBytes
      const child = scanTotals(scanner)
      if (scanner.at !== valueEnd) throw new MalformedError('bytes follow the reference to a node')
      childTotals.push(child)
      totals.add(child)
    }
    keyStarts[i + 1] = keyEnd
    valueEnds[i] = valueEnd
    scanner.end = bytes.length
  }
  if (scanner.at !== bytes.length) throw new MalformedError('bytes follow the last entry')
  const keys = keyScratch.slice(0, keyStarts[count])
  return {
    level,
    count,
    bytes,
    keys,
    keyStarts,
    valueStarts,
    contentStarts,
    valueEnds,
    totals: totals.finish(),
    childTotals,
  }
}

// Writes the next key behind the one at [before, start) of the scratch and returns its end. As each key shares all it can with the
// one before, looking at the first byte that differs is enough to know that it comes after.
function readKey(scanner: Scanner, before: number, start: number, first: boolean): number {
  const shared = scanner.varint()
  const rest = scanner.varint()
  const length = shared + rest
  if (length > maxKeyBytes || start + length > maxNodeBytes) throw new MalformedError(`a key of ${length} bytes`)
  const from = scanner.skip(rest)
  const lengthBefore = start - before
  if (shared > lengthBefore) throw new MalformedError('a key shares more than the key before has')
  if (!first) {
    if (rest === 0) throw new MalformedError('keys are not ascending')
    if (shared < lengthBefore) {
      const was = keyScratch[before + shared]!
      const is = scanner.bytes[from]!
      if (was === is) throw new MalformedError('a key shares less with the key before than it could')
      if (is === slash || (was !== slash && is < was)) throw new MalformedError('keys are not ascending')
    }
  }
  for (let i = 0; i < shared; i++) keyScratch[start + i] = keyScratch[before + i]!
  for (let i = 0; i < rest; i++) keyScratch[start + shared + i] = scanner.bytes[from + i]!
  return start + length
}

const slash = 0x2f
