/** One check of a suite, as plain data, so that any test runner can run it. */
export interface Case {
  readonly name: string
  /** Rejects where the implementation does not keep the contract; the message says what it did instead. */
  readonly run: () => Promise<void>
  /** The longest it should take, in milliseconds. */
  readonly timeout: number
  /** The capability it needs. */
  readonly needs?: string | undefined
  /** Whether it does nothing, because what it needs is not expected. Its name says so too. */
  readonly skipped: boolean
}

/** What a case's author writes: the suite makes a {@link Case} of it. */
export interface Check<Subject> {
  readonly name: string
  readonly needs?: string | undefined
  readonly timeout?: number
  run(subject: Subject): Promise<void>
}
