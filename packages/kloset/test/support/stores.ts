import type { CreateOptions, Finding, RestoreResult, Store, Unlock } from '../../src/api.js'
import type { Bytes } from '../../src/bytes/index.js'
import { createEngine, createStore, isKlosetError, memoryStorage, openStore } from '../../src/index.js'
import type { MemoryPlace } from '../../src/storage/index.js'
import { counted } from '../crypto/helpers.js'
import { type Recorded, recorder } from './recorder.js'

/** Everything on this thread. */
export const engine: ReturnType<typeof createEngine> = createEngine({ workers: 0 })

/** A raw key costs nothing to unlock with. */
export const rawKey: Unlock = { key: counted(32, 7) }

export const plaintext: Unlock = { plaintext: true }

/** The smallest sizes there are: a few kilobytes make a store with everything in it. */
export const tiny: Pick<CreateOptions, 'chunker' | 'frame' | 'pack' | 'codec' | 'engine'> = {
  chunker: { min: 64, normal: 128, max: 192 },
  frame: 4096,
  pack: 4096,
  codec: 'none',
  engine,
}

export function placeOf(): MemoryPlace {
  return new Map<string, Bytes>()
}

/** A new store at a place in memory. */
export function createAt(place: MemoryPlace, unlock: Unlock, options: Partial<CreateOptions> = {}): Promise<Store> {
  return createStore(memoryStorage({ place }), { ...tiny, unlock, ...options })
}

/** The store at a place in memory. */
export function openAt(
  place: MemoryPlace,
  unlock: Unlock,
  more: Partial<Parameters<typeof openStore>[1]> = {},
): Promise<Store> {
  return openStore(memoryStorage({ place }), { unlock, engine, ...more })
}

/** A copy that can be damaged. */
export function copyOfPlace(place: MemoryPlace): MemoryPlace {
  return new Map(place)
}

/** The object with one byte changed. */
export function flipped(bytes: Bytes, at: number): Bytes {
  const changed = bytes.slice()
  // Another bit at each place; never one that makes an upper-case letter of a lower-case one only.
  changed[at]! ^= 1 << ((at * 5 + 3) & 7)
  return changed
}

export async function allOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

/** What a check with everything read finds. */
export function findingsOf(store: Store, options: Parameters<Store['check']>[0] = { read: 'all' }): Promise<Finding[]> {
  return allOf(store.check(options))
}

/** Codes of findings, each once, sorted. */
export function codesOf(findings: readonly Finding[]): string[] {
  return [...new Set(findings.map(({ code }) => code))].sort()
}

/** Restores into memory. */
export async function restored(
  store: Store,
  snapshot: string,
  to: ReturnType<typeof recorder> = recorder(),
): Promise<{ readonly found: ReadonlyMap<string, Recorded>; readonly result: RestoreResult }> {
  const result = await store.restore(snapshot, to, { overwrite: 'always' })
  return { found: to.found, result }
}

/** The files among what was restored. */
export function filesOf(found: ReadonlyMap<string, Recorded>): Map<string, Bytes> {
  return new Map([...found].flatMap(([path, { bytes }]) => (bytes === undefined ? [] : [[path, bytes]])))
}

/** The code that a promise fails with; what it failed with where that is none of ours; `'done'` where it did not fail. */
export async function outcome(work: Promise<unknown>): Promise<unknown> {
  try {
    await work
    return 'done'
  } catch (error) {
    return isKlosetError(error) ? error.code : error
  }
}
