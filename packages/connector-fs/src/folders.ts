import { lstatSync, mkdirSync } from 'node:fs'
import { checkPath, KlosetError } from 'kloset/connector'
import { systemCode } from './errors.js'
import { type SystemPath, shown, splitPath, systemPath } from './local.js'
import { handsDownAcl } from './xattrs.js'

/**
 * The folders of a destination that are known to be real ones inside its root, so that nothing is written through a symbolic
 * link, whatever the paths in a snapshot say. Each is looked at once, and missing ones are made.
 */
export class Folders {
  readonly root: string
  readonly #known = new Set<string>([''])
  #last = ''
  // The folder that was asked about last, and whether it hands down an access control list.
  #asked: string | undefined
  #handsDown = false

  constructor(root: string) {
    this.root = root
  }

  /**
   * Where `path` is, once the folders it is in are known to be real ones; those that are missing are made.
   * @throws KLOSET_PATH_UNSAFE for a path that could lead out, and where a part of it is a link or a file.
   */
  place(path: string): SystemPath {
    const { folder, name } = splitPath(path)
    checkName(name, path)
    if (folder !== this.#last) {
      this.#verify(folder, makeFolder)
      this.#last = folder
    }
    return systemPath(this.root, path)
  }

  /** As {@link place}, for what should be there already: undefined where a folder it is in is missing. */
  find(path: string): SystemPath | undefined {
    const { folder, name } = splitPath(path)
    checkName(name, path)
    return this.#verify(folder, () => false) ? systemPath(this.root, path) : undefined
  }

  /** Whether what is made at `path` gets an access control list from the folder it is in. */
  handsDownAcl(path: string): boolean {
    const { folder } = splitPath(path)
    if (folder === this.#asked) return this.#handsDown
    this.#asked = folder
    this.#handsDown = handsDownAcl(systemPath(this.root, folder))
    return this.#handsDown
  }

  /** Remembers a folder that was just made or seen. */
  add(folder: string): void {
    this.#known.add(folder)
  }

  /** Forgets what was known: something was removed or renamed. */
  forget(): void {
    this.#known.clear()
    this.#known.add('')
    this.#last = ''
  }

  #verify(folder: string, missing: (system: SystemPath) => boolean): boolean {
    if (this.#known.has(folder)) return true
    checkPath(folder)
    const { folder: above, name } = splitPath(folder)
    checkName(name, folder)
    if (!this.#verify(above, missing)) return false
    const system = systemPath(this.root, folder)
    const info = lstatSync(system, { throwIfNoEntry: false })
    if (info === undefined && !missing(system)) return false
    if (info?.isDirectory() === false) throw notAFolder(folder, system)
    this.#known.add(folder)
    return true
  }
}

/** Makes a folder that no entry told about, with the system's usual mode. */
function makeFolder(system: SystemPath): boolean {
  try {
    mkdirSync(system)
  } catch (error) {
    // Another worker may have been faster.
    if (systemCode(error) !== 'EEXIST' || !lstatSync(system).isDirectory()) throw error
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

function notAFolder(folder: string, system: SystemPath): KlosetError {
  const message = `will not write below ${shown(system)}: it is not a folder, or a link to one`
  return new KlosetError('KLOSET_PATH_UNSAFE', message, {
    hint: 'Move it away, or restore to an empty folder.',
    context: { path: folder },
  })
}
