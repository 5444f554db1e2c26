import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { has, kloset, shell, temporary } from './kloset.js'

const folder = temporary()
const source = join(folder, 'source')
const at = { env: { KLOSET_STORE: join(folder, 'store') } }
/** Of the snapshots, oldest first. */
let ids: string[]

// A folder at three times.
beforeAll(() => {
  mkdirSync(join(source, 'etc/nginx'), { recursive: true })
  writeFileSync(join(source, 'etc/hosts'), 'one\n')
  writeFileSync(join(source, 'etc/nginx/nginx.conf'), 'user www;\n')
  writeFileSync(join(source, 'large.bin'), new Uint8Array(100_000))
  writeFileSync(Buffer.concat([Buffer.from(join(source, 'odd')), Buffer.from([0xff, 0x0a])]), 'odd')
  symlinkSync('hosts', join(source, 'etc/link'))
  kloset(['create', '--no-encryption'], at)
  kloset(['backup', source], at)
  writeFileSync(join(source, 'etc/hosts'), 'one\ntwo\n')
  kloset(['backup', source], at)
  writeFileSync(join(source, 'etc/Hosts.bak'), 'one\n')
  rmSync(join(source, 'large.bin'))
  kloset(['backup', source], at)
  ids = kloset(['ls', '--json'], at).json.map(({ id }) => String(id).slice(0, 8))
})

describe('find', () => {
  const found = (...args: string[]): string[] =>
    kloset(['find', ...args], at)
      .stdout.split('\n')
      .slice(0, -1)

  test('tells where what is, in the words that cat takes', () => {
    expect(found('hosts*', '-i')).toEqual([
      `${ids[0]}:etc/hosts`,
      `${ids[1]}:etc/hosts`,
      `${ids[2]}:etc/Hosts.bak`,
      `${ids[2]}:etc/hosts`,
    ])
    expect(found('-s', ids[0]!, 'nginx/*.conf')).toEqual([`${ids[0]}:etc/nginx/nginx.conf`])
    const odd = shell(`eval "$kloset cat $($kloset find -s latest 'odd*')"`, at)
    expect(odd).toMatchObject({ code: 0, stdout: 'odd' })
  })

  test('goes by kind, size and time', () => {
    expect(found('-t', 'l')).toEqual(ids.map((id) => `${id}:etc/link`))
    expect(found('--size', '+10k', '--size', '-1M')).toEqual([`${ids[0]}:large.bin`, `${ids[1]}:large.bin`])
    expect(found('--size', '8', '-s', 'latest')).toEqual([`${ids[2]}:etc/hosts`])
    expect(found('--older', '1d')).toEqual([])
    expect(found('--newer', '1d', '-t', 'd', '/**/nginx', '-s', 'latest')).toEqual([`${ids[2]}:etc/nginx`])
    const long = found('-l', '-s', 'latest', 'link')
    expect(long).toEqual([expect.stringMatching(new RegExp(`^lrwxrwxrwx .* ${ids[2]}:etc/link -> hosts$`))])
  })

  test('tells each version of a file once', () => {
    const lines = found('--versions', join(source, 'etc/hosts'))
    expect(lines[0]).toBe(join(source, 'etc/hosts'))
    expect(lines[1]).toMatch(new RegExp(`^ {2}-rw-r--r-- +4 .* 1 snapshot +${ids[0]} `))
    expect(lines[2]).toMatch(new RegExp(`^ {2}-rw-r--r-- +8 .* 2 snapshots +${ids[1]} .* to ${ids[2]} `))
    const revisions = kloset(['find', '--versions', '--json', 'hosts'], at).json
    expect(revisions).toMatchObject([
      { type: 'revision', path: 'etc/hosts', kind: 'file', size: 4, source: { type: 'fs', root: source } },
      { type: 'revision', path: 'etc/hosts', size: 8, snapshots: [expect.any(String), expect.any(String)] },
    ])
  })

  test('writes entries as ls does with --json, and says what it does not understand', () => {
    expect(kloset(['find', '--json', '-s', 'latest', 'hosts'], at).json).toEqual(
      kloset(['ls', '--json', 'latest:etc/hosts'], at).json,
    )
    expect(kloset(['find', 'nothing'], at)).toMatchObject({ code: 0, stdout: '', stderr: 'Nothing was found.\n' })
    for (const wrong of [
      ['-t', 'q'],
      [''],
      ['--size', '+x'],
      ['--newer', 'soon'],
      ['-s', 'latest:etc', 'a'],
      ['[z-a]'],
    ]) {
      expect(kloset(['find', ...wrong], at)).toMatchObject({ code: 2 })
    }
  })
})

