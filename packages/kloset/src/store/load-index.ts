import pLimit from 'p-limit'
import type { Call, Storage } from '../connector/index.js'
import type { Keyring } from '../crypto/index.js'
import { isKlosetError, type KlosetError } from '../errors.js'
import { decodeSegment, type IndexTable, type Segment, segmentOf } from '../index/index.js'
import { packObject } from '../pack/index.js'
import { isPack, readFooter } from './footers.js'

/** A segment that the log names and that cannot be used. */
export interface BadSegment {
  readonly name: string
  readonly error: KlosetError
}

/** Reads segments of the index into a table. Those that are missing or damaged are returned. */
export async function loadSegments(
  storage: Storage,
  keyring: Keyring,
  names: readonly string[],
  table: IndexTable,
  call: Call,
): Promise<BadSegment[]> {
  const bad: BadSegment[] = []
  const limit = pLimit(Math.max(1, Math.min(16, storage.capabilities.concurrency)))
  await Promise.all(
    names.map((name) =>
      limit(async () => {
        try {
          table.add(await readSegment(storage, keyring, name, call))
        } catch (error) {
          if (!isKlosetError(error, 'KLOSET_INDEX_CORRUPT') && !isKlosetError(error, 'KLOSET_NOT_FOUND')) throw error
          bad.push({ name, error })
        }
      }),
    ),
  )
  return bad
}

/** Reads one segment. @throws KLOSET_INDEX_CORRUPT, KLOSET_NOT_FOUND */
export async function readSegment(storage: Storage, keyring: Keyring, name: string, call: Call): Promise<Segment> {
  return decodeSegment(keyring, name, await storage.get(`index/${name}`, { ...call, range: undefined }))
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
