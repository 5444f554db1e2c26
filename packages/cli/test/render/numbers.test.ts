import { describe, expect, test } from 'vitest'
import { UsageError } from '../../src/exit.js'
import { bytes, count, counted, parseBytes } from '../../src/render/bytes.js'
import { requestsLine } from '../../src/render/requests.js'
import { clock, dateOf, duration, isoNanoseconds, localTime, parseDuration, parseTime } from '../../src/render/times.js'

describe('sizes', () => {
  test.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1536, '1.5 KiB'],
    [1024 * 1024 - 1, '1.0 MiB'],
    [150 * 1024, '150 KiB'],
    [1.2 * 1024 ** 3, '1.2 GiB'],
    [99.96 * 1024 ** 2, '100 MiB'],
    [5000 * 1024 ** 5, '5000 PiB'],
  ])('%d is %s', (number, text) => {
    expect(bytes(number)).toBe(text)
  })

  test('are read with units of 1,024', () => {
    expect(parseBytes('512')).toBe(512)
    expect(parseBytes('64K')).toBe(65536)
    expect(parseBytes('1MiB')).toBe(1048576)
    expect(parseBytes('1.5 mb')).toBe(1572864)
    for (const wrong of ['', 'x', '-1', '1 XiB', '1e3']) expect(() => parseBytes(wrong)).toThrow(UsageError)
  })

  test('counts', () => {
    expect(count(78579)).toBe('78,579')
    expect(count(999)).toBe('999')
    expect(count(1234567)).toBe('1,234,567')
    expect(counted(1, 'directory', 'directories')).toBe('1 directory')
    expect(counted(0, 'file')).toBe('0 files')
  })
})

describe('times', () => {
  test.each([
    [0, '0.0 s'],
    [3210, '3.2 s'],
    [59_960, '1 min 00 s'],
    [185_000, '3 min 05 s'],
    [3_599_600, '1 h 00 min'],
    [7_800_000, '2 h 10 min'],
  ])('%d ms are %s', (milliseconds, text) => {
    expect(duration(milliseconds)).toBe(text)
  })

  test('a clock', () => {
    expect(clock(42_000)).toBe('0:42')
    expect(clock(3_723_000)).toBe('1:02:03')
  })

  test('nanoseconds keep all digits, before 1970 too', () => {
    expect(isoNanoseconds(1_763_650_738_123_456_789n)).toBe('2025-11-20T14:58:58.123456789Z')
    expect(isoNanoseconds(-1n)).toBe('1969-12-31T23:59:59.999999999Z')
    expect(isoNanoseconds(-1_500_000_000n)).toBe('1969-12-31T23:59:58.500000000Z')
    expect(isoNanoseconds(2n ** 63n * 1000n)).toBeUndefined()
    expect(dateOf(-1n).getTime()).toBe(-1)
  })

  test('are read as dates, times and ages', () => {
    const now = new Date('2026-11-20T12:00:00Z')
    expect(parseTime('7d', now).toISOString()).toBe('2026-11-13T12:00:00.000Z')
    expect(parseTime('90m', now).toISOString()).toBe('2026-11-20T10:30:00.000Z')
    expect(localTime(parseTime('2026-11-20'))).toBe('2026-11-20 00:00:00')
    expect(localTime(parseTime('2026-11-20 14:58'))).toBe('2026-11-20 14:58:00')
    expect(parseTime('2026-11-20T14:58:00Z').toISOString()).toBe('2026-11-20T14:58:00.000Z')
    expect(localTime(parseTime('2028-02-29'))).toBe('2028-02-29 00:00:00')
    // Days that do not exist are not taken for others.
    const odd = ['2026-02-30', '2026-02-29', '2026-04-31T10:00', '2026-12-01T24:00', '2026-00-10', '2026-01-00']
    for (const wrong of ['', 'yesterday', '7', '2026', '2026-13-40', ...odd])
      expect(() => parseTime(wrong)).toThrow(UsageError)
  })
})

test('lengths of time are read', () => {
  expect(['0', '90s', '30m', '24h', '7d', '2w'].map(parseDuration)).toEqual([
    0, 90_000, 1_800_000, 86_400_000, 604_800_000, 1_209_600_000,
  ])
  for (const wrong of ['', '1', '-1d', '1.5h', 'soon', '24 h']) expect(() => parseDuration(wrong)).toThrow(UsageError)
})

test('requests are counted by kind', () => {
  const none = { put: 0, get: 0, stat: 0, list: 0, remove: 0, usage: 0, uploaded: 0, downloaded: 0 }
  expect(requestsLine({ location: '/s', requests: none })).toBe('requests to /s: none; 0 B read, 0 B written')
  expect(requestsLine({ location: '/s', requests: { ...none, put: 1, get: 1200, downloaded: 4096 } })).toBe(
    'requests to /s: 1 put, 1,200 get; 4.0 KiB read, 0 B written',
  )
})
