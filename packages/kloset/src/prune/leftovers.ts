import pLimit from 'p-limit'
import { toHex } from '../bytes/index.js'
import type { Call } from '../connector/index.js'
import { isKlosetError } from '../errors.js'
import type { LogState } from '../log/index.js'
import { readSegment } from '../store/load-index.js'
import type { OpenedStore } from '../store/opened.js'

/**
 * Segments that the log does not name: of backups that run or were interrupted, and rarely of a prune that was. One may be adopted as long
 * as none of its packs is gone, so it goes when all of them are.
 */
export class Leftovers {
  readonly #store: OpenedStore
  readonly #packs: ReadonlyMap<string, readonly string[]>

  private constructor(store: OpenedStore, packs: ReadonlyMap<string, readonly string[]>) {
    this.#store = store
    this.#packs = packs
  }

  /** Finds them. One that is damaged says nothing, and stays. */
  static async find(store: OpenedStore, state: LogState, call: Call): Promise<Leftovers> {
    const names: string[] = []
    for await (const batch of store.storage.list('index/', { ...call, after: undefined })) {
      for (const { name } of batch) {
        const digits = name.slice('index/'.length)
        if (/^[0-9a-f]{64}$/.test(digits) && !state.segments.has(digits)) names.push(digits)
      }
    }
    const packs = new Map<string, readonly string[]>()
    const limit = pLimit(4)
    const read = async (name: string): Promise<void> => {
      try {
        const segment = await readSegment(store.storage, store.keyring, name, call)
        packs.set(
          name,
          segment.packs.map((pack) => toHex(pack.name)),
        )
      } catch (error) {
        const codes = ['KLOSET_INDEX_CORRUPT', 'KLOSET_NOT_FOUND', 'KLOSET_VERSION'] as const
        if (!codes.some((code) => isKlosetError(error, code))) throw error
      }
    }
    await Promise.all(names.map((name) => limit(read, name)))
    return new Leftovers(store, packs)
  }

  /** The packs they name. A backup that is just starting has named one that is not there yet. */
  get packs(): ReadonlySet<string> {
    return new Set([...this.#packs.values()].flat())
  }

  /** Deletes those that nobody can want any more. */
  async remove(state: LogState, call: Call): Promise<void> {
    const isDead = (pack: string): boolean => state.packs.get(pack)?.fate === 'dead'
    const names = [...this.#packs].filter(([name, packs]) => !state.segments.has(name) && packs.every(isDead))
    if (names.length > 0)
      await this.#store.storage.remove(
        names.map(([name]) => `index/${name}`),
        call,
      )
  }
}
