import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { describeFolder, makeFolder, noise } from './folders.js'
import { filesBelow, kloset, shell, temporary } from './kloset.js'

const folder = temporary()
const source = join(folder, 'source')
const store = join(folder, 'store')
const secret = { env: { KLOSET_PASSPHRASE: 'correct horse' } }

beforeAll(() => {
  makeFolder(source)
})

describe('the quick start, with encryption', () => {
  test('create', () => {
    const made = kloset(['at', store, 'create'], secret)
    expect(made).toMatchObject({ code: 0 })
    expect(made.stdout).toMatch(
      /^Created a store at .*\n {2}id [0-9a-f]{8}, encrypted \(aes-256-gcm\), chunks of about 1\.0 MiB\n$/,
    )
    expect(made.stderr).toContain('Keep the passphrase')
  })

  let id = ''

  test('backup tells what was new and what it cost', () => {
    const done = kloset(['at', store, 'backup', source, '--tag', 'daily', '--tag', 'first', '--host', 'nas'], secret)
    expect(done).toMatchObject({ code: 0, stderr: '' })
    const [head, totals, changes, added] = done.stdout.split('\n')
    id = /^Snapshot ([0-9a-f]{8}) of /.exec(head ?? '')?.[1] ?? ''
    expect(head).toBe(`Snapshot ${id} of ${source}  (host nas, ${/[\d.]+ s/.exec(head ?? '')?.[0]})`)
    expect(totals).toMatch(/^ {2}7 files, 5 directories, 1 other, 4\.8 MiB$/)
    expect(changes).toMatch(/^ {2}new \d+ {3}changed 0 {3}unchanged 0$/)
    expect(added).toMatch(/^ {2}added \d+ chunks?, 4\.8 MiB; stored 4\.8 MiB in \d+ objects?$/)
  })

  test('a second backup stores next to nothing', () => {
    const done = kloset(['at', store, 'backup', source, '--host', 'nas'], secret)
    expect(done.code).toBe(0)
    expect(done.stdout).toMatch(/new 0 {3}changed 0 {3}unchanged \d+\n {2}added 0 chunks, 0 B; stored /)
  })

  test('ls lists the snapshots', () => {
    const listed = kloset(['at', store, 'ls'], secret)
    expect(listed).toMatchObject({ code: 0, stderr: '' })
    const lines = listed.stdout.trimEnd().split('\n')
    expect(lines).toHaveLength(2)
    expect(lines[0]).toMatch(
      new RegExp(`^${id}  \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d  4\\.8 MiB  [\\d.]+ s  nas  ${source}  .*daily`),
    )
    expect(kloset(['at', store, 'ls', '--tag', 'daily'], secret).stdout.trimEnd().split('\n')).toHaveLength(1)
    const none = kloset(['at', store, 'ls', '--host', 'elsewhere'], secret)
    expect(none).toMatchObject({ code: 0, stdout: '', stderr: 'No snapshot is like that.\n' })
  })

  test('ls ID lists what is in one', () => {
    const top = kloset(['at', store, 'ls', id], secret)
    expect(top.stdout.split('\n').map((line) => line.split(/\s+/).at(-1))).toEqual([
      'big.bin',
      'docs/',
      'empty/',
      'hello.txt',
      '',
    ])
    expect(top.stdout).toMatch(/^-rw-r--r-- {2}\S+ +\S+ +13 {2}2020-09-13 12:26 {2}hello\.txt$/m)
    const all = kloset(['at', store, 'ls', '-r', `${id}:docs`], secret)
    expect(all.stdout).toContain('docs/soft -> ../hello.txt\n')
    expect(all.stdout).toContain("$'docs/two\\nlines'\n")
    expect(all.stdout).toContain('docs/naïve 日本語.txt\n')
    expect(kloset(['at', store, 'ls', `${id}:${source}/docs/deep`], secret).stdout).toMatch(/ deeper\/\n$/)
  })

  test('cat writes the exact bytes', () => {
    const written = shell(`$kloset at ${store} cat ${id}:big.bin`, secret)
    expect(Buffer.from(written.stdout, 'latin1').equals(noise(5_000_000))).toBe(true)
    expect(kloset(['at', store, 'cat', 'latest:hello.txt', `latest~1:${source}/hello.txt`], secret).stdout).toBe(
      'hello, world\n'.repeat(2),
    )
  })

  test('check finds nothing', () => {
    const structure = kloset(['at', store, 'check'], secret)
    expect(structure).toMatchObject({ code: 0, stderr: '' })
    expect(structure.stdout).toMatch(/^No damage found\. Checked the structure in [\d.]+ s\.\n/)
    const all = kloset(['at', store, 'check', '--read-data', id], secret)
    expect(all.stdout).toMatch(new RegExp(`^No damage found\\. Checked the structure and all data of ${id} in `))
  })

  test('restore brings everything back', () => {
    const target = join(folder, 'restored')
    const done = kloset(['at', store, 'restore', '--to', target, id], secret)
    expect(done.code).toBe(0)
    expect(done.stdout).toMatch(
      new RegExp(`^Restored ${id} to ${target}  \\([\\d.]+ s\\)\n  7 files, 5 directories, 1 other, 4\\.8 MiB\n$`),
    )
    expect(describeFolder(target)).toEqual(describeFolder(source))
  })

  test('and what was one file with two names is one again', () => {
    expect(statSync(join(folder, 'restored/hello.txt')).ino).toBe(statSync(join(folder, 'restored/docs/hard')).ino)
  })

  test('info describes the store', () => {
    const about = kloset(['at', store, 'info'], secret)
    expect(about).toMatchObject({ code: 0, stderr: '' })
    expect(about.stdout).toMatch(/^encryption +aes-256-gcm$/m)
    expect(about.stdout).toMatch(/^snapshots +2$/m)
    expect(about.stdout).toMatch(/^passphrase [0-9a-f]{8} /m)
  })
})

