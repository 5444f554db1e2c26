import { isKlosetError, KlosetError, type KlosetErrorCode } from 'kloset/connector'
import { MalformedPacket, type Room, statuses } from './sftp/protocol.js'
import { isStatus, type Session, StatusError } from './sftp/session.js'

/** Whether `error` says that nothing is there. */
export function isAbsent(error: unknown): boolean {
  return isStatus(error, statuses.noSuchFile) || isStatus(error, statuses.noSuchPath)
}

/**
 * The {@link KlosetError} for what went wrong with `path`: `doing` completes "cannot …". Errors that are neither the server's nor the
 * protocol's (aborts, ours) come back as they are.
 */
export function sftpError(error: unknown, doing: string, path: string, where: string): unknown {
  if (isKlosetError(error)) return error
  if (error instanceof MalformedPacket) return notSftp(where, error)
  if (!(error instanceof StatusError)) return error
  const known = meanings[error.status] ?? { code: 'KLOSET_CONNECTOR', means: `the server answered “${error.message}”` }
  return serverError(known, error, doing, path, where)
}

/**
 * As {@link sftpError}, for what was to be written. To a full disk, most servers answer “failure” and nothing else; so they are asked how
 * much room there is, where they can tell.
 */
export async function writingError(
  error: unknown,
  session: Session,
  { doing, path, where, root, needed }: Writing,
): Promise<unknown> {
  if (!isStatus(error, statuses.failure) || !session.server.has('statvfs')) return sftpError(error, doing, path, where)
  const room = await session.room(root).catch(() => undefined)
  const status = room && reason(room, needed)
  return serverError(meanings[status ?? statuses.failure]!, error as StatusError, doing, path, where)
}

/** Whether there is no room at `path`, as far as the server tells. */
export async function isFull(session: Session, path: string): Promise<boolean> {
  const room = session.server.has('statvfs') ? await session.room(path).catch(() => undefined) : undefined
  return room !== undefined && reason(room, 0) === statuses.noSpace
}

/** What was being written, and where. */
export interface Writing {
  readonly doing: string
  readonly path: string
  readonly where: string
  /** A path on the same file system that is there. */
  readonly root: string
  /** How many bytes it needed. */
  readonly needed: number
}

/** The connection was there and is no more: whatever was under way may have been done or not. */
export function connectionLost(where: string, cause: unknown): KlosetError {
  const why = cause instanceof Error ? `: ${cause.message}` : ''
  return new KlosetError('KLOSET_OFFLINE', `the connection to ${where} was lost${why}`, {
    retry: 'later',
    hint: 'Check the network and the server, then run it again: what was stored so far is kept.',
    context: { server: where },
    ...(cause === undefined ? {} : { cause }),
  })
}

/** Requests were sent and none was answered for `seconds`. */
export function noAnswer(where: string, seconds: number): KlosetError {
  return new KlosetError('KLOSET_OFFLINE', `${where} has not answered for ${seconds} seconds`, {
    retry: 'later',
    hint: 'Check the network and the disk of the server; the option idle-timeout sets how long is waited.',
    context: { server: where },
  })
}

/** What answers on the channel speaks something else, or garbles it. */
export function notSftp(where: string, cause: unknown): KlosetError {
  return new KlosetError('KLOSET_CONNECTOR', `what answers on ${where} does not keep to the SFTP protocol`, {
    hint: 'A shell profile on the server (.bashrc) that prints something also to programs does that: try “ssh HOST true”, which must print nothing.',
    context: { server: where },
    cause,
  })
}

/** There is an SSH server that does not offer files. */
export function noSubsystem(where: string, cause: unknown): KlosetError {
  return new KlosetError('KLOSET_UNSUPPORTED', `${where} offers no SFTP`, {
    hint: 'Switch it on: “Subsystem sftp internal-sftp” in sshd_config, on a NAS in its settings for SSH or SFTP.',
    context: { server: where },
    cause,
  })
}

/** A session could not be opened; where others are open, they serve as well. */
export function noSession(where: string, cause: unknown): KlosetError {
  return new KlosetError('KLOSET_BUSY', `${where} opens no session: ${messageOf(cause)}`, {
    retry: 'later',
    hint: 'The server limits sessions (MaxSessions in sshd_config): lower the option channels.',
    context: { server: where },
    cause,
  })
}

/** The {@link KlosetError} for a connection that was not made. `where` is `host:port`. */
export function connectError(error: unknown, where: string): unknown {
  if (isKlosetError(error)) return error
  const { code, level } = (typeof error === 'object' && error !== null ? error : {}) as Record<string, unknown>
  const known = typeof code === 'string' ? networkMeanings[code] : undefined
  if (known) return unreachable(where, known.means, known.hint, error)
  if (level === 'handshake' || level === 'protocol') return handshakeError(error, where)
  return unreachable(where, messageOf(error), undefined, error)
}

