import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { readConfiguration } from '../../src/configuration.js'
import { kloset, temporary } from '../command/kloset.js'

// config.yaml: what is written is what is meant. Values stay their own text, names that cannot be are refused, and nothing is a folder by mistake.

const home = temporary()
const folder = temporary()
const file = join(home, 'kloset', 'config.yaml')
const env = { XDG_CONFIG_HOME: home, KLOSET_PASSPHRASE: 'something' }
const run = (...args: string[]) => kloset(args, { env, cwd: folder })

beforeEach(() => {
  mkdirSync(join(home, 'kloset'), { recursive: true })
  writeFileSync(file, '', { mode: 0o600 })
})

describe('values', () => {
  const odd = [
    '007',
    '0123',
    '1e5',
    '0x1F',
    '0o17',
    '1.0',
    '12345678901234567890',
    '~',
    'null',
    'true',
    'No',
    '.inf',
    '2026-11-20',
    '+1',
    '1_000',
  ]

  for (const quoted of [false, true]) {
    test(`that look like numbers and the like stay as they are ${quoted ? 'in' : 'without'} quotes`, async () => {
      const options = odd.map((value, index) => `      o${index}: ${quoted ? JSON.stringify(value) : value}\n`).join('')
      writeFileSync(
        file,
        `locations:\n  nas:\n    url: sftp://nas/x\n    passphrase-command: 007\n    options:\n${options}`,
      )
      const { locations } = await readConfiguration(env)
      expect(locations.get('nas')?.passphraseCommand).toBe('007')
      expect(Object.values(locations.get('nas')?.options ?? {})).toEqual(odd)
    })
  }

  test('that were added by the command are the same when they are read', async () => {
    for (const [index, password] of odd.entries())
      expect(run('config', 'add', `n${index}`, 'sftp://nas/x', '-o', `password=${password}`).code).toBe(0)
    const { locations } = await readConfiguration(env)
    expect(odd.map((_, index) => locations.get(`n${index}`)?.options?.password)).toEqual(odd)
  })

  test('that are no text at all are refused, with their line', () => {
    writeFileSync(file, 'locations:\n  nas:\n    url: sftp://nas/x\n    options:\n      password:\n        - a\n')
    const { code, stderr } = run('config')
    expect([code, stderr]).toEqual([1, expect.stringMatching(/line 5: the option password of @nas is no text/)])
  })

  test('of encryption are true or false', async () => {
    writeFileSync(file, 'locations: { a: { url: /x, encryption: false }, b: { url: /x, encryption: true } }')
    const { locations } = await readConfiguration(env)
    expect([locations.get('a')?.encryption, locations.get('b')?.encryption]).toEqual([false, undefined])
    writeFileSync(file, 'locations: { a: { url: /x, encryption: no } }')
    expect(run('config').stderr).toContain('neither true nor false')
  })

  test('by way of anchors are values as well', async () => {
    writeFileSync(file, 'locations:\n  a: &a\n    url: sftp://nas/x\n    options: { password: 007 }\n  b: *a\n')
    expect((await readConfiguration(env)).locations.get('b')?.options).toEqual({ password: '007' })
  })
})

describe('names', () => {
  test('that mean nothing are refused, with their line', () => {
    writeFileSync(file, '# mine\nlocations:\n  nas:\n    url: /x\n    pasphrase-file: ~/p\n')
    expect(run('config').stderr).toMatch(/line 5: @nas has `pasphrase-file`, which means nothing/)
    writeFileSync(file, 'defalt: /x\n')
    expect(run('config').stderr).toMatch(/line 1: the file has `defalt`/)
  })

  test('of locations that cannot be are no folders', () => {
    for (const name of ['@näs', '@my nas', '@a/b', '@', '@-x', '@@nas']) {
      for (const args of [
        ['at', name, 'create'],
        ['at', name, 'ping'],
        ['config', 'default', name],
      ]) {
        const { code, stderr } = run(...args)
        expect([name, args[2], code, stderr]).toEqual([name, args[2], 2, expect.stringContaining('name')])
      }
    }
    for (const name of ['my nas', 'nas', 'a/b']) expect(run('config', 'default', name).code).toBe(2)
    expect(readdirSync(folder)).toEqual([])
    expect(readFileSync(file, 'utf8')).toBe('')
  })

  test('of folders with such names are written with a path', () => {
    expect(run('at', './@näs', 'create').code).toBe(0)
    expect(existsSync(join(folder, '@näs', 'config'))).toBe(true)
    expect(run('config', 'default', './@näs').code).toBe(0)
  })
})

test('ping says of a folder that is not there that it is the place', () => {
  const { code, json } = run('ping', '--json', join(folder, 'absent'))
  expect(code).toBe(10)
  expect(json.find(({ ok }) => ok === false)).toMatchObject({ step: 'place', code: 'KLOSET_NOT_FOUND' })
})
