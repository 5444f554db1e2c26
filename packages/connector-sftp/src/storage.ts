import { abortable, type Context, KlosetError, type Location, type Storage } from 'kloset/connector'
import { type Target, targetOf } from './config/target.js'
import { above, Folders, makeRoot, nearestAbove, syncAndClose } from './durable.js'
import { early } from './early.js'
import { isAbsent, sftpError, type Writing, writingError } from './errors.js'
import { HostKeys } from './hosts/trust.js'
import { childrenOf, join, listObjects } from './listing.js'
import { checkObjectName, temporaryFolder } from './object-names.js'
import type { SftpSchema } from './options.js'
import { prepare } from './prepare.js'
import { decided, publishNew, publishOver } from './publish.js'
import { readRange, readWhole } from './reading.js'
import { keepReserve, releaseReserve } from './reserve.js'
import { statuses } from './sftp/protocol.js'
import { type Handle, isStatus, type Session } from './sftp/session.js'
import { type Connecting, connect } from './ssh/connection.js'
import { secretsFrom } from './ssh/login.js'
import { Pool } from './ssh/pool.js'
import { removeStale, temporaryName } from './temporary.js'
import { writeSynced } from './transfer.js'

/**
 * The objects in a folder of an SSH server, each a file under its own name, as the filesystem connector lays them out. A put writes a temporary
 * file, syncs it to the disk, gives it its name with a hard link (which fails where there is one: the put-if-absent) or a rename that
 * replaces, and syncs the folder, as far as the server can: three round trips. A get takes two.
 * @throws KLOSET_NOT_FOUND where there is no folder and `mode` is not `create`; KLOSET_OFFLINE, KLOSET_DENIED, KLOSET_UNSUPPORTED
 */
export async function sftpStorage(at: Location, context: Context<SftpSchema>): Promise<Storage> {
  const { signal, mode, options } = context
  signal.throwIfAborted()
  const root = rootOf(at)
  const target = targetOf(at, options)
  for (const name of ['concurrency', 'connections', 'channels', 'pipeline', 'connect-timeout', 'idle-timeout'] as const)
    if (options[name] < 1) throw new KlosetError('KLOSET_CONNECTOR', `the option ${name} must be 1 or more`)
  const how = connecting(target, context)
  const pool = new Pool((closing) => connect(how, closing), options)
  try {
    return await pool.use(signal, async (session) => {
      const place = { root, where: target.where }
      if (mode === 'create') await making(session, place, abortable(signal, makeRoot(session, root)))
      const prepared = await abortable(signal, prepare(session, place, mode))
      const write = mode !== 'read'
      if (write && !session.server.has('fsync'))
        context.log(
          'warn',
          `${target.where} cannot be told to sync: after a power cut there, what was stored last may be lost`,
        )
      const storage = new SftpStorage(String(at), place, pool, options, { write, putIfAbsent: prepared.putIfAbsent })
      if (prepared.now !== undefined) storage.removeStale(session, prepared.now)
      return storage
    })
  } catch (error) {
    pool.close()
    signal.throwIfAborted()
    throw error
  }
}

/** The folder of a store, and what messages call its server. */
export interface Place {
  readonly root: string
  readonly where: string
}

