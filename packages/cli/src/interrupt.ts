import { exit, Interrupted } from './exit.js'
import type { Output } from './output.js'

/** What stops a command in good order. */
export interface Interruption {
  readonly signal: AbortSignal
  /** Stops listening to the system's signals. */
  end(): void
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * The first signal aborts: the work stops at the next safe point, and `advice` tells how to go on later. The second ends the
 * process at once, which a store survives: what is not committed is not there.
 */
export function interruption(output: Output, advice: string | undefined): Interruption {
  const controller = new AbortController()
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(exit.interrupted)
    output.note('Stopping at the next safe point… (once more stops at once)')
    controller.abort(new Interrupted(advice))
  }
  for (const signal of signals) process.on(signal, stop)
  return {
    signal: controller.signal,
    end: () => {
      for (const signal of signals) process.off(signal, stop)
    },
  }
}
