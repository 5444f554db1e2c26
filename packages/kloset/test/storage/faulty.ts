import type { Storage } from '../../src/connector/contract.js'
import type { RequestKind } from '../../src/storage/index.js'

/** What goes wrong with one call: before it reaches the storage, or after it did its work (the answer is lost). */
export interface Fault {
  readonly when: 'before' | 'after'
  readonly error: unknown
}

/** Asked before each call, with the number of calls of that kind so far. */
export type FaultPlan = (kind: RequestKind, count: number) => Fault | undefined

/** `storage` with the calls failing that the plan names. */
export function faulty(storage: Storage, plan: FaultPlan): Storage {
  const counts = new Map<RequestKind, number>()
  const through = async <T>(kind: RequestKind, call: () => Promise<T>): Promise<T> => {
    const count = counts.get(kind) ?? 0
    counts.set(kind, count + 1)
    const fault = plan(kind, count)
    if (fault?.when === 'before') throw fault.error
    const answer = await call()
    if (fault) throw fault.error
    return answer
  }
  return {
    location: storage.location,
    capabilities: storage.capabilities,
    put: (name, body, how) => through('put', () => storage.put(name, body, how)),
    get: (name, how) => through('get', () => storage.get(name, how)),
    stat: (name, how) => through('stat', () => storage.stat(name, how)),
    remove: (names, how) => through('remove', () => storage.remove(names, how)),
    close: () => storage.close(),

    async *list(prefix, how) {
      const batches = storage.list(prefix, how)[Symbol.asyncIterator]()
      for (;;) {
        const { done, value } = await through('list', () => batches.next())
        if (done) return
        yield value
      }
    },
  }
}
