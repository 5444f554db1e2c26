import type { Bytes } from '../../src/bytes/index.js'
import type { Storage } from '../../src/connector/contract.js'
import { KlosetError } from '../../src/errors.js'
import { type MemoryPlace, memoryStorage } from '../../src/storage/index.js'

/**
 * What becomes of a put of a log entry. `lost-answer`: it is applied, and fails. `lost`: it fails. `late`: it fails, and is applied
 * later if its place is still free. `refused`: it fails for good.
 */
export type Fate = 'fine' | 'lost-answer' | 'lost' | 'late' | 'refused'

/** A memory storage whose puts of log entries meet what `fates` says, in order; then all is fine. */
export function faultyStorage(place: MemoryPlace, fates: (() => Fate) | readonly Fate[]): Storage & { settle(): void } {
  const storage = memoryStorage({ place })
  const late: { name: string; body: Bytes }[] = []
  let next = 0
  const fateOf = typeof fates === 'function' ? fates : (): Fate => fates[next++] ?? 'fine'
  return {
    ...storage,

    async put(name, body, how) {
      if (!name.startsWith('log/')) return storage.put(name, body, how)
      // Other clients go first now and then.
      await new Promise((resolve) => setImmediate(resolve))
      const fate = fateOf()
      if (fate === 'refused') throw new KlosetError('KLOSET_DENIED', 'no')
      if (fate === 'late') late.push({ name, body: body.slice() })
      if (fate === 'fine' || fate === 'lost-answer') {
        const outcome = await storage.put(name, body, how)
        if (fate === 'fine') return outcome
      }
      throw new KlosetError('KLOSET_OFFLINE', 'the connection was lost', { retry: 'later' })
    },

    async get(name, how) {
      await new Promise((resolve) => setImmediate(resolve))
      return storage.get(name, how)
    },

    /** Applies what is late. */
    settle() {
      for (const { name, body } of late.splice(0)) if (!place.has(name)) place.set(name, body)
    },
  }
}
