import { safeSegment } from '../connector/index.js'

/**
 * A pattern as in gitignore(5): `*.o`, `/build/`, `docs/**` + `/*.pdf`, `!keep.o`. Of all patterns that match, the last decides. `?` and `[…]` stand
 * for one character, or for one byte that is not UTF-8.
 *
 * One that starts with `/` and the source's own root means that very path, as one writes `/home/me/.cache` in a backup of `/home`; so does one
 * that starts with the root it stands for, and with where it really is, if links lead there. Any other
 * that has a slash, except at its end, starts at the source's root.
 */
export interface PatternRule {
  readonly pattern: string
  /** Upper and lower case are the same. Default false. */
  readonly ignoreCase?: boolean | undefined
  /** Where it comes from, for people: `--exclude`, `/etc/excludes:12`. */
  readonly from?: string | undefined
}

/** What a backup leaves out, as plain data. What is named explicitly, such as a source's root, is never left out. */
export interface FilterRules {
  /** A string is a pattern that comes from nowhere in particular. They win over those of ignore files. */
  readonly patterns?: readonly (string | PatternRule)[] | undefined
  /** Names of files with patterns for what is below the directory they are in: `.klosetignore`, `.gitignore`. Inner ones win. */
  readonly ignoreFiles?: readonly string[] | undefined
  /** Leaves out what is in directories with a `CACHEDIR.TAG` (https://bford.info/cachedir/), but for the tag. Default false. */
  readonly excludeCaches?: boolean | undefined
  /** Leaves out what is in directories that hold something of such a name, but for that. */
  readonly excludeIfPresent?: readonly TagRule[] | undefined
  /** Leaves out files of more bytes. */
  readonly excludeLargerThan?: number | undefined
  /** Directories on which another file system is mounted stay, empty. Default false. */
  readonly oneFileSystem?: boolean | undefined
}

/** What marks a directory whose contents are left out. */
export interface TagRule {
  readonly name: string
  /** Counts only as a file that begins with this. */
  readonly header?: string | undefined
}

/** Why an entry was left out. */
export type ExclusionReason =
  /** The pattern that decided; `from` is where it stands, of an ignore file its path in the source and the line. */
  | { readonly by: 'pattern'; readonly pattern: string; readonly from?: string | undefined }
  /** `tag` marks the directory that it is in. */
  | { readonly by: 'cache' | 'present'; readonly tag: string }
  | { readonly by: 'size'; readonly size: number; readonly most: number }
  /** A directory with this reason stays, and what is in it is left out. */
  | { readonly by: 'file-system' }

/** Whether these rules leave nothing out. */
export function isEmpty(rules: FilterRules): boolean {
  const { patterns, ignoreFiles, excludeCaches, excludeIfPresent, excludeLargerThan, oneFileSystem } = rules
  const lists = [patterns, ignoreFiles, excludeIfPresent]
  return lists.every((list) => !list?.length) && !excludeCaches && excludeLargerThan === undefined && !oneFileSystem
}

/** A pattern rule of what stands for one. */
export function patternRule(pattern: string | PatternRule): PatternRule {
  return typeof pattern === 'string' ? { pattern } : pattern
}

/** @throws TypeError or RangeError for rules that are none */
export function checkRules(rules: FilterRules): void {
  for (const each of rules.patterns ?? [])
    if (typeof patternRule(each).pattern !== 'string') throw new TypeError('a pattern of a filter is a string')
  const names = [...(rules.ignoreFiles ?? []), ...(rules.excludeIfPresent ?? []).map(({ name }) => name)]
  for (const name of names)
    if (!safeSegment(name))
      throw new TypeError(`a filter looks for a name in each directory, which ${JSON.stringify(name)} is not`)
  const most = rules.excludeLargerThan
  if (most !== undefined && !(Number.isSafeInteger(most) && most >= 0))
    throw new RangeError('the size above which files are left out is a whole number of bytes')
}
