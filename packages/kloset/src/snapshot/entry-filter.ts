import type { EntryFilter } from '../api.js'
import { nanoseconds, pathToBytes } from '../connector/index.js'
import type { SourceRecord } from '../log/index.js'
import {
  contentLength,
  decodeContent,
  decodeStat,
  endOfSubtree,
  entryTypes,
  pathOfKey,
  type RawEntry,
} from '../tree/index.js'
import { below } from './places.js'

/** The keys from `from` up to, not including, `end`. */
export interface KeyRange {
  readonly from: Uint8Array
  readonly end: Uint8Array
}

/** A filter, made ready for the entries of one source. */
export interface SourceFilter {
  /** Whether an entry meets all conditions. */
  meets(entry: RawEntry): boolean
  /** Outside of these no entry does; undefined: it may be anywhere. */
  readonly ranges: readonly KeyRange[] | undefined
}

/** Makes filters for sources. @throws TypeError for a pattern that is none, RangeError for a size or time that is none */
export async function entryFilter(filter: EntryFilter): Promise<(source: SourceRecord) => SourceFilter> {
  const globs = filter.names && (await globsOf(filter.names, filter.ignoreCase === true))
  const types = filter.types && typeNumbers(filter.types)
  const isSize = sizeTest(filter)
  const isTime = timeTest(filter)
  return (source) => {
    const root = whole(source.root)
    const isNamed = globs && nameTest(globs, root)
    return {
      // What costs least first: of most entries nothing has to be decoded.
      meets: (entry) =>
        (types?.has(entry.stat[0]!) ?? true) &&
        (isNamed?.(entry) ?? true) &&
        (isSize?.(entry) ?? true) &&
        (isTime?.(entry) ?? true),
      ranges: globs && rangesOf(globs, root),
    }
  }
}

/** A pattern for names. */
interface Glob {
  readonly pattern: RegExp
  /** Whether it is held against the whole path, not only against the last name of it. */
  readonly path: boolean
  /** Only directories, as a slash at its end says. */
  readonly directory: boolean
  /** The folder that everything it names is in, from the root of the file system; undefined where that can be any. */
  readonly base: string | undefined
}

async function globsOf(patterns: readonly string[], ignoreCase: boolean): Promise<readonly Glob[]> {
  const { default: picomatch } = await import('picomatch')
  return patterns.map((written) => {
    const [, start, middle, end] = /^(\/*)(.*?)(\/*)$/s.exec(written)!
    if (middle === '') throw new TypeError(`${JSON.stringify(written)} is not a pattern for names`)
    // To a shell these are plain characters of a name; to a regular expression they are not.
    const glob = middle!.replace(/\\[\s\S]|[()|]/g, (part) => (part.length > 1 ? part : `\\${part}`))
    const path = start !== '' || middle!.includes('/')
    const options = { dot: true, nonegate: true, noextglob: true, posix: true, nocase: ignoreCase, windows: false }
    let pattern: RegExp
    try {
      pattern = picomatch.makeRe(start === '' && path ? `**/${glob}` : glob, { ...options, debug: true })
    } catch (cause) {
      throw new TypeError(`${JSON.stringify(written)} is not a pattern for names: ${(cause as Error).message}`, {
        cause,
      })
    }
    const base = start !== '' && !ignoreCase ? plainBase(middle!) : undefined
    return { pattern, path, directory: end !== '', base }
  })
}

/** The names that a pattern begins with as they are. */
function plainBase(glob: string): string {
  const segments = glob.split('/')
  const special = segments.findIndex((segment) => /[*?[\]{}\\]/.test(segment))
  return segments.slice(0, special < 0 ? segments.length : special).join('/')
}

function nameTest(globs: readonly Glob[], root: string): (entry: RawEntry) => boolean {
  const paths = globs.some(({ path }) => path)
  return ({ key, stat }) => {
    const inside = pathOfKey(key)
    const name = lastName(inside === '' ? root : inside)
    const path = paths ? below(root, inside) : ''
    const isDirectory = stat[0] === directory
    return globs.some((glob) => (!glob.directory || isDirectory) && glob.pattern.test(glob.path ? path : name))
  }
}

function rangesOf(globs: readonly Glob[], root: string): readonly KeyRange[] | undefined {
  const ranges: KeyRange[] = []
  for (const { base } of globs) {
    if (base === undefined || isAt(root, base)) return undefined
    if (!isAt(base, root)) continue
    const from = pathToBytes(root === '' ? base : base.slice(root.length + 1))
    ranges.push({ from, end: endOfSubtree(from) })
  }
  return ranges
}

/** Whether a path is a folder or below it. */
function isAt(path: string, folder: string): boolean {
  return folder === '' || path === folder || path.startsWith(`${folder}/`)
}

function sizeTest({ size }: EntryFilter): ((entry: RawEntry) => boolean) | undefined {
  if (size === undefined) return undefined
  const { min = 0, max = Number.POSITIVE_INFINITY } = size
  if (Number.isNaN(min) || Number.isNaN(max)) throw new RangeError('a size is a number of bytes')
  return ({ stat, content }) => {
    if (stat[0] !== file) return false
    const stored = decodeContent(content)
    const length = stored.form === 'none' ? (decodeStat(stat).size ?? 0) : contentLength(stored)
    return length >= min && length <= max
  }
}

function timeTest({ modified }: EntryFilter): ((entry: RawEntry) => boolean) | undefined {
  if (modified === undefined) return undefined
  const since = modified.since && nanoseconds(modified.since)
  const before = modified.before && nanoseconds(modified.before)
  return ({ stat }) => {
    const { mtime } = decodeStat(stat)
    return mtime !== undefined && (since === undefined || mtime >= since) && (before === undefined || mtime < before)
  }
}

function typeNumbers(types: NonNullable<EntryFilter['types']>): ReadonlySet<number> {
  return new Set(
    types.map((type) => {
      const number = entryTypes.indexOf(type)
      if (number < 0) throw new TypeError(`an entry cannot be a ${JSON.stringify(type)}`)
      return number
    }),
  )
}

/** Where a source was, from the root of the file system, without a slash at its ends. */
function whole(root: string): string {
  return root
    .split(/[/\\]/)
    .filter((segment) => segment !== '')
    .join('/')
}

function lastName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

const file = entryTypes.indexOf('file')
const directory = entryTypes.indexOf('directory')
