import { MalformedError, toHex } from '../bytes/index.js'
import { KlosetError } from '../errors.js'

/** Runs `decode`, with its MalformedError as the KLOSET_TREE_CORRUPT of `what`; `id` is the node concerned, where there is one. */
export function orCorrupt<T>(what: string, id: Uint8Array | undefined, decode: () => T): T {
  try {
    return decode()
  } catch (error) {
    if (error instanceof MalformedError) throw treeCorrupt(`${what}: ${error.message}`, id, error)
    throw error
  }
}

/** The error for a tree that is not what its references say. */
export function treeCorrupt(message: string, id?: Uint8Array, cause?: unknown): KlosetError {
  return new KlosetError('KLOSET_TREE_CORRUPT', message, {
    hint: 'Check the store: it names the snapshots and paths concerned, and other snapshots may hold the same files.',
    ...(id === undefined ? {} : { context: { node: toHex(id) } }),
    ...(cause === undefined ? {} : { cause }),
  })
}
