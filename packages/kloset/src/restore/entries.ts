import { checkPath, type Destination, pathFromBytes, pathToBytes } from '../connector/index.js'
import { KlosetError } from '../errors.js'
import { below, type StoredSnapshot } from '../snapshot/index.js'
import {
  contentLength,
  decodeContent,
  decodeStat,
  encodeStat,
  type RawEntry,
  type Stat,
  type StoredContent,
} from '../tree/index.js'
import { Names } from './names.js'

/** An entry to restore: where it goes below the target, and what it is. */
export interface Target {
  readonly path: string
  readonly key: Uint8Array
  readonly stat: Stat
  /** The encoding of `stat`. */
  readonly encoded: Uint8Array
  readonly content: StoredContent
}

/** An entry that is not restored, with the reason. */
export interface Refused {
  readonly path: string
  readonly error: unknown
}

/**
 * The entries at and below a path of a snapshot, in path order and with the paths they get below the target. A snapshot is not trusted:
 * what could lead out of the target is refused, and so is what lies below something that is not a directory, and what the destination
 * has no name of its own for.
 */
export async function* targetsOf(
  snapshot: StoredSnapshot,
  path: string,
  names: Destination['capabilities']['names'],
): AsyncGenerator<Target | Refused> {
  // The whole of a snapshot is a directory also where the leaf that says so is damaged.
  const base = path === '' ? { type: 'directory' } : await snapshot.stored(path)
  // A directory's contents go straight into the target, a file under its name.
  const strip = base.type === 'directory' ? path : path.slice(0, Math.max(0, path.lastIndexOf('/')))
  const parents = new Parents(names)
  if (base.type !== 'directory') yield* parents.missing('')
  for await (const { place, entries, lost } of snapshot.readableUnder(path)) {
    if (lost !== undefined) yield lost
    for (const raw of entries) {
      try {
        const inside = checkPath(pathFromBytes(raw.key))
        const full = below(place.at, inside)
        const relative = strip === '' ? full : full.slice(strip.length + 1)
        yield* parents.missing(relative)
        const target = targetOf(raw, relative, relative === inside ? raw.key : pathToBytes(relative))
        parents.enter(target)
        yield target
      } catch (error) {
        yield { path: below(place.at, pathFromBytes(raw.key)), error }
      }
    }
  }
}

function targetOf(raw: RawEntry, path: string, key: Uint8Array): Target {
  const stat = decodeStat(raw.stat)
  // Only files have content, whatever the snapshot says.
  const content: StoredContent = stat.type === 'file' ? decodeContent(raw.content) : { form: 'none' }
  if (content.form === 'none') return { path, key, stat, encoded: raw.stat, content }
  // A file that grew while it was read has more content than its stat says.
  const size = contentLength(content)
  if (stat.size === size) return { path, key, stat, encoded: raw.stat, content }
  const exact = { ...stat, size }
  return { path, key, stat: exact, encoded: encodeStat(exact), content }
}

/** The directories above the entry at hand: entries come in path order, so they are a stack. */
class Parents {
  readonly #stack: { path: string; isDirectory: boolean; names: Names }[] = []
  readonly #rules: Destination['capabilities']['names']

  constructor(rules: Destination['capabilities']['names']) {
    this.#rules = rules
  }

  /** @throws KLOSET_UNSUPPORTED, KLOSET_EXISTS for a name that the destination cannot give it */
  enter({ path, stat }: Target): void {
    this.#stack.at(-1)?.names.take(path.slice(path.lastIndexOf('/') + 1), path)
    this.#stack.push({ path, isDirectory: stat.type === 'directory', names: new Names(this.#rules) })
  }

  /** The directories above `path` that the snapshot left out. @throws KLOSET_PATH_UNSAFE below what is no directory */
  *missing(path: string): Generator<Target> {
    while (this.#stack.length > 0 && !isBelow(path, this.#stack.at(-1)!.path)) this.#stack.pop()
    const above = this.#stack.at(-1)
    if (above !== undefined && !above.isDirectory) {
      throw new KlosetError('KLOSET_PATH_UNSAFE', `${path} lies below ${above.path}, which is not a directory`, {
        context: { path },
        hint: 'It was not restored: writing it could have led out of the target.',
      })
    }
    if (path === '') return
    const from = above === undefined ? -1 : above.path.length
    if (above === undefined) yield this.#directory('')
    for (let at = path.indexOf('/', from + 1); at >= 0; at = path.indexOf('/', at + 1)) {
      if (at > 0) yield this.#directory(path.slice(0, at))
    }
  }

  #directory(path: string): Target {
    const stat: Stat = { type: 'directory' }
    const target: Target = { path, key: pathToBytes(path), stat, encoded: encodeStat(stat), content: { form: 'none' } }
    this.enter(target)
    return target
  }
}

function isBelow(path: string, folder: string): boolean {
  if (path === folder) return false
  return folder === '' || (path.startsWith(folder) && path[folder.length] === '/')
}
