import { type Command, InvalidArgumentError } from 'commander'

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
    .option('-o, --option <name=value>', 'set an option of the connector (repeatable)', collect)
}

/** Parses an option that may be given several times. */
export function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value]
}

/** Parses a share such as `10%` or `2.5`. */
export function percent(value: string): number {
  const number = /^\d+(?:\.\d+)?%?$/.test(value) ? Number.parseFloat(value) : Number.NaN
  if (!(number > 0 && number <= 100)) throw new InvalidArgumentError('Write a share above 0 % and up to 100 %: 10%')
  return number
}
