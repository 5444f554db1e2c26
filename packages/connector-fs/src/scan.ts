import { type BigIntStats, lstatSync, readdirSync, statSync } from 'node:fs'
import {
  comparePaths,
  type Entry,
  type EntryType,
  type Failure,
  type Filter,
  KlosetError,
  pathFromBytes,
} from 'kloset/connector'
import { entryOf, typeOf } from './entries.js'
import { fsError, isAbsent } from './errors.js'
import { hasEscapes, mayBeLossy, type SystemPath, shown, systemPath } from './local.js'
import { Owners } from './owners.js'
import type { SourceRoot } from './roots.js'

/** What a scan yields. */
export type Scanned = Entry | Failure

const batchSize = 1000

/**
 * The entry `under` and everything below it in path order, synchronously, in batches of 1 to 1,000. The filter is asked about
 * everything but `under` itself. What vanishes while it is scanned is left out; what cannot be read is a {@link Failure}.
 * Memory holds the names in one folder per level, nothing else.
 * @throws KLOSET_NOT_FOUND where the root is not there.
 */
export function* scan(root: SourceRoot, filter: Filter, under: string): Generator<readonly Scanned[]> {
  const scanner = new Scanner(root.folder, filter)
  if (root.only === undefined) scanner.start(under)
  else if (under === '' || under === root.only) scanner.startWith(root.only)
  while (scanner.busy) {
    const batch = scanner.next()
    if (batch.length > 0) yield batch
  }
}

/** A folder that is being gone through. */
interface Level {
  readonly path: string
  readonly system: SystemPath
  readonly names: readonly string[]
  next: number
}

class Scanner {
  readonly #root: string
  readonly #filter: Filter
  readonly #owners = new Owners()
  readonly #levels: Level[] = []
  #batch: Scanned[] = []

  constructor(root: string, filter: Filter) {
    this.#root = root
    this.#filter = filter
  }

  get busy(): boolean {
    return this.#levels.length > 0 || this.#batch.length > 0
  }

  /** Starts at `under`, which the filter is not asked about. */
  start(under: string): void {
    const system = systemPath(this.#root, under)
    // The root may be a link to a folder; below it links are entries.
    const info = look(system, under === '' ? statSync : lstatSync)
    if (info) this.#add(under, system, info)
    else if (under === '') throw missing(this.#root)
  }

  /** Starts at the one thing to take in the root. */
  startWith(name: string): void {
    const system = systemPath(this.#root, name)
    const info = look(system, lstatSync)
    if (!info) throw missing(shown(system))
    this.#add(name, system, info)
  }

  /** The next batch; fewer than a full one only at the end. */
  next(): readonly Scanned[] {
    let level = this.#levels.at(-1)
    while (level && this.#batch.length < batchSize) {
      const name = level.names[level.next++]
      if (name === undefined) this.#levels.pop()
      else this.#visit(level, name)
      level = this.#levels.at(-1)
    }
    const batch = this.#batch
    this.#batch = []
    return batch
  }

  #visit(level: Level, name: string): void {
    const path = level.path === '' ? name : `${level.path}/${name}`
    const system = this.#below(level.system, name, path)
    let info: BigIntStats | undefined
    try {
      info = lstatSync(system, bigint)
    } catch (error) {
      // Without its type the filter can only be asked as for a file.
      if (!isAbsent(error) && this.#filter.takes(path, 'file')) this.#fail(path, error, 'look at', system)
      return
    }
    if (info === undefined) return
    const type = typeOf(Number(info.mode))
    if (this.#filter.takes(path, type ?? 'file')) this.#add(path, system, info, type)
  }

  #add(
    path: string,
    system: SystemPath,
    info: BigIntStats,
    type: EntryType | undefined = typeOf(Number(info.mode)),
  ): void {
    if (type === undefined) {
      const error = new KlosetError('KLOSET_UNSUPPORTED', `${shown(system)} is of an unknown kind`, {
        context: { path },
      })
      this.#batch.push({ path, error })
      return
    }
    try {
      this.#batch.push(entryOf(path, system, type, info, this.#owners))
    } catch (error) {
      // EINVAL: it is no longer a link, so it was replaced meanwhile.
      if (!isAbsent(error)) this.#fail(path, error, 'read the link', system)
      return
    }
    if (type === 'directory') this.#descend(path, system)
  }

  #descend(path: string, system: SystemPath): void {
    try {
      this.#levels.push({ path, system, names: namesIn(system), next: 0 })
    } catch (error) {
      // Without the names in the root there is nothing to back up, and a backup of nothing must not pass for one.
      if (path === '') throw fsError(error, 'list', shown(system))
      if (!isAbsent(error)) this.#fail(path, error, 'list', system)
    }
  }

  #below(folder: SystemPath, name: string, path: string): SystemPath {
    if (typeof folder !== 'string' || hasEscapes(name)) return systemPath(this.#root, path)
    return folder === '/' ? `/${name}` : `${folder}/${name}`
  }

  #fail(path: string, error: unknown, doing: string, system: SystemPath): void {
    this.#batch.push({ path, error: fsError(error, doing, shown(system)) })
  }
}

const bigint = { bigint: true, throwIfNoEntry: false } as const
const highUnit = /[\ud800-\uffff]/

/** The names in a folder in the order of their bytes. */
function namesIn(folder: SystemPath): string[] {
  const names = readdirSync(folder)
  // Code units below the surrogates sort as their UTF-8 does; U+FFFD is among those above.
  if (!names.some((name) => highUnit.test(name))) return names.sort()
  const exact = names.some(mayBeLossy) ? readdirSync(folder, 'buffer').map(pathFromBytes) : names
  return exact.sort(comparePaths)
}

function look(path: SystemPath, stat: typeof statSync | typeof lstatSync): BigIntStats | undefined {
  try {
    return stat(path, bigint)
  } catch (error) {
    throw fsError(error, 'look at', shown(path))
  }
}

function missing(path: string): KlosetError {
  return new KlosetError('KLOSET_NOT_FOUND', `${path} is not there any more`, {
    hint: 'Check that the disk it is on is mounted.',
    context: { path },
  })
}
