import pLimit from 'p-limit'
import { MalformedError } from '../bytes/index.js'
import type { Call, Storage } from '../connector/index.js'
import type { Keyring } from '../crypto/index.js'
import { isKlosetError, KlosetError } from '../errors.js'
import { readSoundly } from '../storage/index.js'
import { decodeCheckpoint } from './checkpoint.js'
import { corruptEntry, decodeEntry, type LogEntry, mostEntryBytes } from './entry.js'
import { checkpointObject, entryObject, exclusiveObject, positionOf } from './names.js'
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
      const state = await readSoundly(
        () => place.storage.get(checkpointObject(position), { ...how, range: undefined }),
        (bytes) => decodeCheckpoint(place.keyring, position, bytes),
      )
      return { state, damaged }
    } catch (error) {
      if (!isKlosetError(error, 'KLOSET_LOG_CORRUPT') && !isKlosetError(error, 'KLOSET_NOT_FOUND')) throw error
      damaged.push(error)
    }
  }
  return { state: undefined, damaged }
}

/** An entry that a storage lists. */
export interface ListedEntry {
  /** By its plain name where it has one. */
  readonly object: string
  readonly size: number
  /** The object that its writer put before, on a storage that cannot tell who was first; or another writer's. */
  readonly twin?: string
  /** Another object that claims the same position: two writers did not know of each other. */
  readonly rival?: string
}

/** The entries from `first` on by their positions, as the storage lists them. */
export async function listedEntries(
  place: LogPlace,
  first: number,
  how: Call,
): Promise<ReadonlyMap<number, ListedEntry>> {
  const listed = new Map<number, ListedEntry>()
  const after = first <= 1 ? undefined : entryObject(first - 1)
  // The plain name of a position comes before the others.
  for (const { position, name, size } of await positionsUnder(place, 'log/', after, how)) {
    const before = listed.get(position)
    if (before === undefined) listed.set(position, { object: name, size })
    else if (before.object === entryObject(position) && before.twin === undefined)
      listed.set(position, { ...before, twin: name })
    else listed.set(position, { ...before, rival: name })
  }
  return listed
}

/** Two writers claimed one position. Which of the two histories is to go on is nothing a program can know. */
export function forked(position: number, object: string, other: string): KlosetError {
  return corruptEntry(position, new MalformedError(`the log was forked: ${object} and ${other} claim one position`))
}

/** The entry that a storage lists; an error where it cannot be used, or is not the only one at its position. */
export async function readListed(
  place: LogPlace,
  position: number,
  { object, twin, rival, size }: ListedEntry,
  how: Call,
): Promise<LogEntry | KlosetError> {
  if (rival !== undefined) return forked(position, twin ?? object, rival)
  if (size > mostEntryBytes) return corruptEntry(position, new MalformedError(`it has ${size} bytes`))
  const entry = (await readEntry(place, position, how, object)) ?? corruptEntry(position, missing(position))
  if (twin === undefined) return entry
  if (isKlosetError(entry)) return (await readEntry(place, position, how, twin)) ?? entry
  return twin === exclusiveObject(position, entry.nonce) ? entry : forked(position, object, twin)
}

/**
 * Reads the entries at some positions, several at once. An error stands for one that is missing or cannot be used; one whose size
 * is known to be too large is not read at all.
 */
export async function readEntries(
  place: LogPlace,
  positions: readonly number[],
  listed: ReadonlyMap<number, ListedEntry>,
  how: Call,
): Promise<readonly (LogEntry | KlosetError)[]> {
  const limit = pLimit(Math.max(1, Math.min(16, place.storage.capabilities.concurrency)))
  const read = async (position: number): Promise<LogEntry | KlosetError> => {
    const found = listed.get(position)
    return found === undefined ? corruptEntry(position, missing(position)) : readListed(place, position, found, how)
  }
  return Promise.all(positions.map((position) => limit(() => read(position))))
}

/** The entry at a position; undefined where there is none, an error where it cannot be used. */
export async function readEntry(
  { storage, keyring }: LogPlace,
  position: number,
  how: Call,
  object: string = entryObject(position),
): Promise<LogEntry | KlosetError | undefined> {
  try {
    const entry = await readSoundly(
      () => storage.get(object, { ...how, range: undefined }),
      (bytes) => decodeEntry(keyring, position, bytes),
    )
    if (object === entryObject(position) || object === exclusiveObject(position, entry.nonce)) return entry
    return corruptEntry(position, new MalformedError(`${object} holds the entry of another writer`))
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
): Promise<{ position: number; name: string; size: number }[]> {
  const found: { position: number; name: string; size: number }[] = []
  for await (const batch of storage.list(prefix, { ...how, after })) {
    for (const { name, size } of batch) {
      const position = positionOf(name)
      if (position !== undefined) found.push({ position, name, size })
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
