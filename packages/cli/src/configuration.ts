import { mkdir, open, realpath, rename, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { Failure } from './exit.js'
import { messageOf } from './render/errors.js'

/** A location that has a name, `@name`, with all that reaching and unlocking it takes. */
export interface NamedLocation {
  readonly url: string
  /** Options of the connector. */
  readonly options?: Readonly<Record<string, string>>
  readonly passphraseFile?: string
  readonly passphraseCommand?: string
  readonly keyFile?: string
  /** False: the store is plaintext. */
  readonly encryption?: false
}

/** What a person has configured. */
export interface Configuration {
  readonly file: string
  /** The store that is meant without `at STORE`, as one would write it there. */
  readonly default: string | undefined
  readonly locations: ReadonlyMap<string, NamedLocation>
  /** Permission bits of the file; undefined where there is none. */
  readonly mode: number | undefined
}

/** Where the configuration is: `$XDG_CONFIG_HOME/kloset/config.yaml`, a relative XDG_CONFIG_HOME being ignored as its specification says. */
export function configurationFile(env: NodeJS.ProcessEnv = process.env): string {
  const given = env.XDG_CONFIG_HOME
  const home = given && isAbsolute(given) ? given : join(homedir(), '.config')
  return join(home, 'kloset', 'config.yaml')
}

/**
 * Reads the configuration; where there is none, it is empty.
 * @throws Failure where it cannot be read, makes no sense, or everybody may write to it: it names commands to run
 */
export async function readConfiguration(env: NodeJS.ProcessEnv = process.env): Promise<Configuration> {
  const file = configurationFile(env)
  const read = await readWithMode(file)
  if (read === undefined) return { file, default: undefined, locations: new Map(), mode: undefined }
  if (process.platform !== 'win32' && read.mode & 0o002)
    throw new Failure(`everybody on this machine can change ${file}`, `Make it yours alone: chmod 600 ${file}`)
  const { parse } = await import('./yaml.js')
  let content: unknown
  try {
    content = parse(read.text) ?? {}
  } catch (error) {
    throw new Failure(`${file} is not YAML: ${messageOf(error).split('\n')[0]}`, 'Correct it in an editor.')
  }
  const { default: standard, locations } = membersOf(content, file, 'the file', ['default', 'locations'])
  if (standard !== undefined && typeof standard !== 'string') throw odd(file, '`default` is no text')
  const named = Object.entries(membersOf(locations ?? {}, file, '`locations`'))
  return {
    file,
    default: standard,
    locations: new Map(named.map(([name, value]) => [name, namedLocation(name, value, file)])),
    mode: read.mode,
  }
}

/** Writes a named location into the configuration, or takes it out. What else is in the file stays, with its comments. */
export function changeLocation(
  name: string,
  location: NamedLocation | undefined,
  env?: NodeJS.ProcessEnv,
): Promise<void> {
  return change(['locations', name], location && written(location), env)
}

/** Sets the store that is meant without `at STORE`, or takes it out. */
export function changeDefault(store: string | undefined, env?: NodeJS.ProcessEnv): Promise<void> {
  return change(['default'], store, env)
}

async function change(path: readonly string[], value: unknown, env: NodeJS.ProcessEnv = process.env): Promise<void> {
  const file = configurationFile(env)
  const { parseDocument } = await import('./yaml.js')
  const document = parseDocument((await readWithMode(file))?.text ?? '')
  if (value === undefined) document.deleteIn(path)
  else document.setIn(path, document.createNode(value))
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  // Where it is a link, as people make who keep their configuration elsewhere, it stays one.
  const place = await realpath(file).catch(() => file)
  const temporary = `${place}.${process.pid}`
  await writeFile(temporary, document.toString({ lineWidth: 0 }), { mode: 0o600 })
  await rename(temporary, place)
}

const keys = ['url', 'options', 'passphrase-file', 'passphrase-command', 'key-file', 'encryption'] as const

function namedLocation(name: string, value: unknown, file: string): NamedLocation {
  const where = `@${name}`
  const found = membersOf(typeof value === 'string' ? { url: value } : value, file, where, keys)
  const text = (key: (typeof keys)[number]): string | undefined => {
    const each = found[key]
    if (each === undefined || (typeof each === 'string' && each !== '')) return each
    throw odd(file, `\`${key}\` of ${where} is no text`)
  }
  const url = text('url')
  if (url === undefined) throw odd(file, `${where} has no \`url\``)
  if (found.encryption !== undefined && typeof found.encryption !== 'boolean')
    throw odd(file, `\`encryption\` of ${where} is neither true nor false`)
  const [passphraseFile, passphraseCommand, keyFile] = [
    text('passphrase-file'),
    text('passphrase-command'),
    text('key-file'),
  ]
  const place = url.includes('://') ? url : expandHome(url)
  if (!place.includes('://') && !isAbsolute(place)) throw odd(file, `the path of ${where} is relative to nothing`)
  return {
    url: place,
    ...(found.options !== undefined && { options: optionsOf(found.options, file, where) }),
    ...(passphraseFile !== undefined && { passphraseFile: expandHome(passphraseFile) }),
    ...(passphraseCommand !== undefined && { passphraseCommand }),
    ...(keyFile !== undefined && { keyFile: expandHome(keyFile) }),
    ...(found.encryption === false && { encryption: false as const }),
  }
}

function optionsOf(value: unknown, file: string, where: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(membersOf(value, file, `\`options\` of ${where}`)).map(([name, each]) => {
      if (!['string', 'number', 'boolean'].includes(typeof each))
        throw odd(file, `the option ${name} of ${where} is no text`)
      return [name, String(each)]
    }),
  )
}

// What a shell would have made of it.
function expandHome(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path
}

function written(location: NamedLocation): Record<string, unknown> {
  const { url, options, passphraseFile, passphraseCommand, keyFile, encryption } = location
  return {
    url,
    ...(options && Object.keys(options).length > 0 && { options }),
    ...(passphraseFile !== undefined && { 'passphrase-file': passphraseFile }),
    ...(passphraseCommand !== undefined && { 'passphrase-command': passphraseCommand }),
    ...(keyFile !== undefined && { 'key-file': keyFile }),
    ...(encryption === false && { encryption }),
  }
}

function membersOf(value: unknown, file: string, where: string, known?: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw odd(file, `${where} has no names and values`)
  const unknown = known && Object.keys(value).find((key) => !known.includes(key))
  if (unknown !== undefined)
    throw odd(file, `${where} has \`${unknown}\`, which means nothing`, `Known are: ${known!.join(', ')}.`)
  return value as Record<string, unknown>
}

function odd(
  file: string,
  what: string,
  hint = 'Correct the file: `kloset help config` shows what it looks like.',
): Failure {
  return new Failure(`${file}: ${what}`, hint)
}

async function readWithMode(file: string): Promise<{ readonly text: string; readonly mode: number } | undefined> {
  try {
    const opened = await open(file, 'r')
    try {
      return { text: await opened.readFile('utf8'), mode: (await opened.stat()).mode }
    } finally {
      await opened.close()
    }
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw new Failure(`cannot read ${file}: ${messageOf(error)}`, undefined, error)
  }
}
