import { onAbort } from 'kloset/connector'
import { syncAndClose } from './durable.js'
import { early } from './early.js'
import { isAbsent } from './errors.js'
import { statuses } from './sftp/protocol.js'
import { type Handle, isStatus, type Session, StatusError } from './sftp/session.js'

/**
 * Gives a temporary file its name, unless that is taken, and syncs the folder: one round trip. A hard link is the one request that fails
 * where the name is taken on every server; `rename` looks first and renames then on some, and replaces on others.
 */
export async function publishNew(
  session: Session,
  temporary: string,
  path: string,
  folder: Handle | undefined,
): Promise<'stored' | 'exists'> {
  const linked = early(session.link(temporary, path))
  const there = early(session.stat(path))
  const removed = early(session.remove(temporary))
  // Also where it exists: whoever is told so relies on it, and its writer may have been cut off before this.
  const synced = early(folder ? syncAndClose(session, folder) : Promise.resolve())
  try {
    await linked
    await synced
    return 'stored'
  } catch (error) {
    // “Failure” may mean that the name is taken, or anything else: what is there tells.
    if (!isTaken(error) || (await there.catch(() => undefined))?.type !== 'file') throw error
    await synced
    return 'exists'
  } finally {
    await removed.catch(() => undefined)
  }
}

/** Gives a temporary file its name, replaces what has it, and syncs the folder. */
export async function publishOver(
  session: Session,
  temporary: string,
  path: string,
  folder: Handle | undefined,
): Promise<'stored'> {
  const replaces = session.server.has('posixRename')
  const named = early(replaces ? session.replace(temporary, path) : renameOver(session, temporary, path))
  // The rest is sent behind what gives it its name; without that extension, this takes several requests.
  if (!replaces) await named.catch(() => undefined)
  const there = early(session.stat(path))
  const synced = early(folder ? syncAndClose(session, folder) : Promise.resolve())
  try {
    await named
  } catch (error) {
    const found = await there.catch(() => undefined)
    throw found?.type === 'folder' ? new StatusError(statuses.exists, 'a folder is in the way') : error
  }
  await synced
  return 'stored'
}

/** Waits for an answer that decides what is stored. An abort waits for it, too, but not long. */
export function decided<T>(signal: AbortSignal, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined
    const forget = onAbort(signal, () => {
      timer = setTimeout(() => reject(signal.reason), graceMs)
    })
    answer.then(resolve, reject).finally(() => {
      forget()
      clearTimeout(timer)
    })
  })
}

const graceMs = 1000

/**
 * For servers that cannot replace: packs are never stored twice, so that the moment in which neither is there hardly ever comes.
 */
async function renameOver(session: Session, from: string, to: string): Promise<void> {
  try {
    await session.rename(from, to)
  } catch (error) {
    if (isAbsent(error) || isStatus(error, statuses.permissionDenied) || !(error instanceof StatusError)) throw error
    await session.remove(to)
    await session.rename(from, to)
  }
}

function isTaken(error: unknown): boolean {
  return isStatus(error, statuses.failure) || isStatus(error, statuses.exists)
}
