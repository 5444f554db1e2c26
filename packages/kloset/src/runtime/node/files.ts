import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join, relative, sep } from 'node:path'
import process from 'node:process'
import { threadId } from 'node:worker_threads'
import type { Bytes } from '../../bytes/index.js'
import type { ListedFile, LocalFile, LocalFiles } from '../types.js'

/** Node's filesystem. */
export const localFiles: LocalFiles = {
  open,
  shared,
  read,
  write: (path, parts) => writeFile(path, parts, false),
  writeDurably: (path, parts) => writeFile(path, parts, true),
  remove: (path) => orAbsent(() => unlinkSync(path)),
  list,
  touch,
  join,
  cacheHome: () => home('XDG_CACHE_HOME', '.cache'),
  stateHome: () => home('XDG_STATE_HOME', join('.local', 'state')),
}

function open(path: string): LocalFile | undefined {
  // Without waiting: a FIFO in the place of a file must not hang who reads it.
  const handle = orAbsent(() => openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)))
  return handle === undefined ? undefined : { ...shared(handle), close: () => closeSync(handle) }
}

// The threads of a process share its file descriptors.
function shared(handle: number): LocalFile {
  return {
    handle,
    size: fstatSync(handle).size,
    read: (into, at) => readFully(handle, into, at),
    close: () => undefined,
  }
}

function read(path: string): Bytes | undefined {
  const file = open(path)
  if (file === undefined) return undefined
  try {
    const bytes = new Uint8Array(file.size)
    return bytes.subarray(0, file.read(bytes, 0))
  } finally {
    file.close()
  }
}

let made = 0

function writeFile(path: string, parts: Iterable<Uint8Array>, durable: boolean): void {
  // Threads of one process have the same process id, and processes in containers may.
  const temporary = `${path}.${process.pid}-${threadId}-${++made}-${Math.random().toString(36).slice(2)}.tmp`
  const handle = orAbsent(() => openSync(temporary, 'wx', 0o600)) ?? openNew(temporary, durable)
  try {
    try {
      for (const part of parts) writeFully(handle, part)
      if (durable) fsyncSync(handle)
    } finally {
      closeSync(handle)
    }
    renameSync(temporary, path)
    if (durable) syncFolder(dirname(path))
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
}

function list(folder: string): ListedFile[] {
  const found: ListedFile[] = []
  const entries = orAbsent(() => readdirSync(folder, { withFileTypes: true, recursive: true })) ?? []
  for (const entry of entries) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath ?? entry.path, entry.name)
    const stat = statSync(path, { throwIfNoEntry: false })
    if (stat === undefined) continue
    const name = relative(folder, path).split(sep).join('/')
    found.push({ name, size: stat.size, used: stat.mtimeMs })
  }
  return found
}

// The time of the last read is often not kept (noatime, relatime), so that of the last write says when it was used.
function touch(path: string): void {
  const now = Date.now() / 1000
  orAbsent(() => utimesSync(path, now, now))
}

function home(variable: string, otherwise: string): string {
  const given = process.env[variable]
  // "All paths set in these environment variables must be absolute"; a relative one is to be ignored.
  return join(given && isAbsolute(given) ? given : join(homedir(), otherwise), 'kloset')
}

function openNew(path: string, durable: boolean): number {
  makeFolders(dirname(path), durable)
  return openSync(path, 'wx', 0o600)
}

/**
 * Makes a folder and those above it that are missing, one after the other: Node's recursive mkdir never ends where a system says of a folder
 * in an existing one that it does not exist, and says the same where the disk is full.
 */
function makeFolders(folder: string, durable: boolean): void {
  try {
    makeFolder(folder, durable)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || dirname(folder) === folder) throw error
    makeFolders(dirname(folder), durable)
    makeFolder(folder, durable)
  }
}

function makeFolder(folder: string, durable: boolean): void {
  try {
    mkdirSync(folder, { mode: 0o700 })
    // A folder is there after a power cut once the one above it is synced.
    if (durable) syncFolder(dirname(folder))
  } catch (error) {
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) throw error
  }
}

function syncFolder(path: string): void {
  // Windows opens no folders, and keeps names without.
  if (process.platform === 'win32') return
  const handle = openSync(path, constants.O_RDONLY)
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

function writeFully(handle: number, part: Uint8Array): void {
  for (let from = 0; from < part.length; ) from += writeSync(handle, part, from, part.length - from)
}

function readFully(handle: number, into: Uint8Array, at: number): number {
  let count = 0
  while (count < into.length) {
    const got = readSync(handle, into, count, into.length - count, at + count)
    if (got === 0) break
    count += got
  }
  return count
}

/** Undefined where a file or folder on the way is absent. */
function orAbsent<T>(act: () => T): T | undefined {
  try {
    return act()
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined
    throw error
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
}
