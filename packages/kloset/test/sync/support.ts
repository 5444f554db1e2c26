import type { CreateOptions, Store, SyncResult } from '../../src/api.js'
import { type Bytes, concatBytes, fromHex, toHex } from '../../src/bytes/index.js'
import { type Codec, codecOfNumber } from '../../src/compress/index.js'
import type { Storage } from '../../src/connector/index.js'
import { readHeader } from '../../src/crypto/header.js'
import { sealer } from '../../src/crypto/index.js'
import { openedStore } from '../../src/facade.js'
import { createStore, memoryStorage, openStore } from '../../src/index.js'
import type { SnapshotRecord } from '../../src/log/index.js'
import { openPack } from '../../src/pack/index.js'
import type { MemoryPlace } from '../../src/storage/index.js'
import { snapshotOf } from '../../src/sync/damage.js'
import { type Extent, extents } from '../../src/tree/index.js'
import { call, engine, longAgo, noise, type Specs, settings } from '../backup/support.js'
import { rawKey } from '../support/stores.js'

/** A store in memory and the objects it consists of. */
export interface Placed {
  readonly store: Store
  readonly place: MemoryPlace
}

/** How stores differ whose chunks have nothing to do with each other. */
export const otherSizes: Partial<CreateOptions> = { chunker: { min: 512, normal: 2048, max: 8192 } }

export const encrypted: Partial<CreateOptions> = { unlock: rawKey }

/** A new store in memory. */
export async function newPlaced(
  more: Partial<CreateOptions> = {},
  wrap: (storage: Storage) => Storage = (storage) => storage,
): Promise<Placed> {
  const place: MemoryPlace = new Map()
  // How it cuts is up to the store that it is to be like.
  const { chunker, ...others } = settings
  const own = more.like === undefined ? { chunker: chunker! } : {}
  return { store: await createStore(wrap(memoryStorage({ place })), { ...others, ...own, ...more }), place }
}

/** The store at a place, opened by another client. */
export function reopened(
  { place }: Pick<Placed, 'place'>,
  unlock: CreateOptions['unlock'] = settings.unlock,
  wrap: (storage: Storage) => Storage = (storage) => storage,
): Promise<Store> {
  return openStore(wrap(memoryStorage({ place })), { unlock, engine })
}

/** Everything there can be in a source: many sizes, every type, everything an entry may have, entries that cannot be read. */
export const rich: Specs = {
  empty: '',
  one: '1',
  'docs/a.txt': noise(700, 1),
  'docs/b.txt': noise(700, 1),
  'docs/edge': noise(1024, 2),
  'docs/long': noise(40_000, 3),
  'docs/longer': noise(150_000, 4),
  'docs/zeros': new Uint8Array(100_000),
  'docs/text': 'the same line again and again\n'.repeat(3_000),
  'folder/deep/er/x': noise(5_000, 5),
  'hard/one': { content: noise(9_000, 6), inode: { device: 1n, number: 77n, links: 2 } },
  'hard/two': { content: noise(9_000, 6), inode: { device: 1n, number: 77n, links: 2 } },
  link: { type: 'symlink', target: 'docs/a.txt' },
  pipe: { type: 'fifo', mode: 0o600 },
  null: { type: 'character', device: { major: 1, minor: 3 } },
  owned: {
    content: noise(300, 7),
    owner: { uid: 1000, gid: 100, user: 'anna', group: 'users' },
    birthtime: longAgo,
    ctime: longAgo + 5n,
    xattrs: { 'user.colour': new Uint8Array([1, 2, 3]) },
    attributes: { 's3.content-type': 'text/plain' },
    version: 'v1',
  },
  unreadable: { content: 'x', unreadable: new Error('no') },
  'locked/in': { type: 'directory', failure: new Error('cannot be listed') },
  'surrogate\udcff': noise(10, 8),
  ...Object.fromEntries(Array.from({ length: 120 }, (_, i) => [`many/${i}`, noise(50 + 31 * i, 200 + i)])),
}

/** `rich` some time later: changed, renamed, added, removed, and one whose metadata only is another. */
export const later: Specs = (() => {
  const { one, 'docs/longer': _, ...kept } = rich as Record<string, Specs[string]>
  return {
    ...kept,
    'docs/long': { content: noise(41_000, 30), mtime: longAgo + 1n },
    'docs/renamed': noise(150_000, 4),
    'docs/text': { content: 'the same line again and again\n'.repeat(3_000), mode: 0o600, mtime: longAgo + 2n },
    'many/7': { content: noise(3_000, 31), mtime: longAgo + 3n },
    new: noise(20_000, 32),
    two: one!,
  }
})()

