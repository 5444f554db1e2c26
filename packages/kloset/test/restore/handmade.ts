import { type Bytes, fromHex, toHex, utf8 } from '../../src/bytes/index.js'
import { compareKeys, type Storage } from '../../src/connector/index.js'
import { createKeyring } from '../../src/crypto/index.js'
import { keyedBlake3 } from '../../src/hash/index.js'
import { SegmentBuilder } from '../../src/index/index.js'
import { CommitLog } from '../../src/log/index.js'
import { PackWriter, packObject, plaintextMaterial } from '../../src/pack/index.js'
import { runtime } from '../../src/runtime/index.js'
import { type Extent, encodeContent, encodeStat, noContent, type Stat, TreeBuilder } from '../../src/tree/index.js'

/** An entry of a snapshot made by hand, where nothing is checked. */
export interface RawItem {
  /** The key in the tree: text, or bytes where it is none. */
  readonly path: string | Uint8Array
  readonly stat: Stat
  /** Text, or extents; a number is a hole of so many bytes. */
  readonly content?: string | readonly (string | number)[]
}

const { signal } = new AbortController()

/**
 * Commits a snapshot of whatever entries to a plaintext store: as someone would who has the keys and means harm. The entries are only
 * sorted, as a tree cannot be without. Returns its id.
 */
export async function commitByHand(storage: Storage, storeId: string, items: readonly RawItem[]): Promise<string> {
  const keyring = createKeyring(plaintextMaterial(fromHex(storeId)))
  const segments: string[] = []
  const stored: Promise<unknown>[] = []
  const put = (name: string, body: Bytes): Promise<unknown> =>
    storage.put(name, body, { signal, ifAbsent: false, tier: 'hot' })
  const writers = (['data', 'metadata'] as const).map((packClass) => {
    const segment = new SegmentBuilder(keyring, packClass)
    const writer = new PackWriter({
      keyring,
      class: packClass,
      packSize: 1024 * 1024,
      frameSize: 64 * 1024,
      codec: 'none',
      onPack(pack) {
        stored.push(put(packObject(pack.name), pack.file))
        segment.add(pack)
      },
    })
    return { writer, segment }
  })
  const [data, metadata] = writers as [(typeof writers)[0], (typeof writers)[0]]
  const known = new Set<string>()
  const chunk = (text: string): Extent => {
    const bytes = utf8(text)
    const id = keyedBlake3(keyring.chunkKey, bytes)
    if (!known.has(toHex(id))) data.writer.addBytes(id, bytes)
    known.add(toHex(id))
    return { id, length: bytes.length }
  }
  const builder = new TreeBuilder({
    splitKey: keyring.splitKey,
    nodeKey: keyring.nodeKey,
    write: (id, encoded) => metadata.writer.addBytes(id, encoded),
  })
  const sorted = items
    .map((item) => ({ ...item, key: typeof item.path === 'string' ? utf8(item.path) : item.path }))
    .sort((a, b) => compareKeys(a.key, 0, a.key.length, b.key, 0, b.key.length))
  for (const { key, stat, content } of sorted) {
    const parts = typeof content === 'string' ? [content] : content
    const extents = parts?.map((part) => (typeof part === 'number' ? { id: undefined, length: part } : chunk(part)))
    await builder.add(key, encodeStat(stat), extents ? encodeContent({ form: 'extents', extents }) : noContent)
  }
  const { root, totals } = await builder.finish()
  for (const { writer, segment } of writers) {
    writer.flush()
    writer.release()
    for (const { name, bytes } of segment.take()) {
      stored.push(put(`index/${name}`, bytes))
      segments.push(name)
    }
  }
  await Promise.all(stored)
  const log = await CommitLog.open({ storage, keyring, writer: runtime.randomBytes(16), signal })
  const id = toHex(runtime.randomBytes(16))
  const snapshot = {
    id,
    time: new Date().toISOString(),
    duration: 1,
    host: 'elsewhere',
    user: 'mallory',
    tags: [],
    tool: 'by hand',
    domain: 0,
    sources: [{ type: 'fs', origin: 'elsewhere', root: '/data', tree: toHex(root), totals }],
    written: { blobs: 0, bytes: 0, stored: 0 },
  }
  const draft = { content: { kind: 'snapshot' as const, snapshot }, segmentsAdded: segments }
  await log.append(draft, { signal, since: log.state.position, reconsider: () => draft })
  return id
}

const directory = { stat: { type: 'directory' } } as const
const file = (text: string): Omit<RawItem, 'path'> => ({ stat: { type: 'file', mode: 0o644 }, content: text })

/** What is wrong with some entries of {@link hostileItems}. */
export interface Hostile {
  /** Paths that must be refused, each with its reason. */
  readonly refused: readonly string[]
  /** Files that must be restored in spite of them. */
  readonly restored: Readonly<Record<string, string>>
}

/** A snapshot that tries to write all over the place, with good files between. `outside` is a folder to aim at. */
export function hostileItems(outside: string): { items: RawItem[]; hostile: Hostile } {
  const long = 'n'.repeat(256)
  const items: RawItem[] = [
    { path: '', ...directory },
    { path: '../escaped', ...file('x') },
    { path: '..', ...directory },
    { path: '../..', ...directory },
    { path: `../../../../../../../..${outside}/escaped`, ...file('x') },
    { path: `${outside}/escaped`, ...file('x') },
    { path: '/absolute', ...file('x') },
    { path: './dot', ...file('x') },
    { path: 'a//b', ...file('x') },
    { path: 'a/../../escaped', ...file('x') },
    { path: 'a/./dot', ...file('x') },
    { path: 'a/', ...file('x') },
    { path: 'nul\0name', ...file('x') },
    { path: 'link', stat: { type: 'symlink', target: outside } },
    { path: 'link/escaped', ...file('x') },
    { path: 'link/deeper', ...directory },
    { path: 'link/deeper/escaped', ...file('x') },
    { path: 'link/link', stat: { type: 'symlink', target: outside } },
    { path: 'plain', ...file('a file') },
    { path: 'plain/below', ...file('x') },
    { path: 'up', stat: { type: 'symlink', target: '..' } },
    { path: 'up/escaped', ...file('x') },
    { path: `good/${long}`, ...file('x') },
    { path: `good/${long}/below`, ...file('x') },
    { path: 'good', ...directory },
    { path: 'good/before', ...file('good before') },
    { path: 'good/zlast', ...file('good last') },
    { path: 'z', ...file('good z') },
    { path: 'empty', stat: { type: 'file' }, content: [] },
    { path: 'nothing', stat: { type: 'symlink', target: '' } },
  ]
  const fine = new Set(['', 'link', 'plain', 'up', 'good', 'good/before', 'good/zlast', 'z', 'empty'])
  return {
    items,
    hostile: {
      refused: items.map(({ path }) => path as string).filter((path) => !fine.has(path)),
      restored: { plain: 'a file', 'good/before': 'good before', 'good/zlast': 'good last', z: 'good z', empty: '' },
    },
  }
}
