import { type Context, type KlosetError, placeAbsent } from 'kloset/connector'
import { early } from './early.js'
import { isAbsent, isFull, sftpError, writingError } from './errors.js'
import { join } from './listing.js'
import { temporaryFolder } from './object-names.js'
import { statuses } from './sftp/protocol.js'
import { isStatus, type Session } from './sftp/session.js'
import type { Place } from './storage.js'
import { temporaryName } from './temporary.js'

/** What was found out about the folder of a store. */
export interface Prepared {
  /** Whether a hard link can be made here, and fails where its name is taken. */
  readonly putIfAbsent: boolean
  /** The time of the server, in seconds since 1970, where it is known. */
  readonly now: number | undefined
}

/**
 * Looks whether the folder of a store is there and, for writing, what can be done in it. All of it is sent in one go.
 * @throws KLOSET_NOT_FOUND, KLOSET_DENIED
 */
export async function prepare(session: Session, place: Place, mode: Context['mode']): Promise<Prepared> {
  const { root, where } = place
  const looked = early(session.stat(root))
  const tried = mode === 'read' ? undefined : early(tryOut(session, place, mode))
  try {
    const { type } = await looked
    if (type !== 'folder') throw notAFolder(root, where)
  } catch (error) {
    throw isAbsent(error) ? notAFolder(root, where) : sftpError(error, 'open', root, where)
  }
  return tried ?? { putIfAbsent: false, now: undefined }
}

async function tryOut(session: Session, { root, where }: Place, mode: 'write' | 'create'): Promise<Prepared> {
  const folder = join(root, temporaryFolder)
  const probe = `${folder}/${temporaryName()}`
  const links = session.server.has('hardlink')
  const made = early(session.makeFolder(folder))
  const created = early(session.create(probe))
  const looked = early(session.stat(probe))
  const once = early(links ? session.link(probe, `${probe}-linked`) : Promise.reject(noLinks))
  const twice = early(links ? session.link(probe, `${probe}-linked`) : Promise.reject(noLinks))
  const removed = [`${probe}-linked`, probe].map((path) => early(session.remove(path)))
  try {
    void early(session.close(await created))
  } catch (error) {
    // On a full disk there is nothing to find out, and what the server says of itself has to do. Pruning will make room.
    if (isStatus(error, statuses.failure)) return { putIfAbsent: links, now: undefined }
    const reason = isAbsent(error) ? await made.then(() => error).catch((why) => why) : error
    throw await writingError(reason, session, {
      doing: 'write to',
      path: folder,
      where,
      root: root,
      needed: 0,
    })
  }
  const [first, second] = await Promise.allSettled([once, twice])
  await Promise.allSettled(removed)
  // A folder that is no store must not look like one because somebody took it for one. The first put makes it again.
  const isNew = mode !== 'create' && (await made.then(() => true).catch(() => false))
  if (isNew) await session.removeFolder(folder).catch(() => undefined)
  const now = await looked.then(({ mtime }) => mtime).catch(() => undefined)
  if (first.status === 'fulfilled') return { putIfAbsent: second.status === 'rejected', now }
  return { putIfAbsent: links && (await isFull(session, root)), now }
}

const noLinks = new Error('the server makes no hard links')

function notAFolder(path: string, where: string): KlosetError {
  return placeAbsent(`${path} on ${where} is not a folder`, {
    hint: 'Check the path: it starts at the root of the server, or with /~/ in the home folder.',
    context: { path, server: where },
  })
}
