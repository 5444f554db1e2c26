import { type BigIntStats, closeSync, fstatSync, readSync } from 'node:fs'
import { type Entry, nearestTime, type Range, type WorkerFile } from 'kloset/connector'
import type { Listed } from './listed.js'
import type { SystemPath } from './local.js'
import { native } from './native.js'
import { closeScanned, type Opened, openQuietly, openScanned, readingError, replaced } from './opening.js'
import type { SourceRoot } from './roots.js'

/** Opens the file of `entry` in a source. @throws KLOSET_NOT_FOUND, KLOSET_DENIED or KLOSET_FILE_CHANGED. */
export function openFile(root: SourceRoot, listed: Listed | undefined, entry: Entry): WorkerFile {
  return new OpenFile(openScanned(root, listed, entry), entry, closeScanned)
}

/** Opens the file at `system`, whichever it is; `shown` is its path for people. @throws KLOSET_NOT_FOUND, KLOSET_DENIED or KLOSET_FILE_CHANGED. */
export function openAt(system: SystemPath, shown: string, entry: Entry): WorkerFile {
  let file: number | undefined
  try {
    file = openQuietly(system, entry.owner?.uid)
    const info = fstatSync(file, { bigint: true })
    if (!info.isFile()) throw replaced(shown)
    return new OpenFile({ file, info, path: shown }, entry, closeSync)
  } catch (error) {
    if (file !== undefined) closeSync(file)
    throw readingError(error, shown)
  }
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
  readonly #close: (file: number) => void

  constructor({ file, info, path }: Opened, entry: Entry, close: (file: number) => void) {
    this.#close = close
    this.#file = file
    this.#path = path
    this.#entry = entry
    this.#opened = info
    const { size, blocks } = info
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
      (entry.mtime === undefined || entry.mtime === nearestTime(mtimeNs)) &&
      (entry.ctime === undefined || entry.ctime === nearestTime(ctimeNs))
    return asScanned ? false : 'earlier'
  }

  close(): void {
    this.#close(this.#file)
  }
}
