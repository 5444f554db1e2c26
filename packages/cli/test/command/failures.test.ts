import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeFolder, noise } from './folders.js'
import { filesBelow, kloset, nobody, shell, temporary } from './kloset.js'

const folder = temporary()
const source = join(folder, 'source')

beforeAll(() => makeFolder(source))

function plainStore(name: string): string {
  const store = join(folder, name)
  expect(kloset(['at', store, 'create', '--no-encryption'])).toMatchObject({ code: 0 })
  return store
}

describe('the command line', () => {
  test.each([
    [['bakup'], 'Did you mean backup?', 'kloset help'],
    [['help', 'nothing'], "unknown command 'nothing'", 'kloset help'],
    [['at', '/x', 'backup', '--tga', 'a', '/etc'], 'Did you mean --tag?', 'kloset help backup'],
    [['at', '/x', 'backup'], 'what is to be saved?', '--files-from'],
    [['at', '/x', 'restore', 'latest'], "'--to <dir>' not specified", 'kloset help restore'],
    [
      ['at', '/x', 'restore', '--to', 'y', '--overwrite', 'maybe', 'latest'],
      'Allowed choices are always, if-changed',
      'kloset help',
    ],
    [['at', '/x', 'ls', './newest'], "'./newest' does not name a snapshot", 'latest~2'],
    [['at', '/x', 'cat', 'latest'], "'latest' does not name a file", 'latest:etc/hosts'],
    [['at', '/x', 'check', '--sample', '200%'], 'up to 100 %', 'kloset help check'],
    [['at', '/x', 'check', '--sample', '5%', '--read-data'], 'exclude each other', ''],
    [['at', '/x', 'backup', '--force', '--parent', 'latest', '/etc'], 'exclude each other', ''],
    [['at', '/x', 'create', '--chunk-size', '1000'], 'chunks of 1000 cannot be made', 'power of two'],
    [['at'], '`at` without a store', ''],
    [['ls'], 'which store?', 'KLOSET_STORE'],
  ])('%j', (args, message, hint) => {
    const failed = kloset(args)
    expect(failed).toMatchObject({ code: 2, stdout: '' })
    expect(failed.stderr).toContain(message)
    expect(failed.stderr).toContain(hint)
    expect(failed.stderr).not.toContain('    at ')
  })

  test('nothing at all shows the help', () => {
    expect(kloset([])).toMatchObject({ code: 2, stdout: '' })
    expect(kloset(['--help'])).toMatchObject({ code: 0, stderr: '' })
    expect(kloset(['help']).stdout).toContain('restored, 4 damage found')
  })

  test('every verb has its help, with examples', () => {
    const listed = kloset(['help']).stdout.match(/^ {2}([a-z]+) {2,}/gm) ?? []
    expect(listed.length).toBeGreaterThan(14)
    for (const verb of listed.map((line) => line.trim())) {
      const help = kloset(['help', verb])
      expect(help).toMatchObject({ code: 0, stderr: '' })
      expect(help.stdout).toContain('Examples:\n  kloset ')
      expect(help.stdout).toContain('Exit codes: 0 ')
      expect(kloset(['at', '/x', verb, '--help'])).toMatchObject({ code: 0, stdout: help.stdout })
    }
  })
})

