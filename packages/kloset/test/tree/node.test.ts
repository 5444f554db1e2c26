import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes, fromHex } from '../../src/bytes/index.js'
import {
  compareKeyAt,
  contentAt,
  decodeEntry,
  decodeNode,
  encodeContent,
  encodeStat,
  firstFrom,
  keyAt,
  keyOf,
  openNode,
  statAt,
  type TreeNode,
} from '../../src/tree/index.js'
import { build, file, hash, inOrder, mutated, Nodes, plainNode, plainValue, root, varint } from './support.js'

const corrupt = expect.objectContaining({ code: 'KLOSET_TREE_CORRUPT' })
const leafOf = (...entries: [string, Uint8Array][]): Uint8Array =>
  plainNode(
    0,
    entries.map(([path, value]) => ({ key: keyOf(path), value })),
  )
const value = plainValue(root)
const reference = (id: Uint8Array, totals = [1, 0, 0, 0, 0]): Uint8Array =>
  concatBytes(id, Uint8Array.from(totals.flatMap(varint)))

describe('tree node', () => {
  it('gives its entries as they were', async () => {
    const items = inOrder([root, file('a'), file('a/b', 5), file('a-b'), file('ü'), file('caf\udce9')])
    const nodes = new Nodes()
    const { root: id, totals } = await build(items, nodes)
    const node = decodeNode(await nodes.fetch(id), id)
    expect(node.count).toBe(items.length)
    expect(node.totals).toEqual(totals)
    for (const [i, item] of items.entries()) {
      const { path, stat, content } = item
      expect(decodeEntry(keyAt(node, i), statAt(node, i), contentAt(node, i))).toEqual({ path, ...stat, content })
      expect(firstFrom(node, keyOf(path))).toBe(i)
      expect(firstFrom(node, keyOf(`${path}\0`))).toBe(i + 1 + below(items, path))
      expect(compareKeyAt(node, i, keyOf(path))).toBe(0)
    }
  })

  it('has the bytes of docs/format.md', () => {
    // A directory `a`; a file `a/b` of size 3, with a hole of 5 bytes.
    const first = ['00', '01', '61', '04', '02', '0100', '00']
    const second = ['01', '02', '2f62', '07', '03', '000103', '01010b']
    const bytes = fromHex(['01', '00', '02', ...first, ...second].join(''))
    const node = decodeNode(bytes)
    expect(decodeEntry(keyAt(node, 0), statAt(node, 0), contentAt(node, 0))).toEqual({
      path: 'a',
      type: 'directory',
      content: { form: 'none' },
    })
    expect(decodeEntry(keyAt(node, 1), statAt(node, 1), contentAt(node, 1))).toEqual({
      path: 'a/b',
      type: 'file',
      size: 3,
      content: { form: 'extents', extents: [{ length: 5, id: undefined }] },
    })
    expect(node.totals).toEqual({ files: 1, directories: 1, others: 0, bytes: 5, errors: 0 })
  })

  it('is never read from damaged bytes as something it is not', () => {
    const leaf = fc
      .uniqueArray(fc.constantFrom('a', 'a/b', 'a/c', 'a-b', 'b', 'bb', 'c/d/e'), { minLength: 1 })
      .map((paths) =>
        leafOf(
          ...inOrder([root, ...paths.map((path) => file(path))]).map(
            (one) => [one.path, plainValue(one)] as [string, Uint8Array],
          ),
        ),
      )
    const inner = fc.uniqueArray(fc.constantFrom('a', 'a/b', 'a/c', 'a-b', 'b'), { minLength: 1 }).map((paths) =>
      plainNode(
        3,
        inOrder(paths.map((path) => file(path))).map((one) => ({
          key: keyOf(one.path),
          value: reference(hash(keyOf(one.path))),
        })),
      ),
    )
    fc.assert(
      fc.property(mutated(fc.oneof(leaf, inner)), (bytes) => {
        let node: TreeNode
        try {
          node = decodeNode(bytes)
        } catch (error) {
          expect(error).toEqual(corrupt)
          return
        }
        for (let i = 1; i < node.count; i++) expect(compareKeyAt(node, i - 1, keyAt(node, i))).toBeLessThan(0)
        // There is one encoding of what is in it.
        const again = plainNode(
          node.level,
          Array.from({ length: node.count }, (_, i) => ({
            key: keyAt(node, i),
            value: node.bytes.slice(valueStart(node, i), node.valueEnds[i]),
          })),
        )
        expect(again).toEqual(bytes)
      }),
      { numRuns: 5_000 },
    )
  })

  it('refuses counts, lengths and orders that cannot be', () => {
    const id = hash(keyOf('x'))
    const hostile: Record<string, Uint8Array> = {
      empty: new Uint8Array(0),
      'no entries': Uint8Array.of(1, 0, 0),
      'another version': Uint8Array.of(2, ...leafOf(['', value]).subarray(1)),
      'a level of 16': Uint8Array.of(1, 16, ...plainNode(1, [{ key: keyOf('a'), value: reference(id) }]).subarray(2)),
      'a huge count': Uint8Array.of(1, 0, ...varint(2 ** 50), 0, 0, 4, 2, 1, 0, 0),
      'a count of one more': Uint8Array.of(1, 0, 2, 0, 0, 4, 2, 1, 0, 0),
      'bytes behind': concatBytes(leafOf(['', value]), Uint8Array.of(0)),
      'the same key twice': leafOf(['a', value], ['a', value]),
      'descending keys': leafOf(['b', value], ['a', value]),
      '/ after -': leafOf(['a-', value], ['a/', value]),
      'a prefix after': leafOf(['ab', value], ['a', value]),
      'a key that shares less than it could': Uint8Array.of(
        1,
        0,
        2,
        0,
        1,
        0x61,
        ...sized(value),
        0,
        2,
        0x61,
        0x62,
        ...sized(value),
      ),
      'a first key that shares': Uint8Array.of(1, 0, 1, 1, 1, 0x61, ...sized(value)),
      'a key that shares more than there is': Uint8Array.of(
        1,
        0,
        2,
        0,
        1,
        0x61,
        ...sized(value),
        2,
        1,
        0x61,
        ...sized(value),
      ),
      'a long key': leafOf(['x'.repeat(65_537), value]),
      'a long value': leafOf([
        '',
        concatBytes(Uint8Array.from(varint(131_072)), new Uint8Array(131_072), Uint8Array.of(0)),
      ]),
      'a stat longer than its value': leafOf(['', Uint8Array.of(9, 1, 0, 0)]),
      'a value without content': leafOf(['', Uint8Array.of(2, 1, 0)]),
      'a value without type': leafOf(['', Uint8Array.of(0, 0)]),
      'an unknown type': leafOf(['', Uint8Array.of(2, 7, 0, 0)]),
      'an unknown content': leafOf(['', Uint8Array.of(2, 1, 0, 3)]),
      'bytes behind a content': leafOf(['', Uint8Array.of(2, 1, 0, 0, 0)]),
      'a short id': plainNode(1, [{ key: keyOf('a'), value: id.slice(1) }]),
      'a child of nothing': plainNode(1, [{ key: keyOf('a'), value: reference(id, [0, 0, 0, 0, 0]) }]),
      'more errors than entries': plainNode(1, [{ key: keyOf('a'), value: reference(id, [1, 0, 0, 0, 2]) }]),
      'bytes behind a reference': plainNode(1, [
        { key: keyOf('a'), value: concatBytes(reference(id), Uint8Array.of(0)) },
      ]),
      'too many of everything': plainNode(1, [
        { key: keyOf('a'), value: reference(id, [2 ** 53 - 1, 0, 0, 0, 0]) },
        { key: keyOf('b'), value: reference(id, [1, 0, 0, 0, 0]) },
      ]),
      'more than 512 KiB': new Uint8Array(512 * 1024 + 1),
    }
    for (const [what, bytes] of Object.entries(hostile)) expect(() => decodeNode(bytes), what).toThrow(corrupt)
  })

  it('of long shared keys does not grow beyond its cap', () => {
    // 30,000 keys of 60,000 bytes in 300 KB: 1.8 GB if they were written out.
    const entries = [...sized(value)]
    const first = [0, ...varint(60_000), ...new Array(60_000).fill(0x61), ...entries]
    const more = Array.from({ length: 30_000 }, (_, i) => [
      ...varint(59_990 + Math.floor(i / 6_000)),
      1,
      0x62 + (i % 6_000 === 0 ? 0 : 1),
      ...entries,
    ])
    expect(() => decodeNode(Uint8Array.from([1, 0, ...varint(30_001), ...first, ...more.flat()]))).toThrow(corrupt)
  })

  it('names the node that is damaged', () => {
    const id = hash(keyOf('x'))
    expect(() => decodeNode(Uint8Array.of(9), id)).toThrow(
      expect.objectContaining({ context: { node: Buffer.from(id).toString('hex') } }),
    )
  })
})

