import { utf8 } from '../bytes/index.js'
import { KlosetError } from '../errors.js'
import type { Call, Entry, Filter, Range, Source } from './contract.js'
import { checkPath } from './paths.js'

/** What is in a virtual file: text (as UTF-8) or bytes; a stream of them; or a function that makes one of these when it is needed. */
export type VirtualContent = string | Uint8Array | AsyncIterable<string | Uint8Array>

/** A file that exists only as the app's data; or, with a type and no content, a directory or another entry. */
export interface VirtualFile extends Omit<Entry, 'type' | 'ref'> {
  /** Default `file`. */
  readonly type?: Entry['type'] | undefined
  /**
   * Default: empty. A function is called only when the file has to be read: with a `version` that did not change, never.
   */
  readonly content?: VirtualContent | (() => VirtualContent | Promise<VirtualContent>) | undefined
}

/** What {@link sourceOf} says of its files. */
export interface VirtualSource {
  /** The kind of source: `rows`, `mail`. */
  readonly type: string
  /** Whose data it is: a tenant, an account. */
  readonly origin: string
  /** What of it; default all, `''`. */
  readonly root?: string | undefined
  /** `path`: the files come in path order, which spares the engine sorting them. Default `any`. */
  readonly order?: 'path' | 'any' | undefined
  /**
   * Default `in-order`: contents are let go of as soon as the engine goes on, so that any number of files takes little memory.
   * `random` keeps all of them until the source is closed, so that each can be read at any time.
   */
  readonly access?: 'random' | 'in-order' | undefined
  /** True: one failed file fails the backup. Default false. */
  readonly atomic?: boolean | undefined
}

/**
 * Makes a source of virtual files, such as the rows of a database:
 *
 * ```ts
 * const rows = sourceOf({ type: 'rows', origin: tenant }, async function* () {
 *   for await (const row of db.rows(tenant))
 *     yield { path: `rows/${row.id}.json`, version: row.updatedAt.toISOString(), content: JSON.stringify(row) }
 * })
 * ```
 *
 * The generator starts anew for each scan. Directories may be left out. A path that no entry may have (see `checkPath`) fails the scan:
 * an id that becomes part of a path must not hold a slash.
 */
export function sourceOf(
  about: VirtualSource,
  generate: (call: Call) => AsyncIterable<VirtualFile> | Iterable<VirtualFile>,
): Source {
  const { type, origin, root = '', order = 'any', access = 'in-order', atomic = false } = about
  const contents = new Map<string, VirtualFile['content']>()
  return {
    type,
    origin,
    root,
    capabilities: { order, access, atomic, ranges: false, timeGrain: 1n, concurrency: 1 },

    async *scan({ signal, filter, under }) {
      const takes = withParents(filter)
      let batch: Entry[] = []
      let held = 0
      const letGo = (): void => {
        if (access === 'in-order') contents.clear()
        batch = []
        held = 0
      }
      contents.clear()
      for await (const file of generate({ signal })) {
        signal.throwIfAborted()
        const content = own(file.content)
        const entry = entryOf(file, content)
        if (!isUnder(entry.path, under) || !takes(entry.path, entry.type)) continue
        if (entry.type === 'file') contents.set(entry.path, content)
        held += content instanceof Uint8Array ? content.length : 0
        batch.push(entry)
        if (batch.length < batchSize && held < batchBytes) continue
        yield batch
        letGo()
      }
      if (batch.length > 0) yield batch
      letGo()
    },

    async *read(entry, { signal, range }) {
      if (!contents.has(entry.path)) throw goneBy(entry.path)
      const content = contents.get(entry.path)
      // A stream gives its bytes once: another read must not find it empty.
      if (isStream(content)) contents.set(entry.path, () => Promise.reject(readTwice(entry.path)))
      for await (const bytes of within(range, bytesOf(content))) {
        signal.throwIfAborted()
        yield bytes
      }
    },

    async close() {
      contents.clear()
    },
  }
}

const batchSize = 200
const batchBytes = 1024 * 1024

function entryOf(file: VirtualFile, content: VirtualFile['content']): Entry {
  const { content: _, type = 'file', ...rest } = file
  checkPath(file.path)
  if (type !== 'file' && content !== undefined) throw new TypeError(`${file.path} is a ${type}: it cannot have content`)
  const size = file.size ?? (type === 'file' ? sizeOf(content) : undefined)
  return { ...rest, type, ...(size === undefined ? {} : { size }) }
}

function sizeOf(content: VirtualFile['content']): number | undefined {
  if (content === undefined) return 0
  return content instanceof Uint8Array ? content.length : undefined
}

// Text is kept as bytes, which it has to become anyway.
function own(content: VirtualFile['content']): VirtualFile['content'] {
  return typeof content === 'string' ? utf8(content) : content
}

async function* bytesOf(content: VirtualFile['content']): AsyncGenerator<Uint8Array, void, undefined> {
  const given = typeof content === 'function' ? await content() : content
  if (given === undefined) return
  if (typeof given === 'string') yield utf8(given)
  else if (given instanceof Uint8Array) yield given
  else for await (const part of given) yield typeof part === 'string' ? utf8(part) : part
}

async function* within(
  range: Range | undefined,
  parts: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const from = range?.offset ?? 0
  const to = range === undefined ? Number.POSITIVE_INFINITY : from + range.length
  let at = 0
  for await (const part of parts) {
    const bytes = part.subarray(Math.max(0, from - at), Math.max(0, to - at))
    at += part.length
    if (bytes.length > 0) yield bytes
    if (at >= to) return
  }
}

// A directory that is not taken takes what is below it with it, whether the generator yields the directory or not.
function withParents(filter: Filter): Filter['takes'] {
  const known = new Map<string, boolean>()
  const takesDirectory = (path: string): boolean => {
    if (path === '') return true
    let takes = known.get(path)
    if (takes === undefined) {
      if (known.size >= mostKnown) known.clear()
      takes = takesDirectory(parentOf(path)) && filter.takes(path, 'directory')
      known.set(path, takes)
    }
    return takes
  }
  return (path, type) => {
    if (type === 'directory') return takesDirectory(path)
    return takesDirectory(parentOf(path)) && filter.takes(path, type)
  }
}

const mostKnown = 10_000

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}

function isUnder(path: string, folder: string): boolean {
  return folder === '' || path === folder || path.startsWith(`${folder}/`)
}

function isStream(content: VirtualFile['content']): boolean {
  return typeof content === 'object' && !(content instanceof Uint8Array)
}

function readTwice(path: string): KlosetError {
  return new KlosetError('KLOSET_CONNECTOR', `the content of ${path} is a stream, which cannot be read a second time`, {
    hint: 'Give the content as a function that makes the stream.',
    context: { path },
  })
}

function goneBy(path: string): KlosetError {
  return new KlosetError(
    'KLOSET_NOT_FOUND',
    `the content of ${path} is not there any more: it is read before the scan goes on`,
    {
      hint: 'A source that is read later has access “random”.',
      context: { path },
    },
  )
}
