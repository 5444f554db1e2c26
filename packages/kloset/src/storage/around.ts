import type { Call, Storage, StoredObject } from '../connector/contract.js'

/** The kinds of calls a storage answers. */
export type RequestKind = 'put' | 'get' | 'stat' | 'list' | 'remove' | 'usage'

/** Makes a call on behalf of a wrapper: once, later, or again. */
export type Around = <T>(kind: RequestKind, signal: AbortSignal, call: () => Promise<T>) => Promise<T>

/** How a wrapper lists: each batch is a call of its own. */
export type List = Storage['list']

/** `storage` with every call made through `around`; `list` replaces its listing. */
export function throughEach(storage: Storage, around: Around, list: List): Storage {
  const usage = storage.usage?.bind(storage)
  return {
    location: storage.location,
    ...(storage.paths && { paths: storage.paths }),
    capabilities: storage.capabilities,
    put: (name, body, how) => around('put', how.signal, () => storage.put(name, body, how)),
    get: (name, how) => around('get', how.signal, () => storage.get(name, how)),
    stat: (name, how) => around('stat', how.signal, () => storage.stat(name, how)),
    list,
    remove: (names, how) => around('remove', how.signal, () => storage.remove(names, how)),
    ...(storage.reserve && { reserve: storage.reserve }),
    ...(usage && { usage: (how: Call) => around('usage', how.signal, () => usage(how)) }),
    close: () => storage.close(),
  }
}

/** A listing whose every pull is a call through `around`. */
export function listingThrough(storage: Storage, around: Around): List {
  return async function* (prefix, how) {
    const batches = storage.list(prefix, how)[Symbol.asyncIterator]()
    const pull = (): Promise<IteratorResult<readonly StoredObject[]>> => batches.next()
    try {
      for (;;) {
        const { done, value } = await around('list', how.signal, pull)
        if (done) return
        yield value
      }
    } finally {
      await batches.return?.()
    }
  }
}
