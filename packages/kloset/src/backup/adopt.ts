import pLimit from 'p-limit'
import { toHex } from '../bytes/index.js'
import type { Call } from '../connector/index.js'
import { isKlosetError } from '../errors.js'
import { decodeSegment, segmentOf } from '../index/index.js'
import { isReliable } from '../log/index.js'
import { packObject } from '../pack/index.js'
import { packSizes, readFooter } from '../store/footers.js'
import { readSegment, SegmentReader } from '../store/load-index.js'
import type { LoadedIndex, OpenedStore } from '../store/opened.js'
import type { Uploads } from './uploads.js'

/** What an interrupted backup left that this one uses. */
export interface Adopted {
  /** Segments that no log entry names yet: the entry of this backup will. */
  readonly segments: readonly string[]
  /** The packs that were found, by their names in hexadecimal digits. */
  readonly packs: ReadonlySet<string>
}

/**
 * Finds what interrupted backups stored, so that nothing is stored twice. A backup that stored a pack left a segment before the first
 * one, so a store without segments unknown to the log has nothing to find, and its packs are not listed. Where segments of the log are
 * damaged, what only they named is adopted too: else this backup could rely on packs that no segment names.
 */
export async function adopt(store: OpenedStore, loaded: LoadedIndex, uploads: Uploads, call: Call): Promise<Adopted> {
  const { storage, keyring } = store
  const { state } = store.log
  const orphans: string[] = []
  for await (const batch of storage.list('index/', { ...call, after: undefined })) {
    for (const { name } of batch) {
      const digits = name.slice('index/'.length)
      if (/^[0-9a-f]{64}$/.test(digits) && !state.segments.has(digits)) orphans.push(digits)
    }
  }
  const isWhole = loaded.bad.length === 0
  if (orphans.length === 0 && isWhole) return { segments: [], packs: new Set() }
  const sizes = await packSizes(storage, call)
  const { table } = loaded
  // Where a segment is damaged, the table has more than the log's segments say: what footers told.
  const known = isWhole ? namesOf(table.packs()) : await packsNamed(store, loaded, call)
  const packs = new Set<string>()
  const segments: string[] = []
  for (const name of orphans) {
    try {
      const segment = await readSegment(storage, keyring, name, call)
      // Only where all it names is really there, and going to stay. One that names what the index has already may be one that was
      // exchanged, and is about to be deleted.
      const usable = segment.packs.every(
        ({ name: pack, size }) =>
          sizes.get(packObject(pack)) === size && isReliable(state, toHex(pack)) && !known.has(toHex(pack)),
      )
      if (!usable) continue
      table.add(segment)
      segments.push(name)
      for (const pack of segment.packs) packs.add(toHex(pack.name))
    } catch (error) {
      if (!isUnusable(error)) throw error
    }
  }
  const left = [...sizes].filter(([object]) => {
    const name = object.slice(object.lastIndexOf('/') + 1)
    return !known.has(name) && !packs.has(name) && isReliable(state, name)
  })
  for (const name of await adoptPacks(store, loaded, uploads, left, call)) packs.add(name)
  return { segments, packs }
}

/**
 * Packs that came after the last segment of their backup, or that only a damaged segment names: their footers say what is in them, and a
 * segment of this backup will. Gives their names.
 */
async function adoptPacks(
  { storage, keyring }: OpenedStore,
  { table }: LoadedIndex,
  uploads: Uploads,
  packs: readonly (readonly [object: string, size: number])[],
  call: Call,
): Promise<readonly string[]> {
  const limit = pLimit(Math.max(1, Math.min(16, storage.capabilities.concurrency)))
  const adopt = async (name: string, size: number): Promise<string | undefined> => {
    try {
      const contents = await readFooter(storage, keyring, { name, size }, call)
      table.add(segmentOf(contents, contents.class))
      uploads.adopt(contents)
      return toHex(contents.name)
    } catch (error) {
      if (!isUnusable(error)) throw error
      return undefined
    }
  }
  const adopted = await Promise.all(packs.map(([name, size]) => limit(adopt, name, size)))
  return adopted.filter((name) => name !== undefined)
}

/** The packs that usable segments of the log name. */
async function packsNamed(
  { storage, keyring, cache, log }: OpenedStore,
  { bad }: LoadedIndex,
  call: Call,
): Promise<Set<string>> {
  const damaged = new Set(bad.map(({ name }) => name))
  const names = [...log.state.segments].filter((name) => !damaged.has(name))
  const packs = new Set<string>()
  const take = (name: string, bytes: Uint8Array): true => {
    for (const pack of namesOf(decodeSegment(keyring, name, bytes).packs)) packs.add(pack)
    return true
  }
  await new SegmentReader(storage, cache).each(names, take, call)
  return packs
}

function namesOf(packs: Iterable<{ readonly name: Uint8Array }>): Set<string> {
  return new Set(Array.from(packs, ({ name }) => toHex(name)))
}

/** Whether an object is damaged, gone, or of another version: then it is left where it is. */
function isUnusable(error: unknown): boolean {
  const codes = ['KLOSET_INDEX_CORRUPT', 'KLOSET_PACK_CORRUPT', 'KLOSET_VERSION', 'KLOSET_NOT_FOUND'] as const
  return codes.some((code) => isKlosetError(error, code))
}
