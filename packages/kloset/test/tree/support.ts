import { blake3 } from '@noble/hashes/blake3.js'
import fc from 'fast-check'
import { type Bytes, concatBytes, toHex } from '../../src/bytes/index.js'
import { comparePaths } from '../../src/connector/paths.js'
import {
  type Extent,
  encodeContent,
  encodeStat,
  keyOf,
  type NodeKeys,
  type Stat,
  type StoredContent,
  TreeBuilder,
} from '../../src/tree/index.js'

export const keys: NodeKeys = { splitKey: new Uint8Array(32).fill(7), nodeKey: new Uint8Array(32).fill(9) }

/** Nodes by id, and which were read. */
export class Nodes {
  readonly map: Map<string, Bytes> = new Map()
  reads: string[] = []

  readonly write = (id: Bytes, encoded: Bytes): void => {
    this.map.set(toHex(id), encoded)
  }

  readonly fetch = async (id: Uint8Array): Promise<Uint8Array> => {
    this.reads.push(toHex(id))
    const encoded = this.map.get(toHex(id))
    if (encoded === undefined) throw new Error(`no node ${toHex(id)}`)
    return encoded
  }

  /** Puts any bytes as a node and returns its id: what whoever has the store's keys can do. */
  put(encoded: Uint8Array): Bytes {
    const id = hash(encoded)
    this.map.set(toHex(id), Uint8Array.from(encoded))
    return id
  }
}

export function hash(encoded: Uint8Array): Bytes {
  return blake3(encoded, { key: keys.nodeKey }) as Bytes
}

/** An entry before it is encoded. */
export interface Item {
  readonly path: string
  readonly stat: Stat
  readonly content: StoredContent
}

export function file(path: string, salt = 0): Item {
  return {
    path,
    stat: { type: 'file', size: 1_000 + salt, mode: 0o644, mtime: 1_700_000_000_000_000_000n + BigInt(salt) },
    content: { form: 'extents', extents: [{ length: 1_000 + salt, id: hash(keyOf(`${path} ${salt}`)) }] },
  }
}

export const root: Item = { path: '', stat: { type: 'directory', mode: 0o755 }, content: { form: 'none' } }

export function inOrder(items: Iterable<Item>): Item[] {
  return [...items].sort((a, b) => comparePaths(a.path, b.path))
}

/** Builds a tree of items that are in order. */
export async function build(
  items: readonly Item[],
  nodes: Nodes = new Nodes(),
): Promise<Awaited<ReturnType<TreeBuilder['finish']>>> {
  const builder = new TreeBuilder({ ...keys, write: nodes.write })
  for (const item of items) await builder.add(keyOf(item.path), encodeStat(item.stat), encodeContent(item.content))
  return builder.finish()
}

/** `count` files in folders of 50, with the root, in order. */
export function manyFiles(count: number): Item[] {
  const items: Item[] = [root]
  for (let i = 0; i < count; i++) items.push(file(`folder-${Math.floor(i / 50)}/file-${i}.txt`))
  return inOrder(items)
}

export function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 0x80)
  return [...bytes, rest]
}

/** Encodes a node by docs/format.md, as plainly as it says it; nothing is checked. */
export function plainNode(level: number, entries: readonly { key: Uint8Array; value: Uint8Array }[]): Bytes {
  const parts: Uint8Array[] = [Uint8Array.of(1, level, ...varint(entries.length))]
  let before: Uint8Array = new Uint8Array(0)
  for (const { key, value } of entries) {
    let shared = 0
    while (shared < key.length && shared < before.length && key[shared] === before[shared]) shared++
    parts.push(Uint8Array.from([...varint(shared), ...varint(key.length - shared)]), key.slice(shared))
    parts.push(Uint8Array.from(varint(value.length)), value)
    before = key
  }
  return concatBytes(...parts)
}

export function plainValue(item: Item): Bytes {
  const stat = encodeStat(item.stat)
  return concatBytes(Uint8Array.from(varint(stat.length)), stat, encodeContent(item.content))
}

const id32 = fc.uint8Array({ minLength: 32, maxLength: 32 })
const text = fc.string({ unit: 'grapheme', maxLength: 8 })
const count = fc.oneof(fc.nat(300), fc.maxSafeNat())
const time = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const unsigned = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })

export const extent: fc.Arbitrary<Extent> = fc.oneof(
  fc.record({ length: fc.integer({ min: 1, max: 16 * 1024 * 1024 }), id: id32 }),
  fc.record({ length: fc.integer({ min: 1, max: 2 ** 45 }), id: fc.constant(undefined) }),
)

/** Any stat, with fields absent, present and at their limits. */
export const anyStat: fc.Arbitrary<Stat> = fc.record(
  {
    type: fc.constantFrom('file', 'directory', 'symlink', 'fifo', 'socket', 'block', 'character'),
    size: count,
    mode: fc.nat(0o7777),
    mtime: time,
    ctime: time,
    birthtime: time,
    owner: fc
      .record({ uid: count, gid: count, user: text, group: text }, { requiredKeys: [] })
      .filter((owner) => Object.keys(owner).length > 0),
    inode: fc.record({ device: unsigned, number: unsigned, links: count }),
    target: fc.oneof(text, fc.constant('caf\udce9/x')),
    device: fc.record({ major: count, minor: count }),
    xattrs: fc.dictionary(text, fc.uint8Array({ maxLength: 100 }), { minKeys: 1, maxKeys: 5 }),
    attributes: fc.dictionary(text, text, { minKeys: 1, maxKeys: 5 }),
    version: text,
    error: fc.record({ code: text, message: text }),
  },
  { requiredKeys: ['type'] },
)

export const anyContent: fc.Arbitrary<StoredContent> = fc.oneof(
  fc.constant<StoredContent>({ form: 'none' }),
  fc.record({ form: fc.constant('extents' as const), extents: fc.array(extent, { maxLength: 16 }) }),
  fc
    .record({
      id: id32,
      level: fc.nat(15),
      length: fc.integer({ min: 2, max: 2 ** 50 }),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    })
    .map(({ share, ...rest }) => ({
      form: 'list' as const,
      ...rest,
      count: 2 + Math.floor(share * (rest.length - 2)),
    })),
)

/** Changes a few bytes, or the length, of what `bytes` gives. */
export function mutated(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const change = fc.record({
    at: fc.nat(),
    to: fc.integer({ min: 0, max: 255 }),
    kind: fc.constantFrom('set', 'insert', 'remove', 'cut'),
  })
  return fc.tuple(bytes, fc.array(change, { minLength: 1, maxLength: 4 })).map(([original, changes]) => {
    const list = Array.from(original)
    for (const { at, to, kind } of changes) {
      const place = list.length === 0 ? 0 : at % list.length
      if (kind === 'set') list[place] = to
      else if (kind === 'insert') list.splice(place, 0, to)
      else if (kind === 'remove') list.splice(place, 1)
      else list.splice(place)
    }
    return Uint8Array.from(list)
  })
}
