import { spawn } from 'node:child_process'
import { open } from 'node:fs/promises'
import type { Unlock } from 'kloset'
import { withoutOwnSecrets } from 'kloset/connector'
import { Failure, UsageError } from './exit.js'
import { askHidden } from './prompt.js'
import { messageOf } from './render/errors.js'

/** The options that tell how a store is unlocked, as commander gives them. */
export interface UnlockFlags {
  readonly passphraseFile?: string
  readonly passphraseCommand?: string
  readonly keyFile?: string
  /** False with `--no-encryption`. */
  readonly encryption: boolean
}

/** What the options and the environment variable are called by which a store is unlocked. */
export interface UnlockNames {
  /** In front of the options: `--`, or `--peer-` for the other store of two. */
  readonly options: '--' | '--peer-'
  readonly variable: string
}

/** The names for the store of `at STORE`, and for the other one. */
export const ownNames: UnlockNames = { options: '--', variable: 'KLOSET_PASSPHRASE' }
export const peerNames: UnlockNames = { options: '--peer-', variable: 'KLOSET_PEER_PASSPHRASE' }

/**
 * How to unlock, where the options, the configuration of a named location, or the environment variable say so, of which an earlier one
 * wins; undefined where none does, and a person may be asked.
 * @throws UsageError where two options contradict each other; Failure where a passphrase cannot be got or is empty
 */
export async function givenUnlock(
  flags: UnlockFlags,
  env: NodeJS.ProcessEnv,
  warn: (message: string) => void,
  signal: AbortSignal,
  configured?: UnlockFlags,
  names: UnlockNames = ownNames,
): Promise<Unlock | undefined> {
  const chosen = optionsIn(flags, names).length === 0 && configured !== undefined ? configured : flags
  const given = optionsIn(chosen, names)
  if (given.length > 1) throw new UsageError(`${given.join(' and ')} exclude each other`, 'Give one of them.')
  if (!chosen.encryption) return { plaintext: true }
  if (chosen.keyFile !== undefined) return { key: await keyFromFile(chosen.keyFile, warn) }
  if (chosen.passphraseFile !== undefined)
    return { passphrase: await secretLineOf(chosen.passphraseFile, 'passphrase', warn) }
  if (chosen.passphraseCommand !== undefined)
    return { passphrase: await passphraseFromCommand(chosen.passphraseCommand, signal) }
  const passphrase = env[names.variable]
  if (passphrase === undefined) return undefined
  return { passphrase: notEmpty(passphrase, names.variable) }
}

function optionsIn(flags: UnlockFlags, { options }: UnlockNames): string[] {
  return [
    flags.passphraseFile !== undefined && `${options}passphrase-file`,
    flags.passphraseCommand !== undefined && `${options}passphrase-command`,
    flags.keyFile !== undefined && `${options}key-file`,
    !flags.encryption && `${options}no-encryption`,
  ].filter((name) => name !== false)
}

/** Asks for the passphrase of a store that exists. @throws Interrupted */
export async function askPassphrase(
  location: string,
  signal: AbortSignal,
  names: UnlockNames = ownNames,
): Promise<string> {
  const which = names === peerNames ? 'passphrase of the peer' : 'passphrase of'
  for (;;) {
    const passphrase = await askHidden(`${which} ${location}`, signal)
    if (passphrase !== '') return passphrase
  }
}

/** Asks twice for the passphrase of a new store. @throws Interrupted, Failure after three attempts that do not match */
export async function askNewPassphrase(
  location: string,
  signal: AbortSignal,
  say: (text: string) => void,
): Promise<string> {
  say('Choose the passphrase with care: who has it and can reach the store can read your backups.')
  say('It is stored nowhere and cannot be recovered. Without it, the data is lost.')
  for (let attempt = 0; attempt < 3; attempt++) {
    const passphrase = await askHidden(`passphrase for ${location}`, signal)
    if (passphrase === '') {
      say('An empty passphrase protects nothing. For a store without encryption: --no-encryption')
      continue
    }
    if ((await askHidden('the same again', signal)) === passphrase) return passphrase
    say('The two are not the same.')
  }
  throw new Failure('no passphrase was chosen', 'Run it again; no store was made.')
}

/** The first line of a file that holds a secret; `what` is what it is called. @throws Failure where it cannot be read, or is empty */
export async function secretLineOf(path: string, what: string, warn: (message: string) => void): Promise<string> {
  const bytes = await secretFile(path, what, warn)
  return notEmpty(firstLine(textOf(bytes, path, what)), path, what)
}

/** What to say where a new store needs a passphrase and nobody can be asked. */
export function noPassphrase(): UsageError {
  return new UsageError(
    'a new store needs a passphrase, and there is no terminal to ask for it',
    'Set KLOSET_PASSPHRASE, use --passphrase-file, --passphrase-command or --key-file, or make a plaintext store with --no-encryption.',
  )
}

async function keyFromFile(path: string, warn: (message: string) => void): Promise<Uint8Array> {
  const bytes = await secretFile(path, 'key', warn)
  if (bytes.length === 32) return new Uint8Array(bytes)
  const text = bytes.toString('latin1').trim()
  if (/^[0-9a-f]{64}$/i.test(text)) return new Uint8Array(Buffer.from(text, 'hex'))
  throw new Failure(
    `${path} does not hold a key`,
    'A key file has 32 bytes, or 64 hexadecimal digits. To make one: head -c 32 /dev/urandom > FILE',
  )
}

async function secretFile(path: string, what: string, warn: (message: string) => void): Promise<Buffer> {
  try {
    const file = await open(path, 'r')
    try {
      const about = await file.stat()
      if (process.platform !== 'win32' && about.isFile() && about.mode & 0o004)
        warn(`everybody on this machine can read the ${what} file ${path}; make it private: chmod 600 ${path}`)
      return await file.readFile()
    } finally {
      await file.close()
    }
  } catch (error) {
    throw new Failure(`cannot read the ${what} file: ${messageOf(error)}`, `Check the path: ${path}`, error)
  }
}

async function passphraseFromCommand(command: string, signal: AbortSignal): Promise<string> {
  const output = await new Promise<Buffer>((resolve, reject) => {
    // The command may ask for something itself: it keeps the terminal, and its complaints are seen.
    const child = spawn(command, {
      shell: true,
      env: withoutOwnSecrets(process.env),
      stdio: ['inherit', 'pipe', 'inherit'],
      signal,
    })
    const parts: Buffer[] = []
    child.stdout.on('data', (part: Buffer) => parts.push(part))
    child.on('error', (error) => reject(commandFailed(`could not be run: ${messageOf(error)}`)))
    child.on('close', (code, signal) => {
      if (code === 0) resolve(Buffer.concat(parts))
      else reject(commandFailed(signal ? `was ended by ${signal}` : `failed with exit code ${code}`))
    })
  })
  return notEmpty(firstLine(textOf(output, 'the passphrase command')), 'the passphrase command')
}

function commandFailed(what: string): Failure {
  return new Failure(
    `the passphrase command ${what}`,
    'Run it by itself to see what is wrong: it must print the passphrase.',
  )
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]!.replace(/\r$/, '')
}

function textOf(bytes: Buffer, from: string, what = 'passphrase'): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new Failure(`the ${what} from ${from} is not UTF-8 text`, 'For a key of raw bytes use --key-file.')
  }
}

function notEmpty(secret: string, from: string, what = 'passphrase'): string {
  if (secret !== '') return secret
  throw new Failure(`the ${what} from ${from} is empty`, 'An empty one is never used: give one, or unset it.')
}
