import { constants } from 'node:fs'
import { link, open, realpath, rename, rmdir, stat, statfs, unlink } from 'node:fs/promises'
import { resolve } from 'node:path'
import { KlosetError, lentRoom, placeAbsent, type Storage } from 'kloset/connector'
import { makeFolder, makeRoot, type Owner, syncFolder, using, writeSynced } from './durable.js'
import { fsError, isAbsent, isFull, systemCode } from './errors.js'
import { listObjects } from './listing.js'
import { notEmpty } from './not-empty.js'
import { checkObjectName, temporaryFolder } from './object-names.js'
import { keepReserve, piecesIn, releaseReserve, reserveFolder } from './reserve.js'
import { removeStale, temporaryName } from './temporary.js'

/** How a {@link fsStorage} is opened. */
export interface FsStorageOptions {
  /** `create` makes the folder and those above it; `read` refuses to write. Default `write`. */
  readonly mode?: 'read' | 'write' | 'create'
  readonly signal?: AbortSignal
}

/**
 * The objects in a folder: each is a file under its own name. A put writes a temporary file, syncs it to the disk, gives it
 * its name with `link` (which fails where there is one: the put-if-absent) or `rename`, and syncs the folder. What root writes into a folder
 * of somebody else's is theirs: otherwise they could not use their store any more.
 * @throws KLOSET_NOT_FOUND where there is no folder and `mode` is not `create`.
 */
export async function fsStorage(path: string, options: FsStorageOptions = {}): Promise<Storage> {
  const { mode = 'write', signal } = options
  signal?.throwIfAborted()
  const given = resolve(notEmpty(path))
  if (mode === 'create') await attempt('create', given, () => makeRoot(given))
  // What this machine remembers of the place must hold however one comes to it.
  const { root, uid, gid } = await attempt('open', given, () => lookAt(given))
  const owner = process.geteuid?.() === 0 && uid !== 0 ? { uid, gid } : undefined
  if (mode === 'read') return new FsStorage(root, { given, write: false, putIfAbsent: false, owner })
  const putIfAbsent = await attempt('write to', root, () => prepare(root, mode, owner))
  return new FsStorage(root, { given, write: true, putIfAbsent, owner })
}

class FsStorage implements Storage {
  readonly location: string
  readonly paths: readonly string[]
  readonly capabilities: Storage['capabilities']
  readonly reserve: NonNullable<Storage['reserve']>
  readonly #root: string
  readonly #owner: Owner | undefined
  // Folders that this client has made sure are there and survive a power cut.
  readonly #durable = new Map<string, Promise<void>>()

  constructor(
    root: string,
    how: {
      /** The root as it was named. */
      readonly given: string
      readonly write: boolean
      readonly putIfAbsent: boolean
      readonly owner: Owner | undefined
    },
  ) {
    const { given, write, putIfAbsent, owner } = how
    this.location = root
    this.paths = [given]
    this.#root = root
    this.#owner = owner
    // File operations run in libuv's four threads: more in flight only wait.
    this.capabilities = { write, list: true, putIfAbsent, concurrency: 4 }
    const folder = this.#path(reserveFolder)
    this.reserve = {
      keep: ({ signal }) => attempt('write to', folder, () => keepReserve(root, owner, signal)),
      release: () => attempt('remove from', folder, () => releaseReserve(root)),
    }
  }

