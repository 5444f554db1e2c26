import type { Difference, DiffOptions, Snapshot, SnapshotEntry, SnapshotFile, SnapshotSource, Totals } from '../api.js'
import type { Bytes } from '../bytes/index.js'
import { type Call, checkPath } from '../connector/index.js'
import { KlosetError } from '../errors.js'
import type { SnapshotRecord } from '../log/index.js'
import type { BlobReader } from '../store/blobs.js'
import {
  addTotals,
  entriesUnder,
  keyOf,
  lookup,
  noTotals,
  pathOfKey,
  type RawEntry,
  rawEntry,
  type StoredEntry,
  TreeCursor,
  totalsUnder,
} from '../tree/index.js'
import { StoredFile } from './content.js'
import { differences, type Part, withRenames } from './diff.js'
import { contentOf, entryView, entryViewAt, storedAt } from './entry-view.js'
import { below, type Place, placeOf, placesOf, treeOf } from './places.js'
import { isDamage, type LostEntries, readableUnder } from './readable.js'

/** What reading a snapshot needs of its store. */
export interface SnapshotContext {
  /** Which store: entries can be compared by id within one only. */
  readonly storeId: string
  readonly call: Call
  blobs(): Promise<BlobReader>
}

/** Entries as a tree holds them; or instead, with the path of the last of them, entries that cannot be read. */
export interface Readable {
  readonly place: Place
  readonly entries: Iterable<RawEntry>
  readonly lost?: { readonly path: string; readonly error: unknown }
}

/** A snapshot as its log entry records it. Nothing but that is read until something inside it is asked for. */
export class StoredSnapshot implements Snapshot {
  readonly record: SnapshotRecord
  readonly places: readonly Place[]
  readonly #context: SnapshotContext

  constructor(record: SnapshotRecord, context: SnapshotContext) {
    this.record = record
    this.places = placesOf(record)
    this.#context = context
  }

  get id(): string {
    return this.record.id
  }
  get time(): Date {
    return new Date(this.record.time)
  }
  get duration(): number {
    return this.record.duration
  }
  get host(): string {
    return this.record.host
  }
  get user(): string {
    return this.record.user
  }
  get name(): string | undefined {
    return this.record.name
  }
  get tags(): readonly string[] {
    return this.record.tags
  }
  get parent(): string | undefined {
    return this.record.parent
  }
  get tool(): string {
    return this.record.tool
  }
  get options(): Snapshot['options'] {
    return this.record.options ?? {}
  }
  get written(): Snapshot['written'] {
    return this.record.written
  }
  get sources(): readonly SnapshotSource[] {
    return this.places.map(({ at, source: { type, origin, root, totals } }) => ({ type, origin, root, totals, at }))
  }
  get totals(): Totals {
    return this.record.sources.reduce((sum, { totals }) => addTotals(sum, totals), noTotals)
  }

  async stat(path: string): Promise<SnapshotEntry> {
    return entryView(await this.stored(path))
  }

  async *list(path: string): AsyncGenerator<SnapshotEntry> {
    const { place, inside } = this.#find(path)
    if (place === undefined) {
      for (const { at } of this.places) yield entryView(await this.stored(at))
      return
    }
    const fetch = await this.#fetch()
    const entry = await this.stored(path)
    if (entry.type !== 'directory') {
      yield entryView(entry)
      return
    }
    const key = keyOf(inside)
    const cursor = new TreeCursor(treeOf(place), fetch)
    await cursor.seek(key)
    for (await cursor.advance(); !cursor.done && isBelow(cursor.key, key); await cursor.skipSubtree()) {
      yield entryViewAt(place, cursor)
    }
  }

  async *walk(path = ''): AsyncGenerator<SnapshotEntry> {
    for await (const entry of this.storedUnder(path)) yield entryView(entry)
  }

