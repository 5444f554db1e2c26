import type { LogEntry } from './entry.js'
import { isReliable, type LogState } from './state.js'

/** What entries did to packs and segments, for those who looked at the log before. */
export interface Changes {
  /** Packs that may be gone for good. */
  readonly gone: ReadonlySet<string>
  /** Packs that were condemned, and not lifted after that. */
  readonly condemned: ReadonlySet<string>
  /** Packs that were lifted: somebody relies on them now. */
  readonly lifted: ReadonlySet<string>
  /** Segments that were replaced or dropped, and not named again after that. */
  readonly removed: ReadonlySet<string>
}

/**
 * Sums up entries in their order (protocol rule 5). The state after them does not tell as much: of what was purged it may know
 * nothing any more.
 */
export function changesIn(entries: Iterable<LogEntry>): Changes {
  const gone = new Set<string>()
  const condemned = new Set<string>()
  const lifted = new Set<string>()
  const removed = new Set<string>()
  for (const entry of entries) {
    for (const name of entry.segmentsRemoved) removed.add(name)
    for (const name of entry.segmentsAdded) removed.delete(name)
    for (const name of entry.lifted) {
      condemned.delete(name)
      lifted.add(name)
    }
    const kind = entry.content?.kind
    if (kind === 'condemn') for (const name of entry.packs) condemned.add(name)
    if (kind !== 'purge' && kind !== 'purged') continue
    for (const name of entry.packs) {
      gone.add(name)
      condemned.delete(name)
    }
  }
  return { gone, condemned, lifted, removed }
}

/** What somebody may do who found a blob in a pack: use it, use it if it is lifted, or look elsewhere. */
export type Standing = 'reliable' | 'condemned' | 'gone'

/** How a pack stands in a state, for somebody who read the index before the entries of `changes` came. */
export function standingOf(state: LogState, changes: Pick<Changes, 'gone'>, pack: string): Standing {
  if (changes.gone.has(pack)) return 'gone'
  if (isReliable(state, pack)) return 'reliable'
  return state.packs.get(pack)!.fate === 'condemned' ? 'condemned' : 'gone'
}
