import { isKlosetError, KlosetError, type KlosetErrorCode } from '../errors.js'
import type { PostedError } from './jobs.js'

/** An error as plain data, with its causes. */
export function postedError(error: unknown): PostedError {
  const known = error instanceof Error ? error : new Error(String(error))
  return {
    name: known.name,
    message: known.message,
    stack: known.stack,
    kloset: isKlosetError(known)
      ? { code: known.code, retry: known.retry, hint: known.hint, context: known.context }
      : undefined,
    cause: known.cause === undefined ? undefined : postedError(known.cause),
  }
}

/** The error that was posted. */
export function errorOfPosted(posted: PostedError): Error {
  const cause = posted.cause === undefined ? undefined : errorOfPosted(posted.cause)
  const { kloset } = posted
  if (kloset !== undefined) {
    return new KlosetError(kloset.code as KlosetErrorCode, posted.message, {
      retry: kloset.retry,
      context: kloset.context,
      ...(kloset.hint === undefined ? {} : { hint: kloset.hint }),
      ...(cause === undefined ? {} : { cause }),
    })
  }
  const error = new Error(posted.message, cause === undefined ? undefined : { cause })
  error.name = posted.name
  if (posted.stack !== undefined) error.stack = posted.stack
  return error
}
