import type { SnapshotFilter } from '../api.js'
import { KlosetError } from '../errors.js'

/** What snapshots are selected by: those of a store as its log holds them, and those of other programs. */
export interface Selectable {
  readonly id: string
  /** ISO 8601. */
  readonly time: string
  readonly host: string
  readonly name?: string | undefined
  readonly tags: readonly string[]
  readonly sources: readonly { readonly root: string }[]
}

/** Whether a snapshot meets all conditions. */
export function matches(record: Selectable, where: SnapshotFilter): boolean {
  const time = Date.parse(record.time)
  return (
    (where.tags ?? []).every((tag) => record.tags.includes(tag)) &&
    (where.host === undefined || record.host === where.host) &&
    (where.name === undefined || record.name === where.name) &&
    (where.root === undefined || record.sources.some(({ root }) => root === where.root)) &&
    (where.since === undefined || time >= where.since.getTime()) &&
    (where.before === undefined || time < where.before.getTime())
  )
}

/**
 * The snapshot that `name` means among those that meet `where`: an unambiguous prefix of its id, what it is called, `latest`, or
 * `latest~N` for the one N before. `records` come oldest first.
 * @throws KLOSET_SNAPSHOT_NOT_FOUND, KLOSET_SNAPSHOT_AMBIGUOUS
 */
export function selectSnapshot<S extends Selectable>(
  records: readonly S[],
  name: string,
  where: SnapshotFilter = {},
): S {
  const asked = records.filter((record) => matches(record, where))
  const latest = /^latest(?:~(\d{1,9}))?$/.exec(name)
  if (latest !== null) {
    const found = asked.at(-1 - Number(latest[1] ?? 0))
    if (found !== undefined) return found
    throw notFound(name, countsOf(asked, records))
  }
  const found = meant(asked, name)
  if (found.length === 1) return found[0]!
  if (found.length > 1) throw ambiguous(name, found)
  const others = meant(records, name).map(({ id }) => id.slice(0, 8))
  throw notFound(
    name,
    others.length === 0
      ? 'no id starts with it, and none is called so'
      : `${others.slice(0, 5).join(', ')} is not among those that are selected`,
  )
}

/** The snapshots that some names mean, as {@link selectSnapshot}: each once, oldest first; without names, all that meet `where`. */
export function selectSnapshots<S extends Selectable>(
  records: readonly S[],
  names: readonly string[] | undefined,
  where: SnapshotFilter = {},
): S[] {
  if (names === undefined) return records.filter((record) => matches(record, where))
  const ids = new Set(names.map((name) => selectSnapshot(records, name, where).id))
  return records.filter(({ id }) => ids.has(id))
}

function meant<S extends Selectable>(records: readonly S[], name: string): readonly S[] {
  const prefix = name.toLowerCase()
  const byId = /^[0-9a-f]{1,64}$/.test(prefix) ? records.filter(({ id }) => id.startsWith(prefix)) : []
  // A whole id means one snapshot, whatever others are called.
  if (byId[0]?.id === prefix) return byId
  return [...byId, ...records.filter((record) => record.name === name && !byId.includes(record))]
}

function countsOf(asked: readonly Selectable[], all: readonly Selectable[]): string {
  if (all.length === 0) return 'there are no snapshots yet'
  return asked.length === all.length
    ? `there are ${all.length} snapshots`
    : `of ${all.length} snapshots, ${asked.length} are selected`
}

function ambiguous(name: string, found: readonly Selectable[]): KlosetError {
  const byId = found.every(({ id }) => id.startsWith(name.toLowerCase()))
  const digits = byId ? name.length + 4 : 8
  const ids = found.slice(0, 5).map(({ id }) => id.slice(0, digits))
  return new KlosetError(
    'KLOSET_SNAPSHOT_AMBIGUOUS',
    `${found.length} snapshots ${byId ? 'start with' : 'are meant by'} ${name}: ${ids.join(', ')}`,
    {
      context: { snapshot: name, matches: found.length },
      hint: byId ? 'Give more digits.' : 'Give its id, or `latest` among those of that name.',
    },
  )
}

function notFound(name: string, reason: string): KlosetError {
  return new KlosetError('KLOSET_SNAPSHOT_NOT_FOUND', `no snapshot ${name}: ${reason}`, {
    context: { snapshot: name },
    hint: 'List the snapshots to see their ids; any unambiguous beginning of an id is enough, and `latest` is the newest.',
  })
}
