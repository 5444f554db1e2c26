import { type BigIntStats, type Dir, lstatSync, opendirSync, statSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { KlosetError } from 'kloset/connector'
import { fsError } from './errors.js'

/** Where a source reads: a whole folder, or one thing in it. */
export interface SourceRoot {
  /** The folder that the paths of entries start from; absolute. */
  readonly folder: string
  /** The only name in it to take; undefined for all of it. */
  readonly only: string | undefined
  /** The device that this is on. */
  readonly device: bigint
}

/**
 * The root for `path`. A folder, also behind a symbolic link, is taken whole; anything else is one entry, whose path is its own
 * name, in the folder that holds it.
 * @throws KLOSET_NOT_FOUND where nothing is there.
 */
export function sourceRoot(path: string): SourceRoot {
  const folder = resolve(path)
  // Backing up a link instead of what a mounted or moved folder holds would look like a backup and be none.
  const target = look(folder, statSync)
  if (target?.isDirectory()) return { folder, only: undefined, device: target.dev }
  const only = look(folder, lstatSync)
  if (only) return { folder: dirname(folder), only: basename(folder), device: only.dev }
  throw new KlosetError('KLOSET_NOT_FOUND', `there is no ${folder} to read`, {
    hint: 'Check the path, and whether the disk it is on is mounted.',
    context: { path: folder },
  })
}

/** Whether there are only few files at the root, and no folders among them. What cannot be listed is not known to be so. */
export function hasFew({ folder, only }: SourceRoot): boolean {
  if (only !== undefined) return true
  let names: Dir | undefined
  try {
    names = opendirSync(folder)
    for (let left = few; left > 0; left--) {
      const entry = names.readSync()
      if (entry === null) return true
      if (entry.isDirectory()) return false
    }
    return false
  } catch {
    return false
  } finally {
    names?.closeSync()
  }
}

const few = 100

function look(path: string, stat: typeof statSync | typeof lstatSync): BigIntStats | undefined {
  try {
    return stat(path, { bigint: true, throwIfNoEntry: false })
  } catch (error) {
    throw fsError(error, 'read', path)
  }
}
