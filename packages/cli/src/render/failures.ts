import type { FailedEntry } from 'kloset'
import { isKlosetError } from 'kloset/connector'
import { counted } from './bytes.js'
import { messageOf } from './errors.js'
import { harmless, shown } from './names.js'

/** How many failed entries are listed one by one. */
export const listedFailures = 20

/**
 * The entries that failed, one a line with its reason, and what to do about them.
 * @param what completes "12 entries could not be …"
 * @param place shows where an entry is
 */
export function failureLines(
  failed: readonly FailedEntry[],
  total: number,
  what: string,
  place: (path: string) => string,
): string[] {
  if (total === 0) return []
  const listed = failed.slice(0, listedFailures)
  const more = total - listed.length
  const hints = new Set(listed.map(({ error }) => (isKlosetError(error) ? error.hint : undefined)))
  return [
    `${counted(total, 'entry', 'entries')} could not be ${what}:`,
    ...listed.map(({ path, error }) => `  ${shown(place(path))}: ${reason(error)}`),
    ...(more > 0 ? [`  and ${counted(more, 'more', 'more')} (--json lists all)`] : []),
    ...[...hints].filter((hint) => hint !== undefined).map((hint) => harmless(hint)),
  ]
}

/** One failed entry as a line. */
export function failureLine({ path, error }: FailedEntry, place: (path: string) => string): string {
  return `${shown(place(path))}: ${reason(error)}`
}

function reason(error: unknown): string {
  const message = messageOf(error)
  // A connector's message names what it could not do and to what ("cannot read /etc/shadow: permission denied"): the path is
  // on the line already.
  const known = /^cannot \S+(?: \S+)?? .*: ([^:]+)$/s.exec(message)
  return harmless(isKlosetError(error) && known ? known[1]! : message)
}
