import { KlosetError } from 'kloset/connector'

/** What probes are named after: `~` is not part of any object's name, so they collide with none. */
export const temporaryFolder = 'tmp~'

// In characters.
const longestName = 128

/** The most bytes an object has. */
export const largestObject: number = 256 * 1024 * 1024

const legalSegment = /^[a-z0-9._-]+$/

/** Whether `name` can be an object's name; what else is in the bucket is not ours. */
export function isObjectName(name: string): boolean {
  return name.length <= longestName && name.split('/').every(isNameSegment)
}

/** @throws KLOSET_PATH_UNSAFE for anything that is not an object's name, so that none leads out of the store. */
export function checkObjectName(name: string): void {
  if (isObjectName(name)) return
  const message = `${JSON.stringify(name)} is not a name for an object`
  throw new KlosetError('KLOSET_PATH_UNSAFE', message, { context: { name } })
}

function isNameSegment(segment: string): boolean {
  return legalSegment.test(segment) && segment !== '.' && segment !== '..'
}
