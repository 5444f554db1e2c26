import {
  type Call,
  type Content,
  comparePaths,
  type Destination,
  type Entry,
  type Source,
} from '../../src/connector/index.js'
import { KlosetError } from '../../src/errors.js'
import { type Specs, scripted } from '../backup/support.js'

/** What is at a path of a {@link memoryDestination}. */
export interface Restored extends Entry {
  readonly bytes?: Uint8Array
}

/** A destination in memory without a worker module. */
export interface MemoryDestination extends Destination {
  readonly entries: Map<string, Restored>
  /** Every call in the order of the calls. */
  readonly calls: string[]
  complete: boolean | undefined
}

/** How it differs from the usual. */
export interface MemoryDestinationOptions {
  readonly there?: Specs
  /** What is there, as `current` shows it together with what is written and removed. */
  readonly live?: readonly Restored[]
  readonly capabilities?: Partial<Destination['capabilities']>
  /** Called before each file is written; may throw. */
  readonly onWrite?: (path: string) => void | Promise<void>
}

export function memoryDestination(options: MemoryDestinationOptions = {}): MemoryDestination {
  const { there, live } = options
  const entries = new Map<string, Restored>(live?.map((entry) => [entry.path, entry]))
  const calls: string[] = []
  const destination: MemoryDestination = {
    entries,
    calls,
    complete: undefined,
    capabilities: {
      keeps: ['directories', 'symlinks', 'special', 'devices', 'mode', 'owner', 'mtime', 'xattrs', 'holes'],
      order: 'path',
      concurrency: 3,
      names: { caseSensitive: true },
      ...options.capabilities,
    },
    ...(there !== undefined && { current: scripted(there) }),
    ...(live !== undefined && { current: sourceOfEntries(entries) }),
    async remove(paths: readonly string[]) {
      for (const path of paths) {
        calls.push(`remove ${path}`)
        if ([...entries.keys()].some((each) => each.startsWith(`${path}/`)))
          throw new KlosetError('KLOSET_EXISTS', `${path} is not empty`)
        entries.delete(path)
      }
    },
    async create(entry: Entry) {
      calls.push(`create ${entry.path}`)
      needsParent(entry.path)
      if (entry.type !== 'directory' || !entries.has(entry.path)) entries.set(entry.path, entry)
    },
    async write(entry: Entry, content: Content, { signal }: Call) {
      calls.push(`write ${entry.path}`)
      needsParent(entry.path)
      await options.onWrite?.(entry.path)
      const bytes = await content.bytes()
      signal.throwIfAborted()
      entries.set(entry.path, { ...entry, bytes })
    },
    async link(path: string, to: string) {
      calls.push(`link ${path} ${to}`)
      const original = entries.get(to)
      if (original?.type !== 'file') throw new KlosetError('KLOSET_NOT_FOUND', `there is no ${to}`)
      entries.set(path, { ...original, path })
    },
    async finish(entry: Entry) {
      calls.push(`finish ${entry.path}`)
      entries.set(entry.path, { ...entries.get(entry.path), ...entry })
    },
    async close({ complete }) {
      destination.complete = complete
    },
  }
  const needsParent = (path: string): void => {
    const above = path.slice(0, Math.max(0, path.lastIndexOf('/')))
    if (path === '' || above === '') return
    if (entries.get(above)?.type !== 'directory') throw new KlosetError('KLOSET_NOT_FOUND', `there is no ${above}`)
  }
  return destination
}

/** What is in a map of entries at the time it is scanned or read. */
function sourceOfEntries(entries: ReadonlyMap<string, Restored>): Source {
  return {
    ...scripted({}),
    async *scan() {
      yield [...entries.values()].map(({ bytes: _, ...entry }) => entry).sort((a, b) => comparePaths(a.path, b.path))
    },
    async *read({ path }: Entry) {
      yield entries.get(path)!.bytes!
    },
  }
}

/** The text of the files in it. */
export function texts({ entries }: MemoryDestination): Record<string, string> {
  const files: Record<string, string> = {}
  for (const [path, { bytes }] of entries) if (bytes !== undefined) files[path] = new TextDecoder().decode(bytes)
  return files
}
