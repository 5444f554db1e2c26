import { open, realpath, rename, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { Failure } from './exit.js'
import { makeFolders } from './make-folders.js'
import { messageOf } from './render/errors.js'
import { WrittenFile } from './written-file.js'

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
  const written = await WrittenFile.parse(read.text, file)
  const content = written.members(written.content, [], 'the file', ['default', 'locations'])
  const standard = written.text(content.default, ['default'], '`default`')
  const named = Object.entries(written.members(content.locations, ['locations'], '`locations`'))
  return {
    file,
    default: standard,
    locations: new Map(named.map(([name, value]) => [name, namedLocation(name, value, written)])),
    mode: read.mode,
  }
}

/** Writes a named location into the configuration, or takes it out. What else is in the file stays, with its comments. */
export function changeLocation(
  name: string,
  location: NamedLocation | undefined,
  env?: NodeJS.ProcessEnv,
): Promise<void> {
  return change(['locations', name], location && membersOf(location), env)
}

/** Sets the store that is meant without `at STORE`, or takes it out. */
export function changeDefault(store: string | undefined, env?: NodeJS.ProcessEnv): Promise<void> {
  return change(['default'], store, env)
}

async function change(path: readonly string[], value: unknown, env: NodeJS.ProcessEnv = process.env): Promise<void> {
  const file = configurationFile(env)
  const { document } = await WrittenFile.parse((await readWithMode(file))?.text ?? '', file)
  if (value === undefined) document.deleteIn(path)
  else document.setIn(path, document.createNode(value))
  await makeFolders(dirname(file))
  // Where it is a link, as people make who keep their configuration elsewhere, it stays one.
  const place = await realpath(file).catch(() => file)
  const temporary = `${place}.${process.pid}`
  await writeFile(temporary, document.toString({ lineWidth: 0 }), { mode: 0o600 })
  await rename(temporary, place)
}

const keys = ['url', 'options', 'passphrase-file', 'passphrase-command', 'key-file', 'encryption'] as const

function namedLocation(name: string, value: unknown, written: WrittenFile): NamedLocation {
  const where = `@${name}`
  const path = ['locations', name]
  const found = typeof value === 'string' ? { url: value } : written.members(value, path, where, keys)
  const text = (key: (typeof keys)[number]): string | undefined =>
    written.text(found[key], [...path, key], `\`${key}\` of ${where}`)
  const url = text('url')
  if (url === undefined) throw written.odd(path, `${where} has no \`url\``)
  const encryption = text('encryption')?.toLowerCase()
  if (encryption !== undefined && encryption !== 'true' && encryption !== 'false')
    throw written.odd([...path, 'encryption'], `\`encryption\` of ${where} is neither true nor false`)
  const [passphraseFile, passphraseCommand, keyFile] = [
    text('passphrase-file'),
    text('passphrase-command'),
    text('key-file'),
  ]
  const place = url.includes('://') ? url : expandHome(url)
  if (!place.includes('://') && !isAbsolute(place))
    throw written.odd([...path, 'url'], `the path of ${where} is relative to nothing`)
  return {
    url: place,
    ...(found.options !== undefined && { options: optionsOf(found.options, [...path, 'options'], where, written) }),
    ...(passphraseFile !== undefined && { passphraseFile: expandHome(passphraseFile) }),
    ...(passphraseCommand !== undefined && { passphraseCommand }),
    ...(keyFile !== undefined && { keyFile: expandHome(keyFile) }),
    ...(encryption === 'false' && { encryption: false as const }),
  }
}

function optionsOf(
  value: unknown,
  path: readonly string[],
  where: string,
  written: WrittenFile,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(written.members(value, path, `\`options\` of ${where}`)).map(([name, each]) => {
      if (typeof each !== 'string') throw written.odd([...path, name], `the option ${name} of ${where} is no text`)
      return [name, each]
    }),
  )
}

// What a shell would have made of it.
function expandHome(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path
}

function membersOf(location: NamedLocation): Record<string, unknown> {
  const { url, options, passphraseFile, passphraseCommand, keyFile, encryption } = location
  return {
    url,
    ...(options && Object.keys(options).length > 0 && { options }),
    ...(passphraseFile !== undefined && { 'passphrase-file': passphraseFile }),
    ...(passphraseCommand !== undefined && { 'passphrase-command': passphraseCommand }),
    ...(keyFile !== undefined && { 'key-file': keyFile }),
    ...(encryption === false && { encryption: 'false' }),
  }
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
