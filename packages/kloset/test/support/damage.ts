import type { Requests, Store, Unlock } from '../../src/api.js'
import { type Bytes, fromHex, toHex } from '../../src/bytes/index.js'
import { Registry } from '../../src/connector/index.js'
import { createKeyring, type Keyring, plaintextMaterial, type Secret, unlock } from '../../src/crypto/index.js'
import { poolOf } from '../../src/engine.js'
import { OpenStore } from '../../src/facade.js'
import { memoryStorage } from '../../src/index.js'
import { CommitLog } from '../../src/log/index.js'
import { openPack, type PackClass } from '../../src/pack/index.js'
import { type MemoryPlace, metered } from '../../src/storage/index.js'
import { decodeConfig } from '../../src/store/config.js'
import { LoadedIndex, OpenedStore } from '../../src/store/opened.js'
import {
  decodeEntry,
  decodeListNode,
  entriesUnder,
  extents,
  rawEntry,
  type StoredContent,
} from '../../src/tree/index.js'
import { engine, filesOf, openAt, rawKey, restored } from './stores.js'

const signal = new AbortController().signal

/** The keys of a store: without more, one that opens with {@link rawKey} or is plaintext. */
export async function keyringOf(place: MemoryPlace, unlocked: Unlock = rawKey): Promise<Keyring> {
  const config = decodeConfig(place.get('config')!)
  const storeId = fromHex(config.store)
  if (config.encryption === 'none') return createKeyring(plaintextMaterial(storeId))
  const names = [...place.keys()]
  const slots = names.flatMap((name) => {
    const id = /^keys\/([0-9a-f]{32})$/.exec(name)?.[1]
    return id === undefined ? [] : [{ id, bytes: place.get(name)! }]
  })
  const fetch = async (name: string): Promise<Bytes[]> => [place.get(name)!]
  const epochs = names.filter((name) => name.startsWith('epochs/'))
  const locked = { storeId, encryption: config.encryption, slots, epochs, fetch }
  return createKeyring((await unlock(locked, unlocked as Secret)).material)
}

/** The log of a store. */
export async function logOf(place: MemoryPlace, unlocked?: Unlock): Promise<CommitLog> {
  const keyring = await keyringOf(place, unlocked)
  return CommitLog.open({ storage: memoryStorage({ place }), keyring, writer: new Uint8Array(16), signal })
}

/** Writes a checkpoint of the newest entry, as a store does after many. */
export async function checkpoint(place: MemoryPlace, unlocked?: Unlock): Promise<void> {
  const log = await logOf(place, unlocked)
  await log.checkpoint({ signal })
}

/** A pack of a whole store: where each of its frames is and the ids of the blobs in it. */
export interface KnownPack {
  readonly class: PackClass
  readonly headerLength: number
  readonly frames: readonly { readonly from: number; readonly to: number; readonly ids: ReadonlySet<string> }[]
}

/** The packs of a whole store by object name. */
export async function packsOf(place: MemoryPlace): Promise<Map<string, KnownPack>> {
  const keyring = await keyringOf(place)
  const packs = new Map<string, KnownPack>()
  for (const [name, file] of place) {
    if (!name.startsWith('packs/')) continue
    const { opener, footer } = openPack(keyring, fromHex(name.slice(9)), file)
    const frames: { from: number; to: number; ids: Set<string> }[] = []
    let from = opener.headerLength
    let record = 0
    for (let i = 0; i < footer.frames.length; i += 3) {
      const ids = new Set<string>()
      for (let left = footer.frames[i + 2]!; left > 0; left--, record += 40) {
        ids.add(toHex(footer.records.subarray(record, record + 32)))
      }
      frames.push({ from, to: from + footer.frames[i]!, ids })
      from += footer.frames[i]!
    }
    packs.set(name, { class: footer.class, headerLength: opener.headerLength, frames })
  }
  return packs
}

