import { chmodSync, constants, linkSync, lstatSync, mkdirSync, renameSync, symlinkSync, unlinkSync } from 'node:fs'
import { type Entry, KlosetError, pathToBytes } from 'kloset/connector'
import { deviceNumber } from './entries.js'
import { fsError, systemCode } from './errors.js'
import type { Folders } from './folders.js'
import { nextTemporaryName, removeLeftovers } from './leftovers.js'
import { hasEscapes, type SystemPath, splitPath } from './local.js'
import { type Failed, failureOf, setFileMetadata, setFolderMetadata, setMetadataOf } from './metadata.js'
import { native } from './native.js'
import { aclsAt, discard } from './output.js'
import type { Site } from './site.js'

/**
 * Makes everything that has no content. A folder that is there stays; links, files and devices in the way are replaced,
 * folders are not.
 */
export function makeEntry(site: Site, entry: Entry): void {
  const { folders } = site
  let failed: Failed | undefined
  try {
    if (entry.type === 'directory') makeFolder(folders, entry)
    else {
      const make = makerOf(entry)
      replaceWith(folders, entry.path, (temporary) => {
        make(temporary)
        failed = failureOf(() => setMetadataOf(temporary, entry, site, aclsAt(site, entry)))
      })
    }
  } catch (error) {
    throw fsError(error, 'make', entry.path)
  }
  if (failed) throw fsError(failed.error, 'set the owner, mode and times of', entry.path)
}

/**
 * Gives what is there its owner, mode and times: a folder after it was filled, since that changes them, or a file whose content is right
 * already.
 */
export function finishEntry(site: Site, entry: Entry): void {
  const { folders } = site
  try {
    const path = entry.path === '' ? folders.folder('')!.system : whereIs(folders, entry.path)
    if (path === undefined) return
    if (entry.type === 'directory') setFolderMetadata(path, entry, site)
    else setFileMetadata(path, entry, site)
  } catch (error) {
    throw fsError(error, 'set the owner, mode and times of', entry.path)
  }
}

/** Makes `path` another name of what is at `to`. */
export function makeLink(folders: Folders, path: string, to: string): void {
  try {
    const original = whereIs(folders, to)
    if (original === undefined) throw noOriginal(to)
    const info = lstatSync(original)
    // Where the system follows links here, one to a link would lead wherever that leads.
    if (info.isDirectory() || (info.isSymbolicLink() && process.platform !== 'linux')) throw noOriginal(to)
    replaceWith(folders, path, (temporary) => linkSync(original, temporary))
  } catch (error) {
    throw fsError(error, 'make the hard link', path)
  }
}

function makeFolder(folders: Folders, entry: Entry): void {
  if (entry.path === '') return
  const path = folders.place(entry.path)
  // Nobody else's until it has its owner and mode.
  const mode = entry.mode === undefined ? 0o777 : 0o700
  try {
    mkdirSync(path, mode)
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
    if (lstatSync(path).isDirectory()) enterFolder(folders, entry)
    else {
      unlinkSync(path)
      mkdirSync(path, mode)
    }
  }
}

/** A folder from before that keeps us out is opened for as long as it takes to fill it. */
function enterFolder(folders: Folders, entry: Entry): void {
  const folder = folders.folder(entry.path)
  if (folder === undefined) return
  const { mode } = lstatSync(folder.system)
  if (entry.mode !== undefined && (mode & 0o700) !== 0o700)
    try {
      chmodSync(folder.system, (mode & 0o7777) | 0o700)
    } catch {
      // Someone else's: what has to be written into it will tell.
    }
  removeLeftovers(folder)
}

function makerOf(entry: Entry): (at: SystemPath) => void {
  switch (entry.type) {
    case 'symlink':
      return (at) => symlinkSync(targetOf(entry), at)
    case 'fifo':
      return (at) => nodes(entry).makeNode(at, constants.S_IFIFO | 0o600, 0n)
    case 'socket':
      return (at) => nodes(entry).makeNode(at, constants.S_IFSOCK | 0o600, 0n)
    case 'block':
      return (at) => nodes(entry).makeNode(at, constants.S_IFBLK | 0o600, deviceOf(entry))
    case 'character':
      return (at) => nodes(entry).makeNode(at, constants.S_IFCHR | 0o600, deviceOf(entry))
    default:
      throw new TypeError(`a ${entry.type} is not made but written`)
  }
}

function targetOf({ path, target }: Entry): SystemPath {
  if (target === undefined || target === '' || target.includes('\0'))
    throw new KlosetError('KLOSET_PATH_UNSAFE', `the link ${path} does not say where it leads`, { context: { path } })
  return hasEscapes(target) ? Buffer.from(pathToBytes(target)) : target
}

function deviceOf({ path, device }: Entry): bigint {
  if (device) return deviceNumber(device)
  throw new KlosetError('KLOSET_UNSUPPORTED', `${path} does not say which device it is`, { context: { path } })
}

function nodes({ path, type }: Entry): NonNullable<ReturnType<typeof native>> {
  const calls = native()
  if (calls) return calls
  throw new KlosetError('KLOSET_UNSUPPORTED', `cannot make the ${type} ${path} without the package koffi`, {
    hint: 'Install koffi beside @kloset/connector-fs (it needs Linux).',
    context: { path },
  })
}

function replaceWith(folders: Folders, path: string, make: (temporary: SystemPath) => void): void {
  const folder = folders.holding(path)
  const target = folder.at(splitPath(path).name)
  const temporary = folder.at(nextTemporaryName())
  try {
    make(temporary)
    renameSync(temporary, target)
  } catch (error) {
    discard(temporary)
    throw error
  }
  // Where both were names of one file already, rename does nothing and leaves both: rename(2).
  if (lstatSync(temporary, { throwIfNoEntry: false })) discard(temporary)
}

/** Where `path` is, if the folders that it is in are there. */
function whereIs(folders: Folders, path: string): SystemPath | undefined {
  return folders.find(path)?.at(splitPath(path).name)
}

function noOriginal(to: string): KlosetError {
  return new KlosetError('KLOSET_NOT_FOUND', `there is nothing at ${to} to link to`, { context: { path: to } })
}
