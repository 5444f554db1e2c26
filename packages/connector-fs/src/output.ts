import { closeSync, constants, ftruncateSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs'
import { type Entry, KlosetError, type WorkerOutput } from 'kloset/connector'
import { fsError } from './errors.js'
import type { Folders } from './folders.js'
import { dataIn, fillHoles } from './holes.js'
import { isTemporaryName, nextTemporaryName } from './leftovers.js'
import { type SystemPath, shown, splitPath, systemPath } from './local.js'
import { type Acls, type Failed, failureOf, setMetadata } from './metadata.js'
import type { Site } from './site.js'

/**
 * Starts to write the file of `entry` under a temporary name in its folder, or joins one that another worker started.
 * @throws KLOSET_PATH_UNSAFE for a path that leads out of the destination, and a handle that was not given by another output.
 */
export function createOutput(site: Site, entry: Entry, handle?: string): WorkerOutput {
  const { folders } = site
  if (handle !== undefined && !isTemporaryName(handle)) throw foreignHandle(handle)
  const name = handle ?? nextTemporaryName()
  try {
    const target = folders.place(entry.path)
    const temporary = beside(folders, entry.path, name)
    const file = openSync(temporary, handle === undefined ? forCreating : forJoining, 0o600)
    return new Output(site, name, entry, file, temporary, target)
  } catch (error) {
    throw fsError(error, 'write', entry.path)
  }
}

/** Where `name` is in the folder of the entry at `path`, which {@link Folders.place} has checked. */
export function beside(folders: Folders, path: string, name: string): SystemPath {
  const { folder } = splitPath(path)
  return systemPath(folders.root, folder === '' ? name : `${folder}/${name}`)
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
  readonly handle: string
  readonly #site: Site
  readonly #entry: Entry
  readonly #file: number
  readonly #temporary: SystemPath
  readonly #target: SystemPath
  #end = 0

  constructor(site: Site, handle: string, entry: Entry, file: number, temporary: SystemPath, target: SystemPath) {
    this.#site = site
    this.handle = handle
    this.#entry = entry
    this.#file = file
    this.#temporary = temporary
    this.#target = target
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
      throw fsError(error, 'write', shown(this.#target))
    }
    this.#end = Math.max(this.#end, at + written)
  }

  commit(): void {
    let failed: Failed | undefined
    try {
      failed = this.#settle()
      renameSync(this.#temporary, this.#target)
    } catch (error) {
      discard(this.#temporary)
      throw fsError(error, 'write', shown(this.#target))
    }
    if (failed) throw fsError(failed.error, 'set the owner, mode and times of', shown(this.#target))
  }

  abort(): void {
    closeSync(this.#file)
    discard(this.#temporary)
  }

  release(): void {
    closeSync(this.#file)
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
const forJoining = constants.O_WRONLY | noFollow

function foreignHandle(handle: string): KlosetError {
  const message = `${JSON.stringify(handle)} is not the handle of a file that is being written`
  return new KlosetError('KLOSET_PATH_UNSAFE', message)
}
