import type { Call, Content, Destination, Entry } from '../../src/connector/index.js'
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
  readonly capabilities?: Partial<Destination['capabilities']>
  /** Called before each file is written; may throw. */
  readonly onWrite?: (path: string) => void | Promise<void>
}

export function memoryDestination(options: MemoryDestinationOptions = {}): MemoryDestination {
  const { there } = options
  const entries = new Map<string, Restored>()
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
      entries.set(entry.path, entry)
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

/** The text of the files in it. */
export function texts({ entries }: MemoryDestination): Record<string, string> {
  const files: Record<string, string> = {}
  for (const [path, { bytes }] of entries) if (bytes !== undefined) files[path] = new TextDecoder().decode(bytes)
  return files
}