describe('the store', () => {
  test('is not there', () => {
    for (const verb of [
      ['ls'],
      ['backup', source],
      ['check'],
      ['restore', '--to', join(folder, 'no'), 'latest'],
      ['info'],
    ]) {
      const failed = kloset(['at', join(folder, 'nowhere'), ...verb])
      expect(failed).toMatchObject({ code: 10, stdout: '' })
      expect(failed.stderr).toContain(`kloset at ${join(folder, 'nowhere')} create`)
    }
    expect(existsSync(join(folder, 'nowhere'))).toBe(false)
    expect(existsSync(join(folder, 'no'))).toBe(false)
  })

  test('is there already', () => {
    const store = plainStore('twice')
    const before = filesBelow(store)
    const failed = kloset(['at', store, 'create', '--no-encryption'])
    expect(failed).toMatchObject({ code: 1, stdout: '' })
    expect(failed.stderr).toContain('never overwritten')
    expect(filesBelow(store)).toEqual(before)
    expect(kloset(['at', store, 'create', '--dry-run'])).toMatchObject({ code: 1 })
    expect(kloset(['at', join(folder, 'fresh'), 'create', '--dry-run'])).toMatchObject({ code: 0 })
    expect(existsSync(join(folder, 'fresh'))).toBe(false)
  })

  test('needs another passphrase, or any', () => {
    const store = join(folder, 'encrypted')
    expect(kloset(['at', store, 'create'])).toMatchObject({ code: 2 })
    expect(kloset(['at', store, 'create'], { env: { KLOSET_PASSPHRASE: 'right' } })).toMatchObject({ code: 0 })
    const wrong = kloset(['at', store, 'ls'], { env: { KLOSET_PASSPHRASE: 'wrong' } })
    expect(wrong).toMatchObject({ code: 12, stdout: '' })
    expect(wrong.stderr).toContain('Check the passphrase')
    const none = kloset(['at', store, 'ls'])
    expect(none).toMatchObject({ code: 12, stdout: '' })
    expect(none.stderr).toContain('--passphrase-file')
  })

  test('is plaintext where a passphrase was given', () => {
    const store = plainStore('unexpected')
    const refused = kloset(['at', store, 'backup', source], { env: { KLOSET_PASSPHRASE: 'x' } })
    expect(refused).toMatchObject({ code: 1, stdout: '' })
    expect(refused.stderr).toContain('--no-encryption')
    expect(kloset(['at', store, 'ls', '--no-encryption'], { env: { KLOSET_PASSPHRASE: 'x' } })).toMatchObject({
      code: 0,
    })
  })

  test('is of a newer version', () => {
    const store = plainStore('newer')
    for (const name of ['config', 'config.copy']) {
      const file = join(store, name)
      const config = readFileSync(file, 'utf8')
      chmodSync(file, 0o600)
      writeFileSync(file, config.replace(/"version":\s*1/, '"version":2'))
    }
    const failed = kloset(['at', store, 'ls'])
    expect(failed).toMatchObject({ code: 1, stdout: '' })
    expect(failed.stderr).toMatch(/version/)
    expect(failed.stderr).toMatch(/newer|upgrade|update/i)
  })

  test('is behind a protocol nobody speaks', () => {
    const failed = kloset(['at', 'gopher://host/x', 'ls'])
    expect(failed).toMatchObject({ code: 1 })
    expect(failed.stderr).toContain('no connector for gopher://')
  })
})

describe('snapshots and paths', () => {
  test('that are not there', () => {
    const store = plainStore('few')
    kloset(['at', store, 'backup', source])
    const snapshot = kloset(['at', store, 'ls', 'ffff'])
    expect(snapshot).toMatchObject({ code: 1 })
    expect(snapshot.stderr).toContain(`kloset at ${store} ls`)
    const path = kloset(['at', store, 'cat', 'latest:nothing'])
    expect(path).toMatchObject({ code: 1, stdout: '' })
    expect(path.stderr).toContain('ls -r')
    expect(kloset(['at', store, 'cat', 'latest:docs'])).toMatchObject({ code: 2, stdout: '' })
    expect(kloset(['at', store, 'backup', join(folder, 'gone')])).toMatchObject({ code: 1 })
  })
})

describe('damage', () => {
  test('is found, told with its remedy, and not restored as if nothing were', () => {
    const store = plainStore('damaged')
    kloset(['at', store, 'backup', source])
    const [pack] = Object.entries(filesBelow(store))
      .filter(([name]) => name.startsWith('packs/'))
      .sort(([, a], [, b]) => b - a)[0]!
    const bytes = readFileSync(join(store, pack))
    bytes[1_000_000]! ^= 1
    chmodSync(join(store, pack), 0o600)
    writeFileSync(join(store, pack), bytes)

    expect(kloset(['at', store, 'check'])).toMatchObject({ code: 0 })
    const read = kloset(['at', store, 'check', '--read-data'])
    expect(read.code).toBe(4)
    expect(read.stdout).toMatch(/^error {2}[a-z-]+ {2}\S+$/m)
    expect(read.stdout).toMatch(/^Damage found: /m)
    expect(read.stdout).toContain('big.bin')
    const findings = kloset(['at', store, 'check', '--read-data', '--json']).json.filter(
      (line) => line.type === 'finding',
    )
    expect(findings[0]).toMatchObject({ level: 'error', object: expect.any(String), remedy: expect.any(String) })
    expect(kloset(['at', store, 'cat', 'latest:big.bin']).code).toBe(4)
    const restored = kloset(['at', store, 'restore', '--to', join(folder, 'partly'), 'latest'])
    expect(restored.code).toBe(3)
    expect(restored.stderr).toContain('1 entry could not be restored:')
    expect(restored.stderr).toContain('big.bin')
    expect(readFileSync(join(folder, 'partly/hello.txt'), 'utf8')).toBe('hello, world\n')

    truncateSync(join(store, pack), 100)
    expect(kloset(['at', store, 'check']).code).toBe(4)
  })
})

