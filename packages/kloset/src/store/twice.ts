import { type Bytes, equalBytes } from '../bytes/index.js'
import type { Call, Storage } from '../connector/index.js'
import { isKlosetError, KlosetError, type KlosetErrorCode } from '../errors.js'

/** Where the second copy of an object is that is stored twice. */
export function copyOf(name: string): string {
  return `${name}.copy`
}

/** Stores an object and its copy, the copy first: where the object is, so is the copy. */
export async function putTwice(
  storage: Storage,
  name: string,
  body: Bytes,
  how: Call & { readonly ifAbsent: boolean },
): Promise<'stored' | 'exists'> {
  await storage.put(copyOf(name), body, { signal: how.signal, ifAbsent: false, tier: 'hot' })
  return storage.put(name, body, { ...how, tier: 'hot' })
}

/** A copy that could not be used. */
export interface BadCopy {
  readonly object: string
  readonly error: unknown
}

/**
 * Reads an object that is stored twice: `use` says what is in it, or throws where it is damaged. The second copy is read only
 * where the first is missing or damaged, which a version that is not known may be a sign of. Undefined where there is neither.
 */
export async function readTwice<T>(
  storage: Storage,
  name: string,
  how: Call,
  use: (bytes: Uint8Array) => T | Promise<T>,
): Promise<{ readonly value: T; readonly bad: readonly BadCopy[] } | undefined> {
  const bad: BadCopy[] = []
  let before: Uint8Array | undefined
  for (const object of [name, copyOf(name)]) {
    try {
      const bytes = await readIfThere(storage, object, how)
      if (bytes === undefined) {
        bad.push({
          object,
          error: new KlosetError('KLOSET_NOT_FOUND', `${object} is missing`, { context: { object } }),
        })
        continue
      }
      if (before !== undefined && equalBytes(before, bytes)) break
      before = bytes
      return { value: await use(bytes), bad }
    } catch (error) {
      if (!isKlosetError(error) || !(error.code.endsWith('_CORRUPT') || otherVersion.includes(error.code))) throw error
      bad.push({ object, error })
    }
  }
  if (bad.every(({ error }) => isKlosetError(error, 'KLOSET_NOT_FOUND'))) return undefined
  throw bad.find(({ error }) => !isKlosetError(error, 'KLOSET_NOT_FOUND'))!.error
}

/** What may be a sign of damage, and is refused where the copy says the same. */
const otherVersion: readonly KlosetErrorCode[] = ['KLOSET_VERSION', 'KLOSET_STORE_CHANGED']

/** An object's bytes; undefined where there is none. */
export async function readIfThere(storage: Storage, name: string, how: Call): Promise<Uint8Array | undefined> {
  try {
    return await storage.get(name, { ...how, range: undefined })
  } catch (error) {
    if (isKlosetError(error, 'KLOSET_NOT_FOUND')) return undefined
    throw error
  }
}
