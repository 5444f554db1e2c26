import { fromHex } from '../bytes/index.js'
import type { Source } from '../connector/index.js'
import type { SnapshotRecord } from '../log/index.js'
import { selectSnapshot } from '../snapshot/index.js'

/** The last backup of the same source: what has not changed since need not be read again. */
export interface Parent {
  /** Id of the snapshot. */
  readonly snapshot: string
  /** The root of the source's tree in it. */
  readonly tree: Uint8Array
  /** When that backup began, in ms since 1970. */
  readonly time: number
}

/**
 * The parent of a source: in the snapshot that `wanted` names, or in the latest of the same host that has the same source. Snapshots
 * come oldest first; `null` asks for none.
 */
export function parentOf(
  snapshots: readonly SnapshotRecord[],
  { type, origin, root }: Source,
  host: string,
  wanted: string | null | undefined,
): Parent | undefined {
  if (wanted === null) return undefined
  const candidates =
    wanted === undefined
      ? snapshots.filter((each) => each.host === host).reverse()
      : [selectSnapshot(snapshots, wanted)]
  for (const { id, time, sources } of candidates) {
    const same =
      sources.find((source) => source.type === type && source.origin === origin && source.root === root) ??
      (wanted !== undefined && sources.length === 1 ? sources[0] : undefined)
    if (same !== undefined) return { snapshot: id, tree: fromHex(same.tree), time: Date.parse(time) }
  }
  return undefined
}
