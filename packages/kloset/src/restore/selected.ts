import { checkPath, comparePaths, pathFromBytes, pathToBytes } from '../connector/index.js'
import { KlosetError } from '../errors.js'
import { below, type Place, type StoredSnapshot } from '../snapshot/index.js'
import { decodeStat, type RawEntry } from '../tree/index.js'
import type { Refused } from './entries.js'

/** What of a snapshot is restored. */
export interface Selection {
  /** What is at or below this path. */
  readonly path: string
  /** How many leading segments their paths lose; what has no more than these is left out. */
  readonly strip: number
  /** Of what is below it, what these take; undefined: all. */
  readonly patterns: Patterns | undefined
}

/** Which entries are restored, by their paths below {@link Selection.path}. */
export interface Patterns {
  takes(path: string, isDirectory: boolean): boolean
  /** Whether something below a directory may be taken. */
  enters(directory: string): boolean
}

/** An entry that is restored. */
export interface Found {
  /** Where it is in the snapshot. */
  readonly path: string
  /** Where it goes below the target. */
  readonly relative: string
  /** The bytes of `relative`. */
  readonly key: Uint8Array
  readonly raw: RawEntry
}

/** Some entries, one after the other; or instead, what is lost between them. */
export interface FoundPart {
  readonly found: Iterable<Found | Refused>
  readonly lost?: Refused | undefined
}

/** Whether what is at a path is a directory. @throws KLOSET_PATH_NOT_FOUND */
export async function isFolder(snapshot: StoredSnapshot, path: string): Promise<boolean> {
  // The whole of a snapshot is a directory also where the leaf that says so is damaged.
  return path === '' || (await snapshot.stored(path)).type === 'directory'
}

/** The entries of a snapshot that are restored, in the order of the paths they get, without those that get the path of another. */
export async function* selected(snapshot: StoredSnapshot, selection: Selection): AsyncGenerator<FoundPart> {
  const folder = await isFolder(snapshot, selection.path)
  const { path, strip } = selection
  const only = strip > 0 && folder ? await onlyFolder(snapshot, path, strip) : path
  // A directory's contents go straight into the target, a file under its name.
  const base = folder ? path : path.slice(0, Math.max(0, path.lastIndexOf('/')))
  const walk = new Walk(base, strip, folder ? selection.patterns : undefined)
  const parts = snapshot.readableUnder(only ?? path, walk.enters)
  if (only !== undefined) {
    for await (const { place, entries, lost } of parts) yield { found: walk.take(place, entries), lost }
    return
  }
  // Where folders are laid over each other, the order is another.
  const all: (Found | Refused)[] = []
  for await (const { place, entries, lost } of parts) {
    if (lost !== undefined) yield { found: [], lost }
    for (const each of walk.take(place, entries)) all.push(each)
  }
  yield { found: withoutCollisions(all) }
}

/** The folder that everything is in that keeps a name when so many segments are stripped, where it is only one. */
async function onlyFolder(snapshot: StoredSnapshot, path: string, strip: number): Promise<string | undefined> {
  let only = path
  for (let i = 0; i < strip; i++) {
    let next: string | undefined
    for await (const { type, path: inside } of snapshot.list(only)) {
      if (type !== 'directory') continue
      if (next !== undefined) return undefined
      next = inside
    }
    // Nothing is left, which is what is in the folder that was found so far.
    if (next === undefined) return only
    only = next
  }
  return only
}

/** Takes entries in the order of the snapshot. */
class Walk {
  readonly #base: string
  readonly #strip: number
  readonly #patterns: Patterns | undefined
  // Directories that are restored only if something in them is.
  #held: Found[] = []
  /** Whether what is below a directory is read. */
  readonly enters: ((place: Place, raw: RawEntry) => boolean) | undefined

  constructor(base: string, strip: number, patterns: Patterns | undefined) {
    this.#base = base
    this.#strip = strip
    this.#patterns = patterns
    if (patterns === undefined) return
    this.enters = (place, raw) => {
      const path = this.#inside(below(place.at, pathFromBytes(raw.key)))
      return path === '' || typeOf(raw) !== 'directory' || patterns.enters(path)
    }
  }

  *take(place: Place, entries: Iterable<RawEntry>): Generator<Found | Refused> {
    for (const raw of entries) {
      const name = pathFromBytes(raw.key)
      const path = below(place.at, name)
      try {
        checkPath(name)
        const inside = this.#inside(path)
        const relative = this.#strip === 0 ? inside : stripped(inside, this.#strip)
        if (relative === undefined) continue
        const key = relative === name ? raw.key : pathToBytes(relative)
        yield* this.#wanted({ path, relative, key, raw }, inside)
      } catch (error) {
        yield { path, error }
      }
    }
  }

  *#wanted(found: Found, inside: string): Generator<Found> {
    const patterns = this.#patterns
    if (patterns !== undefined && inside !== '') {
      const type = typeOf(found.raw)
      const takes = patterns.takes(inside, type === 'directory')
      this.#held = this.#held.filter(({ path }) => found.path.startsWith(`${path}/`))
      if (!takes && type === 'directory') this.#held.push(found)
      if (!takes) return
      yield* this.#held.splice(0)
    }
    yield found
  }

  #inside(path: string): string {
    return this.#base === '' ? path : path.slice(this.#base.length + 1)
  }
}

function typeOf(raw: RawEntry): string {
  return decodeStat(raw.stat).type
}

/** A path without its first segments; undefined where it has no others. */
function stripped(path: string, count: number): string | undefined {
  let from = 0
  for (let i = 0; i < count; i++) {
    const slash = path.indexOf('/', from)
    if (slash < 0) return undefined
    from = slash + 1
  }
  return path.slice(from)
}

/** Directories that get the same path become one, as the first of them is; of anything else, the first stays. */
function* withoutCollisions(all: (Found | Refused)[]): Generator<Found | Refused> {
  const found: Found[] = []
  for (const each of all) {
    if ('error' in each) yield each
    else found.push(each)
  }
  found.sort((a, b) => comparePaths(a.relative, b.relative))
  let last: Found | undefined
  for (const each of found) {
    if (last?.relative !== each.relative) {
      last = each
      yield each
    } else if (typeOf(last.raw) !== 'directory' || typeOf(each.raw) !== 'directory') {
      yield { path: each.path, error: collision(each, last) }
    }
  }
}

function collision({ path, relative }: Found, first: Found): KlosetError {
  const message = `${path} gets the same path as ${first.path}, ${relative}, once its first segments are stripped`
  return new KlosetError('KLOSET_EXISTS', message, {
    context: { path },
    hint: 'Strip fewer segments, or restore it by its path into another folder.',
  })
}
