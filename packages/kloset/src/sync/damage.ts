import { toHex } from '../bytes/index.js'
import type { Call } from '../connector/index.js'
import { pathFromBytes } from '../connector/index.js'
import { isKlosetError, KlosetError } from '../errors.js'
import type { FailedEntry } from '../run.js'
import { below, StoredSnapshot } from '../snapshot/index.js'
import { isDamage } from '../snapshot/readable.js'
import type { OpenedStore } from '../store/opened.js'
import {
  decodeContent,
  decodeStat,
  type Extent,
  extents,
  type FetchNode,
  hasXattrs,
  type RawEntry,
} from '../tree/index.js'

/** Something of a snapshot's tree cannot be read. */
export class SourceDamaged extends Error {
  override readonly name = 'SourceDamaged'
}

/** Something of the earlier snapshot in the other store cannot be read: then nothing of it is relied on. */
export class BaseDamaged extends Error {
  override readonly name = 'BaseDamaged'
}

type Damaged = typeof SourceDamaged | typeof BaseDamaged

/** Reads something that is stored; damage becomes an error of this kind. */
export async function orDamaged<T>(kind: Damaged, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    throw isDamage(error) ? damagedBy(kind, error) : error
  }
}

/** Goes through trees whose nodes come from {@link nodesOf}; a node that says what no tree does becomes an error of this kind. */
export async function orMalformed<T>(kind: Damaged, walk: () => T | Promise<T>): Promise<T> {
  try {
    return await walk()
  } catch (error) {
    throw isKlosetError(error, 'KLOSET_TREE_CORRUPT') ? damagedBy(kind, error) : error
  }
}

/** The nodes of a store's trees. */
export async function nodesOf(store: OpenedStore, kind: Damaged, call: Call): Promise<FetchNode> {
  const blobs = await store.blobs()
  return (id) => orDamaged(kind, () => blobs.node(id, call))
}

/** A snapshot of an open store. */
export function snapshotOf(store: OpenedStore, record: StoredSnapshot['record'], call: Call): StoredSnapshot {
  return new StoredSnapshot(record, { storeId: store.id, call, blobs: () => store.blobs() })
}

/** The entries of a snapshot that cannot be read: for damage of its trees, and for the chunks in `lost`. */
export async function* failuresOf(
  store: OpenedStore,
  snapshot: StoredSnapshot,
  lost: ReadonlyMap<string, unknown>,
  call: Call,
): AsyncGenerator<FailedEntry> {
  const blobs = await store.blobs()
  const fetch: FetchNode = (id) => blobs.node(id, call)
  try {
    for await (const { place, entries, lost: unread } of snapshot.readableUnder('')) {
      if (unread !== undefined) yield unread
      for (const raw of entries) {
        const error = await failureOf(raw, lost, fetch)
        if (error !== undefined) yield { path: below(place.at, pathFromBytes(raw.key)), error }
      }
    }
  } catch (error) {
    // Without the root of its tree nothing is known of a snapshot.
    if (!isDamage(error)) throw error
    yield { path: '', error }
  }
}

/** The chunks that an entry refers to besides its content. */
export function xattrChunks(stat: Uint8Array): readonly Extent[] {
  return hasXattrs(stat) ? Object.values(decodeStat(stat).storedXattrs ?? {}).flat() : []
}

/** A chunk that no place of the store holds any more, or never did. */
export function chunkMissing(id: Uint8Array): KlosetError {
  return new KlosetError(
    'KLOSET_CHUNK_MISSING',
    `the store has no ${toHex(id).slice(0, 16)}… that a snapshot refers to`,
    {
      context: { id: toHex(id) },
      hint: 'Check the store; another copy of it may still have the missing part.',
    },
  )
}

function damagedBy(kind: Damaged, cause: unknown): Error {
  return new kind((cause as Error).message, { cause })
}

async function failureOf(raw: RawEntry, lost: ReadonlyMap<string, unknown>, fetch: FetchNode): Promise<unknown> {
  try {
    const reasonOf = ({ id }: Extent): unknown => (id === undefined ? undefined : lost.get(toHex(id)))
    for (const extent of xattrChunks(raw.stat)) {
      const reason = reasonOf(extent)
      if (reason !== undefined) return reason
    }
    for await (const extent of extents(decodeContent(raw.content), fetch)) {
      const reason = reasonOf(extent)
      if (reason !== undefined) return reason
    }
    return undefined
  } catch (error) {
    if (!isKlosetError(error) || !isDamage(error)) throw error
    return error
  }
}