/** Everything a snapshot says, with the content of its files, in a form in which two stores say the same. */
export async function told(store: Store, name = 'latest'): Promise<unknown> {
  const opened = openedStore(store)
  const { id } = await store.snapshot(name)
  const record = recordOf(store, id)!
  const blobs = await opened.blobs()
  const entries: unknown[] = []
  const contentOf = async (
    parts: AsyncIterable<Extent> | Iterable<Extent>,
  ): Promise<{ hex: string; holes: string[] }> => {
    const bytes: Bytes[] = []
    const holes: string[] = []
    let at = 0
    for await (const { id, length } of parts) {
      if (id === undefined && length > 1e6) holes.push(`${at} ${length}`)
      else bytes.push(id === undefined ? new Uint8Array(length) : (await blobs.chunk(id, call)).slice())
      if (id === undefined && length <= 1e6) holes.push(`${at} ${length}`)
      at += length
    }
    return { hex: toHex(concatBytes(...bytes)), holes }
  }
  for await (const entry of snapshotOf(opened, record, call).storedUnder('')) {
    const { content, storedXattrs = {}, ...rest } = entry
    const long: Record<string, unknown> = {}
    for (const [name, parts] of Object.entries(storedXattrs)) long[name] = await contentOf(parts)
    const value = content.form === 'none' ? undefined : await contentOf(extents(content, (id) => blobs.node(id, call)))
    entries.push({ ...rest, content: value, long })
  }
  const { sources, written: _, ...rest } = record
  return { ...rest, sources: sources.map(({ tree: __, ...source }) => source), entries }
}

/** What the log of a store records of a snapshot. */
export function recordOf(store: Store, id: string): SnapshotRecord | undefined {
  return openedStore(store).log.state.snapshots.get(id)?.record
}

/** The ids of a store's snapshots, oldest first. */
export async function idsOf(store: Store): Promise<string[]> {
  const ids: string[] = []
  for await (const { id } of store.snapshots()) ids.push(id)
  return ids
}

/** What a synchronization did, without what depends on how long it took and how large things are. */
export function outcomeOf(result: SyncResult): unknown {
  const { synchronized, present, forgotten, incomplete, failed, rechunked } = result
  return {
    synchronized: synchronized.map(({ id }) => id),
    present,
    forgotten,
    incomplete: incomplete.map(({ id }) => id),
    failed: failed.map(({ path }) => path).sort(),
    rechunked,
  }
}

/** What {@link outcomeOf} should give where only these were brought over. */
export function broughtOver(ids: readonly string[], more: Record<string, unknown> = {}): unknown {
  return { synchronized: ids, present: 0, forgotten: 0, incomplete: [], failed: [], rechunked: false, ...more }
}

/** The ids of all blobs in all packs of a store, each as often as it is stored. */
export function storedIds({ store, place }: Placed): string[] {
  return packsOf({ store, place }).flatMap(({ ids }) => ids)
}

export function storedTwice(placed: Placed): string[] {
  const seen = new Set<string>()
  return storedIds(placed).filter((id) => seen.has(id) || !seen.add(id))
}

/** How often each codec is used by the frames of data packs. */
export function codecsIn(placed: Placed): Partial<Record<Codec, number>> {
  const counts: Partial<Record<Codec, number>> = {}
  for (const { class: ofClass, codecs } of packsOf(placed)) {
    if (ofClass === 'data') for (const codec of codecs) counts[codec] = (counts[codec] ?? 0) + 1
  }
  return counts
}

/** Raw lengths of the frames of data packs. */
export function framesIn(placed: Placed): number[] {
  return packsOf(placed).flatMap(({ class: ofClass, lengths }) => (ofClass === 'data' ? lengths : []))
}

function packsOf({ store, place }: Placed): { class: string; ids: string[]; codecs: Codec[]; lengths: number[] }[] {
  const { keyring } = openedStore(store)
  return [...place].flatMap(([name, file]) => {
    if (!name.startsWith('packs/')) return []
    const { opener, footer } = openPack(keyring, fromHex(name.slice(9)), file)
    const ids = Array.from({ length: footer.records.length / 40 }, (_, i) =>
      toHex(footer.records.subarray(40 * i, 40 * i + 32)),
    )
    const codecs: Codec[] = []
    const lengths: number[] = []
    const parts = sealer(keyring, readHeader('pack', file), 'packs')
    let at = opener.headerLength
    for (let i = 0; i < footer.frames.length; i += 3) {
      const sealed = file.subarray(at, at + footer.frames[i]!)
      codecs.push(codecOfNumber(parts.open(0, i / 3, sealed)[0]!))
      lengths.push(footer.frames[i + 1]!)
      at += sealed.length
    }
    return [{ class: footer.class, ids, codecs, lengths }]
  })
}
