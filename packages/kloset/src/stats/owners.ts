import type { Call } from '../connector/index.js'
import { IdMap } from '../index/id-map.js'
import type { FetchNode } from '../tree/index.js'
import { reach } from '../tree/reach.js'

/** How many nodes are read at once: on a distant storage most of the time is waiting. */
const width = 16

/** That several need it. */
export const shared: number = 2 ** 30

/**
 * Who needs what: for each chunk and node the one owner that needs it, or that it is {@link shared}. An owner is one snapshot, or several
 * that are not to be told apart. What is gone into for its second owner is shared with all below it, so no node is read a third time,
 * however many owners there are.
 */
export class Owners {
  readonly #nodes = new IdMap({ exact: true })
  readonly #blobs = new IdMap({ exact: false })

  /** How many blobs it knows. */
  get size(): number {
    return this.#blobs.size
  }

  /** The owner of the blob whose id is in `bytes` at `at`; 0 where it is not known. */
  of(bytes: Uint8Array, at: number): number {
    return Math.abs(this.#blobs.get(bytes, at))
  }

  /** Whether this is the first time that the blob is counted. */
  count(bytes: Uint8Array, at: number): boolean {
    const owner = this.#blobs.get(bytes, at)
    if (owner > 0) this.#blobs.set(bytes, at, -owner)
    return owner > 0
  }

  /**
   * Gives an owner what the trees of these roots need. `known`: only what has an owner already counts, as shared from now on.
   * @throws KLOSET_TREE_CORRUPT, and what `fetch` throws
   */
  async give(
    roots: readonly Uint8Array[],
    owner: number,
    fetch: FetchNode,
    { known, signal }: Call & { readonly known: boolean },
  ): Promise<void> {
    const give = (bytes: Uint8Array, at: number): void => {
      const before = this.#blobs.get(bytes, at)
      if (before === 0 ? !known : before !== owner && before !== shared) {
        this.#blobs.set(bytes, at, before === 0 ? owner : shared)
      }
    }
    const node = (bytes: Uint8Array, at: number): boolean => {
      const before = this.#nodes.get(bytes, at)
      if (before === owner || before === shared) return false
      this.#nodes.set(bytes, at, before === 0 ? owner : shared)
      give(bytes, at)
      return true
    }
    await reach(roots, fetch, { node, chunk: give }, { signal, width })
  }
}
