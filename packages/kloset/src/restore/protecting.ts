import type { RestoreOptions } from '../api.js'
import type { Destination } from '../connector/index.js'
import { KlosetError } from '../errors.js'
import { runtime } from '../runtime/index.js'
import type { OpenedStore } from '../store/opened.js'
import { isBelow } from './entries.js'

/** Paths of a destination that are left as they are, because the run needs what is there. */
export class ProtectedPaths {
  readonly #paths: readonly string[]

  constructor(paths: readonly string[]) {
    this.#paths = paths
  }

  /** The protected path that `path` is at or below; undefined where there is none. */
  above(path: string): string | undefined {
    return this.#paths.find((each) => each === path || isBelow(path, each))
  }

  /** Whether something protected is at, above or below `path`, so that it must stay. */
  keeps(path: string): boolean {
    return this.#paths.some((each) => each === path || isBelow(path, each) || isBelow(each, path))
  }
}

/**
 * Has a destination leave alone what the run lives on: the store it reads, what this machine keeps and remembers of stores, and what the
 * caller names.
 * @throws KLOSET_PROTECTED where the whole target is in it
 */
export async function protect(
  store: OpenedStore,
  destination: Destination,
  { protect: named = [] }: RestoreOptions,
): Promise<ProtectedPaths> {
  const own = [...(store.storage.paths ?? []), store.cache?.home, runtime.files?.stateHome()]
  const paths = [...own.filter((path) => path !== undefined), ...named]
  const found = (await destination.protect?.(paths)) ?? []
  if (found.includes(''))
    throw new KlosetError('KLOSET_PROTECTED', 'the target is in the store, or in what this run needs itself', {
      hint: 'Restore into another folder.',
    })
  return new ProtectedPaths(found)
}