describe('in a plaintext store', () => {
  const plain = join(folder, 'plain')
  const at = { env: { KLOSET_STORE: plain } }

  beforeAll(() => {
    expect(kloset(['create', '--no-encryption', '--chunk-size', '64KiB'], at)).toMatchObject({ code: 0 })
  })

  test('no passphrase is needed, and KLOSET_STORE is enough', () => {
    expect(kloset(['ls'], at)).toMatchObject({ code: 0, stdout: '', stderr: 'No snapshots yet.\n' })
    expect(kloset(['info'], at).stdout).toMatch(/^encryption +none \(plaintext\)$/m)
  })

  test('a dry run stores nothing', () => {
    const before = filesBelow(plain)
    const done = kloset(['backup', '--dry-run', source], at)
    expect(done.code).toBe(0)
    expect(done.stdout).toMatch(/^Dry run of .*: nothing was stored\n(.*\n){2} {2}would add \d+ chunks, 4\.8 MiB\n$/)
    expect(filesBelow(plain)).toEqual(before)
    expect(kloset(['ls'], at).stdout).toBe('')
  })

  test('several sources stand beside each other', () => {
    const other = join(folder, 'other')
    mkdirSync(other)
    writeFileSync(join(other, 'x'), 'of the other')
    expect(kloset(['backup', source, 'other', '--name', 'both'], { ...at, cwd: folder }).code).toBe(0)
    const names = kloset(['ls', 'latest'], at)
      .stdout.trimEnd()
      .split('\n')
      .map((line) => line.split(/\s+/).at(-1))
    expect(names).toEqual(['other/', 'source/'])
    expect(kloset(['cat', `latest:${other}/x`], at).stdout).toBe('of the other')
    expect(kloset(['cat', 'latest:source/hello.txt'], at).stdout).toBe('hello, world\n')
  })

  test('-v tells of every entry, --quiet of nothing', () => {
    const changing = join(folder, 'changing')
    makeFolder(changing)
    expect(kloset(['backup', '--quiet', changing], at)).toMatchObject({ code: 0, stdout: '', stderr: '' })
    writeFileSync(join(changing, 'hello.txt'), 'changed')
    writeFileSync(join(changing, 'fresh'), 'new')
    const done = kloset(['backup', '-v', changing], at)
    expect(done.stdout).toMatch(/^changed {4}hello\.txt$/m)
    expect(done.stdout).toMatch(/^new {8}fresh$/m)
    expect(done.stdout).toMatch(/^unchanged {2}big\.bin$/m)
    expect(done.stdout).toMatch(/^unchanged {2}\$'docs\/two\\nlines'$/m)
    const forced = kloset(['backup', '--force', changing], at)
    expect(forced.stdout).toMatch(/new \d+ {3}changed 0 {3}unchanged 0\n {2}added 0 chunks/)
  })

  test('--parent names what to compare with', () => {
    for (const name of ['alone', 'later']) expect(kloset(['backup', source, '--name', name], at).code).toBe(0)
    const [first] = kloset(['ls', '--json', '--name', 'alone'], at).json
    const done = kloset(['backup', '--parent', String(first?.id), '--json', source], at)
    expect(done.json.at(-1)).toMatchObject({ type: 'summary', snapshot: { parent: first?.id } })
    expect(kloset(['backup', '--parent', 'ffffffff', source], at)).toMatchObject({ code: 1 })
  })
})

