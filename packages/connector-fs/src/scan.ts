import { type BigIntStats, lstatSync, readdirSync, statSync } from 'node:fs'
import {
  comparePaths,
  type Entry,
  type EntryType,
  type Failure,
  type Filter,
  type Inspector,
  KlosetError,
  pathFromBytes,
} from 'kloset/connector'
import { entryOf, typeOf } from './entries.js'
import { fsError, isAbsent } from './errors.js'
import { LeftOut, type LeftOutData } from './left-out.js'
import type { Listed } from './listed.js'
import { hasEscapes, mayBeLossy, type SystemPath, shown, systemPath } from './local.js'
import { type Native, native } from './native.js'
import { Owners } from './owners.js'
import { beginningOf } from './reading.js'
import type { SourceRoot } from './roots.js'

/** What a scan yields. */
export type Scanned = Entry | Failure

/** What of a folder is scanned. */
export interface ScanOptions {
  readonly listed?: Listed | undefined
  /** Whether extended attributes are read, which is the default. */
  readonly xattrs?: boolean | undefined
  readonly leftOut?: LeftOutData | undefined
}

const batchSize = 1000

/**
 * The entry `under` and everything below it in path order, synchronously, in batches of 1 to 1,000. The filter is asked about
 * everything but `under` itself. What vanishes while it is scanned is left out; what cannot be read is a {@link Failure}.
 * With a list, of the root only what is listed, with the folders it is in and all that is below it; what is listed and not there is a
 * Failure. Memory holds the names in one folder per level, and the list.
 * @throws KLOSET_NOT_FOUND where the root is not there.
 */
export function* scan(
  root: SourceRoot,
  filter: Filter,
  under: string,
  how: ScanOptions = {},
): Generator<readonly Scanned[]> {
  const scanner = new Scanner(root, filter, how)
  if (root.only === undefined) scanner.start(under)
  else if (under === '' || under === root.only)
    scanner.startWith(root.only, root.behind === undefined ? undefined : systemPath(root.behind, ''))
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
  /** Whether all of it is taken, or only what is listed. */
  readonly whole: boolean
  next: number
}

/** Where something was found. */
interface Place {
  readonly path: string
  readonly system: SystemPath
  readonly info: BigIntStats
  /** Whether a person named it, or something in it. */
  readonly named: boolean
  readonly whole: boolean
}

class Scanner {
  readonly #root: string
  readonly #device: bigint
  readonly #filter: Filter
  readonly #inspector: Inspector | undefined
  readonly #listed: Listed | undefined
  readonly #leftOut: LeftOut | undefined
  readonly #owners = new Owners()
  // What reads extended attributes; undefined where they are not to be read.
  readonly #calls: Native | undefined
  readonly #levels: Level[] = []
  #batch: Scanned[] = []

  constructor(root: SourceRoot, filter: Filter, { listed, xattrs = true, leftOut }: ScanOptions) {
    this.#calls = xattrs ? native() : undefined
    this.#leftOut = leftOut && new LeftOut(leftOut)
    this.#root = root.folder
    this.#device = root.device
    this.#filter = filter
    this.#inspector = filter.inspector
    this.#listed = listed
  }

  get busy(): boolean {
    return this.#levels.length > 0 || this.#batch.length > 0
  }

