import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Bytes, concatBytes, toHex } from '../../src/bytes/index.js'
import {
  contentLength,
  decodeContent,
  decodeListNode,
  type Extent,
  encodeContent,
  extents,
  ListBuilder,
  type ListRoot,
  noContent,
  type PlacedExtent,
  type StoredContent,
} from '../../src/tree/index.js'
import { anyContent, extent, hash, keys, mutated, Nodes, varint } from './support.js'

const corrupt = expect.objectContaining({ code: 'KLOSET_TREE_CORRUPT' })

describe('content', () => {
  it('comes back as it was', () => {
    fc.assert(
      fc.property(anyContent, (content) => {
        const encoded = encodeContent(content)
        const decoded = decodeContent(encoded)
        encoded.fill(0)
        expect(decoded).toEqual(content)
      }),
    )
    expect(encodeContent({ form: 'none' })).toEqual(noContent)
    expect(encodeContent({ form: 'extents', extents: [] })).toEqual(Uint8Array.of(1, 0))
  })

  it('is never read from damaged bytes as something it is not', () => {
    fc.assert(
      fc.property(mutated(anyContent.map(encodeContent)), (bytes) => {
        let content: StoredContent
        try {
          content = decodeContent(bytes)
        } catch (error) {
          expect(error).toEqual(corrupt)
          return
        }
        expect(encodeContent(content)).toEqual(bytes)
        expect(Number.isSafeInteger(contentLength(content))).toBe(true)
      }),
      { numRuns: 3_000 },
    )
  })

  it('refuses lengths and counts that cannot be', () => {
    const id = new Uint8Array(32)
    const hostile = [
      [],
      [3],
      [1, 17, ...new Array(17).fill(3)],
      [1, 1, 1],
      [1, 1, 0, ...id],
      [1, 1, ...varint(2 * (16 * 1024 * 1024 + 1)), ...id],
      [1, 2, ...varint(2 ** 53 - 1), ...varint(2 ** 53 - 1), 0],
      [2, ...id, 16, 50, 20],
      [2, ...id, 0, 50, 51],
      [2, ...id, 0, 50, 1],
      [0, 0],
    ]
    for (const bytes of hostile) expect(() => decodeContent(Uint8Array.from(bytes))).toThrow(corrupt)
    expect(() => encodeContent({ form: 'extents', extents: [{ length: 0, id: undefined }] })).toThrow(RangeError)
    expect(() => encodeContent({ form: 'extents', extents: [{ length: 2 ** 52, id: undefined }] })).toThrow(RangeError)
    expect(() => encodeContent({ form: 'extents', extents: [{ length: 1, id: new Uint8Array(31) }] })).toThrow(
      RangeError,
    )
  })
})

