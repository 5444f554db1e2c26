import { UsageError } from '../exit.js'

/** How long something took, from milliseconds: `0.4 s`, `3 min 05 s`, `2 h 10 min`. */
export function duration(milliseconds: number): string {
  if (milliseconds < 59_950) return `${(milliseconds / 1000).toFixed(1)} s`
  const seconds = Math.round(milliseconds / 1000)
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`
  const minutes = Math.round(seconds / 60)
  return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`
}

/** How long something will still take, from milliseconds, as a clock: `0:42`, `1:02:03`. */
export function clock(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000))
  const hours = Math.floor(seconds / 3600)
  const minutes = Math.floor(seconds / 60) % 60
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`
}

/** A time in the zone of the person: `2026-11-20 14:58:58`. */
export function localTime(time: Date): string {
  const day = `${String(time.getFullYear()).padStart(4, '0')}-${two(time.getMonth() + 1)}-${two(time.getDate())}`
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`
}

/** Nanoseconds since 1970 as a date; the part below a millisecond is cut off. */
export function dateOf(nanoseconds: bigint): Date {
  const million = 1_000_000n
  const milliseconds = nanoseconds / million
  return new Date(Number(nanoseconds % million < 0n ? milliseconds - 1n : milliseconds))
}

/** Nanoseconds since 1970 as ISO 8601 with all nine digits; undefined for years that it cannot write. */
export function isoNanoseconds(nanoseconds: bigint): string | undefined {
  const date = dateOf(nanoseconds)
  if (Number.isNaN(date.getTime())) return undefined
  const fraction = ((nanoseconds % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n
  return date.toISOString().replace(/\.\d+Z$/, `.${String(fraction).padStart(9, '0')}Z`)
}

/** Reads a time: a date, a date and time, or how long ago (`90m`, `36h`, `7d`, `2w`). @throws UsageError */
export function parseTime(text: string, now: Date = new Date()): Date {
  const ago = /^(\d+)([mhdw])$/.exec(text)
  if (ago) return new Date(now.getTime() - Number(ago[1]) * span[ago[2] as keyof typeof span])
  // A date alone means midnight here, not in Greenwich, as Date.parse would have it.
  const time = new Date(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00` : text.replace(' ', 'T'))
  if (!isDay(text) || Number.isNaN(time.getTime()))
    throw new UsageError(
      `'${text}' is not a time`,
      'Write a date (2026-11-20), a time (2026-11-20T14:58) or an age (7d).',
    )
  return time
}

/** Whether a text starts with a day that there is, and has no hour 24: `Date` would take 30 February for 2 March. */
function isDay(text: string): boolean {
  const [, year, month, day] = /^(\d{4})-(\d\d)-(\d\d)(?![T ]24)/.exec(text) ?? []
  const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)))
  return date.getUTCMonth() === Number(month) - 1 && date.getUTCDate() === Number(day)
}

/** Reads how long something is, into milliseconds: `0`, `90s`, `30m`, `24h`, `7d`, `2w`. @throws UsageError */
export function parseDuration(text: string): number {
  const [, number, unit] = /^(\d+)([smhdw])$/.exec(text) ?? []
  if (unit !== undefined) return Number(number) * span[unit as keyof typeof span]
  if (text === '0') return 0
  throw new UsageError(`'${text}' is not a length of time`, 'Write a number with a unit: 30m, 24h, 7d, or 0.')
}

const span = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

function two(number: number): string {
  return String(number).padStart(2, '0')
}
