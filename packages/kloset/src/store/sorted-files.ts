import { MalformedError } from '../bytes/index.js'
import type { Keyring } from '../crypto/index.js'
import { isKlosetError } from '../errors.js'
import { SortedFile, type SortInit, type SortMessage, type WrittenFile } from '../index/index.js'
import type { LogState } from '../log/index.js'
import type { LocalFiles } from '../runtime/index.js'
import type { JobSet, Pool } from '../runtime/pool.js'

/** What of the log's state decides which segments count. */
export type IndexState = Pick<LogState, 'segments' | 'position'>

/** This machine does not let files be made or read: then the index has to be in memory. */
export class CannotKeep extends Error {}

/**
 * The sorted files that this machine keeps of a store's index. Each covers some segments, and says exactly what those say: it is used
 * as long as all of them count. Any process may make them and remove what is of no more use; none has to know of the others.
 */
export class SortedFiles {
  readonly #keyring: Keyring
  readonly #files: LocalFiles
  readonly #folder: string
  readonly #pool: Pool

  constructor(parts: {
    readonly keyring: Keyring
    readonly files: LocalFiles
    readonly folder: string
    readonly pool: Pool
  }) {
    this.#keyring = parts.keyring
    this.#files = parts.files
    this.#folder = parts.folder
    this.#pool = parts.pool
  }

  /**
   * Opens the files to use: as few and as large ones as cover all that any of them covers; of those `among` which to choose, where that is
   * given. @throws CannotKeep
   */
  open(state: IndexState, among?: readonly string[]): SortedFile[] {
    const covered = new Set<string>()
    const chosen: SortedFile[] = []
    for (const file of local(() => this.#openAll(among ?? this.#paths()))) {
      const counts = file.covers.every((name) => state.segments.has(name))
      if (counts && file.covers.some((name) => !covered.has(name))) {
        chosen.push(file)
        for (const name of file.covers) covered.add(name)
        continue
      }
      file.close()
      // Another process may be ahead of this one, and know segments that are news here.
      if (file.position <= state.position) this.remove(file.path)
    }
    return chosen
  }

  /**
   * Makes files of segments, which `feed` gives one by one, and then one of those that are of a size, `kept` ones included. Returns the
   * paths of those it made; what is wrong with a segment is thrown where it is given. @throws CannotKeep
   */
  async make(
    { position }: IndexState,
    kept: readonly WrittenFile[],
    feed: (take: (name: string, bytes: Uint8Array) => Promise<void>) => Promise<void>,
  ): Promise<readonly string[]> {
    const init: SortInit = { material: this.#keyring.material, folder: this.#folder, position }
    return this.#pool.apart('sort', init, mostThreads, async (jobs) => {
      let next = 0
      await feed((name, bytes) => ask(jobs, next++, { op: 'segment', name, bytes }))
      const made = await Promise.all(
        Array.from({ length: jobs.size }, (_, worker) => ask<WrittenFile[]>(jobs, worker, { op: 'flush' })),
      )
      const written = made.flat()
      const merged = together([...written, ...kept])
      if (merged.length === 0) return written.map(({ path }) => path)
      try {
        const { path } = await ask<WrittenFile>(jobs, 0, { op: 'merge', paths: merged.map((file) => file.path) })
        return [path, ...written.filter((file) => !merged.includes(file)).map((file) => file.path)]
      } catch {
        // One of them was removed by another process, or is damaged, or there is no room for another: as they are they serve as well.
        return written.map(({ path }) => path)
      }
    })
  }

  remove(path: string): void {
    try {
      this.#files.remove(path)
    } catch {
      // Where it is open elsewhere some systems refuse; another time.
    }
  }

  #paths(): string[] {
    const names = this.#files.list(this.#folder).map(({ name }) => name)
    return names.filter((name) => /^[0-9a-f]{32}$/.test(name)).map((name) => this.#files.join(this.#folder, name))
  }

  /** Every file that can be used, the largest first; those of one size in the same order for everybody. */
  #openAll(paths: readonly string[]): SortedFile[] {
    const opened: SortedFile[] = []
    for (const path of paths) {
      try {
        const file = SortedFile.open(this.#keyring, path)
        if (file === undefined) continue
        opened.push(file)
        this.#files.touch(path)
      } catch (error) {
        if (!(error instanceof MalformedError)) throw error
        this.remove(path)
      }
    }
    return opened.sort((a, b) => b.records - a.records || (a.path < b.path ? -1 : 1))
  }
}

/** How many threads sort at once: each needs memory for a million records. */
const mostThreads = 2

async function ask<T>(jobs: JobSet, worker: number, message: SortMessage): Promise<T> {
  try {
    return (await jobs.call(worker, message)) as T
  } catch (error) {
    throw isKlosetError(error) ? error : new CannotKeep((error as Error).message, { cause: error })
  }
}

function local<T>(act: () => T): T {
  try {
    return act()
  } catch (cause) {
    throw new CannotKeep((cause as Error).message, { cause })
  }
}

/**
 * Which files to make one of: from the smallest on, as long as the next is at most four times as large as all before together. So there are
 * few files, and a record is written again about as often as the index grows fivefold.
 */
export function together<T extends { readonly records: number }>(files: readonly T[]): T[] {
  const chosen: T[] = []
  let records = 0
  for (const file of [...files].sort((a, b) => a.records - b.records)) {
    if (chosen.length > 0 && file.records > growth * records) break
    chosen.push(file)
    records += file.records
  }
  return chosen.length < 2 ? [] : chosen
}

const growth = 4
