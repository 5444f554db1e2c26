import type { Progress } from 'kloset'
import { KlosetError } from 'kloset/connector'
import { describe, expect, test } from 'vitest'
import { Failure } from '../../src/exit.js'
import { colorsFor } from '../../src/render/colors.js'
import { entryCells, modeText } from '../../src/render/entries.js'
import { causesOf, errorLines, hintOf, messageOf } from '../../src/render/errors.js'
import { failureLines } from '../../src/render/failures.js'
import { widthOf } from '../../src/render/names.js'
import { progressLine, Rate } from '../../src/render/progress.js'
import { Columns } from '../../src/render/table.js'

const MiB = 1024 * 1024
const now: Progress = {
  phase: 'read',
  entries: 2000,
  files: 1800,
  bytes: 100 * MiB,
  total: { entries: 8000, bytes: 400 * MiB },
  failed: 0,
  stored: 0,
  current: 'home/me/documents/some long name.txt',
  elapsed: 2000,
}

describe('the progress line', () => {
  test('tells files, bytes, rate, share, time left and path', () => {
    expect(progressLine(now, 50 * MiB, 200)).toBe(
      'reading  1,800 files  100 MiB of 400 MiB  50.0 MiB/s  25 %  0:06 left  home/me/documents/some long name.txt',
    )
  })

  test('tells what it knows while the total is not known', () => {
    const line = progressLine({ ...now, total: undefined, current: undefined, failed: 2 }, undefined, 80)
    expect(line).toBe('reading  1,800 files  100 MiB  2 errors')
  })

  test('calls it reading once there is something to read', () => {
    expect(progressLine({ ...now, phase: 'scan', files: 0, bytes: 0, total: undefined }, undefined, 14)).toBe(
      'looking  0 B',
    )
    expect(progressLine({ ...now, phase: 'scan', total: undefined }, undefined, 32)).toBe(
      'reading  1,800 files  100 MiB',
    )
  })

  test('never is wider than the terminal', () => {
    for (let width = 0; width < 120; width++)
      for (const current of [now.current, '日本語'.repeat(30), '\n'.repeat(50)])
        expect(widthOf(progressLine({ ...now, current }, MiB, width))).toBeLessThanOrEqual(width)
  })

  test('has the rate of the last seconds', () => {
    const rate = new Rate()
    expect(rate.next({ elapsed: 0, bytes: 0 })).toBeUndefined()
    expect(rate.next({ elapsed: 1000, bytes: 1000 })).toBe(1000)
    for (let second = 2; second <= 30; second++) rate.next({ elapsed: second * 1000, bytes: 1000 })
    expect(rate.next({ elapsed: 31_000, bytes: 1000 })).toBe(0)
  })
})

describe('tables', () => {
  test('align, and columns stay wide', () => {
    const columns = new Columns(['left', 'right', 'left'])
    expect(
      columns.lines([
        ['日本', '1', 'x'],
        ['abc', '22', 'yy'],
      ]),
    ).toEqual(['日本   1  x', 'abc   22  yy'])
    expect(columns.lines([['a', '3', '']])).toEqual(['a      3'])
  })

  test('leave out a column that is empty everywhere', () => {
    expect(new Columns(['left', 'left', 'left']).lines([['a', '', 'c']])).toEqual(['a  c'])
  })
})

describe('entries', () => {
  test('have their mode as ls writes it', () => {
    expect(modeText({ type: 'directory', mode: 0o755 })).toBe('drwxr-xr-x')
    expect(modeText({ type: 'file', mode: 0o4755 })).toBe('-rwsr-xr-x')
    expect(modeText({ type: 'file', mode: 0o2644 })).toBe('-rw-r-Sr--')
    expect(modeText({ type: 'directory', mode: 0o1777 })).toBe('drwxrwxrwt')
    expect(modeText({ type: 'symlink', mode: undefined })).toBe('l?????????')
  })

  test('show targets, devices and what was not saved', () => {
    expect(entryCells({ path: 'l', type: 'symlink', target: 'to\n' }, 'l').at(-1)).toBe("l -> $'to\\n'")
    expect(entryCells({ path: 'd', type: 'block', device: { major: 8, minor: 1 } }, 'd')[3]).toBe('8, 1')
    const entry = { path: 'f', type: 'file', error: { code: 'KLOSET_DENIED', message: 'permission denied' } } as const
    expect(entryCells(entry, 'f').at(-1)).toBe('f  (not in the snapshot: permission denied)')
  })
})

describe('errors', () => {
  const situation = { verb: 'ls', store: '/var/backups' }

  test('say what to do in terms of the command', () => {
    const error = new KlosetError('KLOSET_NO_STORE', 'there is no store at /var/backups', { hint: 'Call createStore.' })
    expect(errorLines(error, situation, false)).toEqual([
      'kloset: there is no store at /var/backups',
      '  Check the location, or make a store there: kloset at /var/backups create',
    ])
  })

  test('keep the hint of the engine where the command knows no better', () => {
    const error = new KlosetError('KLOSET_FULL', 'cannot write /x: the disk is full', { hint: 'Free some space.' })
    expect(hintOf(error, situation)).toBe('Free some space.')
  })

  test('show their causes when asked, and never a stack', () => {
    const system = Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' })
    const error = new KlosetError('KLOSET_DENIED', 'cannot read\x1b[2J', {
      cause: new Error('inner', { cause: system }),
    })
    expect(causesOf(error)).toEqual(['inner', 'EACCES: permission denied'])
    const lines = errorLines(error, situation, true)
    expect(lines).toEqual([
      'kloset: cannot read\\x1b[2J',
      '  code: KLOSET_DENIED',
      '  caused by: inner',
      '  caused by: EACCES: permission denied',
    ])
  })

  test('translate what the system says', () => {
    const error = Object.assign(new Error("ENOENT: no such file or directory, open '/x'"), {
      code: 'ENOENT',
      path: '/x',
    })
    expect(messageOf(error)).toBe('/x: it does not exist')
    expect(hintOf(error, situation)).toBeUndefined()
    expect(hintOf(new TypeError('x is not a function'), situation)).toContain('KLOSET_DEBUG=1')
    expect(hintOf(new Failure('a', 'b'), situation)).toBe('b')
  })
})

test('failed entries are listed with their reason and one hint, twenty at most', () => {
  const error = new KlosetError('KLOSET_DENIED', 'cannot read /etc/shadow: permission denied', { hint: 'Run as root.' })
  const failed = Array.from({ length: 25 }, (_, number) => ({ path: `f${number}`, error }))
  const lines = failureLines(failed, 30_000, 'read', (path) => `/etc/${path}`)
  expect(lines[0]).toBe('30,000 entries could not be read:')
  expect(lines[1]).toBe('  /etc/f0: permission denied')
  expect(lines.slice(21)).toEqual(['  and 29,980 more (--json lists all)', 'Run as root.'])
  expect(failureLines([], 0, 'read', (path) => path)).toEqual([])
})

test('colours appear on a terminal only, and never against the will of the person', () => {
  expect(colorsFor({ isTTY: true }, { TERM: 'xterm' }).red('x')).toBe('\x1b[31mx\x1b[39m')
  expect(colorsFor({ isTTY: true }, { TERM: 'xterm', NO_COLOR: '1' }).red('x')).toBe('x')
  expect(colorsFor({ isTTY: true }, { TERM: 'dumb' }).red('x')).toBe('x')
  expect(colorsFor({}, { TERM: 'xterm' }).red('x')).toBe('x')
})
