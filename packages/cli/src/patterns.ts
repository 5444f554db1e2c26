import { readFile } from 'node:fs/promises'
import { type Command, Option } from 'commander'
import type { PatternRule } from 'kloset'
import { pathToBytes } from 'kloset/connector'
import { Failure, UsageError } from './exit.js'
import { messageOf } from './render/errors.js'
import { shown } from './render/names.js'

/** The options that say which entries are taken, as commander gives them. */
export interface PatternFlags {
  readonly include?: readonly Given[]
  readonly exclude?: readonly Given[]
  readonly iinclude?: readonly Given[]
  readonly iexclude?: readonly Given[]
  readonly includeFile?: readonly Given[]
  readonly excludeFile?: readonly Given[]
}

/** A value, and how many of its kind were given before it: between options their order matters. */
interface Given {
  readonly option: string
  readonly value: string
  readonly order: number
}

/** Adds the options that say which entries are taken. */
export function patternOptions(command: Command): Command {
  let order = 0
  const ordered = (name: string, argument: string, describe: string): Option =>
    new Option(`--${name} <${argument}>`, describe).argParser((value, before: readonly Given[] | undefined) => [
      ...(before ?? []),
      { option: `--${name}`, value, order: order++ },
    ])
  return command
    .optionsGroup('Which entries (all are repeatable, and the last that matches decides):')
    .addOption(ordered('include', 'pattern', 'take what matches, as in a .gitignore; given first: nothing else'))
    .addOption(ordered('exclude', 'pattern', 'leave out what matches; given first: take everything else'))
    .addOption(ordered('iinclude', 'pattern', 'as --include, upper and lower case being the same'))
    .addOption(ordered('iexclude', 'pattern', 'as --exclude, upper and lower case being the same'))
    .addOption(ordered('include-file', 'file', 'patterns to include from a file, one a line'))
    .addOption(ordered('exclude-file', 'file', 'patterns to exclude from a file, one a line'))
}

/**
 * What the options say, in their order; undefined where none is given.
 * @throws UsageError for an empty pattern; Failure where a file cannot be read
 */
export async function patternsOf(flags: PatternFlags): Promise<readonly PatternRule[] | undefined> {
  const { include = [], exclude = [], iinclude = [], iexclude = [], includeFile = [], excludeFile = [] } = flags
  const given = [include, exclude, iinclude, iexclude, includeFile, excludeFile].flat()
  if (given.length === 0) return undefined
  const patterns: PatternRule[] = []
  for (const each of given.sort((a, b) => a.order - b.order)) patterns.push(...(await rulesOf(each)))
  return patterns
}

async function rulesOf({ option, value }: Given): Promise<readonly PatternRule[]> {
  if (value === '') throw new UsageError(`${option} is given nothing`, 'Give a pattern, or leave it out.')
  switch (option) {
    case '--include':
    case '--iinclude':
      return [{ pattern: `!${value}`, from: option, ignoreCase: option === '--iinclude' }]
    case '--include-file':
      return (await rulesIn(value)).map(({ pattern, ...rule }) => ({
        ...rule,
        pattern: pattern.startsWith('!') ? pattern.slice(1) : `!${pattern}`,
      }))
    case '--exclude-file':
      return rulesIn(value)
    default:
      return [{ pattern: value, from: option, ignoreCase: option === '--iexclude' }]
  }
}

async function rulesIn(file: string): Promise<readonly PatternRule[]> {
  const { patternLines } = await import('kloset')
  let lines: Uint8Array
  try {
    lines = await readFile(Buffer.from(pathToBytes(file)))
  } catch (error) {
    throw new Failure(`cannot read ${shown(file)}: ${messageOf(error)}`, 'Check the path.', error)
  }
  const rules = patternLines(lines, { from: file })
  if (rules.length === 0) throw new UsageError(`there are no patterns in ${shown(file)}`, 'Leave it out.')
  return rules
}
