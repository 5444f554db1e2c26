import { type BigIntStats, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { realPath, splitPath, systemPath } from './local.js'
import type { SourceRoot } from './roots.js'

/** Folders that a scan leaves out, as they travel between threads. */
export interface LeftOutData {
  /** Relative to the root of the source: also of folders that are not there yet. */
  readonly paths: readonly string[]
  /** Device and inode of those that are there: another mount may show them under another path. */
  readonly folders: readonly string[]
}

/** Which of these folders a source can hold: not those that it is in itself, since then they are what is meant. */
export function leftOutOf(root: SourceRoot, folders: readonly string[]): LeftOutData {
  const paths = new Set<string>()
  const found = new Set<string>()
  const above = new Set(ancestorsOf(root.real).flatMap((path) => identityAt(path) ?? []))
  for (const folder of folders) {
    const own = identityAt(resolve(folder))
    if (own !== undefined && above.has(own)) continue
    const path = pathIn(root, realPathOf(resolve(folder)))
    if (path !== undefined) paths.add(path)
    if (own !== undefined) found.add(own)
  }
  return { paths: [...paths], folders: [...found] }
}

/** Answers for each folder of a scan whether it is left out. */
export class LeftOut {
  readonly #paths: ReadonlySet<string>
  readonly #folders: ReadonlySet<string>
  // Most inodes are none of these: then no text has to be made.
  readonly #inodes: ReadonlySet<string>

  constructor({ paths, folders }: LeftOutData) {
    this.#paths = new Set(paths)
    this.#folders = new Set(folders)
    this.#inodes = new Set(folders.map((folder) => folder.slice(folder.indexOf(':') + 1)))
  }

  has(path: string, info: BigIntStats): boolean {
    if (this.#paths.has(path)) return true
    return this.#inodes.has(String(info.ino)) && this.#folders.has(identity(info))
  }
}

/** Where it is, or will be when it is made. */
function realPathOf(folder: string): string {
  try {
    return realPath(systemPath(folder, ''))
  } catch {
    const above = dirname(folder)
    return above === folder ? folder : `${realPathOf(above).replace(/\/$/, '')}/${splitPath(folder).name}`
  }
}

/** The path below the root; undefined where it is not in there. */
function pathIn({ real }: SourceRoot, path: string): string | undefined {
  const start = real.endsWith('/') ? real : `${real}/`
  return path.startsWith(start) ? path.slice(start.length) : undefined
}

function ancestorsOf(path: string): string[] {
  const above = dirname(path)
  return above === path ? [path] : [path, ...ancestorsOf(above)]
}

function identityAt(path: string): string | undefined {
  try {
    return identity(statSync(systemPath(path, ''), { bigint: true }))
  } catch {
    return undefined
  }
}

function identity({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`
}
