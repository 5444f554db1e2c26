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

/** The cases for `checks`. `lacking` names what a check needs and the implementation is not expected to have. */
export function casesOf<Subject>(
  checks: readonly Check<Subject>[],
  lacking: (needs: string) => string | undefined,
  withSubject: (run: (subject: Subject) => Promise<void>) => Promise<void>,
): readonly Case[] {
  return checks.map((check) => {
    const { name, needs, timeout = 30_000 } = check
    const lacks = needs === undefined ? undefined : lacking(needs)
    if (lacks !== undefined)
      return { name: `${name} (skipped: no ${lacks})`, run: async () => {}, timeout, needs, skipped: true }
    return { name, run: () => withSubject((subject) => check.run(subject)), timeout, needs, skipped: false }
  })
}
