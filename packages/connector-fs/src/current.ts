import { type BigIntStats, lstatSync, readdirSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import {
  type Call,
  comparePaths,
  type Entry,
  type Failure,
  type Filter,
  KlosetError,
  pathFromBytes,
  type Range,
  type Source,
  type WorkerFile,
  type WorkerModule,
} from 'kloset/connector'
import { entryOf, typeOf } from './entries.js'
import { fsError, isAbsent } from './errors.js'
import type { Folder } from './folder.js'
import type { Folders } from './folders.js'
import { mayBeLossy, splitPath } from './local.js'
import { mounts } from './mounts.js'
import { readingError } from './opening.js'
import { Owners } from './owners.js'
import { openAt } from './reading.js'

const batchSize = 1000
const pieceSize = 1024 * 1024

/**
 * What is at a destination now. As what is written there, it is reached through folders that are held open, so no link that somebody puts
 * in the place of a folder leads the walk outside. The device of a directory is a number for the mounted file system that it is on, as
 * {@link Destination.current} wants it: bind mounts of one file system have the same device in the system's eyes.
 */
export class CurrentSource implements Source {
  readonly type: string
  readonly origin: string
  readonly root: string
  readonly capabilities: Source['capabilities']
  readonly worker: WorkerModule
  readonly #folders: Folders

  /** `like` is a source of the same folder. */
  constructor(folders: Folders, like: Source, worker: WorkerModule) {
    this.type = like.type
    this.origin = like.origin
    this.root = like.root
    this.capabilities = like.capabilities
    this.worker = worker
    this.#folders = folders
  }

  async *scan(how: Call & { filter: Filter; under: string }): AsyncGenerator<readonly (Entry | Failure)[]> {
    how.signal.throwIfAborted()
    for (const batch of walk(this.#folders, how.filter, how.under)) {
      yield batch
      // A batch takes about 3 ms of this thread, which others wait for.
      await setImmediate()
      how.signal.throwIfAborted()
    }
  }

  async *read(entry: Entry, how: Call & { range: Range | undefined }): AsyncGenerator<Uint8Array> {
    how.signal.throwIfAborted()
    const file = openCurrent(this.#folders, entry)
    try {
      let at = how.range?.offset ?? 0
      const end = how.range ? at + how.range.length : Number.POSITIVE_INFINITY
      while (at < end) {
        how.signal.throwIfAborted()
        const piece = new Uint8Array(Math.min(pieceSize, end - at))
        const count = file.read(piece, at)
        if (count > 0) yield piece.subarray(0, count)
        if (count < piece.length) break
        at += count
        await setImmediate()
      }
    } finally {
      file.close()
    }
  }

  async close(): Promise<void> {}
}

/** Opens a file that is at a destination. @throws KLOSET_NOT_FOUND, KLOSET_DENIED or KLOSET_FILE_CHANGED */
export function openCurrent(folders: Folders, entry: Entry): WorkerFile {
  const { name } = splitPath(entry.path)
  try {
    const folder = folders.find(entry.path)
    if (folder === undefined) throw new KlosetError('KLOSET_NOT_FOUND', `there is no ${folders.shown(entry.path)}`)
    return openAt(folder.at(name), folders.shown(entry.path), entry)
  } catch (error) {
    throw readingError(error, folders.shown(entry.path))
  }
}

/** A directory that is being gone through. */
interface Level {
  readonly path: string
  readonly folder: Folder
  readonly names: readonly string[]
  readonly device: bigint
  /** The number of the mounted file system. */
  readonly mount: bigint
  next: number
}

/** The entry `under` and everything below it in path order; what is protected is left out. */
function* walk(folders: Folders, filter: Filter, under: string): Generator<readonly (Entry | Failure)[]> {
  const walker = new Walker(folders, filter)
  try {
    walker.start(under)
    while (walker.busy) {
      const batch = walker.next()
      if (batch.length > 0) yield batch
    }
  } finally {
    walker.end()
  }
}

class Walker {
  readonly #folders: Folders
  readonly #filter: Filter
  readonly #owners = new Owners()
  readonly #home: bigint
  readonly #mounted: ReadonlySet<string>
  readonly #levels: Level[] = []
  #mounts = 0n
  #batch: (Entry | Failure)[] = []

  constructor(folders: Folders, filter: Filter) {
    this.#folders = folders
    this.#filter = filter
    this.#home = lstatSync(folders.folder('')!.system, bigint).dev
    this.#mounted = new Set(mounts().map(({ path }) => path))
  }

  get busy(): boolean {
    return this.#levels.length > 0 || this.#batch.length > 0
  }

  start(under: string): void {
    const folder = under === '' ? this.#folders.folder('') : this.#folders.find(under)
    const system = under === '' ? folder?.system : folder?.at(splitPath(under).name)
    const info = system && lstatSync(system, { ...bigint, throwIfNoEntry: false })
    if (info) this.#add(under, system, info, { device: info.dev, mount: 0n })
  }

  next(): readonly (Entry | Failure)[] {
    for (let level = this.#levels.at(-1); level && this.#batch.length < batchSize; level = this.#levels.at(-1)) {
      const name = level.names[level.next++]
      if (name === undefined) this.#leave()
      else this.#visit(level, name)
    }
    const batch = this.#batch
    this.#batch = []
    return batch
  }

  end(): void {
    while (this.#levels.length > 0) this.#leave()
  }

  #leave(): void {
    this.#levels.pop()!.folder.uses--
  }

  #visit(level: Level, name: string): void {
    const path = level.path === '' ? name : `${level.path}/${name}`
    if (this.#folders.protects?.has(path) === true) return
    const system = level.folder.at(name)
    try {
      const info = lstatSync(system, { ...bigint, throwIfNoEntry: false })
      if (info && this.#filter.takes(path, typeOf(Number(info.mode)) ?? 'file')) this.#add(path, system, info, level)
    } catch (error) {
      if (!isAbsent(error)) this.#fail(path, error, 'look at')
    }
  }

  #add(
    path: string,
    system: Parameters<typeof entryOf>[1],
    info: BigIntStats,
    above: Pick<Level, 'device' | 'mount'>,
  ): void {
    const type = typeOf(Number(info.mode))
    if (type === undefined) return
    const scanned = entryOf(path, system, type, info, this.#owners, this.#home, undefined)
    // Also where sizes of 0 tell nothing: what is compared is what is to be there.
    const entry = type === 'file' ? { ...scanned, size: Number(info.size) } : scanned
    if (type !== 'directory') {
      this.#batch.push(entry)
      return
    }
    const border = path !== '' && (info.dev !== above.device || this.#mounted.has(this.#folders.pathOf(path)))
    const mount = border ? ++this.#mounts : above.mount
    this.#batch.push({ ...entry, inode: { ...entry.inode!, device: mount } })
    this.#descend(path, info.dev, mount)
  }

  #descend(path: string, device: bigint, mount: bigint): void {
    try {
      const folder = this.#folders.folder(path)
      if (folder === undefined) return
      const level = { path, folder, names: namesIn(folder), device, mount, next: 0 }
      folder.uses++
      this.#levels.push(level)
    } catch (error) {
      if (!isAbsent(error)) this.#fail(path, error, 'list')
    }
  }

  #fail(path: string, error: unknown, doing: string): void {
    this.#batch.push({ path, error: fsError(error, doing, this.#folders.shown(path)) })
  }
}

const bigint = { bigint: true } as const

/** The names in a folder in path order. */
function namesIn(folder: Folder): string[] {
  const names = readdirSync(folder.system)
  const exact = names.some(mayBeLossy) ? readdirSync(folder.system, 'buffer').map(pathFromBytes) : names
  return exact.sort(comparePaths)
}