class SftpStorage implements Storage {
  readonly location: string
  readonly capabilities: Storage['capabilities']
  readonly reserve: NonNullable<Storage['reserve']> = {
    keep: ({ signal }) =>
      this.#changing('write to', signal, (session) =>
        abortable(signal, keepReserve(session, this.#place.root, signal)),
      ),
    release: ({ signal }) =>
      this.#changing('remove from', signal, (session) => abortable(signal, releaseReserve(session, this.#place.root))),
  }
  readonly #place: Place
  readonly #pool: Pool
  readonly #depth: number
  readonly #folders: Folders
  // What is cleaned up after calls that have ended.
  readonly #tidying = new Set<Promise<unknown>>()

  constructor(
    location: string,
    place: Place,
    pool: Pool,
    options: { readonly concurrency: number; readonly pipeline: number },
    can: { readonly write: boolean; readonly putIfAbsent: boolean },
  ) {
    this.location = location
    this.#place = place
    this.#pool = pool
    this.#depth = options.pipeline
    this.#folders = new Folders(place.root)
    this.capabilities = { ...can, list: true, concurrency: options.concurrency, paces: true }
  }

  async put(name: string, body: Uint8Array, how: Parameters<Storage['put']>[2]): Promise<'stored' | 'exists'> {
    const { signal, ifAbsent, pace } = how
    signal.throwIfAborted()
    checkObjectName(name)
    this.#writable()
    const path = this.#path(name)
    return this.#pool.use(signal, async (session) => {
      const temporary = this.#path(`${temporaryFolder}/${temporaryName()}`)
      const created = early(this.#create(session, temporary))
      let folder: Promise<Handle | undefined> | undefined = early(this.#folders.open(session, above(path)))
      let handle: Handle | undefined
      try {
        handle = await abortable(signal, created)
        await writeSynced(session, handle, body, this.#depth, signal, pace)
        const opened = await abortable(signal, folder)
        signal.throwIfAborted()
        folder = undefined
        const publish = ifAbsent ? publishNew : publishOver
        return await decided(signal, publish(session, temporary, path, opened))
      } catch (error) {
        // Before what was written is removed: it may be what fills the disk.
        const reason = writingError(error, session, this.#writing('write', path, body.length))
        if (!handle) this.#tidy(created.then((late) => session.close(late)))
        if (folder) this.#tidy(folder.then((late) => late && session.close(late)))
        this.#tidy(session.remove(temporary))
        throw isAbsent(error) ? this.#gone(path, error) : await reason
      }
    })
  }

  async get(name: string, { signal, range, pace }: Parameters<Storage['get']>[1]): Promise<Uint8Array> {
    signal.throwIfAborted()
    checkObjectName(name)
    const path = this.#path(name)
    return this.#attempt('read', path, signal, async (session) => {
      const object = { session, path, name, location: this.location, depth: this.#depth, pace, signal }
      return range ? readRange(object, range) : readWhole(object)
    })
  }

  async stat(name: string, { signal }: Parameters<Storage['stat']>[1]): Promise<{ size: number } | undefined> {
    signal.throwIfAborted()
    checkObjectName(name)
    const path = this.#path(name)
    const found = await this.#attempt('look at', path, signal, (session) =>
      abortable(signal, session.stat(path).catch(undefinedIfAbsent)),
    )
    return found?.type === 'file' && found.size !== undefined ? { size: found.size } : undefined
  }

  list(prefix: string, { signal, after }: Parameters<Storage['list']>[1]): ReturnType<Storage['list']> {
    const lister = {
      children: (path: string) =>
        this.#attempt('list', path, signal, (session) => abortable(signal, childrenOf(session, path))),
      follow: (path: string) =>
        this.#attempt('look at', path, signal, (session) =>
          abortable(signal, session.stat(path).catch(undefinedIfAbsent)),
        ),
    }
    return listObjects(lister, this.#place.root, { prefix, after, signal })
  }

  async remove(names: readonly string[], { signal }: Parameters<Storage['remove']>[1]): Promise<void> {
    signal.throwIfAborted()
    this.#writable()
    const folders = new Map<string, string[]>()
    for (const name of names) {
      checkObjectName(name)
      const path = this.#path(name)
      folders.set(above(path), [...(folders.get(above(path)) ?? []), path])
    }
    const left = folders.entries()
    const worker = async (): Promise<void> => {
      for (const [folder, paths] of left) await this.#removeFrom(folder, paths, signal)
    }
    await Promise.all(Array.from({ length: foldersAtOnce }, worker))
  }

  /** Of the whole file system, since that is what runs out. Servers without statvfs@openssh.com tell nothing. */
  async usage({ signal }: { readonly signal: AbortSignal }): Promise<{ used?: number; free?: number }> {
    signal.throwIfAborted()
    const { root } = this.#place
    return this.#attempt('look at', root, signal, async (session) => {
      const asked = session.server.has('statvfs') ? session.room(root) : Promise.resolve(undefined)
      // There are servers that say that they can and cannot.
      const room = await abortable(signal, asked.catch(undefinedIf(statuses.unsupported)))
      return room ? { used: room.used, free: room.free } : {}
    })
  }

  async close(): Promise<void> {
    const tidy = Promise.allSettled(this.#tidying)
    let timer: NodeJS.Timeout | undefined
    const enough = new Promise((resolve) => {
      timer = setTimeout(resolve, tidyingMs)
    })
    await Promise.race([tidy, enough])
    clearTimeout(timer)
    this.#pool.close()
  }

  /** Cleans up after writers that crashed, while others work. `now` is the time of the server. */
  removeStale(session: Session, now: number): void {
    this.#tidy(removeStale(session, this.#path(temporaryFolder), now))
  }

  /** The folder of temporary files may have been removed, by somebody who found it empty. */
  async #create(session: Session, temporary: string): Promise<Handle> {
    try {
      return await session.create(temporary)
    } catch (error) {
      if (!isAbsent(error)) throw error
      await session.makeFolder(above(temporary)).catch(() => undefined)
      return session.create(temporary)
    }
  }

  async #removeFrom(folder: string, paths: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#pool.use(signal, async (session) => {
      const opened = early(session.openFile(folder))
      try {
        for (let at = 0; at < paths.length; at += removedAtOnce) {
          signal.throwIfAborted()
          const some = paths.slice(at, at + removedAtOnce)
          const removed = some.map((path) => early(session.remove(path).catch(undefinedIfAbsent)))
          for (const one of removed) await abortable(signal, one)
        }
        // A removed object that came back after a power cut would be a surprise to whoever saw it gone.
        const handle = await abortable(
          signal,
          opened.catch(() => undefined),
        )
        if (handle) await abortable(signal, syncAndClose(session, handle))
      } catch (error) {
        this.#tidy(opened.then((handle) => session.close(handle)))
        throw await writingError(error, session, this.#writing('remove from', folder, 0))
      }
    })
  }

  #attempt<T>(doing: string, path: string, signal: AbortSignal, work: (session: Session) => Promise<T>): Promise<T> {
    return this.#pool.use(signal, async (session) => {
      try {
        return await work(session)
      } catch (error) {
        throw sftpError(error, doing, path, this.#place.where)
      }
    })
  }

  /** As `#attempt`, for what changes the folder of the store itself. */
  #changing<T>(doing: string, signal: AbortSignal, work: (session: Session) => Promise<T>): Promise<T> {
    return this.#pool.use(signal, async (session) => {
      try {
        return await work(session)
      } catch (error) {
        throw await writingError(error, session, this.#writing(doing, this.#place.root, 0))
      }
    })
  }

  #tidy(work: Promise<unknown>): void {
    this.#tidying.add(work)
    void early(work.finally(() => this.#tidying.delete(work)))
  }

  #path(name: string): string {
    return join(this.#place.root, name)
  }

  #writing(doing: string, path: string, needed: number): Writing {
    return { doing, path, where: this.#place.where, root: this.#place.root, needed }
  }

  #writable(): void {
    if (!this.capabilities.write) throw new KlosetError('KLOSET_READ_ONLY', `${this.location} was opened for reading`)
  }

  /** A folder vanished between two requests, or with the whole store. */
  #gone(path: string, cause: unknown): KlosetError {
    this.#folders.forget()
    return new KlosetError('KLOSET_NOT_FOUND', `cannot write ${path} on ${this.#place.where}: its folder is gone`, {
      retry: 'later',
      hint: 'Check that the disk of the store is mounted on the server.',
      context: { path, server: this.#place.where },
      cause,
    })
  }
}

