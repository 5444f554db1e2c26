import { closeSync, constants, fstatSync, ftruncateSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs'
import { type Entry, KlosetError, type WorkerOutput } from 'kloset/connector'
import { fsError } from './errors.js'
import type { Folder } from './folder.js'
import { dataIn, fillHoles } from './holes.js'
import { isTemporaryName, nextTemporaryName } from './leftovers.js'
import { type SystemPath, splitPath } from './local.js'
import { type Acls, type Failed, failureOf, setMetadata } from './metadata.js'
import type { Site } from './site.js'

/**
 * Starts to write the file of `entry` under a temporary name in its folder, or joins one that another worker started.
 * @throws KLOSET_PATH_UNSAFE for a path that leads out of the destination, and a handle that was not given by another output.
 */
export function createOutput(site: Site, entry: Entry, handle?: string): WorkerOutput {
  const [joined, inode] = handle?.split('/') ?? []
  if (handle !== undefined && (!isTemporaryName(joined!) || inode === undefined)) throw foreignHandle(handle)
  const name = joined ?? nextTemporaryName()
  try {
    const folder = site.folders.holding(entry.path)
    const temporary = folder.at(name)
    const file = openSync(temporary, handle === undefined ? forCreating : forJoining, 0o600)
    if (inode !== undefined && inode !== inodeOf(file)) {
      closeSync(file)
      throw foreignHandle(handle!)
    }
    return new Output(site, name, entry, file, folder)
  } catch (error) {
    throw fsError(error, 'write', entry.path)
  }
}

/** Tells a file that is being written from what others may have put under its name. */
function inodeOf(file: number): string {
  const { dev, ino } = fstatSync(file, { bigint: true })
  return `${dev}:${ino}`
}

/** What access control lists something new has before it gets those of its entry. */
export function aclsAt({ folders, settings }: Site, { path }: Entry): Acls {
  return settings.xattrs && folders.handsDownAcl(path) ? 'foreign' : 'none'
}

/** Removes `temporary`, if it is there. */
export function discard(temporary: SystemPath): void {
  try {
    unlinkSync(temporary)
  } catch {
    // Whatever went wrong before this matters more, and the name tells whose the leftover is.
  }
}

class Output implements WorkerOutput {
  readonly #site: Site
  readonly #entry: Entry
  readonly #file: number
  readonly #name: string
  // Stays open for as long as its name has to be given or removed.
  readonly #folder: Folder
  #end = 0

  constructor(site: Site, name: string, entry: Entry, file: number, folder: Folder) {
    this.#site = site
    this.#name = name
    this.#entry = entry
    this.#file = file
    this.#folder = folder
    folder.uses++
  }

  get handle(): string {
    return `${this.#name}/${inodeOf(this.#file)}`
  }

  write(bytes: Uint8Array, at: number): void {
    if (this.#site.settings.holes !== 'make') this.#write(bytes, at)
    else for (const { from, to } of dataIn(bytes, at)) this.#write(bytes.subarray(from, to), at + from)
  }

  #write(bytes: Uint8Array, at: number): void {
    let written = 0
    try {
      while (written < bytes.length)
        written += writeSync(this.#file, bytes, written, bytes.length - written, at + written)
    } catch (error) {
      throw this.#error(error, 'write')
    }
    this.#end = Math.max(this.#end, at + written)
  }

  commit(): void {
    let failed: Failed | undefined
    try {
      failed = this.#settle()
      renameSync(this.#folder.at(this.#name), this.#folder.at(splitPath(this.#entry.path).name))
    } catch (error) {
      discard(this.#folder.at(this.#name))
      throw this.#error(error, 'write')
    } finally {
      this.#folder.uses--
    }
    if (failed) throw this.#error(failed.error, 'set the owner, mode and times of')
  }

  abort(): void {
    closeSync(this.#file)
    discard(this.#folder.at(this.#name))
    this.#folder.uses--
  }

  release(): void {
    closeSync(this.#file)
    this.#folder.uses--
  }

  #error(error: unknown, doing: string): unknown {
    return fsError(error, doing, this.#site.folders.shown(this.#entry.path))
  }

  /** Gives the open file all but its name, and closes it. */
  #settle(): Failed | undefined {
    const { size } = this.#entry
    try {
      // A hole at the end, and what joined workers wrote, are not in what this one wrote.
      if (size !== undefined && size !== this.#end) ftruncateSync(this.#file, size)
      if (size !== undefined && this.#site.settings.holes === 'none') fillHoles(this.#file, size, this.#site)
      return failureOf(() => setMetadata(this.#file, this.#entry, this.#site, aclsAt(this.#site, this.#entry)))
    } finally {
      closeSync(this.#file)
    }
  }
}

const noFollow = constants.O_NOFOLLOW ?? 0
const forCreating = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | noFollow
// Without waiting: nobody may read from a FIFO that was put in its place.
const forJoining = constants.O_WRONLY | noFollow | (constants.O_NONBLOCK ?? 0)

function foreignHandle(handle: string): KlosetError {
  const message = `${JSON.stringify(handle)} is not the handle of a file that is being written`
  return new KlosetError('KLOSET_PATH_UNSAFE', message)
}
