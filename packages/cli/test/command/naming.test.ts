import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { has, kloset, onTerminal, temporary } from './kloset.js'

const folder = temporary()
let home = ''
let number = 0
let at: { env: NodeJS.ProcessEnv; cwd: string }
const file = () => join(home, 'kloset/config.yaml')

beforeEach(() => {
  home = join(folder, `home-${number++}`)
  mkdirSync(home)
  at = { env: { XDG_CONFIG_HOME: home }, cwd: home }
})

function write(text: string, mode = 0o600): void {
  mkdirSync(join(home, 'kloset'), { recursive: true })
  writeFileSync(file(), text)
  chmodSync(file(), mode)
}

describe('names for locations', () => {
  test('are given, used and taken away', () => {
    writeFileSync(join(home, 'passphrase'), 'secret\n', { mode: 0o600 })
    const added = kloset(['config', 'add', 'mine', 'store', '--passphrase-file', 'passphrase'], at)
    expect(added).toMatchObject({ code: 0, stderr: '' })
    expect(statSync(file()).mode & 0o777).toBe(0o600)
    expect(kloset(['at', '@mine', 'create'], at)).toMatchObject({ code: 0 })
    expect(kloset(['at', '@mine', 'ls'], { ...at, cwd: '/' })).toMatchObject({ code: 0, stderr: 'No snapshots yet.\n' })
    expect(kloset(['ls'], { env: { ...at.env, KLOSET_STORE: '@mine' } })).toMatchObject({ code: 0 })
    const list = kloset(['config'], at)
    expect(list.stdout).toBe(`@mine  ${join(home, 'store')}  passphrase in ${join(home, 'passphrase')}\n`)
    expect(list.stderr).toContain(file())
    expect(kloset(['config', 'add', 'mine', 'other'], at)).toMatchObject({ code: 1 })
    expect(kloset(['config', 'remove', 'mine'], at)).toMatchObject({ code: 0 })
    const unknown = kloset(['at', '@mine', 'ls'], at)
    expect(unknown.code).toBe(1)
    expect(unknown.stderr).toContain('kloset config add mine')
  })

  test('the default store', () => {
    kloset(['config', 'add', 'mine', 'store', '--no-encryption'], at)
    kloset(['at', '@mine', 'create'], at)
    expect(kloset(['ls'], at)).toMatchObject({ code: 2 })
    expect(kloset(['config', 'default', '@mine'], at)).toMatchObject({ code: 0 })
    expect(kloset(['ls'], at)).toMatchObject({ code: 0 })
    expect(kloset(['config', 'default'], at)).toMatchObject({ code: 0 })
    expect(kloset(['ls'], at)).toMatchObject({ code: 2 })
    expect(kloset(['config', 'default', '@other'], at)).toMatchObject({ code: 1 })
  })

  test('what is there stays, with its comments, also behind a link', () => {
    write('# my own words\nlocations:\n  old: /somewhere # here\n')
    kloset(['config', 'add', 'new', '/elsewhere', '-o', 'x=y'], at)
    expect(kloset(['config', 'add', 'new', '/elsewhere'], at)).toMatchObject({ code: 0 })
    expect(readFileSync(file(), 'utf8')).toBe(
      '# my own words\nlocations:\n  old: /somewhere # here\n  new:\n    url: /elsewhere\n',
    )
    const elsewhere = join(folder, `linked-${number}`)
    mkdirSync(elsewhere)
    symlinkSync(file(), join(elsewhere, 'config.yaml'))
    mkdirSync(join(folder, `xdg-${number}`))
    symlinkSync(elsewhere, join(folder, `xdg-${number}`, 'kloset'))
    kloset(['config', 'remove', 'old'], { env: { XDG_CONFIG_HOME: join(folder, `xdg-${number}`) } })
    expect(readFileSync(file(), 'utf8')).not.toContain('old')
  })

  test('a secret option is asked for, and never seen again', { skip: !has('script') }, async () => {
    const url = 's3://127.0.0.1:1/bucket'
    const { code, screen } = await onTerminal(
      ['config', 'add', 'offsite', url, '-o', 'access-key=me', '--ask', 'secret-key'],
      [[/secret-key: /, 'hunter2\r']],
      at,
    )
    expect(code).toBe(0)
    expect(screen).not.toContain('hunter2')
    expect(readFileSync(file(), 'utf8')).toContain('secret-key: hunter2')
    const [, location] = kloset(['config', '--json'], at).json
    expect(location).toMatchObject({
      type: 'location',
      name: 'offsite',
      url,
      options: { 'access-key': 'me' },
      secrets: ['secret-key'],
    })
    for (const args of [['config'], ['at', '@offsite', 'ls', '-v'], ['ping', '@offsite', '-v']]) {
      const { stdout, stderr } = kloset(args, at)
      expect(stdout + stderr).not.toContain('hunter2')
    }
  })

  test.each([
    ['not: [yaml', 'is not YAML'],
    ['locations:\n  x: {}', 'has no `url`'],
    ['locations:\n  x: {url: /a, pasphrase-file: /b}', '`pasphrase-file`, which means nothing'],
    ['stores: {}', '`stores`, which means nothing'],
    ['locations:\n  x: relative/path', 'relative to nothing'],
    ['locations: [a]', 'has no names and values'],
  ])('%s is refused', (text, why) => {
    write(text)
    const refused = kloset(['at', '@x', 'ls'], at)
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain(why)
  })

  test.skipIf(process.platform === 'win32')(
    'secrets that others can read are refused, and so is what others can write',
    () => {
      write('locations:\n  x: {url: "s3://127.0.0.1:1/b", options: {secret-key: abc}}\n  y: {url: /nowhere}\n', 0o640)
      const refused = kloset(['at', '@x', 'ls'], at)
      expect(refused).toMatchObject({ code: 1 })
      expect(refused.stderr).toContain(`chmod 600 ${file()}`)
      expect(refused.stderr).not.toContain('abc')
      // What is no secret may be seen.
      expect(kloset(['at', '@y', 'ls'], at)).toMatchObject({ code: 10 })
      chmodSync(file(), 0o606)
      expect(kloset(['at', '@y', 'ls'], at)).toMatchObject({ code: 1 })
    },
  )

  test('options of the command line win, and misspelled ones are told when they are configured', () => {
    expect(kloset(['config', 'add', 'x', 's3://127.0.0.1:1/b', '-o', 'tsl=false'], at).stderr).toContain(
      'no option tsl',
    )
    expect(kloset(['config', 'add', '../x', '/a'], at)).toMatchObject({ code: 2 })
    expect(kloset(['config', 'frobnicate'], at)).toMatchObject({ code: 2 })
    expect(kloset(['config', 'path', '--json'], at).json).toEqual([{ type: 'configuration', file: file() }])
  })
})
