import { spawnSync } from 'node:child_process'
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { environment, kloset, temporary } from '../command/kloset.js'

// A restore neither deletes nor replaces what the command lives on (the store, its cache and state, the configuration, files with keys), under
// whatever name it lies in the target; mounted file systems are borders of deletions; and what the snapshot tells nothing of stays.

const base = temporary()
let count = 0

/** A folder with a store in it, and a backup of one file. */
function scene(at: (folder: string) => string = (folder) => join(folder, 'store')) {
  const folder = join(base, `scene-${count++}`)
  mkdirSync(join(folder, 'source'), { recursive: true })
  mkdirSync(join(folder, 'etc'))
  writeFileSync(join(folder, 'source', '1'), 'one')
  writeFileSync(join(folder, 'etc', 'passphrase'), 'something', { mode: 0o600 })
  const env = environment({
    HOME: join(folder, 'home'),
    XDG_CACHE_HOME: join(folder, 'home', 'cache'),
    XDG_CONFIG_HOME: join(folder, 'home', 'config'),
    XDG_STATE_HOME: join(folder, 'home', 'state'),
  })
  const store = at(folder)
  const own = ['--passphrase-file', join(folder, 'etc', 'passphrase')]
  const run = (verb: string, ...args: string[]) => kloset(['at', store, verb, ...own, ...args], { env })
  expect(run('create').code).toBe(0)
  expect(run('backup', join(folder, 'source')).code).toBe(0)
  expect(kloset(['config', 'default', store], { env }).code).toBe(0)
  return { folder, store, run }
}

const isWhole = (run: ReturnType<typeof scene>['run']): void => {
  expect(run('check', '--read-data')).toMatchObject({ code: 0 })
}

describe('what the command lives on', () => {
  test('stays where it lies in the target of a restore with --delete', () => {
    const { folder, run } = scene()
    writeFileSync(join(folder, 'etc', 'other'), '')
    expect(run('restore', '--to', folder, '--delete', '-y', 'latest')).toMatchObject({ code: 0 })
    isWhole(run)
    expect(readdirSync(folder).sort()).toEqual(['1', 'etc', 'home', 'store'])
    expect(readdirSync(join(folder, 'etc'))).toEqual(['passphrase'])
    expect(readdirSync(join(folder, 'home')).sort()).toEqual(['cache', 'config', 'state'])
  })

  test('stays where it is reached through a link in the target, and so does the link', () => {
    const { folder, run } = scene((folder) => {
      mkdirSync(join(folder, 'disk'))
      mkdirSync(join(folder, 'target'))
      symlinkSync('../disk', join(folder, 'target', 'link'))
      return join(folder, 'target', 'link', 'store')
    })
    writeFileSync(join(folder, 'disk', 'other'), '')
    expect(run('restore', '--to', join(folder, 'target'), '--delete', '-y', 'latest')).toMatchObject({ code: 0 })
    isWhole(run)
    expect(readdirSync(join(folder, 'target')).sort()).toEqual(['1', 'link'])
    expect(run('restore', '--to', folder, '--delete', '-y', 'latest')).toMatchObject({ code: 0 })
    isWhole(run)
    expect(readdirSync(join(folder, 'disk'))).toEqual(['store'])
  })

  test('is not replaced by what the snapshot has in its place', () => {
    const { folder, run } = scene()
    mkdirSync(join(folder, 'old', 'store'), { recursive: true })
    mkdirSync(join(folder, 'old', 'etc'))
    for (const path of ['store/config', 'store/more', 'etc/passphrase', 'etc/other'])
      writeFileSync(join(folder, 'old', path), 'old')
    expect(run('backup', join(folder, 'old')).code).toBe(0)
    for (const more of [
      ['--overwrite', 'always'],
      ['--delete', '-y', '--verify'],
      ['--overwrite', 'always', '--dry-run'],
    ]) {
      const done = run('restore', '--to', folder, ...more, 'latest')
      expect(done).toMatchObject({ code: 0 })
      expect(done.stderr).toContain('store is left as it is')
      isWhole(run)
      expect(readFileSync(join(folder, 'etc', 'passphrase'), 'utf8')).toBe('something')
    }
    expect(readFileSync(join(folder, 'etc', 'other'), 'utf8')).toBe('old')
  })

  test('is not replaced by a file or a link in the place of a folder above it', () => {
    const { folder, run } = scene((folder) => {
      mkdirSync(join(folder, 'deep'))
      return join(folder, 'deep', 'store')
    })
    mkdirSync(join(folder, 'old'))
    symlinkSync('elsewhere', join(folder, 'old', 'deep'))
    expect(run('backup', join(folder, 'old')).code).toBe(0)
    expect(run('restore', '--to', folder, '--delete', '-y', 'latest')).toMatchObject({ code: 3 })
    isWhole(run)
  })

  test('is no target itself', () => {
    const { folder, store, run } = scene()
    for (const target of [store, join(store, 'packs'), join(folder, 'home', 'state', 'kloset')]) {
      const refused = run('restore', '--to', target, '--overwrite', 'always', '--delete', '-y', 'latest')
      expect(refused).toMatchObject({ code: 1 })
      expect(refused.stderr).toContain('the target is in the store')
    }
    isWhole(run)
  })

  test('may have other names, which are not it', () => {
    const { folder, run } = scene()
    mkdirSync(join(folder, 'target'))
    linkSync(join(folder, 'etc', 'passphrase'), join(folder, 'target', 'copy'))
    expect(run('restore', '--to', join(folder, 'target'), '--delete', '-y', 'latest')).toMatchObject({ code: 0 })
    expect(existsSync(join(folder, 'target', 'copy'))).toBe(false)
    isWhole(run)
  })
})

