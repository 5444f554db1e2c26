import { closeSync, constants, fstatSync, openSync, statfsSync, statSync } from 'node:fs'
import { pathToBytes } from 'kloset/connector'
import { hasEscapes, type SystemPath, systemPath } from './local.js'

/**
 * A folder of a destination. Where the system can, it is held open, and what is in it is reached through its descriptor: whoever renames the
 * folder or puts a symbolic link in its place meanwhile does not redirect what is written.
 */
export class Folder {
  /** How many files that are being written need it. */
  uses = 0
  /** Undefined where folders are reached by their paths. */
  readonly descriptor: number | undefined
  readonly #base: string
  readonly #path: string
  #closed = false

  private constructor(descriptor: number | undefined, base: string, path: string) {
    this.descriptor = descriptor
    this.#base = base
    this.#path = path
  }

  /** Holds the folder at `system` open. @throws the system's error; ENOTDIR or ELOOP where it is something else, or a link */
  static held(system: SystemPath): Folder {
    const descriptor = openSync(system, forHolding)
    return new Folder(descriptor, `${descriptors}/${descriptor}`, '')
  }

  /** Names the folder `path` below `root`, which has to be known for a real one. */
  static named(root: string, path: string): Folder {
    return new Folder(undefined, root, path)
  }

  /** Where the folder itself is. */
  get system(): SystemPath {
    return this.descriptor === undefined ? systemPath(this.#base, this.#path) : `${this.#base}/.`
  }

  /** Where `name` in it is. */
  at(name: string): SystemPath {
    if (this.descriptor === undefined) return systemPath(this.#base, this.#path === '' ? name : `${this.#path}/${name}`)
    const path = `${this.#base}/${name}`
    return hasEscapes(name) ? Buffer.from(pathToBytes(path)) : path
  }

  close(): void {
    if (this.descriptor === undefined || this.#closed) return
    this.#closed = true
    closeSync(this.descriptor)
  }
}

/** Whether folders can be held open and files be reached through them: Linux with /proc. */
export function canHold(): boolean {
  holds ??= process.platform === 'linux' && isProc()
  return holds
}

/**
 * Calls `work` with a path that leads to what is at `system`, whatever takes its place meanwhile; links are not followed, and nothing is
 * opened for reading or writing.
 */
export function pinned<T>(system: SystemPath, work: (path: string, descriptor: number) => T): T {
  const descriptor = openSync(system, pathOnly | noFollow)
  try {
    return work(`${descriptors}/${descriptor}`, descriptor)
  } finally {
    closeSync(descriptor)
  }
}

const descriptors = '/proc/self/fd'
const noFollow = constants.O_NOFOLLOW ?? 0
/** O_PATH on Linux, which Node does not name. It needs no permission to read the folder. */
const pathOnly = 0o10000000
const forHolding = pathOnly | (constants.O_DIRECTORY ?? 0) | noFollow

/** Of <linux/magic.h>. */
const procMagic = 0x9fa0

let holds: boolean | undefined

/** Whether /proc is what it should be: a path through it leads to the very folder that is open. */
function isProc(): boolean {
  try {
    if (statfsSync('/proc').type !== procMagic) return false
    const folder = openSync('/', forHolding)
    try {
      const [open, through] = [fstatSync(folder), statSync(`${descriptors}/${folder}/.`)]
      return open.dev === through.dev && open.ino === through.ino
    } finally {
      closeSync(folder)
    }
  } catch {
    return false
  }
}
