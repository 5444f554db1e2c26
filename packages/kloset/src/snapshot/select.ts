import type { SnapshotFilter } from '../api.js'
import { KlosetError } from '../errors.js'
import type { SnapshotRecord } from '../log/index.js'

/** Whether a snapshot meets all conditions. */
export function matches(record: SnapshotRecord, where: SnapshotFilter): boolean {
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
 * The snapshot of a name: an unambiguous prefix of its id, `latest`, or `latest~N` for the one N before. `records` come oldest first.
 * @throws KLOSET_SNAPSHOT_NOT_FOUND, KLOSET_SNAPSHOT_AMBIGUOUS
 */
export function selectSnapshot(records: readonly SnapshotRecord[], name: string): SnapshotRecord {
  const latest = /^latest(?:~(\d{1,9}))?$/.exec(name)
  if (latest !== null) {
    const found = records.at(-1 - Number(latest[1] ?? 0))
    if (found !== undefined) return found
    throw notFound(
      name,
      records.length === 0 ? 'the store has no snapshots yet' : `the store has ${records.length} snapshots`,
    )
  }
  const prefix = name.toLowerCase()
  const found = /^[0-9a-f]{1,32}$/.test(prefix) ? records.filter(({ id }) => id.startsWith(prefix)) : []
  if (found.length === 1) return found[0]!
  if (found.length === 0) throw notFound(name, 'no snapshot id starts with it')
  const ids = found.slice(0, 5).map(({ id }) => id.slice(0, prefix.length + 4))
  throw new KlosetError(
    'KLOSET_SNAPSHOT_AMBIGUOUS',
    `${found.length} snapshots start with ${name}: ${ids.join(', ')}`,
    {
      context: { snapshot: name, matches: found.length },
      hint: 'Give more digits.',
    },
  )
}

function notFound(name: string, reason: string): KlosetError {
  return new KlosetError('KLOSET_SNAPSHOT_NOT_FOUND', `no snapshot ${name}: ${reason}`, {
    context: { snapshot: name },
    hint: 'List the snapshots to see their ids; any unambiguous beginning of an id is enough, and `latest` is the newest.',
  })
}
