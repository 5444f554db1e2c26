import { hostname } from 'node:os'
import { addAbortSignal, type Readable } from 'node:stream'
import { type Source, type StreamSource, streamSource } from 'kloset/connector'
import { Owners } from './owners.js'

/**
 * What comes from standard input, or another stream of Node, as one file called `name`; with folders: `db/dump.sql`. Whoever
 * writes to it cannot say that it failed: what ends early looks whole. A program that can fail is better run by `commandSource`.
 * @throws KLOSET_PATH_UNSAFE or TypeError for a name that no file of a snapshot can have
 */
export function stdinSource(name = 'stdin', input: Readable = process.stdin): Source {
  return ownStream({ name, content: ({ signal }) => addAbortSignal(signal, input) })
}

/** A stream that belongs to this machine and to who runs this process. */
export function ownStream(about: Pick<StreamSource, 'name' | 'content' | 'close'>): Source {
  const [uid, gid] = [process.geteuid?.(), process.getegid?.()]
  const owner = uid === undefined || gid === undefined ? undefined : new Owners().of(uid, gid)
  return streamSource({ ...about, origin: hostname(), owner })
}
