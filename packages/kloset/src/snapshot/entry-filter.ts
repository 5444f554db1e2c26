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
import { type NamePattern, namePatterns } from './names.js'
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
export function entryFilter(filter: EntryFilter): (source: SourceRecord) => SourceFilter {
  const globs = filter.names && namePatterns(filter.names, filter.ignoreCase === true)
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

function nameTest(globs: readonly NamePattern[], root: string): (entry: RawEntry) => boolean {
  const paths = globs.some(({ path }) => path)
  return ({ key, stat }) => {
    const inside = pathOfKey(key)
    const name = lastName(inside === '' ? root : inside)
    const path = paths ? below(root, inside).split('/') : []
    const last = [name]
    const isDirectory = stat[0] === directory
    return globs.some((glob) => (!glob.directory || isDirectory) && glob.matches(glob.path ? path : last))
  }
}

function rangesOf(globs: readonly NamePattern[], root: string): readonly KeyRange[] | undefined {
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
