import type { SnapshotEntry } from 'kloset'
import { describe, expect, test } from 'vitest'
import { originOf, parseCommandLine, parseTarget, pathIn } from '../src/arguments.js'
import { UsageError } from '../src/exit.js'
import { protocolOf } from '../src/locations.js'
import { percent } from '../src/options.js'

describe('the command line', () => {
  test('takes the store out', () => {
    expect(parseCommandLine(['at', '/b', 'ls', '-r', 'latest'])).toEqual({
      store: '/b',
      verb: 'ls',
      rest: ['-r', 'latest'],
    })
    expect(parseCommandLine(['ls'])).toEqual({ store: undefined, verb: 'ls', rest: [] })
    expect(parseCommandLine([])).toEqual({ store: undefined, verb: undefined, rest: [] })
  })

  test('lets options stand before the verb', () => {
    expect(parseCommandLine(['-v', 'at', '/b', '--passphrase-file', 'f', 'backup', '/etc', '--json'])).toEqual({
      store: '/b',
      verb: 'backup',
      rest: ['-v', '--passphrase-file', 'f', '/etc', '--json'],
    })
  })

  test('leaves an argument `at` of a verb alone', () => {
    expect(parseCommandLine(['at', '/b', 'backup', 'at'])).toEqual({ store: '/b', verb: 'backup', rest: ['at'] })
  })

  test('refuses half a store and two stores', () => {
    expect(() => parseCommandLine(['at'])).toThrow(UsageError)
    expect(() => parseCommandLine(['at', '/a', 'at', '/b', 'ls'])).toThrow(UsageError)
  })
})

describe('ID[:PATH]', () => {
  test('is an id, a name or a position, and a path after the first colon', () => {
    expect(parseTarget('9ABC3294')).toEqual({ snapshot: '9abc3294', path: undefined })
    expect(parseTarget('latest~2:a:b')).toEqual({ snapshot: 'latest~2', path: 'a:b' })
    expect(parseTarget('9a:')).toEqual({ snapshot: '9a', path: '' })
    expect(parseTarget('Before the move:etc')).toEqual({ snapshot: 'Before the move', path: 'etc' })
    for (const wrong of ['', ':etc', '/etc', './etc', '../etc', 'latest~', 'latest~-1'])
      expect(() => parseTarget(wrong)).toThrow(UsageError)
  })

  const totals = { files: 0, directories: 0, others: 0, bytes: 0, errors: 0 }
  const source = (root: string, at: string) => ({ type: 'fs', origin: 'nas', root, totals, at })
  type Stats = Record<string, Partial<SnapshotEntry>>
  const snapshot = (sources: ReturnType<typeof source>[], stats: Stats = {}) => ({
    sources,
    async stat(path: string) {
      if (stats[path] === undefined) throw new Error(`there is no ${path}`)
      return { path, type: 'file', ...stats[path] } as SnapshotEntry
    },
  })
  const one = snapshot([source('/home/me', '')], { '': { type: 'directory', mode: 0o755 }, me: {} })
  const two = snapshot([source('/etc', 'etc'), source('/srv/www', 'www')])

  test('a path is relative to the snapshot, or absolute as it once was', async () => {
    expect(await pathIn(one, undefined)).toBe('')
    expect(await pathIn(one, 'notes/a')).toBe('notes/a')
    expect(await pathIn(one, './notes//a/')).toBe('notes/a')
    expect(await pathIn(one, '/home/me/notes')).toBe('notes')
    expect(await pathIn(one, '/home/me')).toBe('')
    expect(await pathIn(one, '/home/me2')).toBe('home/me2')
    expect(await pathIn(one, '/notes')).toBe('notes')
    expect(await pathIn(two, '/srv/www/index.html')).toBe('www/index.html')
    expect(await pathIn(two, 'etc/hosts')).toBe('etc/hosts')
    expect(await pathIn(snapshot([source('/', '')]), '/etc/hosts')).toBe('etc/hosts')
  })

  test('a file that was backed up alone is found by its path', async () => {
    const alone = snapshot([source('/etc/hosts', '')], { '': { type: 'directory' }, hosts: {} })
    expect(await pathIn(alone, '/etc/hosts')).toBe('hosts')
    const beside = snapshot([source('/srv', 'srv'), source('/etc/hosts', 'hosts')], {
      hosts: { type: 'directory' },
      'hosts/hosts': {},
    })
    expect(await pathIn(beside, '/etc/hosts')).toBe('hosts/hosts')
    // A folder of a store that keeps no metadata, with a folder of its own name in it.
    const bare = snapshot([source('/etc/hosts', '')], { '': { type: 'directory' }, hosts: { type: 'directory' } })
    expect(await pathIn(bare, '/etc/hosts')).toBe('')
  })

  test('and shown as where it was', () => {
    expect(originOf(one, 'notes/a')).toBe('/home/me/notes/a')
    expect(originOf(two, 'www/index.html')).toBe('/srv/www/index.html')
    expect(originOf(two, 'etc')).toBe('/etc')
    expect(originOf({ sources: [source('/', '')] }, 'etc')).toBe('/etc')
    expect(originOf(undefined, 'a')).toBe('a')
  })
})

test('shares', () => {
  expect(percent('10%')).toBe(10)
  expect(percent('2.5')).toBe(2.5)
  for (const wrong of ['0', '101%', '-1', 'all', '']) expect(() => percent(wrong)).toThrow()
})

test('protocols', () => {
  expect(protocolOf('/var/backups')).toBe('fs')
  expect(protocolOf('s3://host/bucket')).toBe('s3')
  expect(protocolOf('C:\\backups')).toBe('fs')
  expect(protocolOf('FILE:///x')).toBe('file')
})