describe('list of extents', () => {
  it('is what docs/format.md says, and its extents come back', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(extent, { maxLength: 60 }), fc.nat(2_000), async (few, repeat) => {
        const all = [...few, ...Array.from({ length: few.length === 0 ? 0 : repeat }, (_, i) => numbered(i))]
        const nodes = new Nodes()
        const content = decodeContent(await list(all, nodes))
        const plain = plainList(all)
        if (all.length <= 16) expect(content).toEqual({ form: 'extents', extents: all })
        else expect(content).toEqual({ form: 'list', ...plain.root })
        expect(new Set(nodes.map.keys())).toEqual(plain.ids)
        expect(await collect(extents(content, nodes.fetch))).toEqual(placed(all))
      }),
      { numRuns: 60 },
    )
  })

  it('has levels, and is read only where it is asked for', async () => {
    const all = Array.from({ length: 100_000 }, (_, i) => numbered(i))
    const nodes = new Nodes()
    const content = decodeContent(await list(all, nodes))
    expect(content).toMatchObject({ form: 'list', count: 100_000, length: contentLength(content) })
    expect(content.form === 'list' && content.level).toBeGreaterThanOrEqual(1)
    const everything = placed(all)
    for (const at of [0, 1, 50_000, 99_999]) {
      nodes.reads = []
      const { offset, length } = everything[at]!
      const found = await collect(extents(content, nodes.fetch, { offset: offset + length - 1, length: 2 }))
      expect(found).toEqual(everything.slice(at, at + 2))
      expect(nodes.reads.length).toBeLessThanOrEqual(5)
    }
    nodes.reads = []
    expect(await collect(extents(content, nodes.fetch, { offset: contentLength(content), length: 10 }))).toEqual([])
    expect(await collect(extents(content, nodes.fetch, { offset: 5, length: 0 }))).toEqual([])
    expect(nodes.reads).toEqual([])
  })

  it('gives the extents of any range', async () => {
    const all = Array.from({ length: 1_500 }, (_, i) => numbered(i))
    const nodes = new Nodes()
    const content = decodeContent(await list(all, nodes))
    const total = contentLength(content)
    const everything = placed(all)
    await fc.assert(
      fc.asyncProperty(fc.nat(total + 10), fc.nat(total), async (offset, length) => {
        const expected = everything.filter((one) => one.offset < offset + length && one.offset + one.length > offset)
        expect(await collect(extents(content, nodes.fetch, { offset, length }))).toEqual(length === 0 ? [] : expected)
      }),
      { numRuns: 50 },
    )
  })

  it('changes few nodes where few extents change', async () => {
    const all = Array.from({ length: 50_000 }, (_, i) => numbered(i))
    const nodes = new Nodes()
    await list(all, nodes)
    const before = new Set(nodes.map.keys())
    const edited = [...all.slice(0, 20_000), numbered(-1), ...all.slice(20_001, 40_000), ...all.slice(40_001)]
    const after = new Nodes()
    await list(edited, after)
    const fresh = [...after.map.keys()].filter((id) => !before.has(id))
    expect(after.map.size).toBeGreaterThan(50)
    expect(fresh.length).toBeLessThanOrEqual(10)
  })

  it('of equal chunks still comes to one root', async () => {
    for (const first of [0, 255]) {
      const id = hash(Uint8Array.of(first))
      id[0] = first
      id[1] = first
      const all = Array.from({ length: 9_000 }, () => ({ length: 5, id }))
      const nodes = new Nodes()
      const content = decodeContent(await list(all, nodes))
      expect(content).toMatchObject({ form: 'list', count: 9_000, length: 45_000 })
      expect(await collect(extents(content, nodes.fetch))).toEqual(placed(all))
    }
  })

  it('waits for a node to be written before it goes on', async () => {
    let writing = 0
    const builder = new ListBuilder({
      ...keys,
      write: async () => {
        expect(++writing).toBe(1)
        await new Promise((resolve) => setTimeout(resolve, 1))
        writing--
      },
    })
    for (let i = 0; i < 5_000; i++) {
      const waiting = builder.chunk(hash(Uint8Array.of(i, i >> 8)), 10)
      if (waiting !== undefined) await waiting
    }
    expect(decodeContent(await builder.finish())).toMatchObject({ form: 'list', count: 5_000 })
  })

  it('does not lead where its nodes contradict each other', async () => {
    const id = hash(Uint8Array.of(1))
    const leaf = Uint8Array.from([1, 0, 2, 20, ...id, 11])
    const nodes = new Nodes()
    const leafId = nodes.put(leaf)
    const above = (...children: [Bytes, number, number][]): Uint8Array =>
      Uint8Array.from([
        1,
        1,
        children.length,
        ...children.flatMap(([child, length, count]) => [...child, length, count]),
      ])
    const read = (node: Bytes, level: number, length: number, count: number): Promise<PlacedExtent[]> =>
      collect(extents({ form: 'list', id: node, level, length, count }, nodes.fetch))
    const inner = nodes.put(above([leafId, 15, 2], [leafId, 15, 2]))
    expect((await read(inner, 1, 30, 4)).map(({ offset }) => offset)).toEqual([0, 10, 15, 25])

    await expect(read(inner, 1, 31, 4)).rejects.toEqual(corrupt)
    await expect(read(inner, 1, 30, 5)).rejects.toEqual(corrupt)
    await expect(read(inner, 2, 30, 4)).rejects.toEqual(corrupt)
    await expect(read(inner, 0, 30, 4)).rejects.toEqual(corrupt)
    // A node that is its own child: followed at most one step, because the level has to fall.
    const self = hash(Uint8Array.of(99))
    nodes.map.set(toHex(self), Uint8Array.from(above([self, 15, 2], [self, 15, 2])))
    await expect(read(self, 1, 30, 4)).rejects.toEqual(corrupt)
    // More extents than bytes, and sums beyond what a number holds.
    await expect(read(nodes.put(above([leafId, 15, 16])), 1, 15, 16)).rejects.toEqual(corrupt)
    const huge = Uint8Array.from([1, 1, 2, ...leafId, ...varint(2 ** 53 - 1), 2, ...leafId, ...varint(2 ** 53 - 1), 2])
    await expect(read(nodes.put(huge), 1, 2 ** 53 - 1, 4)).rejects.toEqual(corrupt)
  })

  it('is never read from damaged bytes as something it is not', () => {
    const leaf = fc
      .array(extent, { minLength: 1, maxLength: 20 })
      .map((all) => concatBytes(Uint8Array.of(1, 0, all.length), ...all.map(plainExtent)))
    fc.assert(
      fc.property(mutated(leaf), (bytes) => {
        const reference = { id: new Uint8Array(32), level: 0, length: 1, count: 1 }
        try {
          const node = decodeListNode(bytes, reference)
          expect(node).toMatchObject({ level: 0, extents: [{ length: 1 }] })
        } catch (error) {
          expect(error).toEqual(corrupt)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('drops what it fetched ahead without a trace when the reader stops or a node is missing', async () => {
    const all = Array.from({ length: 3_000 }, (_, i) => numbered(i))
    const nodes = new Nodes()
    const content = decodeContent(await list(all, nodes))
    const rootId = content.form === 'list' ? toHex(content.id) : ''
    for (const id of [...nodes.map.keys()].slice(1)) if (id !== rootId) nodes.map.delete(id)
    for await (const one of extents(content, nodes.fetch)) {
      expect(one.offset).toBe(0)
      break
    }
    await expect(collect(extents(content, nodes.fetch))).rejects.toThrow('no node')
  })
})

function numbered(i: number): Extent {
  const id = hash(Uint8Array.from([...String(i)].map(Number)))
  return i % 97 === 13 ? { length: 70_000 + i, id: undefined } : { length: 100 + (i & 0xff), id }
}

async function list(all: readonly Extent[], nodes: Nodes): Promise<Bytes> {
  const builder = new ListBuilder({ ...keys, write: nodes.write })
  for (const { length, id } of all) await (id === undefined ? builder.hole(length) : builder.chunk(id, length))
  return builder.finish()
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

function placed(all: readonly Extent[]): PlacedExtent[] {
  let offset = 0
  return all.map((one) => {
    const at = { ...one, offset }
    offset += one.length
    return at
  })
}

function plainExtent({ length, id }: Extent): Uint8Array {
  return Uint8Array.from([...varint(length * 2 + (id === undefined ? 1 : 0)), ...(id ?? [])])
}

// The plain twin of the list builder: level by level over arrays, as the format's text goes.
function plainList(all: readonly Extent[]): { root: ListRoot | undefined; ids: Set<string> } {
  const ids = new Set<string>()
  if (all.length <= 16) return { root: undefined, ids }
  type Item = { key: number; bytes: Uint8Array; id?: Bytes; length: number; count: number }
  let items: Item[] = all.map((one) => ({
    key: one.id === undefined ? one.length % 65_536 : one.id[0]! + 256 * one.id[1]!,
    bytes: plainExtent(one),
    length: one.length,
    count: 1,
  }))
  for (let level = 0; ; level++) {
    const groups: Item[][] = [[]]
    for (const [i, item] of items.entries()) {
      const group = groups.at(-1)!
      group.push(item)
      const ends = (item.key < 128 && group.length >= 2) || group.length === 2_048
      if (ends && i < items.length - 1) groups.push([])
    }
    items = groups.map((group) => {
      const length = group.reduce((sum, item) => sum + item.length, 0)
      const count = group.reduce((sum, item) => sum + item.count, 0)
      const node = concatBytes(Uint8Array.from([1, level, ...varint(group.length)]), ...group.map((item) => item.bytes))
      const id = hash(node)
      ids.add(toHex(id))
      const bytes = Uint8Array.from([...id, ...varint(length), ...varint(count)])
      return { key: id[0]! + 256 * id[1]!, bytes, id, length, count }
    })
    const [only, ...others] = items
    if (others.length === 0) return { root: { id: only!.id!, level, length: only!.length, count: only!.count }, ids }
  }
}