describe('restoring into a folder that has something', () => {
  const plain = join(folder, 'overwriting')
  const original = join(folder, 'original')
  const target = join(folder, 'target')
  const restore = (...options: string[]) => kloset(['at', plain, 'restore', '--to', target, ...options, 'latest'])
  const content = (name: string) => readFileSync(join(target, name), 'utf8')

  // Against the snapshot: one file newer, one older, one the same, one that is not in it.
  const prepare = (): void => {
    rmSync(target, { recursive: true, force: true })
    mkdirSync(target)
    for (const [name, time] of [
      ['newer', 1_700_000_000],
      ['older', 1_500_000_000],
      ['foreign', 1_600_000_000],
    ] as const) {
      writeFileSync(join(target, name), `there: ${name}`)
      utimesSync(join(target, name), time, time)
    }
    writeFileSync(join(target, 'same'), 'saved')
    utimesSync(join(target, 'same'), 1_600_000_000, 1_600_000_000)
  }

  beforeAll(() => {
    mkdirSync(original)
    for (const name of ['newer', 'older', 'same', 'absent']) {
      writeFileSync(join(original, name), 'saved')
      utimesSync(join(original, name), 1_600_000_000, 1_600_000_000)
    }
    kloset(['at', plain, 'create', '--no-encryption'])
    kloset(['at', plain, 'backup', original])
  })

  test('is refused without a policy', () => {
    prepare()
    const refused = restore()
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain('--overwrite always, if-changed, if-newer or never')
    expect(readdirSync(target).sort()).toEqual(['foreign', 'newer', 'older', 'same'])
  })

  test.each([
    ['always', 'saved', 'saved', 0],
    ['if-changed', 'saved', 'saved', 1],
    ['if-newer', 'there: newer', 'saved', 2],
    ['never', 'there: newer', 'there: older', 3],
  ])('%s', (policy, newer, older, left) => {
    prepare()
    const done = restore('--overwrite', policy)
    expect(done.code).toBe(0)
    expect([content('newer'), content('older'), content('same'), content('absent')]).toEqual([
      newer,
      older,
      'saved',
      'saved',
    ])
    expect(content('foreign')).toBe('there: foreign')
    if (left > 0)
      expect(done.stdout).toContain(`${left} file${left === 1 ? '' : 's'} left as they were (--overwrite ${policy})`)
  })

  test('a dry run writes nothing', () => {
    prepare()
    const before = describeFolder(target)
    const done = restore('--overwrite', 'always', '--dry-run', '-v')
    expect(done).toMatchObject({ code: 0 })
    expect(done.stdout).toMatch(/^restored {2}newer$/m)
    expect(done.stdout).toMatch(/^Dry run: would restore /m)
    expect(describeFolder(target)).toEqual(before)
  })

  test('a file alone', () => {
    const single = join(folder, 'single')
    expect(kloset(['at', plain, 'restore', '--to', single, 'latest:older'])).toMatchObject({ code: 0 })
    expect(describeFolder(single)).toHaveProperty('older')
    expect(readdirSync(single)).toEqual(['older'])
  })
})

