import { isAbsolute } from 'node:path'
import { Argument, type Command } from 'commander'
import { Registry } from 'kloset/connector'
import { changeDefault, changeLocation, type NamedLocation, readConfiguration } from '../configuration.js'
import { connectorOf, parseOptions, secretsAmong } from '../connectors.js'
import { exit, Failure, UsageError } from '../exit.js'
import { absolute, hasPassword, nameIn, plainName, safe } from '../locations.js'
import { collect, outputOptions } from '../options.js'
import { askHidden, canAsk } from '../prompt.js'
import { shown } from '../render/names.js'
import { Columns } from '../render/table.js'
import type { Session, Verb } from '../verb.js'

interface Flags {
  readonly option?: readonly string[]
  readonly ask?: readonly string[]
  readonly passphraseFile?: string
  readonly passphraseCommand?: string
  readonly keyFile?: string
  readonly encryption: boolean
}

/** `kloset config`: names for locations, with what reaching and unlocking them takes. */
export const config: Verb = {
  changes: true,
  storeless: true,

  define(command: Command) {
    command
      .addArgument(new Argument('[WHAT]', 'what to do').choices(['list', 'add', 'remove', 'default', 'path']))
      .argument('[NAME]', 'the name of a location')
      .argument('[URL]', 'what it means')
      .usage('[list] | add NAME URL [options] | remove NAME | default [STORE] | path')
      .description(
        'Give locations names, so that `@NAME` means a location together with its connector options and the way to unlock it, ' +
          'wherever a store is expected.',
      )
      .optionsGroup('For add:')
      .option('-o, --option <name=value>', 'an option of the connector (repeatable)', collect)
      .option('--ask <option>', 'an option that is secret: ask for its value on the terminal (repeatable)', collect)
      .option('--passphrase-file <file>', 'take the passphrase from the first line of this file')
      .option('--passphrase-command <command>', 'take it from the first line that this command prints')
      .option('--key-file <file>', 'unlock with this raw key')
      .option('--no-encryption', 'the store is plaintext')
    outputOptions(command).addHelpText(
      'after',
      `
The configuration is $XDG_CONFIG_HOME/kloset/config.yaml (~/.config/kloset), which
may be edited as well:

  default: "@nas"                      # the store, where \`at STORE\` is left out
  locations:
    nas:
      url: sftp://gilles@nas/var/backups
      options: { identity: ~/.ssh/backup }
      passphrase-file: ~/.kloset/nas
    offsite:
      url: s3://minio.example:9001/mybackups
      options: { access-key: gilles, secret-key: … }
      passphrase-command: pass show kloset/offsite

A file with secrets in it must be readable by you alone (chmod 600).

Examples:
  kloset config                        the names, and where the file is
  kloset config add nas sftp://gilles@nas/var/backups --passphrase-file ~/.kloset/nas
  kloset config add offsite s3://minio.example:9001/mybackups -o access-key=gilles --ask secret-key
  kloset config default @nas
  kloset at @offsite ls

Exit codes: 0 done, 1 failed, 2 usage.`,
    )
  },

  async run([what = 'list', name, url]: readonly string[], flags: Flags, session: Session) {
    switch (what) {
      case 'list':
        return list(session)
      case 'path':
        return path(session)
      case 'add':
        return add(name, url, flags, session)
      case 'remove':
        return remove(name, session)
      case 'default':
        return setDefault(name, session)
      default:
        throw new TypeError(`the parser let ${what} pass`)
    }
  },
}

async function list({ output }: Session): Promise<number> {
  const { file, locations, default: standard } = await readConfiguration()
  if (output.json) {
    await output.emit({ type: 'configuration', file, default: standard && safe(standard) })
    for (const [name, found] of locations) await output.emit(await locationJson(name, found))
    return exit.done
  }
  const rows = [...locations].map(([name, found]) => [`@${name}`, shown(safe(found.url)), unlocking(found)])
  await output.print(...new Columns(['left', 'left', 'left']).lines(rows))
  if (locations.size === 0) output.note('No location has a name yet: kloset config add NAME URL')
  if (standard !== undefined) output.note(`Without \`at STORE\`: ${safe(standard)}`)
  output.note(`The configuration is ${file}`)
  return exit.done
}

async function path({ output }: Session): Promise<number> {
  const { file } = await readConfiguration()
  if (output.json) await output.emit({ type: 'configuration', file })
  else await output.print(file)
  return exit.done
}

