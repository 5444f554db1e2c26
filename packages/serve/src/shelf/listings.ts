import type { Snapshot, SnapshotEntry } from 'kloset'

/** Entries of all folders that are kept, and the most of one folder: about 25 MB. */
const mostKept = 50_000
const mostOfOne = 20_000

/** What is in folders of snapshots, by name. Those that were asked for lately are kept: they never change. */
export class Listings {
  readonly #kept = new Map<string, ReadonlyMap<string, SnapshotEntry>>()
  #count = 0

  /** What a folder holds, in path order. */
  async *list(snapshot: Snapshot, path: string): AsyncGenerator<readonly [name: string, entry: SnapshotEntry]> {
    const kept = this.#find(snapshot, path)
    if (kept !== undefined) {
      yield* kept
      return
    }
    let listing: Map<string, SnapshotEntry> | undefined = new Map()
    for await (const entry of snapshot.list(path)) {
      const name = entry.path.slice(entry.path.lastIndexOf('/') + 1)
      listing?.set(name, entry)
      if (listing !== undefined && listing.size > mostOfOne) listing = undefined
      yield [name, entry]
    }
    if (listing !== undefined) this.#keep(keyOf(snapshot, path), listing)
  }

  /** What is kept of a folder. */
  kept(snapshot: Snapshot, path: string): ReadonlyMap<string, SnapshotEntry> | undefined {
    return this.#find(snapshot, path)
  }

  #find(snapshot: Snapshot, path: string): ReadonlyMap<string, SnapshotEntry> | undefined {
    const key = keyOf(snapshot, path)
    const found = this.#kept.get(key)
    if (found !== undefined) {
      this.#kept.delete(key)
      this.#kept.set(key, found)
    }
    return found
  }

  #keep(key: string, listing: ReadonlyMap<string, SnapshotEntry>): void {
    this.#drop(key)
    this.#kept.set(key, listing)
    this.#count += listing.size + 1
    for (const oldest of this.#kept.keys()) {
      if (this.#count <= mostKept) break
      this.#drop(oldest)
    }
  }

  #drop(key: string): void {
    const listing = this.#kept.get(key)
    if (listing === undefined) return
    this.#kept.delete(key)
    this.#count -= listing.size + 1
  }
}

function keyOf({ id }: Snapshot, path: string): string {
  return `${id}/${path}`
}
