import { lstatSync, mkdirSync, type Stats, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { checkPath, KlosetError } from 'kloset/connector'
import { systemCode } from './errors.js'
import { canHold, Folder } from './folder.js'
import { type SystemPath, shown, splitPath, systemPath } from './local.js'
import type { Protected } from './protected.js'
import { handsDownAcl } from './xattrs.js'

/** How {@link Folders} are opened. */
export interface FoldersOptions {
  /** What is neither written, changed nor removed. */
  readonly protects?: Protected | undefined
  /** The folder as another thread of this process holds it open, so that both mean the same one. */
  readonly descriptor?: number | undefined
  /** Where folders cannot be held open, restores into those that others may write to, also as root. */
  readonly trustsOthers?: boolean | undefined
  /** Whether folders are held open. Default: where the system can. */
  readonly holds?: boolean | undefined
}

/** So many folders at most stay open, but for those of files that are being written. */
const mostOpen = 32

/**
 * The folders of a destination. Each is opened from the one above it, one name at a time and never through a symbolic link, and held open
 * while it is in use, so that nothing is read, written or removed outside of the root, whatever the paths in a snapshot say and whatever
 * others do to the folders meanwhile. Missing ones are made.
 */
export class Folders {
  readonly root: string
  #options: FoldersOptions
  readonly #holds: boolean
  // In the order of their use, the last one used last; without the root.
  readonly #open = new Map<string, Folder>()
  readonly #top: Folder
  #last: { readonly path: string; readonly folder: Folder }
  // The folder that was asked about last, and whether it hands down an access control list.
  #asked: string | undefined
  #handsDown = false

  /** @throws KLOSET_DENIED for root where others could redirect what is written. */
  constructor(root: string, options: FoldersOptions = {}) {
    this.root = root
    this.#options = options
    this.#holds = options.holds ?? canHold()
    if (this.#holds) {
      const { descriptor } = options
      this.#top = Folder.held(descriptor === undefined ? root : `/proc/self/fd/${descriptor}/.`)
    } else {
      this.#top = Folder.named(root, '')
      for (let folder = root; ; folder = dirname(folder)) {
        this.#refuseShared(statSync(folder), folder)
        if (folder === dirname(folder)) break
      }
    }
    this.#last = { path: '', folder: this.#top }
  }

  /** The root as other threads can open it; undefined where folders are reached by their paths. */
  get descriptor(): number | undefined {
    return this.#top.descriptor
  }

  /** From now on neither writes, changes nor removes what is protected. */
  protect(protects: Protected): void {
    this.#options = { ...this.#options, protects }
    this.forget()
  }

  /** What is neither written, changed nor removed. */
  get protects(): Protected | undefined {
    return this.#options.protects
  }

  /**
   * The folder that `path` is in; those that are missing are made. It stays open until the next calls at least, and for longer where its
   * `uses` say so.
   * @throws KLOSET_PATH_UNSAFE for a path that could lead out, and where a part of it is a link or a file.
   */
  holding(path: string): Folder {
    const { folder, name } = splitPath(path)
    checkName(name, path)
    this.#check(path)
    if (folder === this.#last.path) return this.#last.folder
    this.#close(mostOpen)
    return this.#use(folder, this.#folder(folder, makeFolder)!)
  }

  /** As {@link holding}, for what should be there already: undefined where a folder it is in is missing. */
  find(path: string): Folder | undefined {
    const { folder, name } = splitPath(path)
    checkName(name, path)
    this.#check(path)
    if (folder === this.#last.path) return this.#last.folder
    this.#close(mostOpen)
    const found = this.#folder(folder, () => false)
    return found && this.#use(folder, found)
  }

  /** The folder at `path` itself; undefined where it is missing. */
  folder(path: string): Folder | undefined {
    this.#check(path)
    if (path === '') return this.#top
    this.#close(mostOpen)
    return this.#folder(path, () => false)
  }

  /** Where `path` is; the folders it is in are made where they are missing. */
  place(path: string): SystemPath {
    return this.holding(path).at(splitPath(path).name)
  }

  /** Where `path` is, for a person. */
  shown(path: string): string {
    return shown(systemPath(this.root, path))
  }

  /** Where `path` is, in the notation of entries. */
  pathOf(path: string): string {
    return this.root === '/' ? `/${path}` : `${this.root}/${path}`
  }

  /** Whether what is made in the folder of `path` gets an access control list from it. */
  handsDownAcl(path: string): boolean {
    const { folder } = splitPath(path)
    if (folder === this.#asked) return this.#handsDown
    this.#handsDown = handsDownAcl(this.holding(path).system)
    this.#asked = folder
    return this.#handsDown
  }

  /** Forgets what was known: something was removed or renamed. */
  forget(): void {
    this.#asked = undefined
    this.#close(0)
  }

  /** Closes what is open. */
  close(): void {
    this.#close(0)
    this.#top.close()
  }

  #check(path: string): void {
    this.#options.protects?.check(path)
  }

  #use(path: string, folder: Folder): Folder {
    this.#last = { path, folder }
    return folder
  }

  #folder(path: string, missing: (system: SystemPath) => boolean): Folder | undefined {
    if (path === '') return this.#top
    const known = this.#open.get(path)
    if (known !== undefined) {
      this.#open.delete(path)
      this.#open.set(path, known)
      return known
    }
    checkPath(path)
    const { folder: above, name } = splitPath(path)
    checkName(name, path)
    const parent = this.#folder(above, missing)
    if (parent === undefined) return undefined
    const folder = this.#enter(parent, name, path, missing)
    if (folder === undefined) return undefined
    if (folder.descriptor !== undefined) this.#options.protects?.checkFolder(folder.descriptor, path)
    this.#open.set(path, folder)
    return folder
  }

  #enter(parent: Folder, name: string, path: string, missing: (system: SystemPath) => boolean): Folder | undefined {
    const system = parent.at(name)
    for (let again = false; ; again = true) {
      try {
        if (this.#holds) return Folder.held(system)
        const info = lstatSync(system)
        if (!info.isDirectory()) throw notAFolder(path, this.shown(path))
        this.#refuseShared(info, this.shown(path))
        return Folder.named(this.root, path)
      } catch (error) {
        const code = systemCode(error)
        if (code === 'ENOTDIR' || code === 'ELOOP') throw notAFolder(path, this.shown(path))
        if (code !== 'ENOENT' || again) throw error
        if (!missing(system)) return undefined
      }
    }
  }

  /** Closes what was used longest ago, until `most` are left. */
  #close(most: number): void {
    if (this.#open.size <= most) return
    for (const [path, folder] of this.#open) {
      if (this.#open.size <= most) break
      if (folder.uses > 0) continue
      this.#open.delete(path)
      folder.close()
    }
    this.#last = { path: '', folder: this.#top }
  }

  /** Whoever may write to a folder can put a link in the place of what is in it between two calls. */
  #refuseShared(info: Stats, folder: string): void {
    if (this.#options.trustsOthers === true || process.geteuid?.() !== 0) return
    const others = info.uid !== 0 || (info.mode & 0o022) !== 0
    // Of a folder like /tmp, nobody can exchange what is another's.
    const sticky = info.uid === 0 && (info.mode & 0o1000) !== 0
    if (others && !sticky) throw shared(folder)
  }
}

/** Makes a folder that no entry told about, with the system's usual mode. */
function makeFolder(system: SystemPath): boolean {
  try {
    mkdirSync(system)
  } catch (error) {
    // Another worker may have been faster; what it made is looked at again.
    if (systemCode(error) !== 'EEXIST') throw error
  }
  return true
}

/** Whether a file can be called `name` on this system. */
export function acceptsName(name: string): boolean {
  return !windows || !/[\\/:*?"<>|]/.test(name)
}

const windows = process.platform === 'win32'

function checkName(name: string, path: string): void {
  if (name === '' || path.startsWith('/') || !acceptsName(name)) throw notAPath(path)
  checkPath(name)
}

function notAPath(path: string): KlosetError {
  const message = `${JSON.stringify(path)} is not a path that can be written`
  return new KlosetError('KLOSET_PATH_UNSAFE', message, { context: { path } })
}

function notAFolder(path: string, where: string): KlosetError {
  const message = `will not write below ${where}: it is not a folder, or a link to one`
  return new KlosetError('KLOSET_PATH_UNSAFE', message, {
    hint: 'Move it away, or restore to an empty folder.',
    context: { path },
  })
}

function shared(folder: string): KlosetError {
  return new KlosetError('KLOSET_DENIED', `will not restore into ${folder} as root: others can write to it`, {
    hint:
      'This system cannot hold folders open, so they could redirect what is written. Restore into a folder that only root can write to, ' +
      'as the user whose folder it is, or with --trust-target.',
    context: { path: folder },
  })
}
