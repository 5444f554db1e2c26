import { parse, relative, resolve, sep } from 'node:path'
import { comparePaths } from 'kloset/connector'
import { splitPath } from './local.js'

/** Paths to take of a source, in the notation of entries and relative to its root; `''` is all of it. */
export class Listed {
  readonly #paths: ReadonlySet<string>
  // The names in each folder that are listed or lead to what is.
  readonly #names = new Map<string, Set<string>>()
  readonly #sorted = new Map<string, readonly string[]>()

  constructor(paths: readonly string[]) {
    this.#paths = new Set(paths)
    for (const path of this.#paths) {
      for (let at = path; at !== ''; ) {
        const { folder, name } = splitPath(at)
        const names = this.#names.get(folder)
        if (names?.has(name)) break
        if (names === undefined) this.#names.set(folder, new Set([name]))
        else names.add(name)
        at = folder
      }
    }
  }

  /** Whether the root is listed itself, and so all of it. */
  get isWhole(): boolean {
    return this.#paths.has('')
  }

  /** Whether a path is listed, or above something that is. */
  placeOf(path: string): 'listed' | 'above' | undefined {
    if (this.#paths.has(path)) return 'listed'
    return this.#names.has(path) ? 'above' : undefined
  }

  /** The lowest folder above a path that is also above something listed, and so may be a link; undefined where only the root is. */
  aboveOf(path: string): string | undefined {
    for (let at = splitPath(path).folder; at !== ''; at = splitPath(at).folder) if (this.#names.has(at)) return at
    return undefined
  }

  /** The names in a folder that are listed or lead to what is, in path order. */
  namesIn(folder: string): readonly string[] {
    let names = this.#sorted.get(folder)
    if (names === undefined) {
      names = [...(this.#names.get(folder) ?? [])].sort(comparePaths)
      this.#sorted.set(folder, names)
    }
    return names
  }
}

/** What to take below a root. */
export interface ListedRoot {
  readonly root: string
  /** Relative to the root, in the notation of entries. */
  readonly paths: readonly string[]
}

/**
 * The roots from which listed paths are taken. They depend on how the list is written and not on what is in it, so that the next backup
 * of a longer list is of the same source: relative paths start from the folder `from`, unless one of them leads out of it; all others from `/`, or from
 * the drives that they are on.
 */
export function rootsOf(paths: readonly string[], from: string): ListedRoot[] {
  const folder = resolve(from)
  const absolute = paths.map((path) => resolve(folder, path))
  const isInside = (path: string, at: number): boolean =>
    parse(paths[at]!).root === '' && (path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep))
  const inside = absolute.every(isInside)
  const roots = new Map<string, string[]>()
  for (const path of absolute) {
    const root = inside ? folder : parse(path).root
    const below = relative(root, path).split(sep).join('/')
    const same = roots.get(root)
    if (same === undefined) roots.set(root, [below])
    else same.push(below)
  }
  return [...roots].map(([root, below]) => ({ root, paths: below }))
}
