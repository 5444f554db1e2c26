import { fromHex } from '../bytes/index.js'
import type { Call } from '../connector/index.js'
import { IdMap } from '../index/id-map.js'
import type { LoggedSnapshot, LogState } from '../log/index.js'
import type { BlobReader } from '../store/blobs.js'
import { reach } from '../tree/reach.js'

/** How many nodes are read at once: on a distant storage most of the time is waiting. */
export const markWidth: number = 16

/**
 * What live snapshots need. Each tree node is read once, however many snapshots share it; snapshots are gone through in the order of
 * the log, so that what a backup wrote together is read together.
 */
export class Marking {
  readonly #nodes = new IdMap({ exact: true })
  readonly #live = new IdMap({ exact: false })
  readonly #done = new Set<string>()

  /** Every id that is needed, with a number for who uses this: 1 at first. Taking an id that is not needed for one that is does no harm. */
  get live(): IdMap {
    return this.#live
  }

  /**
   * Marks what the live snapshots of a state need, as far as that was not done yet; `added` is told every id that was not needed before.
   * @throws where a node cannot be read: then it is not known what is needed
   */
  async follow(
    state: LogState,
    blobs: BlobReader,
    added: (bytes: Uint8Array, at: number) => void,
    call: Call,
  ): Promise<void> {
    const fresh = [...state.snapshots].filter(([id]) => !this.#done.has(id))
    const mark = (bytes: Uint8Array, at: number): void => {
      if (this.#live.get(bytes, at) !== 0) return
      this.#live.set(bytes, at, 1)
      added(bytes, at)
    }
    await reach(
      fresh.flatMap(([, snapshot]) => rootsOf(snapshot)),
      (id) => blobs.node(id, call),
      {
        node: (bytes, at) => {
          if (this.#nodes.set(bytes, at, 1) !== 0) return false
          mark(bytes, at)
          return true
        },
        chunk: mark,
      },
      { ...call, width: markWidth },
    )
    for (const [id] of fresh) this.#done.add(id)
  }
}

/** The ids of the roots of a snapshot's trees. */
export function rootsOf({ record }: Pick<LoggedSnapshot, 'record'>): Uint8Array[] {
  return record.sources.map(({ tree }) => fromHex(tree))
}
