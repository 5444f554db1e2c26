import { fromHex } from '../bytes/index.js'
import type { Source } from '../connector/index.js'
import type { SnapshotRecord, SourceRecord } from '../log/index.js'
import { hostName } from '../runtime/system.js'
import { selectSnapshot } from '../snapshot/index.js'

/** Which source it is, wherever it is mounted today. */
export type Identity = Pick<SourceRecord, 'type' | 'origin' | 'root'>

/** The identity of a source: `as` is the root that it stands for, and what is of this machine is of the host that this machine is said to be. */
export function identityOf({ type, origin, root }: Source, host: string, as: string | undefined): Identity {
  return { type, origin: origin === hostName() ? host : origin, root: as ?? root }
}

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
  identity: Identity,
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
      sources.find((source) => isOf(source, identity)) ??
      (wanted !== undefined && sources.length === 1 ? sources[0] : undefined)
    if (same !== undefined) return { snapshot: id, tree: fromHex(same.tree), time: Date.parse(time) }
  }
  return undefined
}

/**
 * The latest snapshot of the same host and of just these sources, if it holds exactly what they hold now: the same trees, and so the same
 * names, contents and metadata. Snapshots come oldest first.
 */
export function sameAs(
  snapshots: readonly SnapshotRecord[],
  sources: readonly SourceRecord[],
  host: string,
): SnapshotRecord | undefined {
  const last = snapshots.findLast(
    (each) =>
      each.host === host &&
      each.sources.length === sources.length &&
      sources.every((source) => each.sources.some((other) => isOf(other, source))),
  )
  const holds = (source: SourceRecord): boolean =>
    last!.sources.some((other) => isOf(other, source) && other.tree === source.tree)
  return last !== undefined && sources.every(holds) ? last : undefined
}

function isOf(source: Identity, { type, origin, root }: Identity): boolean {
  return source.type === type && source.origin === origin && source.root === root
}
