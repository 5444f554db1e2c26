import type { Difference, SnapshotEntry } from '../api.js'
import { equalBytes } from '../bytes/index.js'
import { compareKeys, comparePaths, type Entry } from '../connector/index.js'
import {
  changeBetween,
  diff,
  entriesUnder,
  type FetchNode,
  keyOf,
  pathOfKey,
  type RawEntry,
  rawEntry,
  type TreeChange,
} from '../tree/index.js'
import { entryViewAt } from './entry-view.js'
import { below, type Place, treeOf } from './places.js'

/** A part of a snapshot that is compared: what is in one place at and below a path. */
export interface Part {
  /** What it is called in what is compared: `''` where it is all of it, else the folder of its source. */
  readonly name: string
  readonly place: Place
  /** The path in the place. */
  readonly inside: string
}

/** What is different between parts of two snapshots: between those of one name; in path order. */
export async function* differences(
  before: readonly Part[],
  after: readonly Part[],
  fetch: FetchNode,
): AsyncGenerator<Difference> {
  const names = new Set([...before, ...after].map(({ name }) => name))
  for (const name of [...names].sort(comparePaths)) {
    const old = before.find((part) => part.name === name)
    const now = after.find((part) => part.name === name)
    for await (const change of changesBetween(old, now, fetch)) yield differenceOf(change, old, now)
  }
}

/**
 * The same, where files that were removed, and added elsewhere with the same content, are `renamed`. It looks for differences twice, and
 * holds in memory what was removed.
 */
export async function* withRenames(look: () => AsyncIterable<Difference>): AsyncGenerator<Difference> {
  const renames = await renamesIn(look())
  const gone = new Set([...renames.values()].map(({ path }) => path))
  for await (const difference of look()) {
    const { change, path, after } = difference
    const from = change === 'added' ? renames.get(path) : undefined
    if (from !== undefined) {
      yield { change: 'renamed', path, differs: fieldsThatDiffer(from.entry, after!), before: from.entry, after }
    } else if (change !== 'removed' || !gone.has(path)) yield difference
  }
}

function changesBetween(
  before: Part | undefined,
  after: Part | undefined,
  fetch: FetchNode,
): AsyncIterable<TreeChange> {
  // Trees share nodes only where paths are the same.
  if (before !== undefined && after !== undefined && before.inside === after.inside) {
    return diff(treeOf(before.place), treeOf(after.place), fetch, { under: keyOf(before.inside) })
  }
  return merged(before, after, fetch)
}

/** Compares entry by entry, each by its path below the path of its part. */
async function* merged(
  before: Part | undefined,
  after: Part | undefined,
  fetch: FetchNode,
): AsyncGenerator<TreeChange> {
  const [old, now] = [entriesOf(before, fetch), entriesOf(after, fetch)]
  let [a, b] = [await old.next(), await now.next()]
  while (!a.done || !b.done) {
    const order = a.done ? 1 : b.done ? -1 : compareKeys(...range(a.value, before!), ...range(b.value, after!))
    const change = changeBetween(order > 0 ? undefined : a.value, order < 0 ? undefined : b.value)
    if (change !== undefined) yield change
    if (order <= 0) a = await old.next()
    if (order >= 0) b = await now.next()
  }
}

async function* entriesOf(part: Part | undefined, fetch: FetchNode): AsyncGenerator<RawEntry, undefined> {
  if (part === undefined) return
  for await (const { leaf, from, to } of entriesUnder(treeOf(part.place), fetch, keyOf(part.inside))) {
    for (let index = from; index < to; index++) yield rawEntry(leaf, index)
  }
}

/** The key below that of the part. */
function range({ key }: RawEntry, part: Part): [Uint8Array, number, number] {
  return [key, startBelow(key, part), key.length]
}

function startBelow(key: Uint8Array, { inside }: Part): number {
  if (inside === '') return 0
  // Behind the slash, which the entry of the part itself does not have.
  return Math.min(key.length, keyOf(inside).length + 1)
}

function differenceOf(change: TreeChange, old: Part | undefined, now: Part | undefined): Difference {
  const before = change.before && entryViewAt(old!.place, change.before)
  const after = change.after && entryViewAt(now!.place, change.after)
  const part = (change.after === undefined ? old : now)!
  const { key } = (change.after ?? change.before)!
  const path = below(part.name, pathOfKey(key.subarray(startBelow(key, part))))
  const differs = before && after ? fieldsThatDiffer(before, after) : []
  return { change: change.kind, path, differs, before, after }
}

async function renamesIn(
  differences: AsyncIterable<Difference>,
): Promise<ReadonlyMap<string, { readonly path: string; readonly entry: SnapshotEntry }>> {
  const removed = new Map<string, { path: string; entry: SnapshotEntry }[]>()
  const added = new Map<string, string[]>()
  for await (const { change, path, before, after } of differences) {
    const entry = change === 'removed' ? before : change === 'added' ? after : undefined
    // All empty files are the same, which says nothing.
    if (entry?.type !== 'file' || !entry.contentSize) continue
    if (change === 'removed') removed.set(entry.contentId!, [...(removed.get(entry.contentId!) ?? []), { path, entry }])
    else added.set(entry.contentId!, [...(added.get(entry.contentId!) ?? []), path])
  }
  const renames = new Map<string, { path: string; entry: SnapshotEntry }>()
  for (const [content, paths] of added) {
    const left = removed.get(content) ?? []
    // Whoever moves a file mostly leaves it its name.
    for (const sameName of [true, false]) {
      for (const path of paths) {
        const found = left.findIndex((from) => !sameName || lastName(from.path) === lastName(path))
        if (found >= 0 && !renames.has(path)) renames.set(path, left.splice(found, 1)[0]!)
      }
    }
  }
  return renames
}

function lastName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** Which fields of two entries are not the same. */
function fieldsThatDiffer(before: SnapshotEntry, after: SnapshotEntry): Difference['differs'] {
  const other = fields.filter((field) => !same(before[field], after[field]))
  return before.contentId === after.contentId ? other : ['content', ...other]
}

const fields = [
  'type',
  'target',
  'device',
  'mode',
  'owner',
  'mtime',
  'ctime',
  'birthtime',
  'inode',
  'xattrs',
  'attributes',
  'version',
  'error',
] as const satisfies readonly (keyof Entry | 'error')[]

function same(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (a instanceof Uint8Array) return b instanceof Uint8Array && equalBytes(a, b)
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  const names = Object.keys(a)
  const [one, other] = [a as Record<string, unknown>, b as Record<string, unknown>]
  return names.length === Object.keys(b).length && names.every((name) => same(one[name], other[name]))
}
