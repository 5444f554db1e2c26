import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { kloset, temporary } from './kloset.js'

const folder = temporary()
const source = join(folder, 'source')
const store = join(folder, 'store')
const plain = ['--no-encryption']

beforeAll(() => {
  for (const path of ['keys', 'keys/old', 'www', 'www/cache']) mkdirSync(join(source, path), { recursive: true })
  for (const path of ['keys/a.pem', 'keys/old/b.pem', 'keys/readme', 'www/index.html', 'www/cache/page'])
    writeFileSync(join(source, path), path)
  utimesSync(join(source, 'keys/readme'), 1_000_000_000, 1_000_000_000)
  kloset(['at', store, 'create', ...plain])
  expect(kloset(['at', store, 'backup', source, ...plain]).code).toBe(0)
})

let count = 0

function restore(...args: string[]): ReturnType<typeof kloset> {
  return kloset(['at', store, 'restore', ...plain, ...args])
}

function filesIn(root: string): string[] {
  const all = readdirSync(root, { recursive: true, encoding: 'utf8' }).sort()
  return all.filter((path) => lstatSync(join(root, path)).isFile())
}

function newTarget(): string {
  return join(folder, `target-${count++}`)
}

describe('which entries', () => {
  test.each([
    [
      ['--include', '*.pem'],
      ['keys/a.pem', 'keys/old/b.pem'],
    ],
    [['--include', '*.pem', '--exclude', 'old/'], ['keys/a.pem']],
    [
      ['--include', '/www'],
      ['www/cache/page', 'www/index.html'],
    ],
    [['--include', join('/', 'www', 'cache')], ['www/cache/page']],
    [
      ['--exclude', '*.pem', '--include', 'b.pem'],
      ['keys/old/b.pem', 'keys/readme', 'www/cache/page', 'www/index.html'],
    ],
    [['--iexclude', '*.PEM', '--exclude', '/www/*'], ['keys/readme']],
    [
      ['--strip-components', '1'],
      ['a.pem', 'cache/page', 'index.html', 'old/b.pem', 'readme'],
    ],
    [
      ['--strip-components', '1', '--include', 'www'],
      ['cache/page', 'index.html'],
    ],
    [
      ['--strip-components', '2'],
      ['b.pem', 'page'],
    ],
  ])('%j', (options, files) => {
    const target = newTarget()
    const done = restore('--to', target, ...options, 'latest')
    expect(done).toMatchObject({ code: 0, stderr: '' })
    expect(filesIn(target)).toEqual(files)
  })

  test('as they were when the backup was made, or from files', () => {
    const list = join(folder, 'list')
    writeFileSync(list, `# keys\n${source}/keys/\n!*.pem\n`)
    for (const [option, files] of [
      ['--include-file', ['keys/readme']],
      ['--exclude-file', ['www/cache/page', 'www/index.html']],
    ] as const) {
      const target = newTarget()
      expect(restore('--to', target, option, list, 'latest').code).toBe(0)
      expect(filesIn(target)).toEqual(files)
    }
    expect(restore('--to', newTarget(), '--include-file', join(folder, 'none'), 'latest')).toMatchObject({ code: 1 })
  })
})

test('names that are one once they are stripped are refused, but for the first', () => {
  const [two, other] = [join(folder, 'two'), join(folder, 'other-store')]
  for (const path of ['a', 'b']) {
    mkdirSync(join(two, path, 'sub'), { recursive: true })
    writeFileSync(join(two, path, 'same'), path)
    writeFileSync(join(two, path, 'sub', path), path)
  }
  kloset(['at', other, 'create', ...plain])
  kloset(['at', other, 'backup', two, ...plain])
  const target = join(folder, 'collided')
  const done = kloset(['at', other, 'restore', '--strip-components', '1', '--to', target, 'latest', ...plain])
  expect(done.code).toBe(3)
  expect(done.stderr).toContain('b/same gets the same path as a/same')
  expect(filesIn(target)).toEqual(['same', 'sub/a', 'sub/b'])
  expect(readFileSync(join(target, 'same'), 'utf8')).toBe('a')
})

