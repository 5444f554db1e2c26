import type { Finding } from '../api.js'
import { equalBytes, toHex } from '../bytes/index.js'
import type { Call } from '../connector/index.js'
import { isKlosetError } from '../errors.js'
import { checkpointObject, decodeCheckpoint, entryObject, type LogEntry } from '../log/index.js'
import { type ListedEntry, type LogPlace, listedEntries, readEntries, readEntry } from '../log/reading.js'
import type { OpenedStore } from '../store/opened.js'
import { readIfThere } from '../store/twice.js'
import { namesUnder } from '../store/unlocking.js'
import { finding } from './findings.js'

/** Verifies every entry of the log from the first on, the chain of their hashes, and the checkpoints. */
export async function* checkLog(store: OpenedStore, call: Call): AsyncGenerator<Finding> {
  const { storage, keyring } = store
  const log = { storage, keyring }
  const hashes = new Map<number, Uint8Array>()
  let expected = 1
  let before: LogEntry | undefined
  const listed = await listedEntries(log, 1, call)
  const positions = [...listed.keys()].filter((position) => position >= 1).sort((a, b) => a - b)
  let read: Awaited<ReturnType<typeof readEntries>> = []
  for (const [number, position] of positions.entries()) {
    if (position > expected) yield finding('log-gap', entryObject(expected), gap(expected, position))
    const place = number % window
    if (place === 0) read = await readEntries(log, positions.slice(number, number + window), listed, call)
    const entry = read[place]!
    if (isKlosetError(entry)) {
      yield finding('log-corrupt', entryObject(position), entry.message)
      before = undefined
    } else {
      const follows = position === 1 ? new Uint8Array(32) : before?.hash
      if (position === expected && follows !== undefined && !equalBytes(entry.previous, follows)) {
        const text = `${entryObject(position)} does not follow the entry before it: that was changed or exchanged`
        yield finding('log-corrupt', entryObject(position), text)
      }
      if (entry.malformed !== undefined) {
        const text = `${entryObject(position)} is of a snapshot that cannot be used: ${entry.malformed}`
        yield finding('snapshot-malformed', entryObject(position), text)
      }
      hashes.set(position, entry.hash)
      before = entry
      yield* checkTwin(log, position, listed.get(position)!, call)
    }
    expected = position + 1
  }
  yield* checkHead(store, expected, hashes)
  yield* checkCheckpoints(store, hashes, call)
}

/** An entry that is there twice can be read as long as one of the two is whole. */
async function* checkTwin(
  log: LogPlace,
  position: number,
  { object, twin }: ListedEntry,
  call: Call,
): AsyncGenerator<Finding> {
  if (twin === undefined) return
  for (const name of [object, twin]) {
    const entry = await readEntry(log, position, call, name)
    if (entry !== undefined && isKlosetError(entry)) yield finding('log-corrupt', name, entry.message)
  }
}

/** How many entries are read at once. */
const window = 256

/** Whether the newest entry that this client knows is still there, as it was. */
function* checkHead(store: OpenedStore, end: number, hashes: ReadonlyMap<number, Uint8Array>): Generator<Finding> {
  const { position, hash } = store.log.state
  const object = entryObject(position)
  if (position >= end) yield finding('log-gap', entryObject(end), gap(end, position + 1))
  const now = hashes.get(position)
  if (now === undefined || equalBytes(now, hash)) return
  yield finding('log-corrupt', object, `${object} is another one than when it was read before`)
}

async function* checkCheckpoints(
  store: OpenedStore,
  hashes: ReadonlyMap<number, Uint8Array>,
  call: Call,
): AsyncGenerator<Finding> {
  for (const object of await namesUnder(store.storage, 'checkpoints/', call)) {
    const position = Number(/^checkpoints\/(\d{20})$/.exec(object)?.[1])
    if (!Number.isSafeInteger(position) || checkpointObject(position) !== object) continue
    try {
      const bytes = await readIfThere(store.storage, object, call)
      if (bytes === undefined) continue
      const { hash } = decodeCheckpoint(store.keyring, position, bytes)
      const entry = hashes.get(position)
      if (entry !== undefined && equalBytes(entry, hash)) continue
      yield finding(
        'checkpoint-corrupt',
        object,
        `${object} is of another log: entry ${position} does not have the hash ${toHex(hash).slice(0, 16)}…`,
      )
    } catch (error) {
      if (!isKlosetError(error)) throw error
      yield finding('checkpoint-corrupt', object, error.message)
    }
  }
}

function gap(first: number, next: number): string {
  const last = next - 1
  return first === last ? `${entryObject(first)} is missing` : `entries ${first} to ${last} of the log are missing`
}
