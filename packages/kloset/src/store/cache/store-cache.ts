import type { CacheOptions, Notice } from '../../api.js'
import type { Bytes } from '../../bytes/index.js'
import { isKlosetError } from '../../errors.js'
import { type LocalFile, type LocalFiles, runtime } from '../../runtime/index.js'
import { CacheBudget } from './budget.js'

/** The most bytes that are kept of all stores together, unless told otherwise. */
const defaultSize = 4 * 1024 * 1024 * 1024

/** Where a cache is, and how much it keeps. */
export interface CachePlace {
  readonly files: LocalFiles
  /** Of all stores. */
  readonly folder: string
  /** Bytes. */
  readonly size: number
}

/** Where the cache that is asked for is; undefined where none is, or where there is no filesystem. */
export function cachePlace(wanted: boolean | CacheOptions | undefined): CachePlace | undefined {
  const { files } = runtime
  if (wanted === undefined || wanted === false || files === undefined) return undefined
  const { folder, size = defaultSize } = wanted === true ? {} : wanted
  if (folder === '') throw new TypeError('the folder of a cache must not be empty')
  if (!Number.isSafeInteger(size) || size < 0) throw new RangeError('the size of a cache is a whole number of bytes')
  return { files, folder: folder ?? files.cacheHome(), size }
}

/**
 * What this machine keeps of one store: objects as they are stored, under the names they have there, and nothing else. It serves
 * those who know that what they ask for may be kept (protocol rule 14): it never says whether an object exists. Whatever it gives
 * is verified by whoever reads it, as what comes from the storage is. Files may vanish or be damaged at any time; then they are read
 * from the storage again. Nothing here throws: where the folder cannot be used, everything goes on without.
 */
export class StoreCache {
  /** The folder of all stores. */
  readonly home: string
  /** The folder of this store. */
  readonly folder: string
  readonly #files: LocalFiles
  readonly #budget: CacheBudget
  readonly #notice: (notice: Notice) => void
  readonly #used = new Set<string>()
  #adopted: readonly string[] = []
  #mark: string | undefined
  #broken = false

  constructor({ files, folder, size }: CachePlace, storeId: string, notice: (notice: Notice) => void) {
    this.home = folder
    this.folder = files.join(folder, storeId)
    this.#files = files
    this.#budget = new CacheBudget({ files, folder, size })
    this.#notice = notice
  }

  /**
   * An object, from here or else from `load`: `use` says what is in it, or throws where it is damaged. What was loaded and used
   * is kept.
   */
  async get<T>(name: string, load: () => Promise<Uint8Array>, use: (bytes: Uint8Array) => T): Promise<T> {
    const kept = this.read(name)
    if (kept !== undefined) {
      try {
        return use(kept)
      } catch (error) {
        if (!isDamage(error)) throw error
        this.drop(name)
      }
    }
    const bytes = await load()
    const value = use(bytes)
    this.keep(name, bytes)
    return value
  }

  /** The bytes kept of an object, as far as nobody damaged them; undefined where there are none. */
  read(name: string): Bytes | undefined {
    const bytes = this.#try(() => this.#files.read(this.#path(name)))
    if (bytes !== undefined) this.#touch(name)
    return bytes
  }

  /** As `read`, for parts of it: what cannot be read of it is missing, as at its end. Close it. */
  open(name: string): LocalFile | undefined {
    const file = this.#try(() => this.#files.open(this.#path(name)))
    if (file === undefined) return undefined
    this.#touch(name)
    return {
      ...file,
      read: (into, at) => this.#try(() => file.read(into, at)) ?? 0,
      close: () => void this.#try(() => file.close()),
    }
  }

  /** Keeps an object. What is larger than a sixteenth of the cache is not worth all that would have to go for it. */
  keep(name: string, ...parts: readonly Uint8Array[]): void {
    const size = parts.reduce((sum, { length }) => sum + length, 0)
    if (this.#broken || !this.#budget.takes(size)) return
    this.#try(() => {
      this.#files.write(this.#path(name), parts)
      this.#budget.kept(size)
    })
  }

  /** Lets go of an object that turned out to be damaged, or of no more use. */
  drop(name: string): void {
    this.#try(() => this.#files.remove(this.#path(name)))
  }

  /** The names of what is kept below a folder of the store, such as `keys/`, ascending. */
  names(prefix: string): string[] {
    const found = this.#try(() => this.#files.list(this.#path(prefix))) ?? []
    return found
      .filter(({ name }) => !name.endsWith('.tmp'))
      .map(({ name }) => `${prefix}${name}`)
      .sort()
  }

  /**
   * Whether a backup by this machine may have stored something that no log entry names. False only where the last one is known to have
   * ended with its commit. A backup sets it before its first put, and clears it after its commit or once it has used what others left.
   */
  get unfinished(): boolean {
    this.#adopted = this.names(marks)
    return this.#broken || this.#adopted.length > 0 || this.read(finished) === undefined
  }

  set unfinished(now: boolean) {
    if (now) {
      // Each backup has its own: that one ends well says nothing about another that runs beside it.
      this.#mark ??= `${marks}${Date.now()}-${Math.random().toString(36).slice(2)}`
      this.keep(this.#mark, new Uint8Array(1))
      return
    }
    for (const name of this.#mark === undefined ? this.#adopted : [...this.#adopted, this.#mark]) this.drop(name)
    this.#mark = undefined
    this.#adopted = []
    this.keep(finished, new Uint8Array(1))
  }

  /** Ends the use of the cache: now and then, what was not used for longest goes. */
  close(): void {
    if (!this.#broken) this.#try(() => this.#budget.settle())
  }

  #path(name: string): string {
    return this.#files.join(this.folder, ...name.split('/'))
  }

  /** Once for each object and run: what is used over and over is not touched over and over. */
  #touch(name: string): void {
    if (this.#used.has(name)) return
    this.#used.add(name)
    this.#try(() => this.#files.touch(this.#path(name)))
  }

  #try<T>(act: () => T): T | undefined {
    try {
      return act()
    } catch (error) {
      if (!this.#broken) {
        this.#broken = true
        const message = `the cache ${this.folder} cannot be used, so more is read from the store: ${(error as Error).message}`
        this.#notice({ type: 'notice', code: 'cache-unusable', message })
      }
      return undefined
    }
  }
}

const marks = 'unfinished/'
const finished = 'finished'

/** Whether what was read is not what it should be; everything else says nothing about the cache. */
function isDamage(error: unknown): boolean {
  return isKlosetError(error) && (error.code.endsWith('_CORRUPT') || error.code === 'KLOSET_VERSION')
}
