import { expect } from 'vitest'
import type { BackupResult, Engine, Store } from '../packages/kloset/src/api.js'
import { toHex } from '../packages/kloset/src/bytes/index.js'
import {
  type Connector,
  type Destination,
  type Entry,
  Registry,
  sourceOf,
} from '../packages/kloset/src/connector/index.js'
import { blake3 } from '../packages/kloset/src/hash/index.js'
import { createEngine, createStore, openStore } from '../packages/kloset/src/index.js'

/** A place for a store, and the way to it. */
export interface Way {
  readonly location: string
  readonly connector: Connector
  readonly options: Readonly<Record<string, string | number | boolean>>
}

/** Files by path. */
export type Files = ReadonlyMap<string, Uint8Array<ArrayBuffer>>

/** About 5 MB of files that hold noise: other ones for another seed. */
export function someFiles(seed: number): Files {
  const sizes = [0, 1, 999, 40_000, 300_000, 1_200_000, 1_500_000, 2_000_000]
  return new Map(sizes.map((size, number) => [`folder-${number % 2}/file-${number}`, noise(size, seed * 100 + number)]))
}

/** Makes a store of small packs, so that a small backup makes several requests. */
export async function makeStore(way: Way): Promise<void> {
  const store = await createStore(way.location, {
    ...opening(way),
    chunker: { min: 16 * 1024, normal: 64 * 1024, max: 256 * 1024 },
    frame: 128 * 1024,
    pack: 1024 * 1024,
  })
  await store.close()
}

/** Opens the store; closes it when `work` is done. */
export async function inStore<T>(
  way: Way,
  work: (store: Store) => Promise<T>,
  mode: 'read' | 'write' = 'read',
): Promise<T> {
  const store = await openStore(way.location, { ...opening(way), mode })
  try {
    return await work(store)
  } finally {
    await store.close()
  }
}

/** Saves files as a snapshot. */
export function backUp(way: Way, files: Files): Promise<BackupResult> {
  return inStore(way, (store) => store.backup(sourceOfFiles(files)), 'write')
}

/** Restores a snapshot, into memory. */
export function restored(way: Way, snapshot: string): Promise<Files> {
  return inStore(way, async (store) => {
    const files = new Map<string, Uint8Array<ArrayBuffer>>()
    const { failed } = await store.restore(snapshot, destinationInto(files))
    expect(failed).toEqual([])
    return files
  })
}

/** Insists that a store is whole, and that nothing half-written can be seen in it: every pack is what its name says. */
export async function expectSound(way: Way, snapshots: number): Promise<void> {
  const findings = await inStore(way, async (store) => {
    const found = []
    for await (const finding of store.check({ read: 'all' })) found.push(finding)
    expect((await store.info()).snapshots).toBe(snapshots)
    return found
  })
  expect(findings.filter(({ level }) => level === 'error')).toEqual([])
  const { signal } = new AbortController()
  const memory = { get: async () => undefined, set: async () => undefined }
  const how = { options: way.options, mode: 'read', signal, memory, log: () => undefined } as const
  const storage = await new Registry([way.connector]).storage(way.location, how)
  try {
    for await (const batch of storage.list('packs/', { signal, after: undefined })) {
      for (const { name, size } of batch) {
        const bytes = await storage.get(name, { signal, range: undefined })
        expect([bytes.length, name.slice(name.lastIndexOf('/') + 1)]).toEqual([size, toHex(blake3(bytes))])
      }
    }
  } finally {
    await storage.close()
  }
}

/** Whether two sets of files are the same, told by path. */
export function differences(one: Files, other: Files): string[] {
  const paths = new Set([...one.keys(), ...other.keys()])
  return [...paths].filter((path) => Buffer.compare(one.get(path) ?? absent, other.get(path) ?? absent) !== 0)
}

// On one thread: what is tried here is the network.
const engine: Engine = createEngine({ workers: 0 })
const key = new Uint8Array(32).fill(7)
const absent = Buffer.from('there is no such file')

function opening({ connector, options }: Way) {
  return { unlock: { key }, connectors: [connector], options, engine }
}

function sourceOfFiles(files: Files) {
  return sourceOf({ type: 'test', origin: 'memory', root: 'files' }, async function* () {
    for (const [path, content] of files) yield { path, content }
  })
}

function destinationInto(files: Map<string, Uint8Array<ArrayBuffer>>): Destination {
  return {
    capabilities: { keeps: ['directories'], order: 'any', concurrency: 4, names: { caseSensitive: true } },
    create: async () => undefined,
    write: async (entry: Entry, content) => {
      files.set(entry.path, await content.bytes())
    },
    close: async () => undefined,
  }
}

// Xorshift (Marsaglia, 2003): it must not compress, and be the same each time.
function noise(size: number, seed: number): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(size / 4))
  let state = (seed + 1) * 2_654_435_761
  for (let at = 0; at < words.length; at++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[at] = state
  }
  return new Uint8Array(words.buffer).slice(0, size)
}
