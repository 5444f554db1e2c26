import { isKlosetError, KlosetError, type KlosetErrorCode } from 'kloset/connector'

/** The code of a system error, such as `ENOENT`; undefined for anything else. */
export function systemCode(error: unknown): string | undefined {
  const code = typeof error === 'object' && error !== null ? (error as { code?: unknown }).code : undefined
  return typeof code === 'string' ? code : undefined
}

/** Whether `error` says that nothing is there. */
export function isAbsent(error: unknown): boolean {
  const code = systemCode(error)
  return code === 'ENOENT' || code === 'ENOTDIR'
}

/** Whether `error` says that there is no room left. */
export function isFull(error: unknown): boolean {
  const code = systemCode(error)
  return code === 'ENOSPC' || code === 'EDQUOT'
}

/**
 * The {@link KlosetError} for a system error met while doing something to `path`: `doing` completes "cannot …".
 * Errors that are none of the system's (aborts, ours) come back as they are.
 */
export function fsError(error: unknown, doing: string, path: string): unknown {
  const code = systemCode(error)
  if (isKlosetError(error) || code === undefined || !/^E[A-Z0-9]+$/.test(code)) return error
  const known = meanings[code] ?? unknownMeaning(code)
  return new KlosetError(known.code, `cannot ${doing} ${path}: ${known.means}`, {
    ...(known.retry && { retry: known.retry }),
    ...(known.hint && { hint: known.hint }),
    context: { path, system: code },
    cause: error,
  })
}

interface Meaning {
  readonly code: KlosetErrorCode
  readonly means: string
  readonly hint?: string
  readonly retry?: 'later'
}

const denied = 'Run as a user who may, or change the permissions (chmod, chown) of it and the folders above it.'
const full = 'Free some space or raise the quota, then run it again: what was stored so far is kept.'
const tooManyFiles = 'Raise the limit of open files (ulimit -n) or use fewer workers.'
const unreachable = 'Check that the disk or network share is connected and mounted.'
const broken = 'The disk or its connection may be failing: look at the system log (dmesg) and check the file system.'

const meanings: Readonly<Record<string, Meaning>> = {
  ENOENT: { code: 'KLOSET_NOT_FOUND', means: 'it does not exist', hint: 'Check the path.' },
  ENOTDIR: { code: 'KLOSET_NOT_FOUND', means: 'a part of its path is not a folder', hint: 'Check the path.' },
  EACCES: { code: 'KLOSET_DENIED', means: 'permission denied', hint: denied },
  EPERM: { code: 'KLOSET_DENIED', means: 'the system does not permit it', hint: denied },
  EROFS: {
    code: 'KLOSET_READ_ONLY',
    means: 'the file system is read-only',
    hint: 'Mount it for writing, or choose another place.',
  },
  ENOSPC: { code: 'KLOSET_FULL', means: 'the disk is full', hint: full },
  EDQUOT: { code: 'KLOSET_FULL', means: 'the disk quota is used up', hint: full },
  EFBIG: { code: 'KLOSET_UNSUPPORTED', means: 'the file system does not hold files this large' },
  EBUSY: { code: 'KLOSET_BUSY', means: 'it is in use', retry: 'later' },
  ETXTBSY: { code: 'KLOSET_BUSY', means: 'it is being run', retry: 'later' },
  EAGAIN: { code: 'KLOSET_BUSY', means: 'it is in use for the moment', retry: 'later' },
  EINTR: { code: 'KLOSET_BUSY', means: 'the call was interrupted', retry: 'later' },
  EMFILE: { code: 'KLOSET_BUSY', means: 'too many files are open', hint: tooManyFiles, retry: 'later' },
  ENFILE: { code: 'KLOSET_BUSY', means: 'too many files are open', hint: tooManyFiles, retry: 'later' },
  ENOMEM: { code: 'KLOSET_BUSY', means: 'the system is short of memory', retry: 'later' },
  ESTALE: { code: 'KLOSET_OFFLINE', means: 'the network share was replaced', hint: unreachable, retry: 'later' },
  ETIMEDOUT: { code: 'KLOSET_OFFLINE', means: 'the network share does not answer', hint: unreachable, retry: 'later' },
  EHOSTDOWN: { code: 'KLOSET_OFFLINE', means: 'the network share is down', hint: unreachable, retry: 'later' },
  ENOTCONN: { code: 'KLOSET_OFFLINE', means: 'the network share is not connected', hint: unreachable, retry: 'later' },
  ENODEV: { code: 'KLOSET_OFFLINE', means: 'the device is gone', hint: unreachable },
  ENXIO: { code: 'KLOSET_OFFLINE', means: 'the device is gone', hint: unreachable },
  EIO: { code: 'KLOSET_CONNECTOR', means: 'reading or writing the disk failed', hint: broken, retry: 'later' },
  EXDEV: {
    code: 'KLOSET_UNSUPPORTED',
    means: 'a part of it is on another file system',
    hint: 'Keep all of it on one file system.',
  },
  EEXIST: { code: 'KLOSET_EXISTS', means: 'something is already there' },
  ENOTEMPTY: {
    code: 'KLOSET_EXISTS',
    means: 'a folder that is not empty is in the way',
    hint: 'Move the folder away.',
  },
  EISDIR: { code: 'KLOSET_EXISTS', means: 'a folder is in the way', hint: 'Move the folder away.' },
  ELOOP: { code: 'KLOSET_PATH_UNSAFE', means: 'a symbolic link is in the way', hint: 'Remove the symbolic link.' },
  ENAMETOOLONG: { code: 'KLOSET_UNSUPPORTED', means: 'the name is too long for this file system' },
  EILSEQ: { code: 'KLOSET_UNSUPPORTED', means: 'this file system does not allow the name' },
  EINVAL: { code: 'KLOSET_UNSUPPORTED', means: 'this file system does not allow it' },
  EMLINK: { code: 'KLOSET_UNSUPPORTED', means: 'it has as many hard links as this file system allows' },
  ENOSYS: { code: 'KLOSET_UNSUPPORTED', means: 'the system cannot do it' },
  ENOTSUP: { code: 'KLOSET_UNSUPPORTED', means: 'this file system cannot do it' },
  EOPNOTSUPP: { code: 'KLOSET_UNSUPPORTED', means: 'this file system cannot do it' },
}

function unknownMeaning(code: string): Meaning {
  return { code: 'KLOSET_CONNECTOR', means: `the system answered ${code}` }
}