describe.skipIf(nobody === undefined)('as another user (needs root)', () => {
  const other = { uid: nobody ?? 0 }
  // This user has no home to remember it in.
  const plain = '--no-encryption'

  test('files that cannot be read are listed with the reason', () => {
    const store = join(folder, 'partial')
    const guarded = join(folder, 'guarded')
    mkdirSync(guarded)
    for (let number = 10; number < 35; number++) writeFileSync(join(guarded, `secret${number}`), 'x', { mode: 0o600 })
    writeFileSync(join(guarded, 'open'), 'y')
    mkdirSync(store)
    chownSync(store, other.uid, other.uid)
    expect(kloset(['at', store, 'create', '--no-encryption'], other)).toMatchObject({ code: 0 })
    const done = kloset(['at', store, 'backup', plain, guarded], other)
    expect(done.code).toBe(3)
    expect(done.stdout).toMatch(/^Snapshot [0-9a-f]{8} of /)
    expect(done.stderr).toContain('25 entries could not be read:\n')
    expect(done.stderr).toContain(`  ${guarded}/secret10: permission denied\n`)
    expect(done.stderr).toContain('  and 5 more')
    const events = kloset(['at', store, 'backup', plain, '--json', guarded], other)
    expect(events.code).toBe(3)
    expect(events.json.filter((line) => line.type === 'failed')).toHaveLength(25)
    expect(events.json.at(-1)).toMatchObject({ type: 'summary', failed: 25 })
    expect(kloset(['at', store, 'ls', plain, 'latest'], other).stdout).toMatch(/secret10 {2}\(not in the snapshot: /)
  })

  test('a locked-down folder says so', () => {
    const locked = join(folder, 'locked')
    mkdirSync(locked, { mode: 0o700 })
    for (const place of [locked, join(locked, 'below')]) {
      const failed = kloset(['at', place, 'create', '--no-encryption'], other)
      expect(failed).toMatchObject({ code: 1, stdout: '' })
      expect(failed.stderr).toContain('permission denied')
      expect(failed.stderr).toMatch(/permissions|user/)
    }
  })

  test('a store that cannot be written to can be read', () => {
    const store = plainStore('readable')
    kloset(['at', store, 'backup', source])
    spawnSync('chmod', ['-R', 'a+rX', store])
    expect(kloset(['at', store, 'ls', plain], other)).toMatchObject({ code: 0 })
    expect(kloset(['at', store, 'check', plain, '--read-data'], other)).toMatchObject({ code: 0 })
    const failed = kloset(['at', store, 'backup', plain, source], other)
    expect(failed).toMatchObject({ code: 1, stdout: '' })
    expect(failed.stderr).toContain('permission denied')
  })
})

describe('a full disk', () => {
  const disk = join(folder, 'disk')
  mkdirSync(disk)
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'none', disk]).status === 0
  afterAll(() => {
    if (mounted) spawnSync('umount', [disk])
  })

  test.skipIf(!mounted)('says so, and the store stays whole (needs to mount a tmpfs)', () => {
    const store = join(disk, 'store')
    expect(kloset(['at', store, 'create', '--no-encryption'])).toMatchObject({ code: 0 })
    const failed = kloset(['at', store, 'backup', source])
    expect(failed).toMatchObject({ code: 1, stdout: '' })
    expect(failed.stderr).toContain('the disk is full')
    expect(failed.stderr).toMatch(/[Ff]ree/)
    expect(kloset(['at', store, 'check']).code).toBe(0)
    expect(kloset(['at', store, 'ls']).stdout).toBe('')
  })

  test.skipIf(!existsSync('/dev/full'))('under stdout is an error, not a success', () => {
    const store = plainStore('to-full')
    kloset(['at', store, 'backup', source])
    const failed = shell(`$kloset at ${store} cat latest:big.bin > /dev/full`)
    expect(failed.code).toBe(1)
    expect(failed.stderr).toContain('the disk is full')
    expect(shell(`$kloset at ${store} ls > /dev/full`).code).toBe(1)
  })
})

test('a reader that goes away ends the command quietly', () => {
  const store = plainStore('piped')
  const many = join(folder, 'many')
  mkdirSync(many)
  for (let number = 0; number < 5000; number++) writeFileSync(join(many, `a file with quite a long name ${number}`), '')
  writeFileSync(join(many, 'big'), noise(3_000_000))
  kloset(['at', store, 'backup', many])
  const line = (verb: string) => `set -o pipefail; $kloset at ${store} ${verb} | head -c 100 > /dev/null`
  expect(shell(line('ls -r latest'))).toMatchObject({ code: 0, stderr: '' })
  expect(shell(line('cat latest:big'))).toMatchObject({ code: 0, stderr: '' })
  // What changes something is done to its end all the same.
  expect(shell(line(`backup -v ${many}`))).toMatchObject({
    code: 0,
    stderr: expect.stringMatching(/^requests to .*\n$/),
  })
  expect(kloset(['at', store, 'ls']).stdout.trimEnd().split('\n')).toHaveLength(2)
  expect(readdirSync(many)).toHaveLength(5001)
})

test('--verbose adds the causes, KLOSET_DEBUG the stack', () => {
  const args = ['at', join(folder, 'nowhere'), 'ls']
  expect(kloset([...args, '-v']).stderr).toContain('code: KLOSET_NO_STORE')
  expect(kloset(args).stderr).not.toMatch(/code:|\n +at /)
  expect(kloset(args, { env: { KLOSET_DEBUG: '1' } }).stderr).toMatch(/\n +at /)
})
