import type { FileVersion, FindOptions, FoundEntry } from '../api.js'
import { toHex } from '../bytes/index.js'
import { compareKeys, comparePaths } from '../connector/index.js'
import { IdMap } from '../index/id-map.js'
import type { SourceRecord } from '../log/index.js'
import {
  childId,
  childReference,
  type FetchNode,
  fetchAhead,
  keyAt,
  type NodeReference,
  openNode,
  pathOfKey,
  type RawEntry,
  rawEntry,
  rootReference,
  sameContent,
  type TreeNode,
} from '../tree/index.js'
import { entryFilter, type SourceFilter } from './entry-filter.js'
import { entryViewAt } from './entry-view.js'
import { below, type Place, treeOf } from './places.js'
import { isDamage } from './readable.js'
import type { StoredSnapshot } from './view.js'

/**
 * The entries of snapshots that meet a filter, snapshot by snapshot, in path order. What snapshots share is searched once: a node in which
 * nothing was found is not read again.
 */
export async function* find(
  snapshots: readonly StoredSnapshot[],
  fetch: FetchNode,
  options: FindOptions,
): AsyncGenerator<FoundEntry> {
  const searches = new Searches(entryFilter(options), fetch)
  for (const snapshot of snapshots) {
    for (const place of snapshot.places) {
      const search = searches.of(place.source)
      const lost = lostTo(options, snapshot, place)
      for await (const entries of search.found(rootReference(treeOf(place)), lost)) {
        for (const entry of entries) yield { snapshot, entry: entryViewAt(place, entry) }
      }
    }
  }
}

/**
 * Each content that an entry had, once, with the snapshots in which it has it; in the order of sources and paths, and of each path the
 * oldest first. Each node that snapshots share is read once. What was found is held in memory until all was searched.
 */
export async function* versions(
  snapshots: readonly StoredSnapshot[],
  fetch: FetchNode,
  options: FindOptions,
): AsyncGenerator<FileVersion> {
  const searches = new Searches(entryFilter(options), fetch)
  for (const [number, snapshot] of snapshots.entries()) {
    for (const place of snapshot.places) {
      const lost = lostTo(options, snapshot, place)
      for (const version of await searches.of(place.source).versions(rootReference(treeOf(place)), place, lost)) {
        if (version.snapshots.at(-1) !== number) version.snapshots.push(number)
      }
    }
  }
  for (const { source, byPath } of searches.all) {
    for (const path of [...byPath.keys()].sort(comparePaths)) {
      for (const { at, entry, snapshots: numbers } of byPath.get(path)!) {
        const { type, origin, root } = source
        yield {
          source: { type, origin, root },
          entry: entryViewAt({ at, source }, entry),
          snapshots: numbers.map((number) => snapshots[number]!),
        }
      }
    }
  }
}

/** How many leaves are fetched before they are looked into. */
const mostAhead = 4

/** A content of an entry, and the numbers of the snapshots that have it. */
interface Version {
  /** Where the entry is in the first of them. */
  readonly at: string
  /** As it is in the first of them. */
  readonly entry: RawEntry
  readonly snapshots: number[]
}

/** Is told of entries that cannot be read. */
type Lost = (last: Uint8Array, error: unknown) => void

/** The searches of all sources: each keeps what it learned for the next snapshot of the same source. */
class Searches {
  readonly #filter: (source: SourceRecord) => SourceFilter
  readonly #fetch: FetchNode
  readonly #bySource = new Map<string, Search>()

  constructor(filter: (source: SourceRecord) => SourceFilter, fetch: FetchNode) {
    this.#filter = filter
    this.#fetch = fetch
  }

