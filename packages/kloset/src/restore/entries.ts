import { type Destination, pathToBytes } from '../connector/index.js'
import { KlosetError } from '../errors.js'
import type { StoredSnapshot } from '../snapshot/index.js'
import { contentLength, decodeContent, decodeStat, encodeStat, type Stat, type StoredContent } from '../tree/index.js'
import { Names } from './names.js'
import { type Found, isFolder, type Selection, selected } from './selected.js'

/** An entry to restore: where it goes below the target, and what it is. */
export interface Target {
  readonly path: string
  readonly key: Uint8Array
  readonly stat: Stat
  /** The encoding of `stat`. */
  readonly encoded: Uint8Array
  /** The values of extended attributes that `encoded` only refers to, as they travel between threads; see {@link withXattrs}. */
  readonly values?: Uint8Array
  readonly content: StoredContent
}

/** An entry that is not restored, with the reason. */
export interface Refused {
  readonly path: string
  readonly error: unknown
}

/**
 * The entries of a snapshot that are restored, in path order and with the paths they get below the target. A snapshot is not trusted:
 * what could lead out of the target is refused, and so is what lies below something that is not a directory, and what the destination
 * has no name of its own for.
 */
export async function* targetsOf(...what: Parameters<typeof targetBatches>): AsyncGenerator<Target | Refused> {
  for await (const batch of targetBatches(...what)) yield* batch
}

/** As {@link targetsOf}, many at a time: for whoever counts the microseconds of each. A batch is gone through before the next is asked for. */
export async function* targetBatches(
  snapshot: StoredSnapshot,
  selection: Selection,
  names: Destination['capabilities']['names'],
): AsyncGenerator<Iterable<Target | Refused>> {
  const parents = new Parents(names)
  if (!(await isFolder(snapshot, selection.path))) yield parents.missing('')
  for await (const { lost, found } of selected(snapshot, selection)) {
    if (lost !== undefined) yield [lost]
    yield targetsIn(found, parents)
  }
}

function* targetsIn(found: Iterable<Found | Refused>, parents: Parents): Generator<Target | Refused> {
  for (const each of found) {
    try {
      if ('error' in each) throw each.error
      yield* parents.missing(each.relative)
      const target = targetOf(each)
      parents.enter(target)
      yield target
    } catch (error) {
      yield { path: each.path, error }
    }
  }
}

function targetOf({ raw, key, relative: path }: Found): Target {
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

/** Whether a path is in a folder, at whatever depth. */
export function isBelow(path: string, folder: string): boolean {
  if (path === folder) return false
  return folder === '' || (path.startsWith(folder) && path[folder.length] === '/')
}
