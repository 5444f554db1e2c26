import { readFile } from 'node:fs/promises'
import { type History, isKlosetError, isPlaceAbsent, KlosetError, type Storage } from 'kloset/connector'
import { UsageError } from './exit.js'
import { givenUnlock, peerNames, type UnlockFlags } from './passphrase.js'
import { type Place, placeOf } from './places.js'
import { askHidden, canAsk } from './prompt.js'
import { withOwnHint } from './render/errors.js'
import { asker, limitsOf, type Opening, type PeerFlags, peerUnlock, type StoreFlags } from './store.js'

/**
 * Opens the restic repository at a location, written as one of ours or as restic writes them; without one, that of RESTIC_REPOSITORY. Its password comes
 * from the options for the other store, restic's environment variables, or a person.
 */
export async function openRepository(
  opening: Opening,
  written: string | undefined,
  flags: StoreFlags & PeerFlags,
): Promise<History> {
  const warn = (message: string): void => opening.output.warn(message)
  const { location, options } = written === undefined ? await configuredLocation(process.env) : fromRestic(written)
  const place = await placeOf(location, [...options, ...(flags.peerOption ?? [])], warn)
  try {
    const given = await givenPassword(opening, flags, place, warn)
    const storage = await openPlace(opening, place, flags)
    try {
      return await unlock(opening, storage, place, given, warn)
    } catch (error) {
      await storage.close()
      throw error
    }
  } catch (error) {
    throw withOwnHint(error)
  }
}

/** Where a repository is, and what else its connector has to be told, `NAME=VALUE`. */
interface ResticLocation {
  readonly location: string
  readonly options: readonly string[]
}

/**
 * What restic's own way of writing a location means: `/srv/repo`, `local:/srv/repo`, `sftp:user@host:/srv/repo`, `s3:https://host/bucket/prefix`.
 * @throws UsageError for places that cannot be reached from here
 */
export function fromRestic(written: string): ResticLocation {
  const [, scheme = '', rest = ''] = /^([a-z0-9]+):(?!\/\/)(.*)$/.exec(written) ?? []
  const plain = (location: string): ResticLocation => ({ location, options: [] })
  switch (scheme) {
    case '':
      return plain(written)
    case 'local':
      return plain(rest)
    case 'sftp': {
      const [, host = '', path = ''] = /^([^:/]+):(.*)$/.exec(rest) ?? []
      return plain(`sftp://${host}${path.startsWith('/') ? path : `/~/${path}`}`)
    }
    case 's3':
      return {
        location: `s3://${rest.replace(/^https?:\/\//, '')}`,
        options: rest.startsWith('http://') ? ['tls=false'] : [],
      }
    case 'rest':
    case 'b2':
    case 'azure':
    case 'gs':
    case 'swift':
    case 'rclone':
      throw new UsageError(
        `repositories at ${scheme}: cannot be reached from here`,
        'Bring it to a folder, an SSH server or S3 first, as `restic copy` or rclone do, and name that.',
      )
    default:
      return plain(written)
  }
}

async function configuredLocation(env: NodeJS.ProcessEnv): Promise<ResticLocation> {
  const text =
    env.RESTIC_REPOSITORY || (env.RESTIC_REPOSITORY_FILE && (await readFile(env.RESTIC_REPOSITORY_FILE, 'utf8')))
  if (!text) {
    throw new UsageError(
      'which repository?',
      'Say where it is: kloset import restic LOCATION, or set RESTIC_REPOSITORY.',
    )
  }
  // Restic takes a path after one slash as one below the home folder, and after two as one from the root.
  const [, host, path = ''] = /^(sftp:\/\/[^/]+)\/(.*)$/.exec(text.trim()) ?? []
  if (host !== undefined) return { location: path.startsWith('/') ? host + path : `${host}/~/${path}`, options: [] }
  return fromRestic(text.trim())
}

/** The password where something says it; undefined where a person has to be asked. */
async function givenPassword(
  { signal }: Opening,
  flags: StoreFlags & PeerFlags,
  place: Place,
  warn: (message: string) => void,
): Promise<string | undefined> {
  const { env } = process
  const passphrase = env.RESTIC_PASSWORD || env.KLOSET_PEER_PASSPHRASE
  const variables = passphrase === undefined ? {} : { KLOSET_PEER_PASSPHRASE: passphrase }
  const given = await givenUnlock(
    peerUnlock(flags),
    variables,
    warn,
    signal,
    place.unlock ?? resticUnlock(env),
    peerNames,
  )
  if (given === undefined) return undefined
  if ('key' in given)
    throw new UsageError('a restic repository has no raw key', 'Give its password: --peer-passphrase-file.')
  return 'plaintext' in given ? '' : given.passphrase
}

function resticUnlock({
  RESTIC_PASSWORD_COMMAND: command,
  RESTIC_PASSWORD_FILE: file,
}: NodeJS.ProcessEnv): UnlockFlags | undefined {
  if (command) return { passphraseCommand: command, encryption: true }
  return file ? { passphraseFile: file, encryption: true } : undefined
}

async function openPlace({ signal }: Opening, place: Place, flags: StoreFlags): Promise<Storage> {
  const [{ openStorage }, { noRepository }] = await Promise.all([import('kloset'), import('@kloset/connector-restic')])
  try {
    const { connector } = place.connector
    return await openStorage(place.location, {
      connectors: [connector],
      options: place.options,
      ask: asker(signal),
      limits: limitsOf(flags),
      signal,
    })
  } catch (error) {
    throw isPlaceAbsent(error) ? noRepository(place.shown, error) : error
  }
}

async function unlock(
  { signal, output }: Opening,
  storage: Storage,
  place: Place,
  given: string | undefined,
  onWarning: (message: string) => void,
): Promise<History> {
  const { openRestic } = await import('@kloset/connector-restic')
  const unlockWith = (password: string): Promise<History> => openRestic(storage, { password, signal, onWarning })
  if (given !== undefined) return unlockWith(given)
  if (!canAsk()) throw noPassword(place.shown)
  for (let attempt = 1; ; attempt++) {
    const password = await askHidden(`password of the restic repository ${place.shown}`, signal)
    try {
      return await unlockWith(password)
    } catch (error) {
      if (!isKlosetError(error, 'KLOSET_WRONG_PASSPHRASE') || attempt === 3) throw error
      output.error('Wrong password, try again.')
    }
  }
}

function noPassword(location: string): KlosetError {
  return new KlosetError('KLOSET_LOCKED', `the restic repository at ${location} needs its password`, {
    hint: 'There is no terminal to ask for it. Set RESTIC_PASSWORD, RESTIC_PASSWORD_FILE or KLOSET_PEER_PASSPHRASE, or use --peer-passphrase-file or --peer-passphrase-command; for a repository without password, --peer-no-encryption.',
  })
}