  async put(name: string, body: Uint8Array, how: Parameters<Storage['put']>[2]): Promise<'stored' | 'exists'> {
    how.signal.throwIfAborted()
    checkObjectName(name)
    this.#writable()
    const path = this.#path(name)
    return attempt('write', path, async () => {
      try {
        return await this.#write(path, body, how)
      } catch (error) {
        if (!isAbsent(error)) throw error
        // Someone removed a folder since this client made it, or the temporary file, for one that was left behind.
        this.#durable.clear()
        await makeFolder(this.#path(temporaryFolder), this.#owner)
        return this.#write(path, body, how)
      }
    })
  }

  async get(name: string, { signal, range, memory }: Parameters<Storage['get']>[1]): Promise<Uint8Array> {
    signal.throwIfAborted()
    checkObjectName(name)
    const path = this.#path(name)
    return attempt('read', path, () =>
      using(open(path, forReading), async (file) => {
        const info = await file.stat()
        if (!info.isFile()) throw missing(this.location, name)
        const size = info.size
        const { offset, length } = range ?? { offset: 0, length: size }
        if (length > mostBytes) throw tooLarge(path, name, length)
        if (offset + length > size) throw tooShort(path, name, size, offset + length)
        const bytes = lentRoom(length, memory) ?? emptyBytes(length)
        let read = 0
        while (read < length) {
          signal.throwIfAborted()
          const { bytesRead } = await file.read(bytes, read, length - read, offset + read)
          if (bytesRead === 0) throw tooShort(path, name, offset + read, offset + length)
          read += bytesRead
        }
        signal.throwIfAborted()
        return bytes
      }),
    )
  }

  async stat(name: string, { signal }: Parameters<Storage['stat']>[1]): Promise<{ size: number } | undefined> {
    signal.throwIfAborted()
    checkObjectName(name)
    const path = this.#path(name)
    return attempt('look at', path, async () => {
      const info = await stat(path).catch((error) => {
        if (isAbsent(error)) return undefined
        throw error
      })
      signal.throwIfAborted()
      return info?.isFile() ? { size: info.size } : undefined
    })
  }

  list(prefix: string, { signal, after }: Parameters<Storage['list']>[1]): ReturnType<Storage['list']> {
    return listObjects(this.#root, prefix, after, signal)
  }

  async remove(names: readonly string[], { signal }: Parameters<Storage['remove']>[1]): Promise<void> {
    signal.throwIfAborted()
    this.#writable()
    const folders = new Set<string>()
    for (const name of names) {
      signal.throwIfAborted()
      checkObjectName(name)
      const path = this.#path(name)
      await attempt('remove', path, () => unlink(path).catch(ignoreAbsent))
      folders.add(path.slice(0, path.lastIndexOf('/')))
    }
    // A removed object that came back after a power cut would be a surprise to whoever saw it gone.
    for (const folder of folders) await attempt('remove from', folder, () => syncFolder(folder).catch(ignoreAbsent))
  }

  /** Of the whole file system, since that is what runs out. */
  async usage({ signal }: { readonly signal: AbortSignal }): Promise<{ used: number; free: number }> {
    signal.throwIfAborted()
    return attempt('look at', this.#root, async () => {
      const { bsize, blocks, bfree, bavail } = await statfs(this.#root)
      return { used: (blocks - bfree) * bsize, free: bavail * bsize }
    })
  }

  async close(): Promise<void> {}

  async #write(path: string, body: Uint8Array, how: Parameters<Storage['put']>[2]): Promise<'stored' | 'exists'> {
    const temporary = this.#path(`${temporaryFolder}/${temporaryName()}`)
    try {
      await writeSynced(temporary, body, how.signal, this.#owner)
      const folder = path.slice(0, path.lastIndexOf('/'))
      await this.#ensure(folder)
      how.signal.throwIfAborted()
      const outcome = await publish(temporary, path, how.ifAbsent)
      // Also where it exists: whoever is told so relies on it, and its writer may have been cut off before this.
      await syncFolder(folder)
      return outcome
    } finally {
      await unlink(temporary).catch(() => {})
    }
  }

  #path(name: string): string {
    return `${this.#root}/${name}`
  }

  #writable(): void {
    if (!this.capabilities.write) throw new KlosetError('KLOSET_READ_ONLY', `${this.location} was opened for reading`)
  }

  /** Makes `folder` and those above it, and syncs each folder that holds one of them: once per client. */
  #ensure(folder: string): Promise<void> {
    if (folder === this.#root) return Promise.resolve()
    const known = this.#durable.get(folder)
    if (known) return known
    const made = this.#make(folder)
    this.#durable.set(folder, made)
    made.catch(() => this.#durable.delete(folder))
    return made
  }

  async #make(folder: string): Promise<void> {
    const above = folder.slice(0, folder.lastIndexOf('/'))
    await this.#ensure(above)
    await makeFolder(folder, this.#owner)
    await syncFolder(above)
  }
}

// Without waiting: a FIFO put in the place of an object must not hang the reader.
const forReading = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)

