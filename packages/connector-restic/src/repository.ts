import type { Call, Failure, History, PastSnapshot, Storage } from 'kloset/connector'
import pLimit from 'p-limit'
import { BlobIndex } from './blob-index.js'
import { Blobs } from './blobs.js'
import { isDamage, noRepository, unknownVersion } from './errors.js'
import { textOf } from './json.js'
import { masterKeys } from './keys.js'
import { idsBelow, type Layout, layoutOf } from './layout.js'
import { loadIndex } from './load-index.js'
import { Objects } from './objects.js'
import { rootsOf } from './roots.js'
import { snapshotOf } from './snapshots.js'
import { ResticSource } from './source.js'
import { zstd } from './zstd.js'

/** How {@link openRestic} opens a repository. */
export interface ResticOptions {
  /** Of any of its keys. Empty for a repository that was made with `--insecure-no-password`. */
  readonly password: string
  readonly signal?: AbortSignal | undefined
  /** Told what is of note and no error: a lock that somebody holds, a damaged index. */
  onWarning?(message: string): void
}

/**
 * Opens a restic repository of version 1 or 2, on any storage that has its objects under their own names. It is only read, and no lock is
 * put into it: a `restic prune` that runs at the same time may take away what is being read.
 * @throws KLOSET_NO_STORE, KLOSET_WRONG_PASSPHRASE, KLOSET_VERSION, KLOSET_CONFIG_CORRUPT, KLOSET_KEY_CORRUPT, and what the storage throws
 */
export async function openRestic(storage: Storage, options: ResticOptions): Promise<History> {
  const signal = options.signal ?? new AbortController().signal
  const warn = (message: string): void => options.onWarning?.(message)
  const found = await layoutOf(storage, signal)
  if (found === undefined) throw noRepository(storage.location)
  const { layout } = found
  const keys = await masterKeys(storage, layout, found.keys, options.password, signal)
  const objects = new Objects(storage, keys, await zstd())
  const { version } = await objects.config(signal)
  if (version !== 1 && version !== 2) throw unknownVersion(version)
  await warnOfLocks(objects, layout, signal, warn)
  return new Repository(objects, layout, warn)
}

class Repository implements History {
  readonly type = 'restic'
  readonly location: string
  readonly #objects: Objects
  readonly #layout: Layout
  readonly #warn: (message: string) => void
  #blobs: Promise<Blobs> | undefined

  constructor(objects: Objects, layout: Layout, warn: (message: string) => void) {
    this.location = objects.storage.location
    this.#objects = objects
    this.#layout = layout
    this.#warn = warn
  }

  async *snapshots({ signal }: Call): AsyncGenerator<readonly (PastSnapshot | Failure)[]> {
    const { snapshots: folder } = this.#layout
    const { storage } = this.#objects
    const limit = pLimit(Math.max(1, storage.capabilities.concurrency))
    const ids = await idsBelow(storage, folder, signal)
    for (let from = 0; from < ids.length; from += batchSize) {
      yield await Promise.all(ids.slice(from, from + batchSize).map((id) => limit(() => this.#snapshot(id, signal))))
    }
  }

  async open(snapshot: PastSnapshot, { signal }: Call): Promise<readonly ResticSource[]> {
    const blobs = await this.#loaded(signal)
    const roots = await rootsOf(snapshot, (id) => blobs.tree(id, signal))
    return roots.map((root) => new ResticSource(blobs, snapshot, root))
  }

  close(): Promise<void> {
    return this.#objects.storage.close()
  }

  async #snapshot(id: string, signal: AbortSignal): Promise<PastSnapshot | Failure> {
    const path = this.#layout.snapshots + id
    try {
      return snapshotOf(path, id, await this.#objects.json(this.#layout.snapshots, id, 'KLOSET_OBJECT_CORRUPT', signal))
    } catch (error) {
      if (!isDamage(error)) throw error
      return { path, error }
    }
  }

  /** The index is read once something is wanted of a snapshot. */
  #loaded(signal: AbortSignal): Promise<Blobs> {
    this.#blobs ??= this.#load(signal).catch((error) => {
      this.#blobs = undefined
      throw error
    })
    return this.#blobs
  }

  async #load(signal: AbortSignal): Promise<Blobs> {
    const index = new BlobIndex()
    await loadIndex(this.#objects, this.#layout, index, signal, this.#warn)
    return new Blobs(this.#objects, this.#layout, index, this.#warn)
  }
}

const batchSize = 500

/** Only what deletes needs the repository for itself; such a lock that is old is one that was left. */
async function warnOfLocks(
  objects: Objects,
  layout: Layout,
  signal: AbortSignal,
  warn: (message: string) => void,
): Promise<void> {
  for (const id of await idsBelow(objects.storage, layout.locks, signal)) {
    try {
      const lock = await objects.json(layout.locks, id, 'KLOSET_OBJECT_CORRUPT', signal)
      if (lock.exclusive !== true) continue
      const by = `${textOf(lock.username)}@${textOf(lock.hostname)} since ${textOf(lock.time)}`
      warn(`the restic repository is locked by ${by}: what is deleted meanwhile cannot be read`)
    } catch (error) {
      // Locks come and go.
      if (!isDamage(error)) throw error
    }
  }
}
