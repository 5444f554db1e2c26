import { pathFromBytes } from 'kloset/connector'

/**
 * A name as restic writes it, with the escapes of Go's `strconv.Quote`, which stand for bytes that are not UTF-8 and for what cannot be seen.
 * Undefined where it is no such text.
 */
export function unquoted(text: string): string | undefined {
  if (!text.includes('\\')) return text
  const parts: Uint8Array[] = []
  let at = 0
  for (const match of text.matchAll(escapes)) {
    const { index, groups = {} } = match
    parts.push(encoder.encode(text.slice(at, index)))
    const bytes = escaped(groups)
    if (bytes === undefined) return undefined
    parts.push(bytes)
    at = index + match[0].length
  }
  parts.push(encoder.encode(text.slice(at)))
  return pathFromBytes(Buffer.concat(parts))
}

/** Permission bits with setuid, setgid and sticky, which Go's `os.FileMode` has elsewhere. */
export function permissions(mode: number): number {
  const bits = mode >>> 0
  const has = (bit: number): boolean => ((bits >>> bit) & 1) === 1
  return (bits & 0o777) | (has(23) ? 0o4000 : 0) | (has(22) ? 0o2000 : 0) | (has(20) ? 0o1000 : 0)
}

/** Nanoseconds since 1970 of a time as Go writes it (RFC 3339); undefined for what is no time, and for Go's zero time, of the year 1. */
export function timeOf(text: string): bigint | undefined {
  const match = time.exec(text)
  if (match === null) return undefined
  const [, seconds = '', fraction = '', sign = '', hours = '', minutes = ''] = match
  const milliseconds = Date.parse(`${seconds}Z`)
  if (Number.isNaN(milliseconds)) return undefined
  const offset = sign === '' ? 0 : (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -60_000 : 60_000)
  if (milliseconds - offset === zeroTime && fraction === '') return undefined
  return BigInt(milliseconds - offset) * 1_000_000n + BigInt(fraction.padEnd(9, '0').slice(0, 9))
}

const zeroTime = Date.parse('0001-01-01T00:00:00Z')

const encoder = new TextEncoder()

const escapes =
  /\\(?:x(?<byte>[0-9a-fA-F]{2})|u(?<four>[0-9a-fA-F]{4})|U(?<eight>[0-9a-fA-F]{8})|(?<octal>[0-3][0-7]{2})|(?<letter>.?))/gsu

const time = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))$/

const letters: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
  '\\': 92,
  "'": 39,
  '"': 34,
}

function escaped({ byte, four, eight, octal, letter }: Record<string, string | undefined>): Uint8Array | undefined {
  if (byte !== undefined) return Uint8Array.of(Number.parseInt(byte, 16))
  if (octal !== undefined) return Uint8Array.of(Number.parseInt(octal, 8))
  const digits = four ?? eight
  if (digits !== undefined) {
    const point = Number.parseInt(digits, 16)
    // Not what Go writes: half of a pair, or beyond Unicode.
    return point > 0x10ffff || (point >= 0xd800 && point < 0xe000)
      ? undefined
      : encoder.encode(String.fromCodePoint(point))
  }
  const code = letters[letter ?? '']
  return code === undefined ? undefined : Uint8Array.of(code)
}
