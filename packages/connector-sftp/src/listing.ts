import type { StoredObject } from 'kloset/connector'
import { early } from './early.js'
import { isAbsent } from './errors.js'
import { isNameSegment, longestName } from './object-names.js'
import type { Attributes, Named } from './sftp/protocol.js'
import type { Session } from './sftp/session.js'

/** What listing asks of the server. Both are calls by themselves: each may use another session. */
export interface Lister {
  /** What is in a folder; nothing where there is none. */
  children(folder: string): Promise<readonly Named[]>
  /** What a link leads to; undefined where it leads nowhere. */
  follow(path: string): Promise<Attributes | undefined>
}

const batchSize = 1000

/** How many folders are read ahead of the listing: packs lie in 256 of them, and each takes two round trips. */
const ahead = 16

/**
 * The objects below `root` whose names start with `prefix` and follow `after`, ascending, in batches. Everything that is not named as an
 * object is is left out.
 */
export async function* listObjects(
  lister: Lister,
  root: string,
  { prefix, after, signal }: Wanted,
): AsyncGenerator<readonly StoredObject[]> {
  signal.throwIfAborted()
  const walk: Walk = { lister, root, wanted: { prefix, after, signal } }
  let batch: StoredObject[] = []
  for await (const object of objectsBelow(walk, '', read(walk, ''))) {
    batch.push(object)
    if (batch.length < batchSize) continue
    yield batch
    signal.throwIfAborted()
    batch = []
  }
  if (batch.length > 0) yield batch
  signal.throwIfAborted()
}

/** All that is in a folder. Requests for more names are sent before it is known whether there are any. */
export async function readFolder(session: Session, path: string): Promise<Named[]> {
  const handle = await session.openFolder(path)
  const found: Named[] = []
  try {
    // One for the names and one for the end: most folders have no more.
    for (let atOnce = 2; ; atOnce = 8) {
      const answers = Array.from({ length: atOnce }, () => early(session.readFolder(handle)))
      for (const answer of answers) {
        const names = await answer
        if (names === undefined) return found
        found.push(...names)
      }
    }
  } finally {
    void early(session.close(handle))
  }
}

interface Wanted {
  readonly prefix: string
  readonly after: string | undefined
  readonly signal: AbortSignal
}

interface Walk {
  readonly lister: Lister
  readonly root: string
  readonly wanted: Wanted
}

/** A file, or a folder, whose key ends in `/`. */
interface Found {
  readonly key: string
  readonly size: number
}

/** Folders sort as if their names ended in `/`: `a-b` comes before `a/x`, as the whole names do. */
async function* objectsBelow(
  walk: Walk,
  folder: string,
  reading: Promise<readonly Named[]>,
): AsyncGenerator<StoredObject> {
  const { wanted } = walk
  const inside = (await Promise.all((await reading).map((child) => foundIn(walk, folder, child)))).flat()
  wanted.signal.throwIfAborted()
  inside.sort((a, b) => (a.key < b.key ? -1 : 1))
  const folders = inside.filter(({ key }) => key.endsWith('/') && mayHold(key, wanted))
  const readings = new Map<string, Promise<readonly Named[]>>()
  let next = 0
  for (const { key, size } of inside) {
    if (!key.endsWith('/')) {
      if (key.startsWith(wanted.prefix) && (wanted.after === undefined || key > wanted.after)) yield { name: key, size }
    } else if (mayHold(key, wanted)) {
      for (; next < folders.length && readings.size < ahead; next++)
        readings.set(folders[next]!.key, early(read(walk, folders[next]!.key)))
      const reading = readings.get(key)!
      readings.delete(key)
      yield* objectsBelow(walk, key, reading)
    }
  }
}

function read({ lister, root }: Walk, folder: string): Promise<readonly Named[]> {
  return lister.children(join(root, folder.slice(0, -1)))
}

async function foundIn({ lister, root }: Walk, folder: string, { name, attributes }: Named): Promise<Found[]> {
  const key = folder + name
  if (!isNameSegment(name) || key.length > longestName) return []
  const { type, size } = attributes
  if (type === 'folder') return [{ key: `${key}/`, size: 0 }]
  if (type === 'file' && size !== undefined) return [{ key, size }]
  if (type === 'other') return []
  // A link, or a server that tells nothing. Someone may have moved a top folder and left a link; deeper ones could go in circles.
  const target = await lister.follow(join(root, key))
  if (target?.type === 'folder') return folder === '' || type === undefined ? [{ key: `${key}/`, size: 0 }] : []
  return target?.type === 'file' && target.size !== undefined ? [{ key, size: target.size }] : []
}

function mayHold(folder: string, { prefix, after }: Wanted): boolean {
  if (!prefix.startsWith(folder) && !folder.startsWith(prefix)) return false
  return after === undefined || folder > after || after.startsWith(folder)
}

/** `root` may be `/`, and `path` nothing. */
export function join(root: string, path: string): string {
  return path === '' ? root : `${root.replace(/\/$/, '')}/${path}`
}

/** Nothing where the folder is not there. */
export async function childrenOf(session: Session, path: string): Promise<readonly Named[]> {
  try {
    return await readFolder(session, path)
  } catch (error) {
    if (isAbsent(error)) return []
    throw error
  }
}
