import { isKlosetError, KlosetError, type KlosetErrorDetails } from '../errors.js'

/**
 * The error of a storage whose place itself, its folder or its bucket, is not there. Only this is reported as the absence of a store: a key
 * file that is missing, say, tells nothing about the store.
 */
export function placeAbsent(message: string, details: KlosetErrorDetails = {}): KlosetError {
  return new KlosetError('KLOSET_NOT_FOUND', message, { ...details, context: { ...details.context, absent: 'place' } })
}

/** Whether {@link placeAbsent} made `error`, in whatever copy of this package. */
export function isPlaceAbsent(error: unknown): error is KlosetError {
  return isKlosetError(error, 'KLOSET_NOT_FOUND') && error.context.absent === 'place'
}