describe('node held to its reference', () => {
  const bytes = leafOf(['b', plainValue(file('b'))], ['c', value])
  const id = hash(bytes)
  const totals = { files: 1, directories: 1, others: 0, bytes: 1_000, errors: 0 }
  const parent = { level: 1, last: keyOf('c'), totals }

  it('is taken where everything fits', () => {
    expect(openNode(bytes, { id, after: keyOf('a'), parent }).count).toBe(2)
    expect(openNode(bytes, { id, after: keyOf('a/z'), parent: undefined }).count).toBe(2)
  })

  it('is refused where anything does not', () => {
    for (const wrong of [
      { after: undefined, parent },
      { after: keyOf('b'), parent },
      { after: keyOf('c'), parent },
      { after: keyOf('a'), parent: { ...parent, level: 2 } },
      { after: keyOf('a'), parent: { ...parent, level: 0 } },
      { after: keyOf('a'), parent: { ...parent, last: keyOf('d') } },
      { after: keyOf('a'), parent: { ...parent, last: keyOf('b') } },
      { after: keyOf('a'), parent: { ...parent, totals: { ...totals, bytes: 999 } } },
      { after: keyOf('a'), parent: { ...parent, totals: { ...totals, errors: 1 } } },
    ]) {
      expect(() => openNode(bytes, { id, ...wrong })).toThrow(corrupt)
    }
  })
})

describe('decoded entry', () => {
  it('never has a path that leads elsewhere', () => {
    const stat = encodeStat({ type: 'file' })
    const content = encodeContent({ form: 'none' })
    for (const key of ['..', 'a/../../b', '/etc', 'a//b', 'a/', 'a\0b', './a']) {
      expect(() => decodeEntry(new TextEncoder().encode(key), stat, content)).toThrow(
        expect.objectContaining({ code: 'KLOSET_PATH_UNSAFE' }),
      )
    }
  })
})

function sized(bytes: Uint8Array): number[] {
  return [...varint(bytes.length), ...bytes]
}

function valueStart(node: TreeNode, index: number): number {
  if (node.level > 0) return node.valueStarts[index]!
  return node.valueStarts[index]! - varint(node.contentStarts[index]! - node.valueStarts[index]!).length
}

function below(items: readonly { path: string }[], path: string): number {
  return items.filter((one) => (path === '' ? false : one.path.startsWith(`${path}/`))).length
}
