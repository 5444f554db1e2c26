import type { Snapshot, SnapshotEntry, SnapshotFile, SnapshotFilter, Store } from 'kloset'
import { isKlosetError } from 'kloset/connector'
import { type Catalog, catalogOf, type Group, type Latest, type Shown } from './catalog.js'
import { Listings } from './listings.js'

/** Something inside a snapshot. */
export interface Inside {
  readonly kind: 'entry'
  readonly snapshot: Snapshot
  readonly entry: SnapshotEntry
}

/** Whatever is on the shelf. */
export type Item = Group | Shown | Latest | Inside

/** What the shelf shows, and what it does when it cannot look for new snapshots. */
export interface ShelfOptions {
  /** Which snapshots; default: all. */
  readonly where?: SnapshotFilter | undefined
  /** Told when it could not be found out whether there are new snapshots: the known ones stay. */
  onStale?(error: unknown): void
}

/** How long the list of snapshots is taken for current, in milliseconds. */
const fresh = 5_000

/** The snapshots of a store as one tree of folders that nobody can change, and that shows new snapshots as they come. */
export class Shelf {
  /** The folder that holds everything. */
  readonly root: Group = { kind: 'group', path: '', time: new Date() }
  readonly #store: Store
  readonly #options: ShelfOptions
  readonly #listings = new Listings()
  #catalog: Catalog = catalogOf([])
  #snapshots: readonly Snapshot[] = []
  #looked = Number.NEGATIVE_INFINITY
  #looking: Promise<void> | undefined

  constructor(store: Store, options: ShelfOptions = {}) {
    this.#store = store
    this.#options = options
  }

  /** The snapshots that are shown, oldest first. @throws what the store throws, as long as none are known */
  async snapshots(): Promise<readonly Snapshot[]> {
    await this.#refresh()
    return this.#snapshots
  }

  /** What a folder holds, by name; a group all at once, a folder of a snapshot as it is read. */
  async *list(folder: Item): AsyncGenerator<readonly [name: string, item: Item]> {
    if (folder.kind === 'group') {
      await this.#refresh()
      yield* this.#catalog.get(folder.path) ?? []
      return
    }
    const { snapshot } = folder
    for await (const [name, entry] of this.#listings.list(snapshot, pathOf(folder)))
      yield [name, { kind: 'entry', snapshot, entry }]
  }

  /** What a folder has of a name. */
  async child(folder: Item, name: string): Promise<Item | undefined> {
    if (folder.kind === 'group') {
      await this.#refresh()
      return this.#catalog.get(folder.path)?.get(name)
    }
    if (folder.kind === 'entry' && folder.entry.type !== 'directory') return undefined
    const { snapshot } = folder
    const path = pathOf(folder)
    const listing = this.#listings.kept(snapshot, path)
    const entry =
      listing === undefined ? await find(snapshot, path === '' ? name : `${path}/${name}`) : listing.get(name)
    return entry && { kind: 'entry', snapshot, entry }
  }

  /** What a path leads to, from the root. */
  async at(names: readonly string[]): Promise<Item | undefined> {
    let item: Item | undefined = this.root
    for (const [index, name] of names.entries()) {
      if (item === undefined) return undefined
      // Below the folder of a snapshot, one look is enough for the whole path.
      if (item.kind === 'snapshot' || item.kind === 'latest') return this.#below(item.snapshot, names.slice(index))
      item = await this.child(item, name)
    }
    return item
  }

  /** Opens a file. @throws KLOSET_PATH_NOT_FOUND also for one that could not be read when the snapshot was taken */
  open({ snapshot, entry }: Inside): Promise<SnapshotFile> {
    return snapshot.open(entry)
  }

  async #below(snapshot: Snapshot, names: readonly string[]): Promise<Inside | undefined> {
    const listing = this.#listings.kept(snapshot, names.slice(0, -1).join('/'))
    const entry = listing === undefined ? await find(snapshot, names.join('/')) : listing.get(names.at(-1)!)
    return entry && { kind: 'entry', snapshot, entry }
  }

  /** Looks for new snapshots, once for all who ask meanwhile. */
  async #refresh(): Promise<void> {
    if (performance.now() - this.#looked < fresh) return
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined
    })
    await this.#looking
  }

  async #look(): Promise<void> {
    const first = this.#looked === Number.NEGATIVE_INFINITY
    try {
      const snapshots: Snapshot[] = []
      for await (const snapshot of this.#store.snapshots(this.#options.where)) snapshots.push(snapshot)
      this.#snapshots = snapshots
      this.#catalog = catalogOf(snapshots)
    } catch (error) {
      if (first) throw error
      this.#options.onStale?.(error)
    }
    this.#looked = performance.now()
  }
}

function pathOf(folder: Shown | Latest | Inside): string {
  return folder.kind === 'entry' ? folder.entry.path : ''
}

async function find(snapshot: Snapshot, path: string): Promise<SnapshotEntry | undefined> {
  try {
    return await snapshot.stat(path)
  } catch (error) {
    if (isKlosetError(error, 'KLOSET_PATH_NOT_FOUND')) return undefined
    throw error
  }
}