/** The server has not let anybody in within the time it was given. */
export function connectTimeout(where: string, seconds: number): KlosetError {
  const hint =
    'Check host and port, and whether a firewall is between; the option connect-timeout sets how long is waited.'
  return unreachable(where, `no answer within ${seconds} seconds`, hint, undefined)
}

interface Meaning {
  readonly code: KlosetErrorCode
  readonly means: string
  readonly hint?: string
  readonly retry?: 'later'
}

const full = 'Free some space or raise the quota, then run it again: what was stored so far is kept.'

const meanings: Readonly<Record<number, Meaning>> = {
  [statuses.noSuchFile]: { code: 'KLOSET_NOT_FOUND', means: 'it does not exist', hint: 'Check the path.' },
  [statuses.noSuchPath]: { code: 'KLOSET_NOT_FOUND', means: 'its folder does not exist', hint: 'Check the path.' },
  [statuses.permissionDenied]: {
    code: 'KLOSET_DENIED',
    means: 'permission denied',
    hint: 'Log in as a user who may, or change the permissions (chmod, chown) of it and the folders above it.',
  },
  [statuses.failure]: {
    code: 'KLOSET_CONNECTOR',
    means: 'the server answered “failure” without saying why',
    hint: 'Look at the log of the server, and check its disk, its quotas and the permissions of the folder.',
    retry: 'later',
  },
  [statuses.badMessage]: { code: 'KLOSET_UNSUPPORTED', means: 'the server does not allow the name' },
  [statuses.noConnection]: { code: 'KLOSET_OFFLINE', means: 'the server lost its own connection', retry: 'later' },
  [statuses.connectionLost]: { code: 'KLOSET_OFFLINE', means: 'the server lost its own connection', retry: 'later' },
  [statuses.unsupported]: { code: 'KLOSET_UNSUPPORTED', means: 'the server cannot do it' },
  [statuses.exists]: { code: 'KLOSET_EXISTS', means: 'something is already there' },
  [statuses.writeProtected]: {
    code: 'KLOSET_READ_ONLY',
    means: 'the file system is read-only',
    hint: 'Mount it for writing, or choose another place.',
  },
  [statuses.noSpace]: { code: 'KLOSET_FULL', means: 'the disk is full', hint: full },
  [statuses.quotaExceeded]: { code: 'KLOSET_FULL', means: 'the quota is used up', hint: full },
}

/** Why a server failed that has this much room: what was written in vain may have been removed already. */
function reason(room: Room, needed: number): number {
  if (room.readOnly) return statuses.writeProtected
  return room.free < needed + 64 * 1024 || room.files < 4 ? statuses.noSpace : statuses.failure
}

function serverError(known: Meaning, error: StatusError, doing: string, path: string, where: string): KlosetError {
  return new KlosetError(known.code, `cannot ${doing} ${path} on ${where}: ${known.means}`, {
    ...(known.retry && { retry: known.retry }),
    ...(known.hint && { hint: known.hint }),
    context: { path, server: where, status: error.status },
    cause: error,
  })
}

const checkHost = 'Check the name of the host.'

const networkMeanings: Readonly<Record<string, { means: string; hint: string }>> = {
  ECONNREFUSED: { means: 'it refuses connections', hint: 'Check the port, and whether the SSH server runs.' },
  ECONNRESET: { means: 'it cut the connection', hint: 'Run it again; if it stays, look at the log of the server.' },
  ENOTFOUND: { means: 'there is no host of this name', hint: checkHost },
  EAI_AGAIN: { means: 'the name of the host cannot be looked up now', hint: 'Check the network and its DNS servers.' },
  EHOSTUNREACH: { means: 'no way leads there', hint: 'Check the network.' },
  ENETUNREACH: { means: 'no way leads there', hint: 'Check the network.' },
  ETIMEDOUT: { means: 'it does not answer', hint: 'Check host and port, and whether a firewall is between.' },
}

function unreachable(where: string, means: string, hint: string | undefined, cause: unknown): KlosetError {
  return new KlosetError('KLOSET_OFFLINE', `cannot reach ${where}: ${means}`, {
    retry: 'later',
    ...(hint && { hint }),
    context: { server: where },
    ...(cause === undefined ? {} : { cause }),
  })
}

function handshakeError(error: unknown, where: string): KlosetError {
  const message = messageOf(error)
  if (/no matching/i.test(message)) {
    return new KlosetError('KLOSET_UNSUPPORTED', `${where} and this client have no algorithm in common: ${message}`, {
      hint: 'The server is very old or very strict: update it, or allow it one of the usual algorithms.',
      context: { server: where },
      cause: error,
    })
  }
  // A server with too many connections that have not logged in yet (MaxStartups) hangs up so, too.
  return unreachable(
    where,
    `what answers there is no SSH server, or hung up before it said so (${message})`,
    'Check the port: SSH is mostly on 22.',
    error,
  )
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
