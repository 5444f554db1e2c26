import { Command, type Option } from 'commander'
import { parseCommandLine } from '../arguments.js'
import type { Verb } from '../verb.js'

/** A verb as a completion shows it. */
export interface KnownVerb {
  readonly summary: string
  load(): Promise<Verb>
}

/** What is known besides the command line. */
export interface Known {
  readonly verbs: Readonly<Record<string, KnownVerb>>
  /** The names of the configuration, without `@`. */
  locations(): Promise<Iterable<string>>
}

/** A word that may stand at the end of a command line. */
export interface Candidate {
  readonly value: string
  /** Empty where there is nothing to say. */
  readonly description: string
}

/** What may stand at the end of a command line. */
export interface Candidates {
  readonly words: readonly Candidate[]
  /** Names of files may, too. */
  readonly files: boolean
}

/** What the last of the words after `kloset` may become; it is empty where a new word begins. Nothing is read of any store. */
export async function candidatesFor(words: readonly string[], known: Known): Promise<Candidates> {
  const current = words.at(-1) ?? ''
  const before = words.slice(0, -1)
  const all = await possible(before, current, known)
  return { words: all.words.filter(({ value }) => value.startsWith(current)), files: all.files }
}

const nothing: Candidates = { words: [], files: false }

async function possible(before: readonly string[], current: string, known: Known): Promise<Candidates> {
  if (before.at(-1) === 'at' && !before.slice(0, -1).includes('at')) return places(known)
  let line: ReturnType<typeof parseCommandLine>
  try {
    line = parseCommandLine(before)
  } catch {
    return nothing
  }
  if (line.verb === undefined) return start(current, line.store, known)
  if (line.verb === 'help') return { words: namesOf(known), files: false }
  const verb = Object.hasOwn(known.verbs, line.verb) ? await known.verbs[line.verb]!.load() : undefined
  if (verb === undefined) return nothing
  const command = new Command(line.verb)
  verb.define(command)
  return ofVerb(command, line.rest, current, known)
}

function start(current: string, store: string | undefined, known: Known): Candidates {
  if (current.startsWith('-'))
    return {
      words: named([
        ['--help', 'show help'],
        ['--version', 'show the version'],
      ]),
      files: false,
    }
  const at = store === undefined ? named([['at', 'say which store']]) : []
  return { words: [...at, ...namesOf(known), ...named([['help', 'tell about a verb']])], files: false }
}

async function ofVerb(command: Command, rest: readonly string[], current: string, known: Known): Promise<Candidates> {
  if (rest.includes('--')) return { words: [], files: true }
  const waiting = optionOf(command, rest.at(-1))
  if (waiting?.required) return valuesOf(waiting, known)
  if (current.startsWith('-')) {
    const given = new Set(rest)
    const free = command.options.filter(
      (option) => option.long && !option.hidden && (isRepeatable(option) || !given.has(option.long)),
    )
    return {
      words: named([...free.map(({ long, description }) => [long!, description] as const), ['--help', 'show help']]),
      files: false,
    }
  }
  const taken = rest.filter((word, at) => !word.startsWith('-') && !optionOf(command, rest[at - 1])?.required)
  const args = command.registeredArguments
  const argument = args[taken.length] ?? (args.at(-1)?.variadic ? args.at(-1) : undefined)
  if (argument === undefined) return nothing
  return ofArgument(argument.name(), argument.argChoices, argument.description, known)
}

function valuesOf({ argChoices, flags }: Option, known: Known): Candidates | Promise<Candidates> {
  if (argChoices !== undefined) return { words: named(argChoices.map((choice) => [choice, ''])), files: false }
  if (/<store>|<location>/i.test(flags)) return places(known)
  return { words: [], files: /<(?:file|folder|dir|path)>/i.test(flags) }
}

function ofArgument(
  name: string,
  choices: readonly string[] | undefined,
  description: string,
  known: Known,
): Candidates | Promise<Candidates> {
  if (choices !== undefined) return { words: named(choices.map((choice) => [choice, ''])), files: false }
  if (/^id\b/i.test(name)) return { words: named([['latest', 'the newest snapshot']]), files: false }
  if (/peer|store|location/i.test(name)) return places(known)
  return { words: [], files: /source|dir|file|folder|path/i.test(name) || /folder|file/i.test(description) }
}

async function places(known: Known): Promise<Candidates> {
  const names = [...(await known.locations())].sort()
  const protocols = named([
    ['s3://', 'a bucket of an S3 server'],
    ['sftp://', 'a folder of an SSH server'],
  ])
  return { words: [...named(names.map((name) => [`@${name}`, ''])), ...protocols], files: true }
}

function namesOf({ verbs }: Known): Candidate[] {
  return named(Object.entries(verbs).map(([name, { summary }]) => [name, summary]))
}

function named(pairs: readonly (readonly [string, string])[]): Candidate[] {
  return pairs.map(([value, description]) => ({ value, description }))
}

function optionOf(command: Command, word: string | undefined): Option | undefined {
  return command.options.find(({ long, short }) => word !== undefined && (word === long || word === short))
}

/** Options that may be given several times say so. */
function isRepeatable({ description }: Option): boolean {
  return description.includes('repeatable')
}