describe('diff', () => {
  const lines = (...args: string[]): string[] =>
    kloset(['diff', ...args], at)
      .stdout.split('\n')
      .slice(0, -1)

  test('tells what was added, removed and changed, with sizes, and how much that is', () => {
    expect(lines(ids[0]!, 'latest')).toEqual([
      '+        4  etc/Hosts.bak',
      'M    4 > 8  etc/hosts',
      '-  100,000  large.bin',
    ])
    expect(lines('latest')).toEqual(['+        4  etc/Hosts.bak', '-  100,000  large.bin'])
    expect(kloset(['diff', ids[0]!, 'latest'], at).stderr).toBe(
      'added 1 file, 4 B\nremoved 1 file, 97.7 KiB\nchanged 1, now 8 B (+4 B)\n',
    )
    expect(lines('latest~1', 'latest', '--name-only')).toEqual(['etc/Hosts.bak', 'large.bin'])
    expect(lines('latest~1', 'latest', '--summary')).toEqual(['added 1 file, 4 B', 'removed 1 file, 97.7 KiB'])
    expect(lines('latest', 'latest')).toEqual([])
    expect(lines('latest~1', 'latest', '--all-metadata').at(0)).toBe('U           ./  (mtime, ctime)')
  })

  test('compares at paths, also at different ones', () => {
    expect(lines(`${ids[0]}:${source}/etc`, 'latest')).toEqual(['+      4  etc/Hosts.bak', 'M  4 > 8  etc/hosts'])
    expect(lines('latest:etc/hosts', 'latest:etc/Hosts.bak', '--no-metadata')).toEqual(['M  8 > 4  etc/Hosts.bak'])
    expect(kloset(['diff', 'latest:nowhere', 'latest'], at)).toMatchObject({ code: 1 })
    expect(kloset(['diff', ids[0]!], at)).toMatchObject({ code: 1, stderr: expect.stringContaining('has no parent') })
    expect(kloset(['diff', '--exit-code', ids[0]!, 'latest'], at).code).toBe(1)
    expect(kloset(['diff', '--exit-code', 'latest', 'latest'], at).code).toBe(0)
    expect(kloset(['diff', '-p', '--name-only', 'latest'], at).code).toBe(2)
  })

  test('writes differences with --json', () => {
    const [first, ...rest] = kloset(['diff', '--json', 'latest~1', 'latest'], at).json
    expect(first).toMatchObject({ type: 'difference', change: 'added', path: 'etc/Hosts.bak', after: { size: 4 } })
    expect(first).not.toHaveProperty('before')
    expect(rest.at(-1)).toMatchObject({
      type: 'summary',
      added: { files: 1, directories: 0, others: 0, bytes: 4 },
      removed: { files: 1, bytes: 100_000 },
      changed: { entries: 0, before: 0, after: 0 },
      metadata: 0,
      renamed: 0,
    })
  })
})

test.skipIf(!has('git') || !has('patch'))('diff --patch is what git and patch apply', () => {
  const place = join(folder, 'patches')
  const tree = join(place, 'tree')
  const env = { env: { KLOSET_STORE: join(place, 'store') } }
  mkdirSync(join(tree, 'a folder'), { recursive: true })
  const write = (path: string, content: string | Uint8Array, mode = 0o644) => {
    writeFileSync(join(tree, path), content)
    chmodSync(join(tree, path), mode)
  }
  const many = Array.from({ length: 400 }, (_, i) => `line ${i}\n`)
  write('a folder/with space.txt', many.join(''))
  write('latin1', Uint8Array.of(0x63, 0xe9, 0x0d, 0x0a, 0x62))
  write('no newline', 'one')
  write('gone', 'x\ny\n')
  write('empty', '')
  write('script', '#!/bin/sh\n')
  write('becomes a link', 'text\n')
  write('naïve "quoted"', 'old\n')
  write('moves', 'so much that it is the same\n')
  write('binary', Uint8Array.of(0, 1, 2))
  symlinkSync('gone', join(tree, 'link'))
  kloset(['create', '--no-encryption'], env)
  kloset(['backup', tree], env)
  write('a folder/with space.txt', many.map((line, i) => (i % 90 === 7 ? `${line}more\n` : line)).join(''))
  write('latin1', Uint8Array.of(0x63, 0xe8, 0x0d, 0x0a, 0x62, 0x0a))
  write('no newline', 'one\ntwo')
  rmSync(join(tree, 'gone'))
  write('was empty', '')
  write('empty', 'no more\n')
  write('script', '#!/bin/sh\n', 0o755)
  rmSync(join(tree, 'becomes a link'))
  symlinkSync('empty', join(tree, 'becomes a link'))
  write('naïve "quoted"', 'new\n')
  rmSync(join(tree, 'link'))
  symlinkSync('script', join(tree, 'link'))
  renameSync(join(tree, 'moves'), join(tree, 'moved'))
  kloset(['backup', tree], env)
  const script = `
    set -e
    for id in 1 0; do $kloset restore -q --to ${place}/$id latest~$id; done
    cp -a ${place}/1 ${place}/plain
    $kloset diff -q -p -M latest~1 latest > ${place}/patch
    cd ${place}/1 && git init -q . && git apply ${place}/patch && rm -rf .git
    diff -r --no-dereference ${place}/1 ${place}/0 && test -x ${place}/1/script
    $kloset diff -q -p latest~1 latest > ${place}/patch
    cd ${place}/plain && patch -s -p1 < ${place}/patch
    diff -r --no-dereference ${place}/plain ${place}/0`
  const { code, stdout, stderr } = shell(script, env)
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '', stderr: '' })
  // What is binary is said to be different.
  write('binary', Uint8Array.of(0, 1, 3))
  kloset(['backup', tree], env)
  expect(kloset(['diff', '-p', 'latest'], env).stdout).toContain('Binary files a/binary and b/binary differ\n')
})