/** Ids of the blobs that cannot be read where this byte of the pack is another. The footer says nothing that the index does not. */
export function lostAt(pack: KnownPack, at: number): ReadonlySet<string> {
  if (at < pack.headerLength) return new Set(pack.frames.flatMap(({ ids }) => [...ids]))
  return pack.frames.find(({ from, to }) => at >= from && at < to)?.ids ?? new Set()
}

/** A snapshot as it was made: what every file of it holds and is made of. */
export interface KnownSnapshot {
  readonly id: string
  readonly files: ReadonlyMap<string, { readonly bytes: Bytes; readonly ids: ReadonlySet<string> }>
}

/** A whole store, from which damaged ones are made. */
export interface KnownStore {
  readonly place: MemoryPlace
  readonly unlock: Unlock
  readonly keyring: Keyring
  readonly packs: ReadonlyMap<string, KnownPack>
  /** Oldest first. */
  readonly snapshots: readonly KnownSnapshot[]
}

/** Learns all there is to know of a store while it is whole. */
export async function knownStore(place: MemoryPlace, unlocked: Unlock): Promise<KnownStore> {
  const store = await openAt(place, unlocked)
  const { blobs } = await blobReader(place)
  const log = await logOf(place)
  const snapshots: KnownSnapshot[] = []
  for (const { record } of log.state.snapshots.values()) {
    const contents = filesOf((await restored(store, record.id)).found)
    const known = new Map<string, { bytes: Bytes; ids: Set<string> }>()
    const folders = (await store.snapshot(record.id)).sources
    for (const [number, { tree }] of record.sources.entries()) {
      const at = folders.find(({ root }) => root === record.sources[number]!.root)!.at
      for await (const { leaf, from, to } of entriesUnder(fromHex(tree), blobs, new Uint8Array(0))) {
        for (let i = from; i < to; i++) {
          const { key, stat, content } = rawEntry(leaf, i)
          const entry = decodeEntry(key, stat, content)
          if (entry.type !== 'file') continue
          const path = at === '' ? entry.path : `${at}/${entry.path}`
          known.set(path, { bytes: contents.get(path)!, ids: await idsOf(entry.content, blobs) })
        }
      }
    }
    snapshots.push({ id: record.id, files: known })
  }
  return { place, unlock: unlocked, keyring: await keyringOf(place), packs: await packsOf(place), snapshots }
}

/** Opens a store whose keys are known already: unlocking takes longer than all the rest of a small one. */
export async function openWithKeys(place: MemoryPlace, keyring: Keyring): Promise<Store> {
  const storage = memoryStorage({ place })
  const log = await CommitLog.open({ storage, keyring, writer: new Uint8Array(16), signal })
  const config = decodeConfig(place.get('config')!)
  const parts = { storage, config, keyring, log, pool: poolOf(engine), writable: true, notice: () => undefined }
  const requests = (): Requests => ({ ...metered(storage).meter.requests, uploaded: 0, downloaded: 0 })
  return new OpenStore(new OpenedStore({ ...parts, requests, call: { signal } }), new Registry([]))
}

async function blobReader(place: MemoryPlace): Promise<{ blobs: (id: Uint8Array) => Promise<Bytes> }> {
  const log = await logOf(place)
  const index = new LoadedIndex(memoryStorage({ place }), await keyringOf(place))
  await index.follow(log.state, () => undefined, { signal })
  return { blobs: (id) => index.blobs.node(id, { signal }) }
}

/** The chunks of a file, and the nodes of its list. */
async function idsOf(content: StoredContent, fetch: (id: Uint8Array) => Promise<Bytes>): Promise<Set<string>> {
  const ids = new Set<string>()
  for await (const { id } of extents(content, fetch)) if (id !== undefined) ids.add(toHex(id))
  if (content.form !== 'list') return ids
  const add = async (reference: Parameters<typeof decodeListNode>[1]): Promise<void> => {
    ids.add(toHex(reference.id))
    const node = decodeListNode(await fetch(reference.id), reference)
    if ('children' in node) for (const child of node.children) await add({ ...child, level: node.level - 1 })
  }
  await add(content)
  return ids
}
