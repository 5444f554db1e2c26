import { describe, expect, it } from 'vitest'
import { type Bytes, toHex } from '../../src/bytes/index.js'
import { KlosetError } from '../../src/errors.js'
import { encodeContent, encodeStat, ListBuilder, noContent, TreeBuilder } from '../../src/tree/index.js'
import { reach } from '../../src/tree/reach.js'
import { fixedKeyring } from '../crypto/helpers.js'
import { numbers } from '../index/helpers.js'

const { splitKey, nodeKey } = fixedKeyring()
const utf8 = new TextEncoder()
const next = numbers(3)
const randomId = (): Bytes => new Uint8Array(32).map(() => next() >>> 24)

/** Trees, their nodes by id, and the chunks that are in them. */
async function forest(): Promise<{ roots: Bytes[]; nodes: Map<string, Bytes>; chunks: Set<string> }> {
  const nodes = new Map<string, Bytes>()
  const chunks = new Set<string>()
  const write = (id: Bytes, encoded: Bytes): void => void nodes.set(toHex(id), encoded.slice())
  const chunk = (): { id: Bytes; length: number } => {
    const id = randomId()
    chunks.add(toHex(id))
    return { id, length: 1_000 }
  }
  const list = new ListBuilder({ nodeKey, write })
  for (let i = 0; i < 20_000; i++) await list.chunk(chunk().id, 1_000)
  const huge = await list.finish()
  const roots: Bytes[] = []
  for (const extra of ['one', 'two']) {
    const tree = new TreeBuilder({ splitKey, nodeKey, write })
    await tree.add(new Uint8Array(0), encodeStat({ type: 'directory' }), noContent)
    const names = Array.from({ length: 2_000 }, (_, i) => `file-${String(i).padStart(5, '0')}`)
    for (const name of [...names, 'huge', `z-${extra}`]) {
      const extents = [chunk(), { id: undefined, length: 77 }, chunk()]
      const content = name === 'huge' ? huge : encodeContent({ form: 'extents', extents })
      if (name === 'huge') for (const { id } of extents) if (id !== undefined) chunks.delete(toHex(id))
      const storedXattrs = name.endsWith('7') ? { 'user.long': [chunk()] } : undefined
      await tree.add(utf8.encode(name), encodeStat({ type: 'file', storedXattrs }), content)
    }
    roots.push((await tree.finish()).root)
  }
  return { roots, nodes, chunks }
}

describe('reaching everything that trees refer to', async () => {
  const { roots, nodes, chunks } = await forest()
  const signal = new AbortController().signal
  const hex = (bytes: Uint8Array, at: number): string => toHex(bytes.subarray(at, at + 32))

  it.each([1, 16])('finds each node once and every chunk (%i at once)', async (width) => {
    const [met, found] = [new Set<string>(), new Set<string>()]
    let fetched = 0
    let most = 0
    let under = 0
    const fetch = async (id: Uint8Array): Promise<Uint8Array> => {
      fetched++
      most = Math.max(most, ++under)
      await new Promise((resolve) => setImmediate(resolve))
      under--
      return nodes.get(toHex(id))!
    }
    const reached = {
      node: (bytes: Uint8Array, at: number): boolean =>
        !met.has(hex(bytes, at)) && met.add(hex(bytes, at)) !== undefined,
      chunk: (bytes: Uint8Array, at: number): void => void found.add(hex(bytes, at)),
    }
    await reach([...roots, roots[0]!], fetch, reached, { width, signal })
    expect(found).toEqual(chunks)
    expect(met).toEqual(new Set(nodes.keys()))
    expect(fetched).toBe(nodes.size)
    expect(most).toBe(width)
  })

  it('does not go into what it is told not to', async () => {
    const seen: string[] = []
    const reached = { node: (bytes: Uint8Array, at: number) => seen.push(hex(bytes, at)) < 0, chunk: () => undefined }
    await reach(roots, () => Promise.reject(new Error('not wanted')), reached, { width: 4, signal })
    expect(seen).toEqual(roots.map(toHex))
  })

  it('ends with the first failure, when nothing is under way any more', async () => {
    let under = 0
    let fetched = 0
    const fetch = async (id: Uint8Array): Promise<Uint8Array> => {
      under++
      await new Promise((resolve) => setImmediate(resolve))
      under--
      if (++fetched > 3) throw new KlosetError('KLOSET_CHUNK_MISSING', 'gone')
      return nodes.get(toHex(id))!
    }
    const reached = { node: () => true, chunk: () => undefined }
    await expect(reach(roots, fetch, reached, { width: 8, signal })).rejects.toMatchObject({
      code: 'KLOSET_CHUNK_MISSING',
    })
    expect(under).toBe(0)
  })

  it('says of every damaged node that it is one', async () => {
    const reached = { node: () => true, chunk: () => undefined }
    const root = nodes.get(toHex(roots[0]!))!
    for (let cut = 0; cut < root.length; cut += 7) {
      const fetch = (): Uint8Array => root.subarray(0, cut)
      await expect(reach([roots[0]!], fetch, reached, { width: 1, signal })).rejects.toMatchObject({
        code: 'KLOSET_TREE_CORRUPT',
      })
    }
  })
})