function connecting(target: Target, context: Context<SftpSchema>): Connecting {
  const { way } = target
  return {
    target,
    through: way && 'jump' in way ? connecting(way.jump, context) : undefined,
    hostKeys: new HostKeys(target, context),
    secrets: { password: undefined, passphrases: new Map() },
    ask: secretsFrom(context),
    connectTimeout: context.options['connect-timeout'],
    timeout: context.options['idle-timeout'],
  }
}

const foldersAtOnce = 8
const removedAtOnce = 64
const tidyingMs = 2000

/** `/~/x` is below the folder the user starts in, which all relative paths are relative to. */
function rootOf(at: Location): string {
  const path = at.path.replace(/\/+$/, '')
  if (path === '/~') return '.'
  if (path.startsWith('/~/')) return path.slice(3)
  if (at.path !== '') return path || '/'
  throw new KlosetError('KLOSET_CONNECTOR', `${at} names no folder`, {
    hint: 'Write sftp://host/absolute/path, or sftp://host/~/path for one in the home folder.',
  })
}

async function making<T>(session: Session, { root, where }: Place, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw await writingError(error, session, {
      doing: 'create',
      path: root,
      where,
      root: await nearestAbove(session, root),
      needed: 0,
    })
  }
}

function undefinedIfAbsent(error: unknown): undefined {
  if (!isAbsent(error)) throw error
}

function undefinedIf(status: number): (error: unknown) => undefined {
  return (error) => {
    if (!isStatus(error, status)) throw error
  }
}
