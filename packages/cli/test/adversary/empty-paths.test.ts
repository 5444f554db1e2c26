import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { kloset, temporary } from '../command/kloset.js'

// Each stands for a variable of a script that is not set.
const folder = temporary()
const store = join(folder, 'store')
const source = join(folder, 'source')
const work = join(folder, 'work')
const env = { KLOSET_PASSPHRASE: 'something' }

beforeAll(() => {
  mkdirSync(source)
  mkdirSync(work)
  writeFileSync(join(source, 'f'), '1')
  writeFileSync(join(work, 'precious'), '')
  kloset(['at', store, 'create'], { env })
  kloset(['at', store, 'backup', source], { env })
})

describe('an empty argument is not the current folder', () => {
  test.each([
    [['restore', '--to', '', '--delete', '-y', 'latest'], '--to is empty'],
    [['restore', '--to=', '--delete', '-y', 'latest'], '--to is empty'],
    [['restore', '--to', 'out', ''], 'an argument is empty'],
    [['backup', ''], 'an argument is empty'],
    [['backup', source, ''], 'an argument is empty'],
    [['backup', '--as', '', source], '--as is empty'],
    [['backup', '--files-from', ''], '--files-from is empty'],
    [['ls', '--path', ''], '--path is empty'],
    [['forget', '--path', '', 'latest'], '--path is empty'],
    [['ls', '--cache-dir', ''], '--cache-dir is empty'],
    [['ls', '--passphrase-file', ''], '--passphrase-file is empty'],
    [['dump', '--to', '', 'latest'], '--to is empty'],
    [['mount', ''], 'an argument is empty'],
    [['sync', 'to', ''], 'an argument is empty'],
    [['import', 'restic', ''], 'an argument is empty'],
  ])('%j', (args, told) => {
    const refused = kloset(['at', store, ...args], { env, cwd: work })
    expect(refused).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(told) })
    expect(readdirSync(work)).toEqual(['precious'])
  })

  test('as a store', () => {
    for (const args of [
      ['at', '', 'ls'],
      ['at', '', 'create'],
    ])
      expect(kloset(args, { env, cwd: work })).toMatchObject({ code: 2, stdout: '' })
    expect(kloset(['ls'], { env: { ...env, KLOSET_STORE: '' }, cwd: work })).toMatchObject({ code: 2, stdout: '' })
    expect(readdirSync(work)).toEqual(['precious'])
  })

  test('as a variable of the environment it is not set', () => {
    const unset = { ...env, KLOSET_CACHE_DIR: '', XDG_CACHE_HOME: '', XDG_STATE_HOME: '', HOME: join(folder, 'home') }
    expect(kloset(['at', store, 'ls'], { env: unset, cwd: work })).toMatchObject({ code: 0 })
    expect(readdirSync(work)).toEqual(['precious'])
  })
})

test('what stands behind -- may be empty, and so may tags that are set', () => {
  const program = ['--stdin-name', 'x', '--from-command', '--', 'sh', '-c', 'printf "%s" "[$1]"', 'sh', '']
  expect(kloset(['at', store, 'backup', ...program], { env })).toMatchObject({ code: 0 })
  expect(kloset(['at', store, 'cat', 'latest:x'], { env })).toMatchObject({ stdout: '[]' })
  expect(kloset(['at', store, 'tag', 'set', '', 'latest'], { env })).toMatchObject({ code: 0 })
})
