import { randomBytes } from 'node:crypto'
import { readFolder } from './listing.js'
import type { Session } from './sftp/session.js'

const day = 24 * 60 * 60

/** A name that no other writer chooses. */
export function temporaryName(): string {
  return randomBytes(12).toString('hex')
}

/**
 * Removes what crashed writers left in `folder` more than a day before `now`: a live one is never that slow with one object. Both times are the
 * server's, whatever clock the client has.
 */
export async function removeStale(session: Session, folder: string, now: number): Promise<void> {
  const left = await readFolder(session, folder)
  const stale = left.filter(
    ({ attributes: { type, mtime } }) => type === 'file' && mtime !== undefined && now - mtime > day,
  )
  // Another client may be cleaning up too, and leftovers harm nobody: what fails here is left for the next one.
  await Promise.allSettled(stale.map(({ name }) => session.remove(`${folder}/${name}`)))
}
