import { type BigIntStats, closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { type Entry, KlosetError, type Range, type WorkerFile } from 'kloset/connector'
import { fsError, systemCode } from './errors.js'
import { type SystemPath, shown, systemPath } from './local.js'
import { native } from './native.js'

/** How files are opened: links are not followed, and a FIFO in the place of the file does not make it wait. */
export const forReading: number = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

/** Opens the file of `entry` below `root`. @throws KLOSET_NOT_FOUND, KLOSET_DENIED or KLOSET_FILE_CHANGED. */
export function openFile(root: string, entry: Entry): WorkerFile {
  const path = systemPath(root, entry.path)
  let file: number | undefined
  try {
    file = openQuietly(path, entry.owner?.uid)
    return new OpenFile(file, path, entry)
  } catch (error) {
    if (file !== undefined) closeSync(file)
    throw readingError(error, path)
  }
}

/** The error for what went wrong while a file was opened or read. */
export function readingError(error: unknown, path: SystemPath): unknown {
  const code = systemCode(error)
  // What was a file when it was scanned is a link, a folder or a device now.
  if (code === 'ELOOP' || code === 'EISDIR' || code === 'ENXIO') return replaced(path)
  return fsError(error, 'read', shown(path))
}

/** The first bytes of a file, `length` or all it has; undefined for what is no regular file, such as a link, and where it cannot be read. */
export function beginningOf(path: SystemPath, length: number): Uint8Array | undefined {
  let file: number | undefined
  try {
    file = openQuietly(path, undefined)
    const info = fstatSync(file)
    if (!info.isFile()) return undefined
    const beginning = Buffer.alloc(Math.min(info.size, length))
    return beginning.subarray(0, readSync(file, beginning, 0, beginning.length, 0))
  } catch {
    return undefined
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

class OpenFile implements WorkerFile {
  readonly nextData?: (at: number) => Range | undefined
  readonly #file: number
  readonly #path: SystemPath
  readonly #entry: Entry
  readonly #opened: BigIntStats

  constructor(file: number, path: SystemPath, entry: Entry) {
    this.#file = file
    this.#path = path
    this.#entry = entry
    this.#opened = fstatSync(file, { bigint: true })
    const { size, blocks } = this.#opened
    if (!this.#opened.isFile()) throw replaced(path)
    if (blocks * 512n >= size) return
    const calls = native()
    if (calls) this.nextData = (at) => calls.nextData(file, at)
  }

  read(into: Uint8Array, at: number): number {
    let read = 0
    try {
      while (read < into.length) {
        const count = readSync(this.#file, into, read, into.length - read, at + read)
        if (count === 0) break
        read += count
        // A local file that gives less than asked for has ended; where that is no surprise, it need not be asked again.
        if (at + read === this.#entry.size) break
      }
    } catch (error) {
      throw readingError(error, this.#path)
    }
    return read
  }

  changed(): false | 'earlier' | 'now' {
    const { size, mtimeNs, ctimeNs } = this.#opened
    const now = fstatSync(this.#file, { bigint: true })
    if (now.size !== size || now.mtimeNs !== mtimeNs || now.ctimeNs !== ctimeNs) return 'now'
    const entry = this.#entry
    const asScanned =
      (entry.size === undefined || entry.size === Number(size)) &&
      (entry.mtime === undefined || entry.mtime === mtimeNs) &&
      (entry.ctime === undefined || entry.ctime === ctimeNs)
    return asScanned ? false : 'earlier'
  }

  close(): void {
    closeSync(this.#file)
  }
}

const quietly = constants.O_NOATIME ?? 0
const me = process.geteuid?.()

/** Without touching the access time, which only the owner of a file and root may ask for. */
function openQuietly(path: SystemPath, owner: number | undefined): number {
  const mine = me === 0 || (me !== undefined && owner === me)
  if (!mine || quietly === 0) return openSync(path, forReading)
  try {
    return openSync(path, forReading | quietly)
  } catch (error) {
    // Root in a container may be nobody's root on a mounted folder.
    if (systemCode(error) !== 'EPERM') throw error
    return openSync(path, forReading)
  }
}

/** The error for what is no longer a file. */
export function replaced(path: SystemPath): KlosetError {
  return new KlosetError('KLOSET_FILE_CHANGED', `${shown(path)} is no longer the file it was when it was scanned`, {
    hint: 'Back it up again.',
    context: { path: shown(path) },
  })
}