describe('what the snapshot tells nothing of', () => {
  test('beside the folders of several sources stays', () => {
    const { folder, run } = scene()
    const home = join(folder, 'homes')
    for (const name of ['a', 'b', 'c']) mkdirSync(join(home, name), { recursive: true })
    for (const name of ['a', 'b', 'c']) writeFileSync(join(home, name, 'file'), '')
    expect(run('backup', join(home, 'a'), join(home, 'b')).code).toBe(0)
    writeFileSync(join(home, 'a', 'new'), '')
    expect(run('restore', '--to', home, '--delete', '-y', 'latest')).toMatchObject({ code: 0 })
    expect([readdirSync(home).sort(), readdirSync(join(home, 'a'))]).toEqual([['a', 'b', 'c'], ['file']])
  })

  test('beside what a list names is not deleted: a folder has to be named', () => {
    const { folder, run } = scene()
    writeFileSync(join(folder, 'list'), `${join(folder, 'source')}\n`)
    expect(run('backup', '--files-from', join(folder, 'list'))).toMatchObject({ code: 0 })
    const refused = run('restore', '--to', join(folder, 'target'), '--delete', '-y', 'latest')
    expect(refused).toMatchObject({ code: 1 })
    expect(refused.stderr).toContain('ID:PATH')
  })

  test('in / needs more than --yes where nobody can be asked', () => {
    const { folder, run } = scene()
    symlinkSync('/', join(folder, 'slash'))
    for (const root of ['/', '//', '/tmp/..', join(folder, 'slash')])
      expect(run('restore', '--to', root, '--delete', '-y', 'latest')).toMatchObject({ code: 2 })
  })
})

test('the file of dump --to is private, whatever the umask', () => {
  const { folder, run } = scene()
  const before = process.umask(0)
  try {
    expect(run('dump', '--to', join(folder, 'all.tar'), 'latest')).toMatchObject({ code: 0 })
  } finally {
    process.umask(before)
  }
  expect(statSync(join(folder, 'all.tar')).mode & 0o777).toBe(0o600)
})

test.runIf(process.platform === 'linux')('a target that cannot be made ends in a message', () => {
  const { run } = scene()
  const refused = run('restore', '--to', '/proc/nope/deep', 'latest')
  expect(refused).toMatchObject({ code: 1 })
  expect(refused.stderr).toContain('no folders can be made in /proc')
})

const mounted: string[] = []
afterAll(() => {
  for (const at of mounted.reverse()) spawnSync('umount', ['-l', at])
})

function mount(at: string, ...args: string[]): boolean {
  mkdirSync(at, { recursive: true })
  const done = spawnSync('mount', [...args, at]).status === 0
  if (done) mounted.push(at)
  return done
}

const mounts = process.geteuid?.() === 0 && mount(join(base, 'probe'), '-t', 'tmpfs', 'none')

describe.runIf(mounts)('mounted file systems in the target', () => {
  test('of which the snapshot has nothing are left alone: another file system, and a bind mount of the same one', () => {
    const { folder, run } = scene()
    const [target, same] = [join(folder, 'target'), join(folder, 'same')]
    for (const each of [same, join(target, 'gone')]) mkdirSync(each, { recursive: true })
    for (const name of ['tmpfs', 'bind', 'in snapshot']) mkdirSync(join(folder, 'source', name))
    expect(run('backup', join(folder, 'source')).code).toBe(0)
    expect(mount(join(target, 'tmpfs'), '-t', 'tmpfs', 'none')).toBe(true)
    expect(mount(join(target, 'bind'), '--bind', same)).toBe(true)
    expect(mount(join(target, 'not in snapshot'), '--bind', same)).toBe(true)
    expect(mount(join(target, 'in snapshot'), '-t', 'tmpfs', 'none')).toBe(true)
    for (const name of ['tmpfs', 'bind', 'in snapshot']) writeFileSync(join(target, name, 'keep'), '')
    expect(run('restore', '--to', target, '--delete', '-y', 'latest')).toMatchObject({ code: 0 })
    expect(readdirSync(target).sort()).toEqual(['1', 'bind', 'in snapshot', 'not in snapshot', 'tmpfs'])
    for (const name of ['tmpfs', 'bind', 'in snapshot', 'not in snapshot'])
      expect(readdirSync(join(target, name)), name).toEqual(['keep'])
  })

  test('that show the store once more, whole or in part, are left alone as the store is', () => {
    const { folder, store, run } = scene((folder) => {
      mkdirSync(join(folder, 'disk'))
      return join(folder, 'disk', 'store')
    })
    const target = join(folder, 'target')
    const old = join(folder, 'old')
    for (const name of ['above/store', 'store', 'packs']) {
      mkdirSync(join(old, name), { recursive: true })
      writeFileSync(join(old, name, 'config'), 'old')
    }
    expect(run('backup', old).code).toBe(0)
    expect(mount(join(target, 'above'), '--bind', join(folder, 'disk'))).toBe(true)
    expect(mount(join(target, 'store'), '--bind', store)).toBe(true)
    expect(mount(join(target, 'packs'), '--bind', join(store, 'packs'))).toBe(true)
    expect(run('restore', '--to', target, '--overwrite', 'always', 'latest')).toMatchObject({ code: 0 })
    expect(run('restore', '--to', target, '--delete', '-y', 'latest')).toMatchObject({ code: 0 })
    isWhole(run)
    expect(existsSync(join(store, 'packs', 'config'))).toBe(false)
  })
})
