import { type BigIntStats, type Dir, lstatSync, opendirSync, statSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { KlosetError } from 'kloset/connector'
import { fsError } from './errors.js'
import { realPath } from './local.js'

/** Where a source reads: a whole folder, or one file. */
export interface SourceRoot {
  /** The folder that the paths of entries start from; absolute. */
  readonly folder: string
  /** Where that really is, without links, in the notation of entries. */
  readonly real: string
  /** The only name in it to take; undefined for all of it. */
  readonly only: string | undefined
  /** Where that file really is, if its name is that of a link; in the notation of entries. */
  readonly behind?: string | undefined
  /** The device that this is on. */
  readonly device: bigint
}

/**
 * The root for `path`. A folder, also behind a symbolic link, is taken whole; a file, also behind a link, is one entry, whose path is its
 * own name, in the folder that holds it.
 * @throws KLOSET_NOT_FOUND where nothing is there, KLOSET_UNSUPPORTED for a pipe or device
 */
export function sourceRoot(path: string): SourceRoot {
  const folder = resolve(path)
  // Backing up a link instead of what a mounted or moved folder or file holds would look like a backup and be none.
  const target = look(folder, statSync)
  if (target?.isDirectory()) return { folder, real: realPath(folder), only: undefined, device: target.dev }
  if (target !== undefined && !target.isFile()) throw notKept(folder, target)
  const only = target && look(folder, lstatSync)
  if (target !== undefined && only !== undefined) {
    const holder = dirname(folder)
    const behind = only.isSymbolicLink() ? { behind: realPath(folder) } : {}
    return { folder: holder, real: realPath(holder), only: basename(folder), ...behind, device: target.dev }
  }
  throw new KlosetError(
    'KLOSET_NOT_FOUND',
    `there is no ${folder} to read${isLink(folder) ? ': it is a link to nothing' : ''}`,
    {
      hint: 'Check the path, and whether the disk it is on is mounted.',
      context: { path: folder },
    },
  )
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

function isLink(path: string): boolean {
  return look(path, lstatSync)?.isSymbolicLink() === true
}

/** A snapshot keeps that a pipe or device is there, and nothing of what comes out of it: as all of a backup that would be none. */
function notKept(path: string, info: BigIntStats): KlosetError {
  const isDevice = info.isBlockDevice() || info.isCharacterDevice()
  const what = isDevice
    ? 'a device'
    : info.isFIFO()
      ? 'a pipe'
      : info.isSocket()
        ? 'a socket'
        : 'neither a file nor a folder'
  return new KlosetError('KLOSET_UNSUPPORTED', `${path} is ${what}, of which a snapshot keeps only that it is there`, {
    hint: 'To keep what comes out of it, name standard input (`-`) as the source, or run the program that writes it (--from-command).',
    context: { path },
  })
}
