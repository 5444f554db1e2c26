import { fromHex } from '../bytes/index.js'
import type { Call } from '../connector/index.js'
import { isKlosetError, KlosetError } from '../errors.js'
import type { IndexTable } from '../index/index.js'
import {
  type Changes,
  changesIn,
  checkpointEvery,
  type EntryDraft,
  type Following,
  isReliable,
  type LogEntry,
  type LogState,
  type SnapshotRecord,
  standingOf,
} from '../log/index.js'
import { liftAhead } from '../prune/entries.js'
import { rootsOf } from '../prune/mark.js'
import { resolve } from '../prune/resolve.js'
import { isDamage } from '../snapshot/readable.js'
import type { OpenedStore } from '../store/opened.js'

/** A snapshot whose content is stored, and what its content relies on. */
export interface NewSnapshot {
  readonly record: SnapshotRecord
  /** Segments that the log does not name yet: its entry does. */
  readonly segments: readonly string[]
  /** The packs that these segments name. */
  readonly packs: ReadonlySet<string>
  /** Ids of snapshots of which parts were taken over without looking at what is in them. */
  readonly parents: readonly string[]
  /** Begun when the log was read that all this was stored by. */
  readonly following: Following
  /** The index that was asked what the store has. */
  readonly table: IndexTable
}

/** What a snapshot relies on was purged before it could be committed: it has to be made anew. */
export class TakenAway extends KlosetError {
  constructor() {
    super('KLOSET_BUSY', 'what this snapshot relies on was pruned before it could be committed', {
      retry: 'later',
      hint: 'Try again: what was stored is used, so it will be quick. A longer delay between condemning and deleting avoids this.',
    })
  }
}

/**
 * Commits a snapshot. What the log says was condemned meanwhile is lifted by the same entry. A parent that was forgotten meanwhile is
 * no reliance any more: then everything the snapshot needs is looked for.
 * @throws TakenAway where some of it is gone
 */
export async function commitSnapshot(store: OpenedStore, snapshot: NewSnapshot, call: Call): Promise<LogEntry> {
  const commit = new Commit(store, snapshot, call)
  try {
    const now = store.log.state
    const entry = await store.log.append(await commit.draft(now), {
      ...call,
      since: now.position,
      reconsider: (later) => commit.draft(later),
    })
    await checkpoint(store, call)
    return entry
  } catch (error) {
    // Segments that the log does not name do not belong in the index.
    store.dropIndex()
    throw error
  }
}

class Commit {
  readonly #store: OpenedStore
  readonly #snapshot: NewSnapshot
  readonly #call: Call
  // Every pack that is relied on, once that had to be found out.
  #resolved: ReadonlySet<string> | undefined

  constructor(store: OpenedStore, snapshot: NewSnapshot, call: Call) {
    this.#store = store
    this.#snapshot = snapshot
    this.#call = call
  }

  /** The entry as it has to be after a state (protocol rules 4, 5 and 6). */
  async draft(now: LogState): Promise<EntryDraft> {
    const { record, segments, following } = this.#snapshot
    const changes = changesIn(following.entries)
    this.#requireOwn(now, changes)
    const lifted = await liftAhead(this.#store.log, [...(await this.#reliances(now, changes))], this.#call)
    return {
      content: { kind: 'snapshot', snapshot: record },
      // Where one was replaced, another backup had adopted it, and what replaces it says the same.
      segmentsAdded: segments.filter((name) => !changes.removed.has(name)),
      lifted,
    }
  }

  /** The packs to lift. */
  async #reliances(now: LogState, changes: Changes): Promise<ReadonlySet<string>> {
    const { packs, parents } = this.#snapshot
    const orphaned = this.#resolved === undefined && parents.some((id) => !now.snapshots.has(id))
    if (orphaned || [...changes.gone].some((pack) => this.#reliesOn(pack))) await this.#resolve()
    // A pack that was condemned before all this is not relied on, unless nothing else was found when looking for everything.
    const others = this.#resolved ?? [...changes.condemned].filter((pack) => this.#reliesOn(pack))
    const lift = [...others].filter((pack) => standingOf(now, changes, pack) === 'condemned')
    return new Set([...lift, ...[...packs].filter((pack) => now.packs.has(pack))])
  }

  #reliesOn(pack: string): boolean {
    if (this.#resolved !== undefined) return this.#resolved.has(pack)
    const { following, table } = this.#snapshot
    // In what was condemned from the start, only another backup by this client can have found something.
    return isReliable(following.since, pack) && table.relies(fromHex(pack))
  }

  async #resolve(): Promise<void> {
    const { segments, following } = this.#snapshot
    const wanted = { roots: rootsOf(this.#snapshot), segments, following }
    try {
      const found = await resolve(this.#store, wanted, this.#call)
      if (found.missing !== undefined) throw new TakenAway()
      this.#resolved = found.packs
    } catch (error) {
      // The log was read on: even its own segments may be gone, with all their packs.
      if (isKlosetError(error)) this.#requireOwn(this.#store.log.state, changesIn(following.entries))
      // What cannot be read now, another try does not rely on.
      throw isDamage(error) || isKlosetError(error, 'KLOSET_INDEX_CORRUPT') ? new TakenAway() : error
    }
  }

  /** What this client stored, or found that others had stored and that no entry names. */
  #requireOwn(now: LogState, changes: Changes): void {
    for (const pack of this.#snapshot.packs) if (standingOf(now, changes, pack) === 'gone') throw new TakenAway()
  }
}

/** Saves whoever opens the store next from reading a long log. What was committed is not undone where this fails. */
async function checkpoint({ log }: OpenedStore, call: Call): Promise<void> {
  if (log.sinceCheckpoint < checkpointEvery) return
  await log.checkpoint(call).catch(() => undefined)
}
