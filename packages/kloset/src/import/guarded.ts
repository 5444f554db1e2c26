import type { Source } from '../connector/index.js'

/**
 * A source of which only damage is a failure of single entries: it stays, so the rest is worth having. Anything else, such as a line that is down,
 * would be the same for all of them: `stop` is told, and ends the whole. It is read on this thread, where that can be told.
 */
export function guarded(source: Source, isDamage: (error: unknown) => boolean, stop: (error: unknown) => void): Source {
  const { type, origin, root, capabilities, lacks } = source
  return {
    type,
    origin,
    root,
    capabilities,
    lacks,
    ...(source.settled && { settled: (outcome) => source.settled!(outcome) }),
    scan: (how) => source.scan(how),
    async *read(entry, how) {
      try {
        yield* source.read(entry, how)
      } catch (error) {
        if (!isDamage(error)) stop(error)
        throw error
      }
    },
    close: () => source.close(),
  }
}