  /** Starts at `under`, which the filter is not asked about. */
  start(under: string): void {
    const system = systemPath(this.#root, under)
    // The root may be a link to a folder; below it links are entries.
    const info = look(system, under === '' ? statSync : lstatSync)
    if (info) this.#add({ path: under, system, info, named: true, whole: this.#listed?.isWhole ?? true })
    else if (under === '') throw missing(this.#root)
  }

  /** Starts at the one file to take in the root, which is elsewhere where its name is that of a link. */
  startWith(name: string, behind?: SystemPath): void {
    const system = behind ?? systemPath(this.#root, name)
    const info = look(system, lstatSync)
    if (!info) throw missing(shown(system))
    this.#add({ path: name, system, info, named: true, whole: true })
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
    const place = this.#listed?.placeOf(path)
    const named = place !== undefined
    // What is listed, or holds what is, and below which something is listed.
    const below = named ? this.#listed?.namesIn(path) : undefined
    let whole = level.whole || place === 'listed'
    let info: BigIntStats | undefined
    try {
      info = lstatSync(system, bigint)
      if (below?.length && info?.isSymbolicLink()) {
        // As the root may be, what holds something listed may be a link to a folder.
        const target = statSync(system, bigint)
        if (place === 'above' || target?.isDirectory()) info = target
        whole = false
      }
    } catch (error) {
      // Without its type the filter can only be asked as for a file.
      if ((named || !isAbsent(error)) && this.#filter.takes(path, 'file', named))
        this.#fail(path, error, 'look at', system)
      return
    }
    if (named && (info === undefined || (place === 'above' && !info.isDirectory()))) {
      if (this.#filter.takes(path, 'file', named)) this.#batch.push({ path, error: notThere(shown(system), place) })
    } else if (info !== undefined) {
      const type = typeOf(Number(info.mode))
      if (type === 'directory' && !named && this.#leftOut?.has(path, info)) return
      if (this.#filter.takes(path, type ?? 'file', named)) this.#add({ path, system, info, named, whole }, type)
      if (below?.length && type !== 'directory') this.#missAll(path, below)
    }
  }

  /** Everything that is listed below what is no folder is missed. */
  #missAll(folder: string, names: readonly string[]): void {
    for (const name of names) {
      const path = `${folder}/${name}`
      const listed = this.#listed?.placeOf(path)
      if (listed === 'listed' && this.#filter.takes(path, 'file', true))
        this.#batch.push({ path, error: notThere(shown(systemPath(this.#root, path)), listed) })
      this.#missAll(path, this.#listed?.namesIn(path) ?? [])
    }
  }

  #add({ path, system, info, named, whole }: Place, type: EntryType | undefined = typeOf(Number(info.mode))): void {
    if (type === undefined) {
      const error = new KlosetError('KLOSET_UNSUPPORTED', `${shown(system)} is of an unknown kind`, {
        context: { path },
      })
      this.#batch.push({ path, error })
      return
    }
    let taken: boolean | 'alone'
    try {
      const entry = entryOf(path, system, type, info, this.#owners, this.#device, this.#calls)
      taken = this.#inspector?.takes(withDevice(entry, info.dev), named) ?? true
      if (taken !== false) this.#batch.push(entry)
    } catch (error) {
      // EINVAL: it is no longer a link, so it was replaced meanwhile.
      if (!isAbsent(error)) this.#fail(path, error, 'read what belongs to', system)
      return
    }
    if (type === 'directory' && taken === true) this.#descend(path, system, whole)
  }

  #descend(path: string, system: SystemPath, whole: boolean): void {
    const listed = this.#listed?.namesIn(path) ?? []
    try {
      const names = whole ? withListed(namesIn(system), listed) : listed
      this.#levels.push({ path, system, names, whole, next: 0 })
      if (whole && this.#inspector !== undefined) this.#inspect(this.#inspector, path, system, names)
    } catch (error) {
      // Without the names in the root there is nothing to back up, and a backup of nothing must not pass for one.
      if (path === '') throw fsError(error, 'list', shown(system))
      if (!isAbsent(error)) this.#fail(path, error, 'list', system)
    }
  }

  #inspect(inspector: Inspector, folder: string, system: SystemPath, names: readonly string[]): void {
    for (const { name, length } of inspector.wants(folder, names)) {
      const path = folder === '' ? name : `${folder}/${name}`
      inspector.show(folder, name, beginningOf(this.#below(system, name, path), length))
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

/** The entry with the device it is on, which is recorded only where hard links need it. */
function withDevice(entry: Entry, device: bigint): Entry {
  return { ...entry, inode: entry.inode && { ...entry.inode, device } }
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

/** What is listed and not there is gone through, too, so that it is missed. */
function withListed(names: string[], listed: readonly string[]): string[] {
  const there = new Set(listed.length > 0 ? names : [])
  const missing = listed.filter((name) => !there.has(name))
  return missing.length === 0 ? names : [...names, ...missing].sort(comparePaths)
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

function notThere(path: string, place: 'listed' | 'above'): KlosetError {
  const what = place === 'listed' ? 'it is not there' : 'there is no such folder'
  return new KlosetError(
    'KLOSET_NOT_FOUND',
    `${path} was listed${place === 'above' ? ', or something in it' : ''}, but ${what}`,
    {
      hint: 'Check the list, and whether the disk it is on is mounted.',
      context: { path },
    },
  )
}
