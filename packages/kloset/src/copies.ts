import type { SnapshotCopies, Store } from './api.js'
import { openedStore } from './facade.js'
import { copiesIn } from './sync/copies.js'

/**
 * Which of some open stores have which snapshots, oldest first: a snapshot keeps its id in every store it is synchronized to. Those that
 * were forgotten are there too, as long as a store remembers them.
 */
export function copiesOf(stores: readonly Store[]): Promise<readonly SnapshotCopies[]> {
  return copiesIn(stores.map(openedStore), { signal: new AbortController().signal })
}
