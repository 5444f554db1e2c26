import pLimit from 'p-limit'
import { MalformedError } from '../bytes/index.js'
import type { Call, Storage } from '../connector/index.js'
import type { Keyring } from '../crypto/index.js'
import { isKlosetError, KlosetError } from '../errors.js'
import { decodeCheckpoint } from './checkpoint.js'
import { corruptEntry, decodeEntry, type LogEntry, mostEntryBytes } from './entry.js'
import { checkpointObject, entryObject, positionOf } from './names.js'
import type { LogState } from './state.js'

/** Where to read a log from. */
export interface LogPlace {
  readonly storage: Storage
  readonly keyring: Keyring
}

/** A checkpoint that could be read, and those that could not. */
export interface FoundCheckpoint {
  readonly state: LogState | undefined
  readonly damaged: readonly KlosetError[]
}

/** The newest checkpoint at or before `most` that can be read. */
export async function newestCheckpoint(place: LogPlace, most: number, how: Call): Promise<FoundCheckpoint> {
  const damaged: KlosetError[] = []
  const positions = await positionsUnder(place, 'checkpoints/', undefined, how)
  for (const { position } of positions.reverse()) {
    if (position > most) continue
    try {
      const bytes = await place.storage.get(checkpointObject(position), { ...how, range: undefined })
      return { state: decodeCheckpoint(place.keyring, position, bytes), damaged }
    } catch (error) {
      if (!isKlosetError(error, 'KLOSET_LOG_CORRUPT') && !isKlosetError(error, 'KLOSET_NOT_FOUND')) throw error
      damaged.push(error)
    }
  }
  return { state: undefined, damaged }
}

/** The positions of the entries from `first` on, with their sizes, as the storage lists them. */
export async function listedEntries(place: LogPlace, first: number, how: Call): Promise<ReadonlyMap<number, number>> {
  const found = await positionsUnder(place, 'log/', first <= 1 ? undefined : entryObject(first - 1), how)
  return new Map(found.map(({ position, size }) => [position, size]))
}

/**
 * Reads the entries from `first` to `last`, several at once. An error stands for one that is missing or cannot be used; one whose size
 * is known to be too large is not read at all.
 */
export async function readEntries(
  place: LogPlace,
  first: number,
  last: number,
  sizes: ReadonlyMap<number, number>,
  how: Call,
): Promise<readonly (LogEntry | KlosetError)[]> {
  const limit = pLimit(Math.max(1, Math.min(16, place.storage.capabilities.concurrency)))
  const read = async (position: number): Promise<LogEntry | KlosetError> => {
    const size = sizes.get(position) ?? 0
    if (size > mostEntryBytes) return corruptEntry(position, new MalformedError(`it has ${size} bytes`))
    return (await readEntry(place, position, how)) ?? corruptEntry(position, missing(position))
  }
  return Promise.all(Array.from({ length: last - first + 1 }, (_, i) => limit(() => read(first + i))))
}

/** The entry at a position; undefined where there is none, an error where it cannot be used. */
export async function readEntry(
  { storage, keyring }: LogPlace,
  position: number,
  how: Call,
): Promise<LogEntry | KlosetError | undefined> {
  try {
    const bytes = await storage.get(entryObject(position), { ...how, range: undefined })
    return decodeEntry(keyring, position, bytes)
  } catch (error) {
    if (isKlosetError(error, 'KLOSET_NOT_FOUND')) return undefined
    if (isKlosetError(error, 'KLOSET_LOG_CORRUPT')) return error
    throw error
  }
}

async function positionsUnder(
  { storage }: LogPlace,
  prefix: string,
  after: string | undefined,
  how: Call,
): Promise<{ position: number; size: number }[]> {
  const found: { position: number; size: number }[] = []
  for await (const batch of storage.list(prefix, { ...how, after })) {
    for (const { name, size } of batch) {
      const position = positionOf(name)
      if (position !== undefined) found.push({ position, size })
      else if (/^log\/\d{20}-/.test(name)) throw exclusiveWriter(name)
    }
  }
  return found
}

function missing(position: number): KlosetError {
  const object = entryObject(position)
  return new KlosetError('KLOSET_NOT_FOUND', `${object} is missing though later entries are there`, {
    context: { object },
  })
}

/** Entries with such names come from one writer at a time, on storages that cannot tell who was first. */
function exclusiveWriter(name: string): KlosetError {
  return new KlosetError('KLOSET_VERSION', `${name} is of a kind of log that this version does not read`, {
    hint: 'Update kloset to read this store.',
    context: { object: name },
  })
}
