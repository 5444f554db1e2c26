import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import type { Notice, OpenOptions, Requests, Store, Unlock } from '../../src/api.js'
import { createStore, memoryStorage, openStore } from '../../src/index.js'
import type { MemoryPlace } from '../../src/storage/index.js'
import { engine, rawKey, tiny } from '../support/stores.js'

/** A new folder for this file's tests, removed after them. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'kloset-client-'))
  made.push(path)
  return path
}

const made: string[] = []

afterAll(() => {
  for (const path of made) rmSync(path, { recursive: true, force: true })
})

/** A machine: what it keeps and remembers is in two folders. */
export interface Machine {
  readonly cache: string
  readonly state: string
}

export function machine(): Machine {
  return { cache: folder(), state: folder() }
}

/** Options of a client on a machine. */
export function on({ cache, state }: Machine): Pick<OpenOptions, 'cache' | 'remember' | 'engine'> {
  return { cache: { folder: cache }, remember: state, engine }
}

export type Extra = Partial<Omit<OpenOptions, 'onNotice'>> & { readonly notices?: Notice[] }

/** Opens the store at a place from a machine. */
export function openFrom(place: MemoryPlace, from: Machine, { notices, ...extra }: Extra = {}): Promise<Store> {
  const onNotice = (notice: Notice): void => void notices?.push(notice)
  return openStore(memoryStorage({ place }), { unlock: rawKey, ...on(from), onNotice, ...extra })
}

/** Makes a store at a place from a machine. */
export function createFrom(place: MemoryPlace, from: Machine, unlock: Unlock = rawKey): Promise<Store> {
  return createStore(memoryStorage({ place }), { ...tiny, unlock, ...on(from) })
}

/** Runs as one command does: opens, acts, closes; gives what it asked of the storage. */
export async function run(
  open: Promise<Store>,
  act: (store: Store) => Promise<unknown> = async () => undefined,
): Promise<Requests> {
  const store = await open
  try {
    await act(store)
    return store.requests
  } finally {
    await store.close()
  }
}

/** How many requests of any kind. */
export function total({ put, get, stat, list, remove, usage }: Requests): number {
  return put + get + stat + list + remove + usage
}
