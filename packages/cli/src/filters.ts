import type { Command } from 'commander'
import type { FilterRules, TagRule } from 'kloset'
import { pathFromBytes } from 'kloset/connector'
import { Failure, UsageError } from './exit.js'
import { collect } from './options.js'
import { contentOf, type Given, orderedOptions, rulesOf } from './patterns.js'
import { parseBytes } from './render/bytes.js'
import { shown } from './render/names.js'

/** The options that say what to leave out, as commander gives them. */
export interface FilterFlags {
  readonly exclude?: readonly Given[]
  readonly iexclude?: readonly Given[]
  readonly include?: readonly Given[]
  readonly excludeFile?: readonly Given[]
  readonly iexcludeFile?: readonly Given[]
  /** False with `--no-ignore-file`. */
  readonly ignoreFile?: readonly string[] | false
  readonly excludeCaches?: boolean
  readonly excludeIfPresent?: readonly string[]
  readonly excludeLargerThan?: number
  readonly oneFileSystem?: boolean
}

/** Adds the options that say what to leave out. */
export function filterOptions(command: Command): Command {
  const ordered = orderedOptions()
  return command
    .optionsGroup('What to leave out:')
    .addOption(
      ordered('exclude', 'pattern', 'leave out what matches, as in a .gitignore (repeatable, as the next four)'),
    )
    .addOption(ordered('include', 'pattern', 'but not what matches this: the last option that matches decides'))
    .addOption(ordered('iexclude', 'pattern', 'as --exclude, upper and lower case being the same'))
    .addOption(ordered('exclude-file', 'file', 'patterns from a file, one a line; a line that starts with ! includes'))
    .addOption(ordered('iexclude-file', 'file', 'the same, upper and lower case being the same'))
    .option(
      '--ignore-file <name>',
      'look for patterns in files of this name in each folder (repeatable; default: .klosetignore)',
      collect,
    )
    .option('--no-ignore-file', 'look for no such files')
    .option('--exclude-caches', 'leave out what is in folders that a CACHEDIR.TAG marks as caches')
    .option(
      '--exclude-if-present <name[:header]>',
      'leave out what is in folders that hold this, as a file that starts with the header (repeatable)',
      collect,
    )
    .option('--exclude-larger-than <size>', 'leave out larger files: 100M, 1.5GiB', parseBytes)
    .option('-x, --one-file-system', 'leave out what is on other file systems than the source')
}

/** How patterns are read, for help texts. */
export const patternHelp = `Patterns are those of gitignore: *.o at any depth, /build/ at the top of the source
only, docs/**/*.pdf, *.log? with one more character, !keep.log to take it after
all. A trailing slash matches folders only, and of what is left out nothing below
can be taken again. One that starts with the source's own path, with where that
really is, or with what it stands for (--as), means that very path: --exclude
/home/me/.cache in a backup of /home. Where ignore files and
options disagree, the options decide. The folder that a CACHEDIR.TAG or another
mark is in stays, with the mark; so do, empty, folders on which other file systems
are mounted. What is named on the command line or in a list is never left out.`

/**
 * What the options say, as the rules of a backup.
 * @throws UsageError for an empty pattern; Failure where a file cannot be read
 */
export async function filterRulesOf(flags: FilterFlags): Promise<FilterRules> {
  const { exclude = [], iexclude = [], include = [], excludeFile = [], iexcludeFile = [] } = flags
  const patterns = await rulesOf([exclude, iexclude, include, excludeFile, iexcludeFile].flat())
  const { ignoreFile = ['.klosetignore'], excludeCaches, excludeIfPresent, excludeLargerThan, oneFileSystem } = flags
  return {
    ...(patterns.length > 0 && { patterns }),
    ...(ignoreFile !== false && { ignoreFiles: ignoreFile.map(nameOf) }),
    ...(excludeCaches && { excludeCaches }),
    ...(excludeIfPresent && { excludeIfPresent: excludeIfPresent.map(tagOf) }),
    ...(excludeLargerThan !== undefined && { excludeLargerThan }),
    ...(oneFileSystem && { oneFileSystem }),
  }
}

/**
 * The paths in the files that list what to back up, `-` being stdin. Each is taken as it stands.
 * @throws Failure where a file cannot be read, and where nothing is listed
 */
export async function listedPaths(
  newlines: readonly string[] = [],
  nulls: readonly string[] = [],
): Promise<readonly string[]> {
  const paths: string[] = []
  for (const [files, separator] of [
    [newlines, '\n'],
    [nulls, '\0'],
  ] as const) {
    for (const file of files) {
      const text = pathFromBytes(file === '-' ? await allOfStdin() : await contentOf(file))
      // Not all of them at once as arguments: a list may have millions.
      for (const path of text.split(separator)) if (path !== '') paths.push(path)
    }
  }
  const nul = paths.find((path) => path.includes('\0'))
  if (nul !== undefined)
    throw new Failure(
      'the list of what to back up has NULs in it',
      'Give it with --files-from0: its paths end in NUL, not in a newline.',
    )
  if (paths.length === 0 && newlines.length + nulls.length > 0)
    throw new Failure(
      'the list of what to back up is empty',
      'A backup of nothing would be no backup, so none was made.',
    )
  return paths
}

function nameOf(name: string): string {
  if (name === '' || name.includes('/'))
    throw new UsageError(
      `'${shown(name)}' is not a name of files to look for in each folder`,
      'Give a name without slashes.',
    )
  return name
}

function tagOf(text: string): TagRule {
  const colon = text.indexOf(':')
  if (colon < 0) return { name: nameOf(text) }
  return { name: nameOf(text.slice(0, colon)), header: text.slice(colon + 1) }
}

async function allOfStdin(): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of process.stdin) parts.push(part)
  return Buffer.concat(parts)
}