describe('--delete', () => {
  function aTarget(): string {
    const target = newTarget()
    restore('--to', target, 'latest')
    for (const path of ['extra', 'extra/deep']) mkdirSync(join(target, path))
    for (const path of ['extra/deep/f', 'www/cache/extra', 'top']) writeFileSync(join(target, path), 'extra')
    symlinkSync(folder, join(target, 'keys/away'))
    return target
  }

  test('says what it would do, asks, and does it', () => {
    const target = aTarget()
    const dry = restore('--to', target, '--delete', '--dry-run', '-v', 'latest')
    expect(dry.code).toBe(0)
    expect(dry.stdout.split('\n').filter((line) => line.startsWith('deleted'))).toHaveLength(6)
    expect(dry.stdout).toContain('6 entries to delete')
    expect(restore('--to', target, '--delete', 'latest')).toMatchObject({ code: 2 })
    expect(existsSync(join(target, 'top'))).toBe(true)
    const done = restore('--to', target, '--delete', '--yes', '--json', 'latest')
    expect(done.code).toBe(0)
    expect(done.json).toContainEqual({ type: 'deletions', files: 3, directories: 2, others: 1, bytes: 15 })
    expect(done.json.at(-1)).toMatchObject({ type: 'summary', deleted: 6, skipped: 5, mended: 0 })
    expect(filesIn(target)).toEqual(filesIn(source))
    expect(existsSync(store)).toBe(true)
    expect(statSync(join(target, 'www')).mtimeMs).toBe(statSync(join(source, 'www')).mtimeMs)
  })

  test('leaves what is not taken', () => {
    const target = aTarget()
    expect(restore('--to', target, '--delete', '-y', '--exclude', '/www/cache/', 'latest').code).toBe(0)
    expect(filesIn(target)).toEqual([...filesIn(source), 'www/cache/extra'].sort())
    writeFileSync(join(target, 'keys/old.pem'), '')
    writeFileSync(join(target, 'keys/note'), '')
    expect(restore('--to', target, '--delete', '-y', '--include', '*.pem', 'latest').code).toBe(0)
    expect(filesIn(target)).toEqual([...filesIn(source), 'keys/note', 'www/cache/extra'].sort())
  })

  test('is refused where it could not mean what it says', () => {
    const target = join(folder, 'refused')
    expect(restore('--to', target, '--delete', '-y', 'latest:keys/readme').stderr).toContain('is not a folder')
    const both = restore('--to', target, '--delete', '-y', '--include', 'a', '--strip-components', '1', 'latest')
    expect(both.code).toBe(2)
  })
})

describe('what is there already', () => {
  test('is compared where that is asked for, and read back', () => {
    const target = newTarget()
    restore('--to', target, 'latest')
    const readme = join(target, 'keys/readme')
    writeFileSync(readme, 'keys/README')
    utimesSync(readme, 1_000_000_000, 1_000_000_000)
    expect(restore('--to', target, 'latest')).toMatchObject({ code: 1 })
    const trusting = restore('--to', target, '--overwrite', 'if-changed', '--verify', '--json', 'latest')
    expect(trusting.code).toBe(3)
    expect(trusting.json).toContainEqual(
      expect.objectContaining({ type: 'failed', path: 'keys/readme', code: 'KLOSET_RESTORE_DIFFERS' }),
    )
    const reading = restore('--to', target, '--overwrite', 'if-different', '--verify', '--json', 'latest')
    expect(reading.code).toBe(0)
    expect(reading.json.at(-1)).toMatchObject({ skipped: 4, totals: { files: 1 }, verified: { files: 5 } })
    expect(readFileSync(readme, 'utf8')).toBe('keys/readme')
    expect(restore('--to', target, '--verify', '--dry-run', 'latest')).toMatchObject({ code: 2 })
  })
})

describe('--to -', () => {
  test('writes one file to stdout', () => {
    expect(restore('--to', '-', 'latest:keys/a.pem')).toMatchObject({ code: 0, stdout: 'keys/a.pem', stderr: '' })
    expect(restore('--to', '-', 'latest:keys')).toMatchObject({ code: 2, stdout: '' })
    expect(restore('--to', '-', 'latest:keys').stderr).toContain('kloset dump')
    expect(restore('--to', '-', '--verify', 'latest:keys/a.pem')).toMatchObject({ code: 2 })
  })
})
