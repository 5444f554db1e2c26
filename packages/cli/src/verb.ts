import type { Command, OptionValues } from 'commander'
import type { Output } from './output.js'

/** What a verb runs in. */
export interface Session {
  /** From `at STORE`, `KLOSET_STORE` or the configuration. */
  readonly location: string | undefined
  readonly output: Output
  /** What stands after `--`: the last of the arguments. */
  readonly literal: readonly string[]
  /** Aborted when the person stops the command. */
  readonly signal: AbortSignal
}

/** What each file in `verbs/` provides. */
export interface Verb {
  /** Adds arguments, options and help to the command. */
  define(command: Command): void
  /** Whether it changes something, and so goes on also when nobody reads what it says any more. */
  readonly changes?: true
  /** It works on no store, so that none need be configured. */
  readonly storeless?: true
  /** An argument of it may be empty. */
  readonly takesEmpty?: true
  /** What to tell a person who stopped it about going on later. */
  readonly resume?: string
  /** Does it, and returns the exit code. */
  run(args: readonly string[], flags: OptionValues, session: Session): Promise<number>
}