/** More than any object of a store has: what is read whole goes into one piece of memory, which Node would abort for. */
const mostBytes = 257 * 1024 * 1024

function tooLarge(path: string, name: string, length: number): KlosetError {
  return new KlosetError('KLOSET_LIMIT', `${path} has ${length} bytes, more than any object`, {
    context: { name, length },
  })
}

async function lookAt(path: string): Promise<Owner & { readonly root: string }> {
  const looked = realpath(path).then(async (root) => ({ root, info: await stat(root) }))
  const { root, info } = await looked.catch((error) => {
    throw isAbsent(error) ? absent(path, error) : error
  })
  if (!info.isDirectory()) throw notAFolder(root)
  return { root, uid: info.uid, gid: info.gid }
}

/** Cleans up after writers that crashed; returns whether hard links work here. */
async function prepare(root: string, mode: 'write' | 'create', owner: Owner | undefined): Promise<boolean> {
  try {
    // Another client that found no store here may remove the folder just then.
    return await tryIn(root, mode, owner).catch((error) => {
      if (!isAbsent(error)) throw error
      return tryIn(root, mode, owner)
    })
  } catch (error) {
    if (!isFull(error)) throw error
    // Pruning will make room. What is set aside can be linked to where no new file can be made.
    return linksWork(piecesIn(`${root}/${reserveFolder}`)[0]!).catch(() => true)
  }
}

async function tryIn(root: string, mode: 'write' | 'create', owner: Owner | undefined): Promise<boolean> {
  const folder = `${root}/${temporaryFolder}`
  const made = await makeFolder(folder, owner)
  try {
    return await tryOut(folder)
  } finally {
    // A folder that is no store must not look like one because somebody took it for one. The first put makes it again.
    if (made && mode !== 'create') await rmdir(folder).catch(() => {})
  }
}

async function tryOut(folder: string): Promise<boolean> {
  const probe = `${folder}/${temporaryName()}`
  const { mtimeMs } = await using(open(probe, 'wx', 0o600), (file) => file.stat())
  try {
    await removeStale(folder, mtimeMs)
    return await linksWork(probe)
  } finally {
    await unlink(probe).catch(() => {})
  }
}

async function linksWork(file: string): Promise<boolean> {
  const linked = `${file}-${temporaryName()}`
  try {
    await link(file, linked)
  } catch (error) {
    if (noLinks.has(systemCode(error) ?? '')) return false
    throw error
  }
  await unlink(linked)
  return true
}

// What file systems without hard links answer: EPERM on vfat and exfat, the others on some network shares.
const noLinks = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EINVAL'])

async function publish(temporary: string, path: string, ifAbsent: boolean): Promise<'stored' | 'exists'> {
  try {
    await (ifAbsent ? link(temporary, path) : rename(temporary, path))
    return 'stored'
  } catch (error) {
    if (ifAbsent && systemCode(error) === 'EEXIST') return 'exists'
    throw error
  }
}

async function attempt<T>(doing: string, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw fsError(error, doing, path)
  }
}

function ignoreAbsent(error: unknown): void {
  if (!isAbsent(error)) throw error
}

/** Memory that nothing else shares, not zeroed: every byte is read into before anyone sees it. */
function emptyBytes(length: number): Uint8Array {
  const buffer = Buffer.allocUnsafeSlow(length)
  return new Uint8Array(buffer.buffer, buffer.byteOffset, length)
}

function missing(location: string, name: string): KlosetError {
  return new KlosetError('KLOSET_NOT_FOUND', `there is no ${name} in ${location}`, { context: { name } })
}

function tooShort(path: string, name: string, size: number, end: number): KlosetError {
  const message = `${path} has ${size} bytes, not the ${end} asked for`
  return new KlosetError('KLOSET_NOT_FOUND', message, { context: { name, size } })
}

function notAFolder(path: string): KlosetError {
  return placeAbsent(`${path} is not a folder`, { hint: 'Name a folder.', context: { path } })
}

function absent(path: string, cause: unknown): KlosetError {
  const hint = 'Check the path, and that the disk it is on is mounted.'
  return placeAbsent(`cannot open ${path}: it does not exist`, { hint, context: { path }, cause })
}
