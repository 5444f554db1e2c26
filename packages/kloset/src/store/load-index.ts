import pLimit from 'p-limit'
import type { Call, Storage } from '../connector/index.js'
import type { Keyring } from '../crypto/index.js'
import { isKlosetError, KlosetError } from '../errors.js'
import { decodeSegment, type IndexTable, isSegment, type Segment, segmentOf } from '../index/index.js'
import { packObject } from '../pack/index.js'
import type { StoreCache } from './cache/index.js'
import { isPack, readFooter } from './footers.js'

/** A segment that the log names and that cannot be used. */
export interface BadSegment {
  readonly name: string
  readonly error: KlosetError
}

/** What `error` says of a segment; thrown where it says nothing of it. */
export function badSegment(name: string, error: unknown): BadSegment {
  if (isKlosetError(error, 'KLOSET_INDEX_CORRUPT') || isKlosetError(error, 'KLOSET_NOT_FOUND')) return { name, error }
  throw error
}

/** Uses the sealed bytes of a segment; false where no more are wanted. @throws KLOSET_INDEX_CORRUPT */
export type TakeSegment = (name: string, bytes: Uint8Array) => Promise<boolean> | boolean

/** Reads the sealed bytes of segments, where there is a cache from there. */
export class SegmentReader {
  readonly #storage: Storage
  readonly #cache: StoreCache | undefined

  constructor(storage: Storage, cache: StoreCache | undefined) {
    this.#storage = storage
    this.#cache = cache
  }

  /**
   * Reads segments, several at once and in any order, as long as they are wanted. Gives those that cannot be used, because they are missing
   * or damaged, and the names that were not read any more.
   */
  async each(
    names: readonly string[],
    take: TakeSegment,
    call: Call,
  ): Promise<{ readonly bad: readonly BadSegment[]; readonly left: readonly string[] }> {
    const bad: BadSegment[] = []
    const left: string[] = []
    const most = Math.max(1, Math.min(16, this.#storage.capabilities.concurrency))
    const limit = pLimit(Math.min(4, most))
    let wanted = true
    let largest = 0
    const one = async (name: string): Promise<void> => {
      if (!wanted) {
        left.push(name)
        return
      }
      try {
        const bytes = await this.#sealed(name, call)
        largest = Math.max(largest, bytes.length)
        limit.concurrency = Math.max(1, Math.min(most, Math.floor(bytesAtOnce / largest)))
        wanted = (await take(name, bytes)) && wanted
      } catch (error) {
        bad.push(badSegment(name, error))
      }
    }
    await Promise.all(names.map((name) => limit(one, name)))
    return { bad, left }
  }

  #sealed(name: string, call: Call): Promise<Uint8Array> {
    const load = (): Promise<Uint8Array> => sealedSegment(this.#storage, name, call)
    return this.#cache === undefined ? load() : this.#cache.get(objectOf(name), load, (bytes) => checked(name, bytes))
  }
}

/** How many bytes of segments are read at once: they have up to 46 MB. */
const bytesAtOnce = 128 * 1024 * 1024

/** Reads one segment. @throws KLOSET_INDEX_CORRUPT, KLOSET_NOT_FOUND */
export async function readSegment(storage: Storage, keyring: Keyring, name: string, call: Call): Promise<Segment> {
  return decodeSegment(keyring, name, await sealedSegment(storage, name, call))
}

async function sealedSegment(storage: Storage, name: string, call: Call): Promise<Uint8Array> {
  const get = (): Promise<Uint8Array> => storage.get(objectOf(name), { ...call, range: undefined })
  const bytes = await get()
  // What went wrong on the way is right the next time.
  return isSegment(name, bytes) ? bytes : get()
}

/** Lets a cache know that what it kept is damaged. */
function checked(name: string, bytes: Uint8Array): Uint8Array {
  if (isSegment(name, bytes)) return bytes
  throw new KlosetError(
    'KLOSET_INDEX_CORRUPT',
    `The index segment ${objectOf(name)} does not have the hash that is its name`,
    {
      context: { object: objectOf(name) },
    },
  )
}

function objectOf(name: string): string {
  return `index/${name}`
}

/**
 * Adds to a table what the footers of packs say that it does not know: a lost segment costs one look at each such pack, and no data.
 * Returns how many packs it found.
 */
export async function loadFooters(storage: Storage, keyring: Keyring, table: IndexTable, call: Call): Promise<number> {
  const known = new Set<string>()
  for (const { name } of table.packs()) known.add(packObject(name))
  const limit = pLimit(Math.max(1, Math.min(16, storage.capabilities.concurrency)))
  let found = 0
  const work: Promise<void>[] = []
  for await (const batch of storage.list('packs/', { ...call, after: undefined })) {
    for (const object of batch) {
      if (!isPack(object.name) || known.has(object.name)) continue
      work.push(
        limit(async () => {
          try {
            const contents = await readFooter(storage, keyring, object, call)
            table.add(segmentOf(contents, contents.class))
            found++
          } catch (error) {
            // A pack that is damaged too: what it holds will be reported missing, file by file.
            const codes = ['KLOSET_PACK_CORRUPT', 'KLOSET_NOT_FOUND', 'KLOSET_VERSION']
            if (!isKlosetError(error) || !codes.includes(error.code)) throw error
          }
        }),
      )
    }
  }
  await Promise.all(work)
  return found
}
