import { abortable, type Paced } from 'kloset/connector'
import { early } from './early.js'
import type { Handle, Session } from './sftp/session.js'

/**
 * Writes `body` into a new file, with up to `depth` requests on their way, syncs it to the disk where the server can, and closes it: one
 * round trip, as long as `depth` requests fill the line. Once it settles, nothing reads `body` any more.
 */
export async function writeSynced(
  session: Session,
  handle: Handle,
  body: Uint8Array,
  depth: number,
  signal: AbortSignal,
  pace?: Paced['pace'],
): Promise<void> {
  const { has } = session.server
  const size = sizeOf(session.server.largestWrite, pace)
  const requests: Promise<unknown>[] = []
  try {
    for (let at = 0; at < body.length; at += size) {
      if (requests.length >= depth) await abortable(signal, requests.shift()!)
      await pace?.(Math.min(size, body.length - at))
      requests.push(early(session.write(handle, at, body.subarray(at, at + size))))
    }
    if (has('fsync')) requests.push(early(session.sync(handle)))
  } finally {
    // A close that fails can be a write that failed (NFS reports a full disk here).
    requests.push(early(session.close(handle)))
  }
  for (const request of requests) await abortable(signal, request)
}

/**
 * Reads from `offset` of an open file into all of `into`, with up to `depth` requests on their way. Returns how many bytes there were, fewer
 * only where the file ends before. Servers may answer any request with less than was asked for.
 */
export async function readInto(
  session: Session,
  handle: Handle,
  offset: number,
  into: Uint8Array,
  depth: number,
  signal: AbortSignal,
  pace?: Paced['pace'],
): Promise<number> {
  const size = sizeOf(session.server.largestRead, pace)
  const pieces: Promise<number>[] = []
  let filled = 0
  const next = async (): Promise<boolean> => {
    const wanted = Math.min(size, into.length - filled)
    const got = await abortable(signal, pieces.shift()!)
    filled += got
    return got === wanted
  }
  for (let at = 0; at < into.length; at += size) {
    if (pieces.length >= depth && !(await next())) return filled
    await pace?.(Math.min(size, into.length - at))
    pieces.push(early(readPiece(session, handle, offset + at, into.subarray(at, at + size))))
  }
  while (pieces.length > 0) if (!(await next())) return filled
  return filled
}

/** How much to ask for at once: little on a line that is to be filled evenly. */
function sizeOf(largest: number, pace: Paced['pace']): number {
  return pace === undefined ? largest : Math.min(largest, 32 * 1024)
}

async function readPiece(session: Session, handle: Handle, offset: number, into: Uint8Array): Promise<number> {
  let filled = 0
  while (filled < into.length) {
    const got = await session.read(handle, offset + filled, into.subarray(filled))
    if (got === 0) break
    filled += got
  }
  return filled
}