test('a name that is not UTF-8 is shown escaped, exact in --json, and can be typed', () => {
  const plain = join(folder, 'bytes')
  const odd = join(folder, 'odd')
  shell(
    `mkdir ${odd}; printf exact > ${odd}/$'a\\xffb'; $kloset at ${plain} create --no-encryption; $kloset at ${plain} backup ${odd}`,
  )
  expect(kloset(['at', plain, 'ls', 'latest']).stdout).toMatch(/\$'a\\xffb'\n$/)
  expect(kloset(['at', plain, 'ls', '--json', 'latest']).json).toMatchObject([
    { type: 'entry', path: 'a\udcffb', size: 5 },
  ])
  expect(shell(`$kloset at ${plain} cat latest:$'a\\xffb'`).stdout).toBe('exact')
})

test('samples go round, and a check that was not done is due again', () => {
  const plain = join(folder, 'sampled')
  kloset(['at', plain, 'create', '--no-encryption'])
  kloset(['at', plain, 'backup', source])
  const parts = [1, 2, 1].map((part) => `${part} of 2`)
  for (const part of parts) expect(kloset(['at', plain, 'check', '--sample', '50%']).stdout).toContain(`(part ${part})`)
  const id = kloset(['at', plain, 'info', '--json']).json[0]?.id
  const state = join(folder, 'state')
  mkdirSync(join(state, 'kloset'), { recursive: true })
  writeFileSync(join(state, 'kloset', `${id}.json`), '{"sampleRounds":7}')
  const env = { XDG_STATE_HOME: state }
  expect(kloset(['at', plain, 'check', '--no-encryption', '--sample', '10'], { env }).stdout).toContain(
    '(part 8 of 10)',
  )
  expect(JSON.parse(readFileSync(join(state, 'kloset', `${id}.json`), 'utf8'))).toEqual({ sampleRounds: 8 })
})

describe('keys and passphrases', () => {
  test('a key file', () => {
    const keyed = join(folder, 'keyed')
    const key = join(folder, 'key')
    writeFileSync(key, noise(32, 7))
    chmodSync(key, 0o600)
    expect(kloset(['at', keyed, 'create', '--key-file', key, '--label', 'server'])).toMatchObject({ code: 0 })
    const about = kloset(['at', keyed, 'info', '--key-file', key])
    expect(about.stdout).toMatch(/^raw [0-9a-f]{8} .* server$/m)
    writeFileSync(key, noise(32, 8))
    expect(kloset(['at', keyed, 'info', '--key-file', key])).toMatchObject({ code: 12 })
  })

  test('a passphrase from a file or a command', () => {
    const file = join(folder, 'passphrase')
    writeFileSync(file, 'correct horse\n')
    chmodSync(file, 0o644)
    const read = kloset(['at', store, 'ls', '--passphrase-file', file])
    expect(read).toMatchObject({ code: 0 })
    expect(read.stderr).toMatch(/^warning: everybody on this machine can read /)
    unlinkSync(file)
    expect(kloset(['--passphrase-command', 'echo correct horse', 'at', store, 'ls'])).toMatchObject({
      code: 0,
      stderr: '',
    })
    expect(kloset(['at', store, 'ls', '--passphrase-file', file])).toMatchObject({ code: 1 })
  })
})