async function add(name: string | undefined, url: string | undefined, flags: Flags, session: Session): Promise<number> {
  const { output } = session
  if (name === undefined || url === undefined)
    throw new UsageError(
      'add takes a name and a location',
      'For example: kloset config add nas sftp://gilles@nas/var/backups',
    )
  const plain = nameOf(name)
  const { locations, file } = await readConfiguration()
  if (locations.has(plain))
    throw new Failure(`@${plain} is configured already`, `Take it out first: kloset config remove ${plain}`)
  const found = await locationFrom(absolute(url), flags, session)
  await changeLocation(plain, found)
  if (output.json) await output.emit({ type: 'summary', file, added: plain })
  else if (!output.quiet)
    await output.print(`@${plain} is ${shown(safe(found.url))}. To see whether it works: kloset at @${plain} ping`)
  return exit.done
}

async function locationFrom(url: string, flags: Flags, { output, signal }: Session): Promise<NamedLocation> {
  const loaded = await connectorOf(url)
  const options = parseOptions(flags.option)
  for (const secret of [...secretsAmong(loaded, options), ...(hasPassword(url) ? ['the password'] : [])])
    output.warn(`${secret} could be seen among the processes while this ran; next time: --ask NAME`)
  for (const option of flags.ask ?? []) {
    if (!canAsk())
      throw new Failure(`there is no terminal to ask for ${option}`, 'Write it into the configuration file.')
    options[option] = await askHidden(option, signal)
  }
  // Tells of misspelled names and values now, not when the location is needed.
  await new Registry([loaded.connector]).resolve(url, { options })
  const unlock = unlockFrom(flags)
  if (Object.keys(unlock).length > 1)
    throw new UsageError('there is more than one way to unlock the store', 'Give one of them.')
  return { url, options, ...unlock }
}

function unlockFrom({ passphraseFile, passphraseCommand, keyFile, encryption }: Flags): Omit<NamedLocation, 'url'> {
  return {
    ...(passphraseFile !== undefined && { passphraseFile: absolute(passphraseFile) }),
    ...(passphraseCommand !== undefined && { passphraseCommand }),
    ...(keyFile !== undefined && { keyFile: absolute(keyFile) }),
    ...(!encryption && { encryption: false as const }),
  }
}

async function remove(name: string | undefined, { output }: Session): Promise<number> {
  if (name === undefined) throw new UsageError('remove takes a name', 'See which there are: kloset config')
  const plain = nameOf(name)
  const { locations, file } = await readConfiguration()
  if (!locations.has(plain)) throw new Failure(`@${plain} is not configured`, 'See which are: kloset config')
  await changeLocation(plain, undefined)
  if (output.json) await output.emit({ type: 'summary', file, removed: plain })
  else if (!output.quiet) await output.print(`@${plain} has no meaning any more. The store is as it was.`)
  return exit.done
}

async function setDefault(store: string | undefined, { output }: Session): Promise<number> {
  const { file, locations } = await readConfiguration()
  const name = store && nameIn(store)
  if (name && !locations.has(name))
    throw new Failure(`@${name} is not configured`, `First: kloset config add ${name} URL`)
  // A name without its @ would be taken for a folder below wherever this is run.
  if (store && !name && !/^(?:\.{1,2}(?:\/|$)|.*:\/\/)/.test(store) && !isAbsolute(store))
    throw new UsageError(
      `'${store}' is neither a name nor a location`,
      `Write @NAME, a URL, or ./${store} for a folder.`,
    )
  await changeDefault(store && (name ? store : absolute(store)))
  if (output.json) await output.emit({ type: 'summary', file, default: store })
  else if (!output.quiet)
    await output.print(
      store
        ? `Without \`at STORE\`, ${shown(safe(store))} is meant from now on.`
        : 'There is no default store any more.',
    )
  return exit.done
}

function nameOf(name: string): string {
  const plain = plainName(name.replace(/^@/, ''))
  if (plain !== undefined) return plain
  throw new UsageError(`'${name}' cannot be a name`, 'Use letters, digits, dots, hyphens and underscores.')
}

async function locationJson(name: string, found: NamedLocation) {
  const { url, options = {}, passphraseFile, passphraseCommand, keyFile, encryption } = found
  const secrets = secretsAmong(await connectorOf(url), options)
  const open = Object.fromEntries(Object.entries(options).filter(([option]) => !secrets.includes(option)))
  return {
    type: 'location',
    name,
    url: safe(url),
    options: open,
    secrets,
    passphraseFile,
    passphraseCommand,
    keyFile,
    ...(encryption === false && { encryption }),
  }
}

function unlocking({ passphraseFile, passphraseCommand, keyFile, encryption }: NamedLocation): string {
  if (encryption === false) return 'plaintext'
  if (keyFile !== undefined) return `key in ${shown(keyFile)}`
  if (passphraseFile !== undefined) return `passphrase in ${shown(passphraseFile)}`
  return passphraseCommand === undefined ? '' : 'passphrase from a command'
}
