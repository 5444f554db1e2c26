import { isKlosetError } from 'kloset/connector'

/** The exit codes of the command; they never change their meaning. */
export const exit = {
  done: 0,
  failed: 1,
  usage: 2,
  /** Done, but some files could not be read or restored. */
  partial: 3,
  damaged: 4,
  noStore: 10,
  wrongPassphrase: 12,
  interrupted: 130,
} as const

/** A failure that the command itself noticed, with what the person can do about it. */
export class Failure extends Error {
  readonly code: string = 'FAILED'
  readonly hint: string | undefined

  constructor(message: string, hint?: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = new.target.name
    this.hint = hint
  }
}

/** The command line does not say what to do, or contradicts itself. */
export class UsageError extends Failure {
  override readonly code: string = 'USAGE'
}

/** The person, or the system, asked the command to stop. */
export class Interrupted extends Failure {
  override readonly code: string = 'INTERRUPTED'

  constructor(hint?: string) {
    super('interrupted', hint)
  }
}

/** The exit code that tells a script what kind of error this was. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) return exit.interrupted
  if (error instanceof UsageError) return exit.usage
  if (!isKlosetError(error)) return exit.failed
  return byCode[error.code] ?? exit.failed
}

const byCode: Readonly<Record<string, number>> = {
  KLOSET_NO_STORE: exit.noStore,
  KLOSET_WRONG_PASSPHRASE: exit.wrongPassphrase,
  KLOSET_LOCKED: exit.wrongPassphrase,
  KLOSET_CONFIG_CORRUPT: exit.damaged,
  KLOSET_KEY_CORRUPT: exit.damaged,
  KLOSET_KEY_FORGED: exit.damaged,
  KLOSET_OBJECT_CORRUPT: exit.damaged,
  KLOSET_PACK_CORRUPT: exit.damaged,
  KLOSET_INDEX_CORRUPT: exit.damaged,
  KLOSET_LOG_CORRUPT: exit.damaged,
  KLOSET_TREE_CORRUPT: exit.damaged,
  KLOSET_CHUNK_MISSING: exit.damaged,
}
