import type { SnapshotRecord } from './snapshot-record.js'
import type { LoggedSnapshot } from './state.js'

/** How far clocks of clients may be apart, in milliseconds, before the order of the log counts for more than a snapshot's time. */
const clockSkew = 60 * 60 * 1000

/**
 * Snapshots, oldest first: by the time at which they were made, since those that were synchronized or imported come later into the log than others that are
 * younger. A snapshot that claims a time at which entries after it had been committed long before was made with a wrong clock: it comes
 * where it is in the log, so that it does not stay the latest until that time.
 * @param snapshots in the order of the log
 */
export function inOrder(snapshots: Iterable<LoggedSnapshot>): SnapshotRecord[] {
  const logged = [...snapshots]
  const wrong = new Set<LoggedSnapshot>()
  let committed = Number.POSITIVE_INFINITY
  for (const each of [...logged].reverse()) {
    if (Date.parse(each.record.time) > committed + clockSkew) wrong.add(each)
    committed = Math.min(committed, each.time)
  }
  let before = 0
  const ordered = logged.map((each) => {
    if (!wrong.has(each)) before = Math.max(before, each.time)
    return { record: each.record, time: wrong.has(each) ? before : Date.parse(each.record.time) }
  })
  return ordered.sort((a, b) => a.time - b.time).map(({ record }) => record)
}

/** Whether a snapshot is dated later than `now`, in milliseconds since 1970, by more than clocks may be apart. */
export function isInFuture({ time }: SnapshotRecord, now: number): boolean {
  return Date.parse(time) > now + clockSkew
}
