import pLimit from 'p-limit'
import { toHex } from '../bytes/index.js'
import type { Call } from '../connector/index.js'
import { isKlosetError } from '../errors.js'
import { segmentOf } from '../index/index.js'
import { isReliable } from '../log/index.js'
import { packObject } from '../pack/index.js'
import { packSizes, readFooter } from '../store/footers.js'
import { readSegment } from '../store/load-index.js'
import type { LoadedIndex, OpenedStore } from '../store/opened.js'
import type { Uploads } from './uploads.js'

/** What an interrupted backup left that this one uses. */
export interface Adopted {
  /** Segments that no log entry names yet: the entry of this backup will. */
  readonly segments: readonly string[]
  readonly packs: number
}

/**
 * Finds what interrupted backups stored, so that nothing is stored twice. A backup that stored a pack left a segment before the first
 * one, so a store without segments unknown to the log has nothing to find, and its packs are not listed.
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
  if (orphans.length === 0) return { segments: [], packs: 0 }
  const sizes = await packSizes(storage, call)
  const { table } = loaded
  const before = [...table.packs()].length
  const segments: string[] = []
  for (const name of orphans) {
    try {
      const segment = await readSegment(storage, keyring, name, call)
      // Only where all it names is really there, and going to stay.
      const usable = segment.packs.every(
        ({ name: pack, size }) => sizes.get(packObject(pack)) === size && isReliable(state, toHex(pack)),
      )
      if (!usable) continue
      table.add(segment)
      segments.push(name)
    } catch (error) {
      if (!isUnusable(error)) throw error
    }
  }
  await adoptPacks(store, loaded, uploads, sizes, call)
  return { segments, packs: [...table.packs()].length - before }
}

/** Packs that came after the last segment of their backup: their footers say what is in them, and a segment of this backup will. */
async function adoptPacks(
  { storage, keyring }: OpenedStore,
  { table }: LoadedIndex,
  uploads: Uploads,
  sizes: ReadonlyMap<string, number>,
  call: Call,
): Promise<void> {
  const known = new Set([...table.packs()].map(({ name }) => packObject(name)))
  const limit = pLimit(Math.max(1, Math.min(16, storage.capabilities.concurrency)))
  await Promise.all(
    [...sizes]
      .filter(([name]) => !known.has(name))
      .map(([name, size]) =>
        limit(async () => {
          try {
            const contents = await readFooter(storage, keyring, { name, size }, call)
            table.add(segmentOf(contents, contents.class))
            uploads.adopt(contents)
          } catch (error) {
            if (!isUnusable(error)) throw error
          }
        }),
      ),
  )
}

/** Whether an object is damaged, gone, or of another version: then it is left where it is. */
function isUnusable(error: unknown): boolean {
  const codes = ['KLOSET_INDEX_CORRUPT', 'KLOSET_PACK_CORRUPT', 'KLOSET_VERSION', 'KLOSET_NOT_FOUND'] as const
  return codes.some((code) => isKlosetError(error, code))
}
