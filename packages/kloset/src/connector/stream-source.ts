import { isKlosetError, KlosetError } from '../errors.js'
import { abortable } from './aborted.js'
import type { Call, Entry, Source } from './contract.js'
import { checkPath } from './paths.js'

/** What {@link streamSource} says of its one file. */
export interface StreamSource {
  /** Its path in the snapshot: `dump.sql`, or with folders `db/dump.sql`. */
  readonly name: string
  /** Whose data it is: a host name, an account. */
  readonly origin: string
  /** The bytes, from the first to the last; asked for once. An error it throws fails the backup. */
  readonly content: (how: Call) => AsyncIterable<Uint8Array>
  /** Default 0o600: a dump holds more than everybody may read. */
  readonly mode?: number | undefined
  readonly owner?: Entry['owner']
  /** Called when the source is closed. */
  readonly close?: (() => Promise<void>) | undefined
}

/**
 * A source of one file whose content comes as a stream of unknown length, such as standard input or a dump. All of it is backed up, or
 * there is no snapshot. It has no mtime: when it was read is the time of the snapshot. Streams of the same name and origin are backups of
 * the same thing, whichever way they come.
 * @throws KLOSET_PATH_UNSAFE or TypeError for a name that no file of a snapshot can have
 */
export function streamSource({ name, origin, content, mode = 0o600, owner, close }: StreamSource): Source {
  if (checkPath(name) === '') throw new TypeError('a stream needs a name')
  let read = false
  return {
    type: 'stream',
    origin,
    root: name,
    capabilities: { order: 'path', access: 'in-order', atomic: true, ranges: false, timeGrain: 1n, concurrency: 1 },

    // The filter is not asked: whoever named the stream wants it.
    async *scan({ signal, under }) {
      signal.throwIfAborted()
      if (under === '' || name === under || name.startsWith(`${under}/`))
        yield [{ path: name, type: 'file', mode, owner }]
    },

    async *read(_, { signal }) {
      if (read) throw readTwice(name)
      read = true
      const parts = content({ signal })[Symbol.asyncIterator]()
      try {
        for (;;) {
          const next = await abortable(signal, parts.next())
          if (next.done) return
          yield next.value
        }
      } catch (error) {
        signal.throwIfAborted()
        throw isKlosetError(error) ? error : brokenOff(name, error)
      } finally {
        // Not waited for: a stream in which nothing comes would not answer.
        parts.return?.().catch(() => undefined)
      }
    },

    close: close ?? (async () => undefined),
  }
}

function readTwice(name: string): KlosetError {
  return new KlosetError('KLOSET_CONNECTOR', `${name} is a stream, which cannot be read a second time`, {
    context: { path: name },
    hint: 'Make a new source for each backup.',
  })
}

function brokenOff(name: string, cause: unknown): KlosetError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new KlosetError('KLOSET_CONNECTOR', `${name} could not be read to its end: ${why}`, {
    context: { path: name },
    hint: 'There is no snapshot of it. Run the backup again.',
    cause,
  })
}
