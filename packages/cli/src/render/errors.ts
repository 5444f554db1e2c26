import { isKlosetError, type KlosetErrorCode } from 'kloset/connector'
import { Failure } from '../exit.js'
import { harmless } from './names.js'

/** What the command knows when it has to say what to do next. */
export interface Situation {
  readonly verb: string | undefined
  /** What the person wrote after `at`. */
  readonly written?: string | undefined
  /** The store as the person wrote it, safe to show. */
  readonly store: string | undefined
}

/** What happened, in one line without escapes that a terminal would obey. */
export function messageOf(error: unknown): string {
  if (error instanceof Error) {
    const system = systemMessages[(error as NodeJS.ErrnoException).code ?? '']
    const path = (error as NodeJS.ErrnoException).path
    if (system && !isKlosetError(error)) return path === undefined ? system : `${path}: ${system}`
    return error.message || error.name
  }
  return String(error)
}

/** The messages of the causes of an error, outermost first. */
export function causesOf(error: unknown): string[] {
  const messages: string[] = []
  let cause = error instanceof Error ? error.cause : undefined
  while (cause !== undefined && messages.length < 10) {
    const code = cause instanceof Error ? (cause as NodeJS.ErrnoException).code : undefined
    const message = cause instanceof Error ? cause.message : String(cause)
    messages.push(code && !message.includes(code) ? `${message} (${code})` : message)
    cause = cause instanceof Error ? cause.cause : undefined
  }
  return messages
}

/** What the person can do next: in terms of this command where it knows, else what the engine says. */
export function hintOf(error: unknown, situation: Situation): string | undefined {
  if (error instanceof Failure) return error.hint
  if (!isKlosetError(error)) return error instanceof Error && isSystemError(error) ? undefined : unexpected
  if (others.has(error)) return error.hint
  const peer = peers.get(error)
  return (peer === undefined ? ourHint(error.code, situation) : peerHint(error.code, peer, situation)) ?? error.hint
}

/** Says that an error is about the other one of two stores, which hints then name. Returns the error. */
export function aboutPeer(error: unknown, store: string): unknown {
  if (typeof error === 'object' && error !== null) peers.set(error, store)
  return error
}

/** Says that an error is about something else than a store: its own hint fits, and those that name commands for stores do not. Returns the error. */
export function withOwnHint(error: unknown): unknown {
  if (typeof error === 'object' && error !== null) others.add(error)
  return error
}

const peers = new WeakMap<object, string>()
const others = new WeakSet<object>()

/** The error as lines for a person; `details` adds the code and the chain of causes. */
export function errorLines(error: unknown, situation: Situation, details: boolean): string[] {
  const lines = [`kloset: ${harmless(messageOf(error))}`]
  const hint = hintOf(error, situation)
  if (hint) lines.push(`  ${harmless(hint)}`)
  if (details) {
    if (isKlosetError(error)) lines.push(`  code: ${error.code}`)
    lines.push(...causesOf(error).map((cause) => `  caused by: ${harmless(cause)}`))
  }
  return lines
}

const unexpected =
  'This is unexpected, and may be a mistake in kloset. KLOSET_DEBUG=1 shows where it happened; please report it.'

// Where the next step is a command or an option of this program, only the program can name it.
function ourHint(code: KlosetErrorCode, { verb, store }: Situation): string | undefined {
  const at = `kloset at ${store ?? 'STORE'}`
  switch (code) {
    case 'KLOSET_NO_STORE':
      return `Check the location, or make a store there: ${at} create`
    case 'KLOSET_STORE_EXISTS':
      return `Use it as it is (${at} ls), or choose another place: a store is never overwritten.`
    case 'KLOSET_LOCKED':
      return 'The store is encrypted, and there is no terminal to ask for its passphrase. Set KLOSET_PASSPHRASE, or use --passphrase-file, --passphrase-command or --key-file.'
    case 'KLOSET_WRONG_PASSPHRASE':
      return `Check the passphrase (keyboard layout, caps lock, KLOSET_PASSPHRASE or the file it came from) and that ${store ?? 'this'} is the store you mean.`
    case 'KLOSET_NOT_ENCRYPTED':
      return 'Somebody may have put a plaintext store there. If it is what you expect, say so with --no-encryption, and leave out the passphrase (KLOSET_PASSPHRASE).'
    case 'KLOSET_EXISTS':
      return verb === 'restore'
        ? 'Restore into an empty folder, or say what to do with what is there: --overwrite always, if-changed, if-newer or never.'
        : undefined
    case 'KLOSET_SNAPSHOT_NOT_FOUND':
      return `See which there are: ${at} ls`
    case 'KLOSET_UNSUPPORTED':
      return verb === 'mount' ? `The same folders can be had over WebDAV: ${at} serve --webdav` : undefined
    case 'KLOSET_PATH_NOT_FOUND':
      return `See what the snapshot holds: ${at} ls -r ID`
    case 'KLOSET_STORE_CHANGED':
    case 'KLOSET_KEYS_CHANGED':
      return `Find out why before anything else: somebody may have exchanged it. If you know the reason and want the store as it is now: ${at} trust`
    case 'KLOSET_LOG_CHANGED':
      return `Find out why before anything else: somebody may hide snapshots from you. If you know the reason and want the store as it is now: ${at} trust`
    default:
      return undefined
  }
}

function peerHint(code: KlosetErrorCode, peer: string, { store }: Situation): string | undefined {
  const at = `kloset at ${peer}`
  switch (code) {
    case 'KLOSET_NO_STORE':
      return `Check the location, or make a store there: ${at} create --like ${store ?? 'STORE'}`
    case 'KLOSET_LOCKED':
      return `${peer} is encrypted, and there is no terminal to ask for its passphrase. Set KLOSET_PEER_PASSPHRASE, or use --peer-passphrase-file, --peer-passphrase-command or --peer-key-file.`
    case 'KLOSET_WRONG_PASSPHRASE':
      return `Check the passphrase of ${peer} (KLOSET_PEER_PASSPHRASE or the file it came from): it is another one than that of the store after \`at\`.`
    case 'KLOSET_NOT_ENCRYPTED':
      return `Somebody may have put a plaintext store there. If it is what you expect, say so with --peer-no-encryption.`
    case 'KLOSET_SNAPSHOT_NOT_FOUND':
      return `See which there are: ${at} ls`
    default:
      return ourHint(code, { verb: undefined, store: peer })
  }
}

function isSystemError(error: Error): boolean {
  const code = (error as NodeJS.ErrnoException).code
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code)
}

const systemMessages: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'the system does not permit it',
  ENOENT: 'it does not exist',
  ENOTDIR: 'a part of the path is not a folder',
  EISDIR: 'it is a folder',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system is read-only',
  EMFILE: 'too many files are open',
  EIO: 'reading or writing failed',
}
