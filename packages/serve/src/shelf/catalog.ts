import type { Snapshot } from 'kloset'
import { folderName, timeName } from './names.js'

/** A folder that holds snapshots, or folders of them. */
export interface Group {
  readonly kind: 'group'
  /** Where it is: `''`, `ids`, `hosts/nas`. */
  readonly path: string
  /** When the newest snapshot in it was made; of an empty store, the beginning of time. */
  readonly time: Date
}

/** A snapshot, as the folder of what it holds. */
export interface Shown {
  readonly kind: 'snapshot'
  readonly snapshot: Snapshot
}

/** The newest snapshot of a group, under the name `latest`. */
export interface Latest {
  readonly kind: 'latest'
  readonly snapshot: Snapshot
  /** Its other place, relative to the folder that this is in. */
  readonly target: string
}

/** What is in a group, by name. */
export type Members = ReadonlyMap<string, Group | Shown | Latest>

/** All groups by where they are. */
export type Catalog = ReadonlyMap<string, Members>

/**
 * How snapshots are laid out: `ids/9abc3294`, `times/2026-11-20T15-57-33Z`, `hosts/nas/2026-11-20T15-57-33Z`, `tags/daily/…`, and the newest of all, of each
 * host and of each tag as `latest`. `snapshots` come oldest first.
 */
export function catalogOf(snapshots: readonly Snapshot[]): Catalog {
  const catalog = new Map<string, Map<string, Group | Shown | Latest>>([['', new Map()]])
  const group = (path: string, time: Date): Map<string, Group | Shown | Latest> => {
    const slash = path.lastIndexOf('/')
    const above = slash < 0 ? catalog.get('')! : group(path.slice(0, slash), time)
    above.set(path.slice(slash + 1), { kind: 'group', path, time })
    const members = catalog.get(path) ?? new Map()
    catalog.set(path, members)
    return members
  }
  for (const path of ['ids', 'times', 'hosts', 'tags']) group(path, newest(snapshots))

  const ids = group('ids', newest(snapshots))
  const digits = digitsFor(snapshots)
  for (const snapshot of snapshots) {
    const id = snapshot.id.slice(0, digits)
    ids.set(id, { kind: 'snapshot', snapshot })
    const groups = [
      'times',
      `hosts/${folderName(snapshot.host)}`,
      ...new Set(snapshot.tags.map((tag) => `tags/${folderName(tag)}`)),
    ]
    for (const path of groups) {
      const members = group(path, snapshot.time)
      const name = timeName(snapshot.time)
      // Of several that were made in one second, the later ones say which they are.
      const free = members.has(name) ? `${name}-${id}` : name
      members.set(free, { kind: 'snapshot', snapshot })
      if (path !== 'times') members.set('latest', { kind: 'latest', snapshot, target: free })
    }
    catalog.get('')!.set('latest', { kind: 'latest', snapshot, target: `ids/${id}` })
  }
  return catalog
}

function newest(snapshots: readonly Snapshot[]): Date {
  return snapshots.at(-1)?.time ?? new Date(0)
}

/** Digits by which ids can be told apart, at least 8. */
function digitsFor(snapshots: readonly Snapshot[]): number {
  let digits = 8
  while (digits < 32 && new Set(snapshots.map(({ id }) => id.slice(0, digits))).size < snapshots.length) digits++
  return digits
}
