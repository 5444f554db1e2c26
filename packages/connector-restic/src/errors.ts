import { isKlosetError, KlosetError, type KlosetErrorCode } from 'kloset/connector'

/** There is no repository. */
export function noRepository(location: string, cause?: unknown): KlosetError {
  return new KlosetError('KLOSET_NO_STORE', `there is no restic repository at ${location}`, {
    hint: 'Name the folder that holds its `config` and `keys`.',
    context: { location },
    cause,
  })
}

/** None of the keys opens with the password. */
export function wrongPassword(location: string, keys: number): KlosetError {
  const which = keys === 1 ? 'the key' : `any of the ${keys} keys`
  return new KlosetError(
    'KLOSET_WRONG_PASSPHRASE',
    `the password does not open ${which} of the restic repository at ${location}`,
    {
      hint: 'Give the password that restic itself takes for this repository.',
      context: { location },
    },
  )
}

/** An object is not what its place says it is. */
export function damaged(code: KlosetErrorCode, object: string, why: string, cause?: unknown): KlosetError {
  return new KlosetError(code, `${object} is damaged: ${why}`, {
    hint: 'See what restic says: `restic check --read-data`. What is damaged may be whole in a copy of the repository.',
    context: { object },
    cause,
  })
}

/** Nothing in the repository holds a blob. */
export function blobMissing(id: string): KlosetError {
  return new KlosetError('KLOSET_CHUNK_MISSING', `blob ${id.slice(0, 16)}… is in no pack of the repository`, {
    hint: 'See what restic says: `restic check`. What is missing may be there in a copy of the repository.',
    context: { blob: id },
  })
}

/** A repository of a version that is not known. */
export function unknownVersion(version: unknown): KlosetError {
  return new KlosetError('KLOSET_VERSION', `the restic repository is of version ${String(version).slice(0, 20)}`, {
    hint: 'Versions 1 and 2 can be read: update kloset.',
    context: { version: String(version).slice(0, 20) },
  })
}

/** Whether what failed will fail again: a storage that cannot be reached says nothing about what it holds. */
export function isDamage(error: unknown): error is KlosetError {
  if (!isKlosetError(error) || error.retry === 'later') return false
  return error.code.endsWith('_CORRUPT') || error.code === 'KLOSET_CHUNK_MISSING' || error.code === 'KLOSET_NOT_FOUND'
}
