import { type BigIntStats, fstatSync, lstatSync, readlinkSync } from 'node:fs'
import { dirname, join, parse, resolve, sep } from 'node:path'
import { KlosetError, pathFromBytes, pathToBytes } from 'kloset/connector'
import { isAbsent, systemCode } from './errors.js'
import { hasEscapes, type SystemPath, splitPath } from './local.js'
import { type Mount, mounts } from './mounts.js'

/** What a run needs itself and lies below the root of a destination: as it travels between threads. */
export interface ProtectedData {
  /** Relative to the root; what is below them is meant, too. */
  readonly paths: readonly string[]
  /** Devices and inodes of folders, also of those outside: they may be mounted somewhere below. */
  readonly folders: readonly string[]
}

/**
 * Finds what is to be protected below `root`, a real path: under the paths as they are given, with each link on the way, under the real
 * ones, and wherever the same folder or file is mounted once more.
 */
export function protectedBelow(root: string, paths: readonly string[]): ProtectedData {
  const mounted = mounts()
  const below = new Set<string>()
  const folders = new Set<string>()
  for (const path of paths) {
    const places = placesOf(resolve(path))
    for (const place of places.flatMap((each) => [each, ...aliasesOf(each, mounted)])) {
      const relative = relativeTo(place, root) === undefined ? relativeTo(root, place) : ''
      if (relative !== undefined) below.add(relative)
    }
    const info = look(places.at(-1)!)
    if (info?.isDirectory()) folders.add(identity(info))
  }
  return { paths: [...below], folders: [...folders] }
}

/** What of a destination is neither written, changed nor removed. */
export class Protected {
  readonly data: ProtectedData
  readonly #paths: ReadonlySet<string>
  readonly #folders: ReadonlySet<string>

  constructor(data: ProtectedData) {
    this.data = data
    this.#paths = new Set(data.paths)
    this.#folders = new Set(data.folders)
  }

  /** Whether a path is protected, or in something that is. */
  has(path: string): boolean {
    if (this.#paths.size === 0) return false
    for (let at = path; ; at = splitPath(at).folder) {
      if (this.#paths.has(at)) return true
      if (at === '') return false
    }
  }

  /** @throws KLOSET_PROTECTED where {@link has} says so */
  check(path: string): void {
    if (this.has(path)) throw isProtected(path)
  }

  /** The same for an open folder, whatever its path is. */
  checkFolder(descriptor: number, path: string): void {
    if (this.#folders.size > 0 && this.#folders.has(identity(fstatSync(descriptor, { bigint: true }))))
      throw isProtected(path)
  }
}

/** The real path, preceded by the links on the way to it. What is not there is taken as it is written. */
function placesOf(path: string): string[] {
  const places: string[] = []
  let at = parse(path).root
  let rest = path.slice(at.length).split(sep)
  for (let links = 0; rest.length > 0; ) {
    const [name, ...after] = rest as [string, ...string[]]
    rest = after
    if (name === '' || name === '.') continue
    const next = name === '..' ? dirname(at) : join(at, name)
    if (links < mostLinks && look(next)?.isSymbolicLink()) {
      links++
      places.push(next)
      const target = resolve(at, pathFromBytes(readlinkSync(systemOf(next), 'buffer')))
      at = parse(target).root
      rest = [...target.slice(at.length).split(sep), ...rest]
    } else at = next
  }
  return [...places, at]
}

/** As many as Linux follows in one path. */
const mostLinks = 40

/** Where else what is at a real path can be reached, or a part of it, because it is mounted there, too. */
function aliasesOf(path: string, mounted: readonly Mount[]): string[] {
  // Of several on one path, and of those on the way, the last one is what is seen.
  const home = mounted.findLast((mount) => mount.path === longest(path, mounted))
  if (home === undefined) return []
  const inside = join(home.root, relativeTo(home.path, path)!)
  return mounted.flatMap(({ device, root, path: at }) => {
    if (device !== home.device) return []
    const below = relativeTo(root, inside)
    if (below !== undefined) return [below === '' ? at : join(at, below)]
    return relativeTo(inside, root) === undefined ? [] : [at]
  })
}

function longest(path: string, mounted: readonly Mount[]): string {
  let found = ''
  for (const mount of mounted)
    if (mount.path.length > found.length && relativeTo(mount.path, path) !== undefined) found = mount.path
  return found
}

/** What leads from a folder to a path in it, or `''`; undefined where it is not in it. */
function relativeTo(folder: string, path: string): string | undefined {
  if (path === folder) return ''
  const start = folder.endsWith(sep) ? folder : folder + sep
  return path.startsWith(start) ? path.slice(start.length).split(sep).join('/') : undefined
}

function look(path: string): BigIntStats | undefined {
  try {
    return lstatSync(systemOf(path), { bigint: true })
  } catch (error) {
    // What this user may not look at is protected under its name; nor could this user remove anything in it.
    if (isAbsent(error) || systemCode(error) === 'EACCES') return undefined
    throw error
  }
}

function systemOf(path: string): SystemPath {
  return hasEscapes(path) ? Buffer.from(pathToBytes(path)) : path
}

function identity({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`
}

function isProtected(path: string): KlosetError {
  return new KlosetError(
    'KLOSET_PROTECTED',
    `${path === '' ? 'the target' : path} is left as it is: this run needs it itself`,
    {
      context: { path },
      hint: 'The store, the cache, what is remembered of stores, the configuration and files with keys are not restored over, nor deleted.',
    },
  )
}
