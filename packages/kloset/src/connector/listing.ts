import { isKlosetError, KlosetError } from '../errors.js'
import type { Call, Entry, Failure, Filter } from './contract.js'
import { checkPath, comparePaths } from './paths.js'

/**
 * Lists one directory: what is directly in it, in any order, with whole paths. It may be called for several directories at once.
 * Throwing reports the directory as failed.
 */
export type ListDirectory = (
  path: string,
  how: Call,
) => Promise<Iterable<Entry | Failure>> | AsyncIterable<readonly (Entry | Failure)[]>

/** One directory of a walk: known, then being listed, then listed. */
export class Listing {
  readonly path: string
  /** Resolves when it is listed, whether that went well or not. */
  begun: Promise<void> | undefined
  done = false
  failed = false
  error: unknown
  /** What the filter takes of it, in path order. */
  children: readonly (Entry | Failure)[] = []
  /** The subdirectory whose turn it is. */
  entering: Listing | undefined
  #directories: readonly Listing[] = []
  #nextChild = 0
  #nextDirectory = 0

  constructor(path: string) {
    this.path = path
  }

  /** Lists the directory. Never rejects: how it went is in `failed`. */
  async read(list: ListDirectory, filter: Filter, signal: AbortSignal): Promise<void> {
    try {
      const found = await listPatiently(list, this.path, signal)
      this.children = inOrder(this.path, found).filter((one) => !('type' in one) || filter.takes(one.path, one.type))
      this.#directories = this.children.filter(isDirectory).map(({ path }) => new Listing(path))
    } catch (error) {
      this.failed = true
      this.error = error
    }
    this.done = true
  }

  /** The next child; where it is a directory, `entering` is then its listing. */
  next(): Entry | Failure | undefined {
    const child = this.children[this.#nextChild++]
    if (child !== undefined && isDirectory(child)) this.entering = this.#directories[this.#nextDirectory++]
    return child
  }

  /** The subdirectories not gone through yet. */
  *directoriesLeft(): Generator<Listing, void, undefined> {
    if (this.entering !== undefined) yield this.entering
    for (let i = this.#nextDirectory; i < this.#directories.length; i++) yield this.#directories[i]!
  }
}

const attempts = 4
const firstPause = 500

function isDirectory(one: Entry | Failure): boolean {
  return 'type' in one && one.type === 'directory'
}

// The scan cannot be begun again halfway, so this is the one place where a source's calls are retried.
async function listPatiently(list: ListDirectory, path: string, signal: AbortSignal): Promise<(Entry | Failure)[]> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await listOnce(list, path, signal)
    } catch (error) {
      if (signal.aborted || attempt === attempts || !isKlosetError(error) || error.retry === 'never') throw error
      await pause(error.retryAfter ?? firstPause * 4 ** (attempt - 1), signal)
    }
  }
}

async function listOnce(list: ListDirectory, path: string, signal: AbortSignal): Promise<(Entry | Failure)[]> {
  signal.throwIfAborted()
  const listed = list(path, { signal })
  if (!(Symbol.asyncIterator in listed)) return [...(await listed)]
  const found: (Entry | Failure)[] = []
  for await (const batch of listed) for (const one of batch) found.push(one)
  return found
}

// In path order, an entry before what failed about it, and at most one of each for a path. What cannot be an entry of the directory is
// a failure of it.
function inOrder(directory: string, found: readonly (Entry | Failure)[]): (Entry | Failure)[] {
  const placed = found.filter(({ path }) => isIn(directory, path))
  if (placed.length < found.length) placed.push(misplaced(directory, found))
  placed.sort((a, b) => comparePaths(a.path, b.path) || Number('type' in b) - Number('type' in a))
  const once: (Entry | Failure)[] = []
  for (const one of placed) {
    const before = once.at(-1)
    if (before?.path !== one.path) once.push(one)
    else if ('type' in before) once.push('type' in one ? twice(one.path) : one)
  }
  return once
}

function isIn(directory: string, path: string): boolean {
  const start = directory === '' ? '' : `${directory}/`
  if (!path.startsWith(start) || path.length === start.length || path.includes('/', start.length)) return false
  try {
    checkPath(path)
    return true
  } catch {
    return false
  }
}

function misplaced(directory: string, found: readonly (Entry | Failure)[]): Failure {
  const paths = found.map(({ path }) => path).filter((path) => !isIn(directory, path))
  const shown = JSON.stringify(paths[0]) + (paths.length > 1 ? ` and ${paths.length - 1} more` : '')
  const error = new KlosetError('KLOSET_PATH_UNSAFE', `the listing of ${directory || 'the root'} has ${shown} in it`, {
    hint: 'They are left out: they cannot be paths of entries there.',
    context: { directory, left: paths.length },
  })
  return { path: directory, error }
}

function twice(path: string): Failure {
  return { path, error: new KlosetError('KLOSET_CONNECTOR', `${path} was listed twice`, { context: { path } }) }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, milliseconds)
    signal.addEventListener('abort', stop, { once: true })
  })
}
