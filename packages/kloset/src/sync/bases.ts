import { fromHex } from '../bytes/index.js'
import type { SnapshotRecord, SourceRecord } from '../log/index.js'

/** An earlier snapshot of the same source that both stores have: what has not changed since need not be looked at. */
export interface Base {
  /** The root of its tree in the store that is read, and in the other. */
  readonly here: Uint8Array
  readonly there: Uint8Array
  /** Snapshots that the other store must still have when something built on this one is committed (protocol rule 6). */
  readonly relies: readonly string[]
}

interface Candidate {
  readonly id: string
  readonly time: string
  readonly base: Base
}

/** The snapshots that both stores have, by source. */
export class Bases {
  readonly #bySource = new Map<string, Candidate[]>()

  /** Adds a snapshot as both stores record it; those of one source come oldest first. */
  add(here: SnapshotRecord, there: SnapshotRecord, relies: readonly string[] = [there.id]): void {
    for (const source of here.sources) {
      const same = there.sources.find((other) => keyOf(other) === keyOf(source))
      if (same === undefined) continue
      const candidates = this.#bySource.get(keyOf(source)) ?? []
      this.#bySource.set(keyOf(source), candidates)
      const base = { here: fromHex(source.tree), there: fromHex(same.tree), relies }
      candidates.push({ id: here.id, time: here.time, base })
    }
  }

  /** The best base for a source of a snapshot: its parent, or else the latest before it, or else the first after it. */
  find({ parent, time }: SnapshotRecord, source: SourceRecord): Base | undefined {
    const candidates = this.#bySource.get(keyOf(source)) ?? []
    const best =
      candidates.find(({ id }) => id === parent) ??
      candidates.findLast((candidate) => candidate.time <= time) ??
      candidates[0]
    return best?.base
  }
}

/** What makes a source the same one in two snapshots. */
export function keyOf({ type, origin, root }: SourceRecord): string {
  return JSON.stringify([type, origin, root])
}
