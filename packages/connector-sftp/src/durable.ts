import { early } from './early.js'
import { isAbsent } from './errors.js'
import { type Handle, type Session, StatusError } from './sftp/session.js'

/** The folder that holds `path`; of a name alone, the one a user starts in. */
export function above(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? '.' : path.slice(0, slash) || '/'
}

/** Makes the folder and those above it, so that they survive a power cut as what is put into them does. */
export async function makeRoot(session: Session, root: string): Promise<void> {
  try {
    await session.makeFolder(root)
  } catch (error) {
    let reason = error
    if (isAbsent(error) && above(root) !== root) {
      await makeRoot(session, above(root))
      reason = await session.makeFolder(root).catch((why) => why)
    }
    // Where there is something, servers answer “failure”; it may have been made a moment ago. Where there is nothing, why it could not be
    // made is what matters, not that it is not there.
    const found = await session.stat(root).catch(() => undefined)
    if (found?.type !== 'folder') throw reason
  }
  await syncFolder(session, above(root))
}

/** The nearest folder above `path` that is there. */
export async function nearestAbove(session: Session, path: string): Promise<string> {
  const folder = above(path)
  const found = await session.stat(folder).catch(() => undefined)
  return found || folder === above(folder) ? folder : nearestAbove(session, folder)
}

/**
 * Syncs the names in a folder to the disk, as far as the server lets us: SFTP has no such request, but OpenSSH opens a folder as if it was a
 * file, and syncs that. Servers that do not are left to store names by themselves.
 */
async function syncFolder(session: Session, folder: string): Promise<void> {
  const handle = await session.openFile(folder).catch(() => undefined)
  if (handle) await syncAndClose(session, handle)
}

/** Syncs an open folder and closes it: two requests that can be sent behind what changes it. */
export async function syncAndClose(session: Session, folder: Handle): Promise<void> {
  const synced = session.server.has('fsync') ? early(session.sync(folder)) : Promise.resolve()
  void early(session.close(folder))
  // Some network file systems have no such call, and store names before they answer; SFTP does not tell why it failed.
  await synced.catch((error) => {
    if (!(error instanceof StatusError)) throw error
  })
}

/** The folders of a store, made as they are needed. */
export class Folders {
  readonly #root: string
  // Those that this client has made sure are there and survive a power cut.
  readonly #durable = new Set<string>()

  constructor(root: string) {
    this.#root = root
  }

  /**
   * Opens the folder, to sync it, and makes it where it is not there. That takes one round trip more the first time, and goes on beside the writing
   * of what will be in it. Undefined where the server opens no folders.
   */
  async open(session: Session, folder: string): Promise<Handle | undefined> {
    if (folder !== this.#root && !this.#durable.has(folder)) return this.#make(session, folder)
    try {
      return await session.openFile(folder)
    } catch (error) {
      if (!isAbsent(error)) return undefined
      // The folder of the store itself is nothing that a put may make: a disk that is not mounted looks like that.
      if (folder === this.#root) throw error
      this.#durable.delete(folder)
      return this.#make(session, folder)
    }
  }

  /** Forgets what it knows, as it turned out to be wrong. */
  forget(): void {
    this.#durable.clear()
  }

  async #make(session: Session, folder: string, again = false): Promise<Handle | undefined> {
    const [made, holder, opened] = await Promise.allSettled([
      session.makeFolder(folder),
      session.openFile(above(folder)),
      session.openFile(folder),
    ])
    const close = (one: PromiseSettledResult<Handle>): void => {
      if (one.status === 'fulfilled') void early(session.close(one.value))
    }
    if (made.status === 'rejected' && isAbsent(made.reason) && !again) {
      close(holder)
      close(opened)
      const handle = await this.open(session, above(folder))
      if (handle) void early(session.close(handle))
      return this.#make(session, folder, true)
    }
    // “Failure” is what servers answer where it is there already; anything else shows in that it cannot be opened.
    if (opened.status === 'rejected' && isAbsent(opened.reason)) {
      close(holder)
      throw made.status === 'rejected' ? made.reason : opened.reason
    }
    // Also where it is there: who made it may have been cut off before this.
    if (holder.status === 'fulfilled') await syncAndClose(session, holder.value)
    this.#durable.add(folder)
    return opened.status === 'fulfilled' ? opened.value : undefined
  }
}