describe('stats', () => {
  test('tell what snapshots hold and take, and what each has to itself', () => {
    expect(kloset(['stats', '--json'], at).json.at(-1)).toMatchObject({
      type: 'summary',
      snapshots: 3,
      totals: { files: 12, bytes: expect.any(Number) },
      data: { count: expect.any(Number), bytes: expect.any(Number), stored: expect.any(Number) },
      missing: 0,
      ratios: { deduplication: expect.any(Number), compression: expect.any(Number), total: expect.any(Number) },
      store: { packs: { packs: expect.any(Number) }, index: { segments: expect.any(Number) }, unneeded: 0 },
    })
    const [share, alone] = kloset(['stats', '--json', '--snapshots', ids[0]!], at).json.slice(-2)
    // Whatever it has, but for its trees, later snapshots have too.
    expect(share).toMatchObject({ type: 'share', snapshot: expect.stringMatching(`^${ids[0]}`), data: { bytes: 0 } })
    expect(alone).not.toHaveProperty('store')
    const { stdout } = kloset(['stats', '--snapshots'], at)
    expect(stdout).toMatch(/^id +time/)
    expect(stdout).toMatch(/^restored +\d.* in 12 files$/m)
    expect(kloset(['stats', 'latest:etc'], at).code).toBe(2)
  })
})

describe('ls', () => {
  const lines = (...args: string[]): string[] =>
    kloset(['ls', ...args], at)
      .stdout.split('\n')
      .slice(0, -1)

  test('tells more, or less, of what is in a snapshot', () => {
    expect(lines('-s', `${ids[0]}:`, '--sort', 'size')).toEqual(['large.bin', "$'odd\\xff\\n'", 'etc'])
    expect(lines('-s', `${ids[0]}:etc/`, '--reverse')).toEqual(['nginx', 'link', 'hosts'])
    expect(lines('--totals', '--human', `${ids[0]}:`)[0]).toMatch(/^drwx.* 14 B .* etc\/$/)
    expect(lines('-l', 'latest:etc/hosts')[0]).toMatch(/^-rw-r--r-- +1 .* 8 {2}20\d\d-\d\d-\d\dT[\d:.]{18}Z {2}hosts$/)
    expect(kloset(['ls', '--json', '--totals', 'latest'], at).json[0]).toMatchObject({
      path: 'etc',
      totals: { files: 3, directories: 2, others: 1, bytes: 22, errors: 0 },
    })
  })

  test('tells more, or less, of snapshots', () => {
    expect(lines('-s', '--reverse')).toEqual([...ids].reverse())
    const [first, second] = lines('-l')
    expect(first).toMatch(new RegExp(`^${ids[0]}[0-9a-f]{24} .* - +kloset \\d`))
    expect(second).toContain(` ${ids[0]} `)
    for (const wrong of [['--totals'], ['--sort', 'size'], ['-l', '-s'], ['latest', '--sort', 'colour']]) {
      expect(kloset(['ls', ...wrong], at)).toMatchObject({ code: 2 })
    }
  })
})

test('info tells from when to when there are snapshots, what they hold, and how much room is left', () => {
  expect(kloset(['info', '--json'], at).json.at(-1)).toMatchObject({
    type: 'store',
    totals: { files: 12 },
    oldest: expect.stringMatching(/Z$/),
    newest: expect.stringMatching(/Z$/),
    space: { free: expect.any(Number) },
  })
})
