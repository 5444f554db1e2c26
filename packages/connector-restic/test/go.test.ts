import fc from 'fast-check'
import { pathFromBytes, pathToBytes } from 'kloset/connector'
import { expect, test } from 'vitest'
import { permissions, timeOf, unquoted } from '../src/go.js'

/** As Go's `strconv.Quote` writes bytes, in the forms that restic's repositories have. */
function quoted(bytes: Uint8Array): string {
  return [...pathFromBytes(bytes)]
    .map((character) => {
      const point = character.codePointAt(0)!
      if (point >= 0xdc80 && point <= 0xdcff) return `\\x${(point - 0xdc00).toString(16)}`
      if (character === '\\' || character === '"') return `\\${character}`
      if (character === '\n') return '\\n'
      if (point < 0x20 || point === 0x7f) return `\\x${point.toString(16).padStart(2, '0')}`
      if (/\p{L}|\p{N}|\p{P}|\p{S}| /u.test(character)) return character
      return point > 0xffff ? `\\U${point.toString(16).padStart(8, '0')}` : `\\u${point.toString(16).padStart(4, '0')}`
    })
    .join('')
}

test('names of any bytes come back', () => {
  const name = fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.string({ unit: 'binary' }).map(pathToBytes))
  fc.assert(
    fc.property(name, (bytes) => {
      expect(pathToBytes(unquoted(quoted(bytes))!)).toEqual(new Uint8Array(bytes))
    }),
  )
})

test('escapes that Go writes', () => {
  expect(unquoted(String.raw`\a\b\f\n\r\t\v\\\"`)).toBe('\x07\b\f\n\r\t\v\\"')
  expect(unquoted(String.raw`caf\xc3\xa9 \xff \u200b \U0001f600 \101`)).toBe('café \udcff \u200b 😀 A')
})

test('what Go does not write is no name', () => {
  for (const text of ['\\', 'a\\q', '\\x4', '\\ud800', '\\U00110000', '\\u12']) expect(unquoted(text)).toBeUndefined()
})

test('permissions', () => {
  // os.FileMode: directory, symlink, setuid, setgid, sticky in its own high bits.
  expect(permissions(0x80000000 + 0o755)).toBe(0o755)
  expect(permissions(0x08000000 + 0o777)).toBe(0o777)
  expect(permissions(2 ** 23 + 0o4755)).toBe(0o4755)
  expect(permissions(2 ** 22 + 0o711)).toBe(0o2711)
  expect(permissions(0x80000000 + 2 ** 20 + 0o777)).toBe(0o1777)
})

test('times to the nanosecond, wherever they were written', () => {
  const years = fc.date({ min: new Date('1680-01-01'), max: new Date('2260-01-01'), noInvalidDate: true })
  const zone = fc.integer({ min: -14 * 60, max: 14 * 60 })
  fc.assert(
    fc.property(years, fc.nat(999_999_999), zone, (date, nanoseconds, minutes) => {
      const seconds = Math.floor(date.getTime() / 1000)
      const local = new Date((seconds + minutes * 60) * 1000).toISOString().slice(0, 19)
      const fraction = nanoseconds === 0 ? '' : `.${String(nanoseconds).padStart(9, '0').replace(/0+$/, '')}`
      const two = (value: number): string => String(value).padStart(2, '0')
      const away = Math.abs(minutes)
      const written = minutes === 0 ? 'Z' : `${minutes < 0 ? '-' : '+'}${two(Math.floor(away / 60))}:${two(away % 60)}`
      expect(timeOf(local + fraction + written)).toBe(BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds))
    }),
  )
})

test('times that no snapshot can hold are left to who makes one, which tells of them', () => {
  expect(timeOf('2300-01-01T00:00:00Z')).toBe(10_413_792_000_000_000_000n)
  expect(timeOf('0001-01-01T00:00:01Z')).toBeLessThan(-(2n ** 63n))
})

test('times that nobody knew, or that are none', () => {
  for (const text of ['0001-01-01T00:00:00Z', '', 'yesterday', '2026-13-01T00:00:00Z'])
    expect(timeOf(text)).toBeUndefined()
})
