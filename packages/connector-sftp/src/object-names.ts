import { KlosetError } from 'kloset/connector'

/** The folder of unfinished objects: `~` is not part of any object's name, so it collides with none. */
export const temporaryFolder = 'tmp~'

/** The longest name of an object, in characters. */
export const longestName = 128

/** The most bytes an object has: a server that tells of more is not asked for them. */
export const largestObject: number = 256 * 1024 * 1024

const legalSegment = /^[a-z0-9._-]+$/

/** Whether `segment` can be one part of an object's name; files with other names are not ours. */
export function isNameSegment(segment: string): boolean {
  return legalSegment.test(segment) && segment !== '.' && segment !== '..'
}

/** @throws KLOSET_PATH_UNSAFE for anything that is not an object's name, so that none leads out of the store. */
export function checkObjectName(name: string): void {
  if (name.length <= longestName && name.split('/').every(isNameSegment)) return
  const message = `${JSON.stringify(name)} is not a name for an object`
  throw new KlosetError('KLOSET_PATH_UNSAFE', message, { context: { name } })
}
