import type { Bytes } from '../bytes/index.js'
import type { Storage, StorageCapabilities, StoredObject } from '../connector/contract.js'
import { KlosetError } from '../errors.js'

/** Objects in memory. Give the same place to several {@link memoryStorage} to have several clients of one store. */
export type MemoryPlace = Map<string, Bytes>

/** What a {@link memoryStorage} can be told. */
export interface MemoryStorageOptions {
  /** Where the objects are; by default a new, empty place. */
  readonly place?: MemoryPlace
  /** What it calls itself; default `memory:`. */
  readonly location?: string
  /** Less than it can do, to see how callers manage. */
  readonly capabilities?: Partial<StorageCapabilities>
}

/** A storage in memory: for tests, and for stores that are built here and sent elsewhere. */
export function memoryStorage(options: MemoryStorageOptions = {}): Storage {
  const objects = options.place ?? new Map<string, Bytes>()
  const location = options.location ?? 'memory:'
  const capabilities = { write: true, list: true, putIfAbsent: true, concurrency: 16, ...options.capabilities }

  const writable = (): void => {
    if (!capabilities.write) throw new KlosetError('KLOSET_READ_ONLY', `${location} was opened for reading only`)
  }

  return {
    location,
    capabilities,

    async put(name, body, { signal, ifAbsent }) {
      signal.throwIfAborted()
      writable()
      if (ifAbsent && objects.has(name)) return 'exists'
      objects.set(name, body.slice())
      return 'stored'
    },

    async get(name, { signal, range }) {
      signal.throwIfAborted()
      const body = objects.get(name)
      if (body === undefined) throw notFound(location, name)
      if (range === undefined) return body.slice()
      const end = range.offset + range.length
      if (end > body.length) {
        const message = `${name} in ${location} has ${body.length} bytes, not the ${end} asked for`
        throw new KlosetError('KLOSET_NOT_FOUND', message, { context: { name, size: body.length } })
      }
      return body.slice(range.offset, end)
    },

    async stat(name, { signal }) {
      signal.throwIfAborted()
      const body = objects.get(name)
      return body && { size: body.length }
    },

    async *list(prefix, { signal, after }) {
      signal.throwIfAborted()
      const names = [...objects.keys()].filter(
        (name) => name.startsWith(prefix) && (after === undefined || name > after),
      )
      names.sort()
      for (let at = 0; at < names.length; at += 1000) {
        signal.throwIfAborted()
        const batch = names.slice(at, at + 1000).flatMap((name) => present(objects, name))
        if (batch.length > 0) yield batch
      }
    },

    async remove(names, { signal }) {
      signal.throwIfAborted()
      writable()
      for (const name of names) objects.delete(name)
    },

    async usage({ signal }) {
      signal.throwIfAborted()
      let used = 0
      for (const body of objects.values()) used += body.length
      return { used }
    },

    async close() {},
  }
}

function present(objects: MemoryPlace, name: string): StoredObject[] {
  const body = objects.get(name)
  return body === undefined ? [] : [{ name, size: body.length }]
}

function notFound(location: string, name: string): KlosetError {
  return new KlosetError('KLOSET_NOT_FOUND', `there is no ${name} in ${location}`, { context: { name } })
}
