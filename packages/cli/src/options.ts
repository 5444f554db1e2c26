import { type Command, InvalidArgumentError } from 'commander'
import type { SnapshotFilter, SnapshotSelection } from 'kloset'
import { UsageError } from './exit.js'
import { absolute } from './locations.js'
import { parseBytes } from './render/bytes.js'
import { parseTime } from './render/times.js'

/** The options of every verb: how it talks. */
export interface OutputFlags {
  readonly json?: boolean
  readonly quiet?: boolean
  readonly verbose?: boolean
}

/** Adds the options that tell how a command talks. */
export function outputOptions(command: Command): Command {
  return command
    .optionsGroup('Output:')
    .option('-q, --quiet', 'say nothing but errors')
    .option('-v, --verbose', 'say more; errors with their causes')
    .option('--json', 'write one JSON object a line to stdout (docs/json.md)')
    .helpOption('-h, --help', 'show this help')
}

/** Adds the options that tell how a store is reached and unlocked. */
export function storeOptions(command: Command): Command {
  return command
    .optionsGroup('The store:')
    .option('--passphrase-file <file>', 'take the passphrase from the first line of a file')
    .option('--passphrase-command <command>', 'take it from the first line that a command prints (run by the shell)')
    .option('--key-file <file>', 'unlock with a raw key: 32 bytes or 64 hexadecimal digits')
    .option('--no-encryption', 'the store is plaintext: use no passphrase')
    .option(
      '-o, --option <name=value>',
      'set an option of the connector (repeatable; `kloset ping -v` lists them)',
      collect,
    )
    .option('--damaged-log', 'read a log whose end is damaged as it was before the damage')
    .option('--no-cache', 'keep nothing of the store on this machine, and use nothing that is kept')
    .option('--cache-dir <folder>', 'keep it there; default: ~/.cache/kloset')
    .option('--cache-size <size>', 'at most so much for all stores together; default 4GiB', parseBytes)
    .option('--limit-upload <rate>', 'send at most so many bytes a second: 500K, 2MiB', rate)
    .option('--limit-download <rate>', 'receive at most so many bytes a second', rate)
    .option(
      '--concurrency <n>',
      'make at most so many requests at once; default: what the storage does well',
      wholeNumber,
    )
}

/** As {@link storeOptions}, for verbs that write to the store. */
export function writtenStoreOptions(command: Command): Command {
  return storeOptions(command).option(
    '--exclusive',
    'promise that nobody else writes meanwhile, where the storage cannot keep writers apart',
  )
}

/** Adds the options that tell how the other store is reached and unlocked. */
export function peerOptions(command: Command, what: string): Command {
  return command
    .optionsGroup(`${what}:`)
    .option('--peer-passphrase-file <file>', 'take its passphrase from the first line of a file')
    .option('--peer-passphrase-command <command>', 'take it from the first line that a command prints')
    .option('--peer-key-file <file>', 'unlock it with a raw key')
    .option('--peer-no-encryption', 'it is plaintext: use no passphrase')
    .option('--peer-o, --peer-option <name=value>', 'set an option of its connector (repeatable)', collect)
}

/** The options that select snapshots, as commander gives them. */
export interface SelectFlags {
  readonly tag?: readonly string[]
  readonly host?: string
  readonly name?: string
  readonly path?: string
  readonly since?: Date
  readonly before?: Date
}

/** Adds the options that select snapshots. */
export function selectOptions(command: Command): Command {
  return command
    .optionsGroup('Which snapshots (all that is given must hold):')
    .option('--tag <tag>', 'with this tag (repeatable, or several with commas)', collectTags)
    .option('--host <name>', 'of this host')
    .option('--name <name>', 'of this name')
    .option('--path <folder>', 'of this folder')
    .option('--since <time>', 'from this time on: 2026-11-20, 2026-11-20T14:58, or an age such as 7d', (text) =>
      parseTime(text),
    )
    .option('--before <time>', 'before this time', (text) => parseTime(text))
}

/** What the options of {@link selectOptions} select. */
export function filterOf({ tag, host, name, path, since, before }: SelectFlags): SnapshotFilter {
  return {
    ...(tag && { tags: tag }),
    ...(host !== undefined && { host }),
    ...(name !== undefined && { name }),
    ...(path !== undefined && { root: absolute(path) }),
    ...(since && { since }),
    ...(before && { before }),
  }
}

/** The snapshots that IDs and the options of {@link selectOptions} mean, oldest first; where neither is given, all. */
export function selectionOf(ids: readonly string[], flags: SelectFlags): SnapshotSelection {
  return { ...(ids.length > 0 && { snapshots: ids }), where: filterOf(flags) }
}

/** @throws UsageError where neither IDs nor options say which snapshots: `why` is what would happen to all of them */
export function requireSelection(ids: readonly string[], flags: SelectFlags, why: string): void {
  if (ids.length > 0 || Object.keys(filterOf(flags)).length > 0) return
  throw new UsageError(
    `which snapshots? ${why}`,
    'Give their ids, or options that select them, such as --tag or --before.',
  )
}

/** Parses an option that may be given several times. */
export function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value]
}

/** Parses an option of tags: several with commas between, and it may be given several times. */
export function collectTags(value: string, before: readonly string[] | undefined): readonly string[] {
  const tags = value.split(',')
  if (tags.includes('')) throw new InvalidArgumentError('A tag is empty.')
  return [...(before ?? []), ...tags]
}

/** Parses a number of at least one. */
export function wholeNumber(value: string): number {
  if (/^[1-9]\d{0,8}$/.test(value)) return Number(value)
  throw new InvalidArgumentError('Write a whole number, at least 1.')
}

/** Parses the size of packs. */
export function packSize(value: string): number {
  const bytes = parseBytes(value)
  if (bytes >= 1024 ** 2 && bytes <= 128 * 1024 ** 2) return bytes
  throw new InvalidArgumentError('Write a size from 1MiB to 128MiB.')
}

/** Parses bytes a second. */
function rate(value: string): number {
  const bytes = parseBytes(value.replace(/\/s$/, ''))
  if (bytes >= 16 * 1024) return bytes
  throw new InvalidArgumentError('Write at least 16KiB a second: slower lines would be taken for broken ones.')
}

/** Parses a share such as `10%` or `2.5`. */
export function percent(value: string): number {
  const number = /^\d+(?:\.\d+)?%?$/.test(value) ? Number.parseFloat(value) : Number.NaN
  if (!(number > 0 && number <= 100)) throw new InvalidArgumentError('Write a share above 0 % and up to 100 %: 10%')
  return number
}
