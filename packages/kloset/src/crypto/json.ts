import { MalformedError, text } from '../bytes/index.js'

/** A JSON object of which nothing is known yet. */
export type JsonRecord = Readonly<Record<string, unknown>>

/** The JSON object in UTF-8 `bytes`. @throws MalformedError where they are something else */
export function jsonRecord(bytes: Uint8Array): JsonRecord {
  let value: unknown
  try {
    value = JSON.parse(text(bytes))
  } catch (cause) {
    throw new MalformedError('it is not JSON', { cause })
  }
  return recordOf(value, 'it')
}

/** Each of these gives `value` as what it is expected to be, or throws a MalformedError that calls it `what`. */
export function recordOf(value: unknown, what: string): JsonRecord {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(what, 'a JSON object')
  return value as JsonRecord
}

export function listOf<T>(value: unknown, what: string, each: (item: unknown, what: string) => T): readonly T[] {
  if (!Array.isArray(value)) throw wrong(what, 'a list')
  return value.map((item) => each(item, what))
}

export function textOf(value: unknown, what: string): string {
  if (typeof value !== 'string') throw wrong(what, 'a text')
  return value
}

/** A whole number that is not negative. */
export function countOf(value: unknown, what: string, most: number = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > most) {
    throw wrong(what, `a number from 0 to ${most}`)
  }
  return value
}

/** Exactly `length` hexadecimal digits in lower case. */
export function digitsOf(value: unknown, what: string, length: number): string {
  if (typeof value !== 'string' || value.length !== length || !/^[0-9a-f]*$/.test(value)) {
    throw wrong(what, `${length} hexadecimal digits`)
  }
  return value
}

/** A time in UTC as `Date.toISOString` writes it. */
export function timeOf(value: unknown, what: string): string {
  const time = typeof value === 'string' && value.length <= 30 ? Date.parse(value) : Number.NaN
  if (Number.isNaN(time) || new Date(time).toISOString() !== value) throw wrong(what, 'a time in UTC')
  return value as string
}

/** One of `choices`. */
export function choiceOf<T extends string>(value: unknown, what: string, choices: readonly T[]): T {
  const choice = choices.find((one) => one === value)
  if (choice === undefined) throw wrong(what, `one of ${choices.join(', ')}`)
  return choice
}

function wrong(what: string, expected: string): MalformedError {
  return new MalformedError(`${what} is not ${expected}`)
}