  of(source: SourceRecord): Search {
    const key = JSON.stringify([source.root, source.origin, source.type])
    const known = this.#bySource.get(key)
    if (known !== undefined) return known
    const search = new Search(source, this.#filter(source), this.#fetch)
    this.#bySource.set(key, search)
    return search
  }

  get all(): Search[] {
    return [...this.#bySource].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, search]) => search)
  }
}

/** A search through trees of one source. */
class Search {
  readonly source: SourceRecord
  /** What was found, by its path in the source. */
  readonly byPath: Map<string, Version[]> = new Map()
  readonly #filter: SourceFilter
  readonly #fetch: FetchNode
  readonly #barren = new IdMap({ exact: true })
  readonly #known = new Map<string, readonly Version[]>()

  constructor(source: SourceRecord, filter: SourceFilter, fetch: FetchNode) {
    this.source = source
    this.#filter = filter
    this.#fetch = fetch
  }

  /** The entries below a node that meet the filter, leaf by leaf. Returns whether there were any, as far as it could be read. */
  async *found(reference: NodeReference, lost: Lost): AsyncGenerator<RawEntry[], boolean> {
    if (this.#barren.get(reference.id) !== 0) return false
    return yield* this.#foundIn(reference, this.#fetch(reference.id), lost)
  }

  /** The versions below a node. */
  async versions(reference: NodeReference, place: Place, lost: Lost): Promise<readonly Version[]> {
    return this.#known.get(toHex(reference.id)) ?? this.#versionsIn(reference, this.#fetch(reference.id), place, lost)
  }

  async *#foundIn(
    reference: NodeReference,
    encoded: Uint8Array | Promise<Uint8Array>,
    lost: Lost,
  ): AsyncGenerator<RawEntry[], boolean> {
    const node = await opened(reference, encoded, lost)
    if (node === undefined) return true
    let any = false
    if (node.level === 0) {
      const entries = this.#matching(node)
      any = entries.length > 0
      if (any) yield entries
    } else {
      for (const child of this.#children(node, reference, (id) => this.#barren.get(id) !== 0)) {
        if (yield* this.#foundIn(child.reference, child.encoded, lost)) any = true
      }
    }
    if (!any) this.#barren.set(reference.id, 0, 1)
    return any
  }

  async #versionsIn(
    reference: NodeReference,
    encoded: Uint8Array | Promise<Uint8Array>,
    place: Place,
    lost: Lost,
  ): Promise<readonly Version[]> {
    const node = await opened(reference, encoded, lost)
    if (node === undefined) return []
    const versions = new Set<Version>()
    if (node.level === 0) for (const entry of this.#matching(node)) versions.add(this.#versionOf(entry, place))
    else {
      const isKnown = (id: Uint8Array): boolean => {
        const known = this.#known.get(toHex(id))
        for (const version of known ?? []) versions.add(version)
        return known !== undefined
      }
      for (const child of this.#children(node, reference, isKnown)) {
        for (const version of await this.#versionsIn(child.reference, child.encoded, place, lost)) versions.add(version)
      }
    }
    const found = [...versions]
    this.#known.set(toHex(reference.id), found)
    return found
  }

  #versionOf(entry: RawEntry, { at }: Place): Version {
    const path = pathOfKey(entry.key)
    const known = this.byPath.get(path) ?? []
    if (known.length === 0) this.byPath.set(path, known)
    const same = known.find((version) => sameContent(version.entry, entry))
    if (same !== undefined) return same
    // Copies: views would keep the whole leaf.
    const { key, stat, content } = entry
    const version = { at, entry: { key: key.slice(), stat: stat.slice(), content: content.slice() }, snapshots: [] }
    known.push(version)
    return version
  }

  #matching(leaf: TreeNode): RawEntry[] {
    const matching: RawEntry[] = []
    for (let index = 0; index < leaf.count; index++) {
      const entry = rawEntry(leaf, index)
      if (this.#filter.meets(entry)) matching.push(entry)
    }
    return matching
  }

  /** The children of an inner node that something may be found in, but for those to skip; the next ones are fetched ahead. */
  *#children(
    node: TreeNode,
    reference: NodeReference,
    skip: (id: Uint8Array) => boolean,
  ): Generator<{ readonly reference: NodeReference; readonly encoded: Promise<Uint8Array> }> {
    const wanted: number[] = []
    for (let index = 0; index < node.count; index++) {
      if (this.#mayHave(node, index, reference) && !skip(childId(node, index))) wanted.push(index)
    }
    const ahead: Promise<Uint8Array>[] = []
    // Of inner nodes only the next one: it leads to hundreds of leaves.
    const most = node.level === 1 ? mostAhead : 1
    let next = 0
    for (const index of wanted) {
      for (; next < wanted.length && ahead.length <= most; next++) {
        ahead.push(fetchAhead(this.#fetch, childId(node, wanted[next]!)))
      }
      yield { reference: childReference(node, index, reference), encoded: ahead.shift()! }
    }
  }

  #mayHave(node: TreeNode, index: number, { after }: NodeReference): boolean {
    const { ranges } = this.#filter
    if (ranges === undefined) return true
    const before = index === 0 ? after : keyAt(node, index - 1)
    const last = keyAt(node, index)
    return ranges.some(
      ({ from, end }) => compare(last, from) >= 0 && (before === undefined || compare(before, end) < 0),
    )
  }
}

/** A node that was fetched; undefined where it is damaged and somebody wants to hear of it. */
async function opened(
  reference: NodeReference,
  encoded: Uint8Array | Promise<Uint8Array>,
  lost: Lost,
): Promise<TreeNode | undefined> {
  try {
    return openNode(await encoded, reference)
  } catch (error) {
    if (!isDamage(error)) throw error
    lost(reference.parent?.last ?? new Uint8Array(0), error)
    return undefined
  }
}

function lostTo({ onLost }: FindOptions, snapshot: StoredSnapshot, { at }: Place): Lost {
  return (last, error) => {
    if (onLost === undefined) throw error
    onLost({ snapshot, path: below(at, pathOfKey(last)), error })
  }
}

function compare(a: Uint8Array, b: Uint8Array): number {
  return compareKeys(a, 0, a.length, b, 0, b.length)
}
