import { randomBytes } from 'node:crypto'
import { early } from './early.js'
import { isAbsent } from './errors.js'
import { join } from './listing.js'
import type { Session } from './sftp/session.js'
import { writeSynced } from './transfer.js'

/** Room that is set aside in a store: the same files as the filesystem connector makes, so that a store can be reached both ways. */
const folderName = 'reserve~'
const pieces = 8
const pieceSize = 32 * 1024

/** Sets room aside in the store at `root`, as far as it is not there and there is room. */
export async function keepReserve(session: Session, root: string, signal: AbortSignal): Promise<void> {
  const made = early(session.makeFolder(join(root, folderName)))
  const sizes = await Promise.all(piecesIn(root).map((path) => session.stat(path).catch(() => undefined)))
  await made.catch(() => undefined)
  const missing = piecesIn(root).filter((_, index) => sizes[index]?.size !== pieceSize)
  for (const path of missing) await makePiece(session, path, signal)
}

/** Gives up what is set aside; returns whether that was anything. */
export async function releaseReserve(session: Session, root: string): Promise<boolean> {
  const removed = await Promise.allSettled(piecesIn(root).map((path) => session.remove(path)))
  for (const one of removed) if (one.status === 'rejected' && !isAbsent(one.reason)) throw one.reason
  return removed.some(({ status }) => status === 'fulfilled')
}

async function makePiece(session: Session, path: string, signal: AbortSignal): Promise<void> {
  // Cut short: it was being made when its writer ended.
  const cleared = early(session.remove(path))
  const created = early(session.create(path))
  await cleared.catch(() => undefined)
  const handle = await created
  try {
    // Random, since file systems that compress would set nothing aside for zeros.
    await writeSynced(session, handle, randomBytes(pieceSize), pieces, signal)
  } catch (error) {
    await session.remove(path).catch(() => undefined)
    throw error
  }
}

function piecesIn(root: string): string[] {
  return Array.from({ length: pieces }, (_, index) => join(root, `${folderName}/${index}`))
}