  async *diff(other: Snapshot, options: DiffOptions = {}): AsyncGenerator<Difference> {
    if (!(other instanceof StoredSnapshot) || other.#context.storeId !== this.#context.storeId) {
      throw new TypeError('snapshots are compared within one store')
    }
    const { path = '', otherPath = path, renames } = options
    const [before, after] = [await this.#partsAt(path), await other.#partsAt(otherPath)]
    if (before.length === 0 && after.length === 0) throw this.#noPath(path)
    const fetch = await this.#fetch()
    const look = (): AsyncGenerator<Difference> => differences(before, after, fetch)
    yield* renames === true ? withRenames(look) : look()
  }

  async open(file: string | SnapshotEntry): Promise<SnapshotFile> {
    const entry = typeof file === 'string' ? await this.stat(file) : file
    const content = contentOf(entry) ?? (await this.stored(entry.path)).content
    const { path } = entry
    if (entry.type !== 'file') {
      throw new KlosetError('KLOSET_PATH_NOT_FOUND', `${path} is a ${entry.type}, not a file`, { context: { path } })
    }
    if (content.form === 'none') {
      throw new KlosetError(
        'KLOSET_PATH_NOT_FOUND',
        `${path} could not be read when snapshot ${this.id.slice(0, 8)} was taken`,
        {
          context: { path },
          hint: entry.error === undefined ? '' : `The reason was: ${entry.error.message}`,
        },
      )
    }
    const opened = new StoredFile(content, await this.#context.blobs(), this.#context.call)
    return Object.assign(opened, { name: path.slice(path.lastIndexOf('/') + 1), entry })
  }

  async xattr(path: string, name: string): Promise<Uint8Array | undefined> {
    const { xattrs = {}, storedXattrs = {} } = await this.stored(path)
    if (Object.hasOwn(xattrs, name)) return xattrs[name]
    if (!Object.hasOwn(storedXattrs, name)) return undefined
    const content = { form: 'extents', extents: storedXattrs[name]! } as const
    return new StoredFile(content, await this.#context.blobs(), this.#context.call).bytes()
  }

  async totalsOf(path: string): Promise<Totals> {
    const { place, inside } = this.#find(path)
    if (place === undefined) return this.totals
    return totalsUnder(treeOf(place), await this.#fetch(), keyOf(inside))
  }

  /** The entry at a path. @throws KLOSET_PATH_NOT_FOUND */
  async stored(path: string): Promise<StoredEntry> {
    const { place, inside } = this.#find(path)
    if (place === undefined) return { path: '', type: 'directory', content: { form: 'none' } }
    const raw = await lookup(treeOf(place), await this.#fetch(), keyOf(inside))
    if (raw === undefined) throw this.#noPath(path)
    return storedAt(place, raw)
  }

  /** Everything at and below a path. @throws KLOSET_PATH_NOT_FOUND */
  async *storedUnder(path: string): AsyncGenerator<StoredEntry> {
    for await (const { place, entries } of this.rawUnder(path)) {
      for (const raw of entries) yield storedAt(place, raw)
    }
  }

  /** Everything at and below a path as the trees hold it, leaf by leaf. @throws KLOSET_PATH_NOT_FOUND */
  async *rawUnder(path: string): AsyncGenerator<{ readonly place: Place; readonly entries: Iterable<RawEntry> }> {
    const { place, inside } = this.#find(path)
    if (place === undefined) {
      for (const each of this.places) yield* this.rawUnder(each.at)
      return
    }
    const fetch = await this.#fetch()
    let found = false
    for await (const { leaf, from, to } of entriesUnder(treeOf(place), fetch, keyOf(inside))) {
      found = true
      yield { place, entries: range(from, to, (index) => rawEntry(leaf, index)) }
    }
    if (!found) throw this.#noPath(path)
  }

  /**
   * As {@link rawUnder}, but it goes on after what cannot be read, and tells it; and what is below an entry that `enters` refuses is not
   * read. @throws KLOSET_PATH_NOT_FOUND
   */
  async *readableUnder(path: string, enters?: (place: Place, raw: RawEntry) => boolean): AsyncGenerator<Readable> {
    const { place, inside } = this.#find(path)
    if (place === undefined) {
      for (const each of this.places) yield* this.#readablePlace(each, enters)
      return
    }
    let found = false
    const entersRaw = enters && ((raw: RawEntry) => enters(place, raw))
    for await (const part of readableUnder(treeOf(place), await this.#fetch(), keyOf(inside), entersRaw)) {
      found = true
      if ('error' in part) yield { place, entries: [], lost: lostIn(place, part) }
      else yield { place, entries: range(part.from, part.to, (index) => rawEntry(part.leaf, index)) }
    }
    if (!found) throw this.#noPath(path)
  }

  /** One of several sources: without its root, the others are still there. */
  async *#readablePlace(
    place: Place,
    enters: Parameters<StoredSnapshot['readableUnder']>[1],
  ): AsyncGenerator<Readable> {
    try {
      yield* this.readableUnder(place.at, enters)
    } catch (error) {
      if (!isDamage(error)) throw error
      yield { place, entries: [], lost: { path: place.at, error } }
    }
  }

  /** What there is at a path: nothing, something in a place, or all places. */
  async #partsAt(path: string): Promise<readonly Part[]> {
    const found = placeOf(this.places, checkPath(path))
    if (found === undefined) return []
    const { place, inside } = found
    if (place === undefined) return this.places.map((each) => ({ name: each.at, place: each, inside: '' }))
    const isThere = (await lookup(treeOf(place), await this.#fetch(), keyOf(inside))) !== undefined
    return isThere ? [{ name: '', place, inside }] : []
  }

  #find(path: string): { place: Place | undefined; inside: string } {
    let found: ReturnType<typeof placeOf>
    try {
      found = placeOf(this.places, checkPath(path))
    } catch (cause) {
      throw this.#noPath(path, cause)
    }
    if (found === undefined) throw this.#noPath(path)
    return { place: found.place, inside: found.inside }
  }

  #noPath(path: string, cause?: unknown): KlosetError {
    return new KlosetError('KLOSET_PATH_NOT_FOUND', `snapshot ${this.id.slice(0, 8)} has no ${path}`, {
      context: { path, snapshot: this.id },
      hint: 'Paths are relative to what was backed up, with / between names; list the snapshot to see them.',
      cause,
    })
  }

  async #fetch(): Promise<(id: Uint8Array) => Promise<Bytes>> {
    const blobs = await this.#context.blobs()
    return (id) => {
      this.#context.call.signal.throwIfAborted()
      return blobs.node(id, this.#context.call)
    }
  }
}

function lostIn(place: Place, { after, last, error }: LostEntries): NonNullable<Readable['lost']> {
  const pathOf = (key: Uint8Array): string => below(place.at, pathOfKey(key))
  const path = pathOf(last)
  const range = after === undefined ? `everything up to ${path}` : `everything after ${pathOf(after)} up to ${path}`
  const message = `${range} is lost, since the tree is damaged there: ${(error as Error).message}`
  const hint = 'Other snapshots may hold the same entries; restore what is missing from one of them.'
  return { path, error: new KlosetError('KLOSET_TREE_CORRUPT', message, { cause: error, context: { path }, hint }) }
}

function isBelow(key: Uint8Array, folder: Uint8Array): boolean {
  if (folder.length === 0) return true
  return key[folder.length] === slash && folder.every((byte, i) => key[i] === byte)
}

function* range<T>(from: number, to: number, at: (index: number) => T): Generator<T> {
  for (let index = from; index < to; index++) yield at(index)
}

const slash = 0x2f
