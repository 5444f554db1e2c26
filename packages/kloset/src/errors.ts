/** Every code a {@link KlosetError} can carry. `docs/errors.md` gives each its meaning and remedy. */
export type KlosetErrorCode =
  // What a connector reports about the place it talks to.
  | 'KLOSET_NOT_FOUND'
  | 'KLOSET_DENIED'
  | 'KLOSET_BUSY'
  | 'KLOSET_OFFLINE'
  | 'KLOSET_FULL'
  | 'KLOSET_READ_ONLY'
  | 'KLOSET_UNSUPPORTED'
  | 'KLOSET_CURSOR_EXPIRED'
  | 'KLOSET_CONNECTOR'
  | 'KLOSET_COMMAND_FAILED'
  // What the engine finds when it opens a store.
  | 'KLOSET_NO_STORE'
  | 'KLOSET_STORE_EXISTS'
  | 'KLOSET_WRONG_PASSPHRASE'
  | 'KLOSET_LOCKED'
  | 'KLOSET_NOT_ENCRYPTED'
  | 'KLOSET_VERSION'
  | 'KLOSET_LOG_CHANGED'
  | 'KLOSET_STORE_CHANGED'
  | 'KLOSET_KEYS_CHANGED'
  | 'KLOSET_KEY_FORGED'
  // Damage: an object that is not what its place says it is.
  | 'KLOSET_CONFIG_CORRUPT'
  | 'KLOSET_KEY_CORRUPT'
  | 'KLOSET_OBJECT_CORRUPT'
  | 'KLOSET_PACK_CORRUPT'
  | 'KLOSET_INDEX_CORRUPT'
  | 'KLOSET_LOG_CORRUPT'
  | 'KLOSET_TREE_CORRUPT'
  | 'KLOSET_CHUNK_MISSING'
  // What the caller asked for.
  | 'KLOSET_SNAPSHOT_NOT_FOUND'
  | 'KLOSET_SNAPSHOT_AMBIGUOUS'
  | 'KLOSET_SNAPSHOT_PRUNED'
  | 'KLOSET_PATH_NOT_FOUND'
  | 'KLOSET_PATH_UNSAFE'
  | 'KLOSET_PROTECTED'
  | 'KLOSET_FILE_CHANGED'
  | 'KLOSET_EXISTS'
  | 'KLOSET_RESTORE_DIFFERS'
  | 'KLOSET_NO_CONNECTOR'
  | 'KLOSET_LIMIT'

/** What a {@link KlosetError} is made of besides its code and message. */
export interface KlosetErrorDetails {
  /** Whether the same call may succeed later; the retry wrapper reads it. Default `never`. */
  readonly retry?: 'never' | 'later'
  /** How long to wait before trying again, in milliseconds, where the other side said so. */
  readonly retryAfter?: number | undefined
  /** What a person can do next, as one sentence. */
  readonly hint?: string
  /** The objects concerned: names, paths, sizes. Never secrets. */
  readonly context?: Readonly<Record<string, string | number>>
  /** The error this one was made from. */
  readonly cause?: unknown
}

// Recognises our errors when two copies of the package are loaded (a connector's and the app's).
const brand = Symbol.for('kloset.error')

/** The one error type the engine and its connectors throw for anything but wrong arguments and aborts. */
export class KlosetError extends Error {
  readonly code: KlosetErrorCode
  readonly retry: 'never' | 'later'
  readonly retryAfter: number | undefined
  readonly hint: string | undefined
  readonly context: Readonly<Record<string, string | number>>

  constructor(code: KlosetErrorCode, message: string, details: KlosetErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'KlosetError'
    this.code = code
    this.retry = details.retry ?? 'never'
    this.retryAfter = details.retryAfter
    this.hint = details.hint
    this.context = details.context ?? {}
    Object.defineProperty(this, brand, { value: true })
  }
}

/** Whether `error` is a {@link KlosetError}, of whatever copy of this package; with `code`, one of that code. */
export function isKlosetError(error: unknown, code?: KlosetErrorCode): error is KlosetError {
  if (typeof error !== 'object' || error === null || !(brand in error)) return false
  return code === undefined || (error as unknown as KlosetError).code === code
}
