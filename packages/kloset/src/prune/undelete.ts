import type { ForgetOptions } from '../api.js'
import type { Call } from '../connector/index.js'
import { KlosetError } from '../errors.js'
import {
  changesIn,
  type EntryDraft,
  type Following,
  type LoggedSnapshot,
  type LogState,
  type SnapshotRecord,
  type Standing,
  standingOf,
} from '../log/index.js'
import { selectSnapshots } from '../snapshot/index.js'
import type { OpenedStore } from '../store/opened.js'
import { appendWhile, groupsOf, liftAhead } from './entries.js'
import { rootsOf } from './mark.js'
import { type Resolved, resolve } from './resolve.js'

/** An entry names so many snapshots at most, beside the packs that it lifts. */
const mostSnapshots = 500

/**
 * Brings forgotten snapshots back: all of them or none, unless there are more than an entry can name. What they need is looked for; packs
 * that are condemned already are lifted by the same entry (protocol rule 4).
 * @throws KLOSET_SNAPSHOT_NOT_FOUND, KLOSET_SNAPSHOT_AMBIGUOUS, KLOSET_SNAPSHOT_PRUNED
 */
export async function undelete(
  store: OpenedStore,
  names: readonly string[],
  { dryRun = false }: ForgetOptions,
  call: Call,
): Promise<readonly SnapshotRecord[]> {
  await store.log.refresh(call)
  if (!dryRun) store.requireWritable()
  const following = store.log.follow()
  try {
    const wanted = selectSnapshots(forgottenRecords(store), names)
    for (const group of groupsOf(wanted, mostSnapshots)) await new Undeletion(store, group, following, call).run(dryRun)
    return wanted
  } finally {
    following.end()
  }
}

/** The forgotten snapshots, oldest first. */
export function forgottenRecords({ log }: OpenedStore): SnapshotRecord[] {
  const records = [...log.state.forgotten.values()].map(({ record }) => record)
  return records.sort((a, b) => Date.parse(a.time) - Date.parse(b.time))
}

class Undeletion {
  readonly #store: OpenedStore
  readonly #wanted: readonly SnapshotRecord[]
  readonly #following: Following
  readonly #call: Call
  #resolved: Resolved | undefined

  constructor(store: OpenedStore, wanted: readonly SnapshotRecord[], following: Following, call: Call) {
    this.#store = store
    this.#wanted = wanted
    this.#following = following
    this.#call = call
  }

  async run(dryRun: boolean): Promise<void> {
    const { log } = this.#store
    if (dryRun) await this.#draft(log.state)
    else await appendWhile(log, (now) => this.#draft(now), this.#call)
  }

  async #draft(now: LogState): Promise<EntryDraft | undefined> {
    const left = this.#wanted.flatMap(({ id }) => now.forgotten.get(id) ?? [])
    if (left.length === 0) return undefined
    const changes = changesIn(this.#following.entries)
    const standing = (pack: string): Standing => standingOf(now, changes, pack)
    // What was found once is still there unless one of its packs is gone.
    if (this.#resolved === undefined || [...this.#resolved.packs].some((pack) => standing(pack) === 'gone')) {
      this.#resolved = await this.#resolve(left)
    }
    const lift = [...this.#resolved.packs].filter((pack) => standing(pack) === 'condemned')
    const lifted = await liftAhead(this.#store.log, lift, this.#call)
    return { content: { kind: 'undelete', snapshots: left.map(({ record }) => record.id) }, lifted }
  }

  async #resolve(snapshots: readonly LoggedSnapshot[]): Promise<Resolved> {
    const wanted = { segments: [], following: this.#following }
    const resolved = await resolve(this.#store, { ...wanted, roots: snapshots.flatMap(rootsOf) }, this.#call)
    if (resolved.missing === undefined) return resolved
    for (const snapshot of snapshots) {
      const { missing } = await resolve(this.#store, { ...wanted, roots: rootsOf(snapshot) }, this.#call)
      if (missing !== undefined) throw pruned(snapshot.record.id, missing)
    }
    return resolved
  }
}

function pruned(snapshot: string, id: string): KlosetError {
  return new KlosetError(
    'KLOSET_SNAPSHOT_PRUNED',
    `snapshot ${snapshot.slice(0, 8)} cannot be had again: it was pruned`,
    {
      context: { snapshot, id },
      hint: 'Something it needs was deleted. Another copy of the store may still have it.',
    },
  )
}
