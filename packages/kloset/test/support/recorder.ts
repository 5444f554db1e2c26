import { concatBytes } from '../../src/bytes/index.js'
import type { Bytes, Destination, Entry } from '../../src/connector/index.js'

/** What arrived at a {@link recorder}: by path, the entry and for files the content. */
export interface Recorded {
  readonly entry: Entry
  readonly bytes: Bytes | undefined
}

/** A destination in memory that keeps everything. A file appears when it was written to its end. */
export function recorder(): Destination & { readonly found: Map<string, Recorded>; readonly closed: boolean[] } {
  const found = new Map<string, Recorded>()
  const closed: boolean[] = []
  return {
    found,
    closed,
    capabilities,
    async create(entry) {
      found.set(entry.path, { entry, bytes: undefined })
    },
    async write(entry, content) {
      const pieces: Bytes[] = []
      for await (const piece of content) pieces.push(piece.slice())
      found.set(entry.path, { entry, bytes: concatBytes(...pieces) })
    },
    async close({ complete }) {
      closed.push(complete)
    },
  }
}

let next = 0

/** As {@link recorder}, with a worker module: the way that restores to local folders go. Needs an engine without threads. */
export function workerRecorder(): ReturnType<typeof recorder> {
  const { found, closed, ...plain } = recorder()
  const key = `kloset.recorder.${next++}`
  const open = new Map<string, { entry: Entry; bytes: Bytes }>()
  Object.assign(globalThis, { [key]: { found, open } })
  return { ...plain, found, closed, worker: { url: new URL('./recorder-worker.mjs', import.meta.url), data: key } }
}

const capabilities: Destination['capabilities'] = {
  keeps: ['directories', 'symlinks', 'special', 'devices', 'mode', 'owner', 'mtime', 'birthtime', 'xattrs', 'holes'],
  order: 'path',
  concurrency: 4,
  names: { caseSensitive: true },
}
