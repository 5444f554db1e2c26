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

/** A value of one of several options, and how many of them were given before it: between them the order matters. */
export interface Given {
  readonly option: string
  readonly value: string
  readonly order: number
}

/** Makes options of which {@link rulesOf} knows the order. */
export function orderedOptions(): (name: string, argument: string, describe: string) => Option {
  let order = 0
  return (name, argument, describe) =>
    new Option(`--${name} <${argument}>`, describe).argParser((value, before: readonly Given[] | undefined) => [
      ...(before ?? []),
      { option: `--${name}`, value, order: order++ },
    ])
}

/** Adds the options that say which entries are taken. */
export function patternOptions(command: Command): Command {
  const ordered = orderedOptions()
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
 * @throws UsageError for an empty pattern, and files without any; Failure where a file cannot be read
 */
export async function patternsOf(flags: PatternFlags): Promise<readonly PatternRule[] | undefined> {
  const { include = [], exclude = [], iinclude = [], iexclude = [], includeFile = [], excludeFile = [] } = flags
  const given = [include, exclude, iinclude, iexclude, includeFile, excludeFile].flat()
  if (given.length === 0) return undefined
  const rules = await rulesOf(given)
  if (rules.length === 0) throw new UsageError('there are no patterns in the given files', 'Leave them out.')
  return rules
}

/** What ordered options say, as rules. @throws UsageError for an empty pattern; Failure where a file cannot be read */
export async function rulesOf(given: readonly Given[]): Promise<PatternRule[]> {
  const rules: PatternRule[] = []
  for (const each of given.toSorted((a, b) => a.order - b.order)) rules.push(...(await rulesOfOne(each)))
  return rules
}

async function rulesOfOne({ option, value }: Given): Promise<readonly PatternRule[]> {
  if (value === '') throw new UsageError(`${option} is given nothing`, 'Give a pattern, or leave it out.')
  const more = /^--i(?:include|exclude)/.test(option) ? { ignoreCase: true } : {}
  switch (option) {
    case '--include':
    case '--iinclude':
      return [{ pattern: `!${value}`, from: option, ...more }]
    case '--include-file':
      return (await rulesIn(value)).map((rule) => ({ ...rule, pattern: negated(rule.pattern) }))
    case '--exclude-file':
    case '--iexclude-file':
      return (await rulesIn(value)).map((rule) => ({ ...rule, ...more }))
    default:
      return [{ pattern: value, from: option, ...more }]
  }
}

function negated(pattern: string): string {
  return pattern.startsWith('!') ? pattern.slice(1) : `!${pattern}`
}

async function rulesIn(file: string): Promise<readonly PatternRule[]> {
  const { patternLines } = await import('kloset')
  return patternLines(await contentOf(file), { from: file })
}

/** A file that an option names. @throws Failure where it cannot be read */
export async function contentOf(file: string): Promise<Uint8Array> {
  try {
    return await readFile(Buffer.from(pathToBytes(file)))
  } catch (error) {
    throw new Failure(`cannot read ${shown(file)}: ${messageOf(error)}`, 'Check the path.', error)
  }
}
