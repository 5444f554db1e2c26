// A backup does not save the store into itself, nor what the command keeps on this machine, however these are reached; what is named is saved.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { kloset, type Ran, temporary } from '../command/kloset.js'

interface Home {
  readonly folder: string
  run(...args: string[]): Ran
}

/** A home folder with the command's cache and state in it. */
function home(): Home {
  const folder = temporary()
  writeFileSync(join(folder, 'document'), 'content')
  const env = { HOME: folder, XDG_STATE_HOME: '', KLOSET_PASSPHRASE: 'pw' }
  return { folder, run: (...args) => kloset(args, { env, cwd: folder }) }
}

/** The paths in the newest snapshot. */
function paths({ run }: Home, at: string): string[] {
  const { stdout } = run('at', at, 'ls', '-r', '--json', 'latest')
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
    .flatMap(({ path }) => path ?? [])
}

test('a home folder is found unchanged, though its cache and state are not what they were', () => {
  const own = home()
  const at = join(temporary(), 'store')
  own.run('at', at, 'create', '-q')
  for (const expected of [undefined, undefined, /No snapshot .* was needed/, /No snapshot .* was needed/]) {
    const { code, stdout } = own.run('at', at, 'backup', '--skip-if-unchanged', own.folder)
    expect(code).toBe(0)
    if (expected) expect(stdout).toMatch(expected)
  }
  expect(existsSync(join(own.folder, '.cache/kloset'))).toBe(true)
  expect(existsSync(join(own.folder, '.local/state/kloset'))).toBe(true)
  expect(paths(own, at).filter((path) => path.includes('kloset'))).toEqual([])
})

test('the cache tells other programs what it is', () => {
  const own = home()
  const at = join(temporary(), 'store')
  own.run('at', at, 'create', '-q')
  own.run('at', at, 'backup', '-q', own.folder)
  const tag = readFileSync(join(own.folder, '.cache/kloset/CACHEDIR.TAG'), 'utf8')
  expect(tag).toMatch(/^Signature: 8a477f597d28d172789f06886806bc55\n/)
})

test('a cache that is elsewhere is left out as well, and one that is named is saved', () => {
  const own = home()
  const at = join(temporary(), 'store')
  own.run('at', at, 'create', '-q')
  for (let i = 0; i < 2; i++) own.run('at', at, 'backup', '-q', '--cache-dir', join(own.folder, 'c'), own.folder)
  expect(existsSync(join(own.folder, 'c'))).toBe(true)
  expect(paths(own, at)).not.toContain('c')
  own.run('at', at, 'backup', '-q', '--cache-dir', join(own.folder, 'c'), join(own.folder, 'c'))
  expect(paths(own, at)).toContain('CACHEDIR.TAG')
})

test.each(['as it is', 'through a link'])('a store in its own source is left out, and that is told (%s)', (way) => {
  const own = home()
  const real = join(own.folder, 'backups', 'store')
  mkdirSync(join(own.folder, 'backups'))
  const link = join(temporary(), 'link')
  symlinkSync(join(own.folder, 'backups'), link)
  const at = way === 'as it is' ? real : join(link, 'store')
  own.run('at', at, 'create', '-q')
  for (let i = 0; i < 3; i++) {
    const { code, stderr } = own.run('at', at, 'backup', '--dry-run', own.folder)
    expect(code).toBe(0)
    expect(stderr).toContain('the store is in')
  }
  expect(own.run('at', at, 'backup', '-q', own.folder).code).toBe(0)
  expect(paths(own, at)).toEqual(expect.arrayContaining(['backups', 'document']))
  expect(paths(own, at).filter((path) => path.startsWith('backups/'))).toEqual([])
  const { json } = own.run('at', at, 'backup', '--json', own.folder)
  expect(json).toContainEqual(expect.objectContaining({ type: 'notice', code: 'store-left-out' }))
})

const canMount = process.platform === 'linux' && process.geteuid?.() === 0

test.runIf(canMount)('a store that is mounted in its source under another name is left out', () => {
  const own = home()
  const at = join(temporary(), 'store')
  own.run('at', at, 'create', '-q')
  mkdirSync(join(own.folder, 'mounted'))
  if (spawnSync('mount', ['--bind', at, join(own.folder, 'mounted')]).status !== 0) return
  try {
    expect(own.run('at', at, 'backup', '-q', own.folder).code).toBe(0)
    expect(paths(own, at)).toContain('document')
    expect(paths(own, at).filter((path) => path.startsWith('mounted'))).toEqual([])
  } finally {
    spawnSync('umount', [join(own.folder, 'mounted')])
  }
})
