import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { givenS3, givenSsh } from '../../../../testing/given.js'
import { hasRestic, makeRestic, type ResticRepository, resticIds, resticPassword } from '../../../../testing/restic.js'
import { makeFolder, noise } from './folders.js'
import { has, kloset, type Line, temporary } from './kloset.js'

const folder = temporary()
const isRoot = process.getuid?.() === 0

/** Adds to what {@link makeFolder} makes whatever else a repository of restic can hold. */
function makeEverything(at: string): void {
  makeFolder(at)
  const raw = (name: string): Buffer => Buffer.concat([Buffer.from(`${at}/`), Buffer.from(name, 'latin1')])
  writeFileSync(join(at, `it's "quoted" \\ and \t so on`), 'quotes and backslashes')
  writeFileSync(join(at, 'docs/\u200b😀 ￿'), 'what cannot be seen, and what is beyond 16 bits')
  writeFileSync(raw('not \xff\xfe UTF-8'), 'bytes')
  mkdirSync(raw('folder \xe9'))
  writeFileSync(raw('folder \xe9/inside'), 'in a folder without UTF-8')
  symlinkSync(Buffer.from('nowhere \xff', 'latin1'), join(at, 'dangling'))
  symlinkSync('docs', join(at, 'to a folder'))
  writeFileSync(join(at, 'secret'), 'setuid')
  chmodSync(join(at, 'secret'), 0o6710)
  chmodSync(join(at, 'empty'), 0o1777)
  execFileSync('mkfifo', [join(at, 'fifo')])
  if (isRoot) execFileSync('mknod', [join(at, 'device'), 'c', '5', '300'])
  for (let i = 0; i < 300; i++) writeFileSync(join(at, 'docs/deep', `file ${i}`), noise(1 + i * 37, i + 1))
  if (has('setfattr')) execFileSync('setfattr', ['-n', 'user.note', '-v', 'a note', join(at, 'docs')])
  writeFileSync(join(at, 'left out.tmp'), 'not in the backup')
  utimesSync(join(at, 'docs/deep'), 1_500_000_000, 1_500_000_000)
}

/** All that is at and below a path, byte for byte, by paths as bytes. */
function exactly(at: string): Record<string, unknown> {
  const found: Record<string, unknown> = {}
  const names = new Map<bigint, string>()
  const look = (path: Buffer, name: string): void => {
    const about = lstatSync(path, { bigint: true })
    const { mode, uid, gid, mtimeNs, ino, nlink, rdev } = about
    const isDevice = about.isCharacterDevice() || about.isBlockDevice()
    found[name] = {
      mode,
      uid,
      gid,
      mtimeNs,
      ...(isDevice && { rdev }),
      ...(about.isFile() && { content: createHash('sha256').update(readFileSync(path)).digest('hex') }),
      ...(about.isFile() && nlink > 1n && { same: names.get(ino) ?? names.set(ino, name).get(ino) }),
      ...(about.isSymbolicLink() && { target: readlinkSync(path, 'latin1') }),
    }
    if (!about.isDirectory()) return
    for (const each of readdirSync(path, 'buffer').sort(Buffer.compare)) {
      look(Buffer.concat([path, Buffer.from('/'), each]), `${name}/${each.toString('latin1')}`)
    }
  }
  look(Buffer.from(at), '')
  if (has('getfattr')) found.xattrs = execFileSync('getfattr', ['-R', '-h', '-d', '--', '.'], { cwd: at }).toString()
  return found
}

/** The fields of the first line of a type. */
function fieldsOf(lines: readonly Line[], type: string): string {
  return Object.keys(lines.find((line) => line.type === type)!)
    .sort()
    .join(' ')
}

const secrets = (env: NodeJS.ProcessEnv = {}) => ({
  env: { RESTIC_PASSWORD: resticPassword, ...env },
})

describe.skipIf(!hasRestic).each(['1', '2'])('a repository of version %s', (version) => {
  const home = join(folder, `home ${version}`)
  const other = join(folder, `other ${version}`)
  const store = join(folder, `store ${version}`)
  let repository: ResticRepository
  let ids: string[]
  let second = ''

  beforeAll(() => {
    makeEverything(home)
    mkdirSync(other)
    writeFileSync(join(other, 'of the other'), 'one')
    repository = makeRestic(folder, ['--repository-version', version])
    const backup = (...args: string[]): string => repository.run(['backup', '--quiet', '--exclude', '*.tmp', ...args])
    backup(home, '--tag', 'first,daily', '--time', '2024-02-29 12:30:00')
    writeFileSync(join(home, 'hello.txt'), 'hello again\n')
    rmSync(join(home, 'docs/empty'))
    writeFileSync(join(home, 'docs/new'), noise(200_000, 77))
    backup(home, '--tag', 'second')
    second = resticIds(repository)[1]!
    backup(home, other, '--host', 'elsewhere')
    ids = resticIds(repository)
    kloset(['at', store, 'create', '--no-encryption'], secrets())
  })

  // What does not depend on the version is tried with one of them.
  const once = test.skipIf(version === '1')
  const listed = () => kloset(['at', store, 'ls', '--json'], secrets()).json

  once('a dry run says what would be imported', () => {
    const dry = kloset(['at', store, 'import', 'restic', repository.location, '--dry-run'], secrets())
    expect(dry).toMatchObject({ code: 0, stderr: '' })
    expect(dry.stdout).toMatch(/^Dry run: would import 3 snapshots of /)
    for (const id of ids) expect(dry.stdout).toContain(`\n  ${id.slice(0, 8)}  `)
    expect(listed()).toEqual([])
  })

  test('its snapshots come over, one by one or all', () => {
    const some = ['--tag', 'second', '--path', home, 'latest']
    const one = kloset(['at', store, 'import', 'restic', repository.location, ...some], secrets())
    expect(one).toMatchObject({ code: 0, stderr: '' })
    expect(one.stdout).toMatch(/^Imported 1 snapshot of /)
    const all = kloset(['at', store, 'import', 'restic', repository.location, '--json'], secrets())
    expect(all.code).toBe(0)
    expect(all.json.at(-1)).toMatchObject({ type: 'summary', present: 1, failed: 0, unreadable: [], dryRun: false })
    expect(fieldsOf(all.json, 'importing')).toEqual('count host number original roots tags time tool type user')
    expect(fieldsOf(all.json, 'skipped')).toEqual('host original roots tags time tool type user')
    expect(fieldsOf(all.json, 'imported')).toContain('options')
    expect(fieldsOf(all.json, 'summary')).toEqual(
      'added changes dryRun duration failed forgotten from imported present type unreadable',
    )
    const originals = (all.json.at(-1) as unknown as { imported: { original: string }[] }).imported
    expect(originals.map(({ original }) => original)).toEqual([ids[0], ids[2]])
    const again = kloset(['at', store, 'import', 'restic', repository.location], secrets())
    expect(again.stdout).toMatch(/^Imported 0 snapshots of .*\n {2}imported before: 3 snapshots\n$/)
  })

  test('with their times, hosts, users, tags and folders', () => {
    const snapshots = listed()
    expect(snapshots.map(({ options }) => options)).toMatchObject(
      ids.map((id) => ({ imported: { from: 'restic', id } })),
    )
    expect(snapshots[0]).toMatchObject({
      name: `restic:${ids[0]!.slice(0, 8)}`,
      tags: ['first', 'daily'],
      tool: expect.stringMatching(/^restic/),
      sources: [{ type: 'fs', root: home }],
    })
    expect(Date.parse(String(snapshots[0]!.time))).toBe(new Date(2024, 1, 29, 12, 30).getTime())
    expect(snapshots[2]).toMatchObject({ host: 'elsewhere', sources: [{ root: home }, { root: other }] })
  })

  test('and are restored as restic restores them', () => {
    for (const [at, id] of [ids[0]!, ids[1]!].entries()) {
      const theirs = join(folder, `theirs ${version} ${at}`)
      const ours = join(folder, `ours ${version} ${at}`)
      repository.run(['restore', '--quiet', id, '--target', theirs])
      const name = String(listed()[at]!.id)
      expect(kloset(['at', store, 'restore', '--to', ours, name], secrets())).toMatchObject({ code: 0 })
      const expected = exactly(join(theirs, home))
      expect(Object.keys(expected).length).toBeGreaterThan(300)
      expect(exactly(ours)).toEqual(expected)
      expect(existsSync(join(ours, 'left out.tmp'))).toBe(false)
    }
    expect(kloset(['at', store, 'check', '--read-data'], secrets()).code).toBe(0)
  })

  test('the next backup reads only what changed since', () => {
    writeFileSync(join(home, 'changed since'), 'new')
    const { json } = kloset(['at', store, 'backup', home, '--json'], secrets())
    const found = Number((json.at(-1)!.totals as { files: number }).files)
    expect(json.at(-1)).toMatchObject({ changes: { new: 2, changed: 0, unchanged: found - 2 } })
    expect((json.at(-1)!.snapshot as { parent: string }).parent).toBe(
      listed().find(({ options }) => (options as { imported?: { id: string } } | undefined)?.imported?.id === second)!
        .id,
    )
  })

  once('what was forgotten stays so, unless it is asked for', () => {
    const id = String(listed()[0]!.id)
    kloset(['at', store, 'forget', id], secrets())
    const left = kloset(['at', store, 'import', 'restic', repository.location], secrets())
    expect(left.stdout).toContain('left out: 1 snapshot that was imported and then forgotten (--include-forgotten)')
    const back = kloset(['at', store, 'import', 'restic', repository.location, '--include-forgotten'], secrets())
    expect(back.stdout).toMatch(/^Imported 1 snapshot /)
  })

  once('a snapshot whose tags changed is the same one', () => {
    repository.run(['tag', '--add', 'later', second])
    expect(resticIds(repository)).not.toContain(second)
    const again = kloset(['at', store, 'import', 'restic', repository.location], secrets())
    expect(again.stdout).toMatch(/^Imported 0 snapshots .*\n {2}imported before: 3 snapshots\n$/)
  })
})

describe.skipIf(!hasRestic)('a repository', () => {
  const store = join(folder, 'store')
  const source = join(folder, 'source')
  let repository: ResticRepository

  beforeAll(() => {
    mkdirSync(source)
    writeFileSync(join(source, 'small'), 'small')
    writeFileSync(join(source, 'large'), noise(3_000_000, 5))
    repository = makeRestic(folder)
    repository.run(['backup', '--quiet', source])
    kloset(['at', store, 'create', '--no-encryption'], secrets())
  })

  test('takes the password from where restic takes it', () => {
    const file = join(folder, 'password')
    writeFileSync(file, `${resticPassword}\n`, { mode: 0o600 })
    const nothing = { RESTIC_PASSWORD: '', RESTIC_REPOSITORY: repository.location }
    const dry = ['at', store, 'import', 'restic', '--dry-run']
    for (const env of [
      { RESTIC_PASSWORD_FILE: file },
      { RESTIC_PASSWORD_COMMAND: `cat '${file}'` },
      { KLOSET_PEER_PASSPHRASE: resticPassword },
    ])
      expect(kloset(dry, secrets({ ...nothing, ...env })).stdout).toMatch(/^Dry run: would import 1 snapshot of /)
    const option = kloset([...dry, '--peer-passphrase-file', file], secrets({ ...nothing, RESTIC_PASSWORD: 'wrong' }))
    expect(option.code).toBe(0)
  })

  test('says what is wrong', () => {
    const ask = (env: NodeJS.ProcessEnv, ...args: string[]) => kloset(['at', store, 'import', ...args], secrets(env))
    const wrong = ask({ RESTIC_PASSWORD: 'wrong' }, 'restic', repository.location)
    expect(wrong).toMatchObject({ code: 12, stdout: '' })
    expect(wrong.stderr).toContain('does not open the key of the restic repository')
    const none = ask({ RESTIC_PASSWORD: '' }, 'restic', repository.location)
    expect(none.code).toBe(12)
    expect(none.stderr).toContain('RESTIC_PASSWORD')
    for (const place of [source, join(folder, 'not there')]) {
      const missing = ask({}, 'restic', place)
      expect(missing.code).toBe(10)
      expect(missing.stderr).toContain(`there is no restic repository at ${place}`)
      expect(missing.stderr).not.toContain('create')
    }
    expect(ask({}, 'borg', source)).toMatchObject({ code: 2 })
    expect(ask({}, 'restic', 'b2:bucket').stderr).toContain('cannot be reached from here')
    expect(ask({}, 'restic', repository.location, 'abcdef12').stderr).toContain('no snapshot abcdef12')
  })

  test('that is damaged loses what is damaged, and the exit code tells', () => {
    const copy = join(folder, 'damaged')
    spawnSync('cp', ['-r', repository.location, copy])
    for (const pack of readdirSync(join(copy, 'data'), { recursive: true, encoding: 'utf8' })) {
      const path = join(copy, 'data', pack)
      if (!lstatSync(path).isFile() || lstatSync(path).size < 1_000_000) continue
      chmodSync(path, 0o600)
      const bytes = readFileSync(path)
      bytes[500_000]! ^= 1
      writeFileSync(path, bytes)
    }
    const fresh = join(folder, 'store of the damaged')
    kloset(['at', fresh, 'create', '--no-encryption'], secrets())
    const done = kloset(['at', fresh, 'import', 'restic', copy], secrets())
    expect(done.code).toBe(3)
    expect(done.stderr).toContain('1 entry could not be read:\n  large: ')
    const { json } = kloset(['at', fresh, 'cat', '--json', 'latest:small'], secrets())
    expect(json.at(-1)).toMatchObject({ type: 'content', base64: Buffer.from('small').toString('base64') })
  })

  const s3 = givenS3()
  test.skipIf(s3 === undefined)('is read from S3, in the words of restic too', () => {
    const { endpoint, accessKey, secretKey } = s3!
    const env = { AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey }
    const location = `s3:${endpoint}/restic-${process.pid}/of/ada`
    for (const args of [['init'], ['backup', '--host', 'of s3', source]])
      repository.run(['-r', location, '--quiet', ...args], { env })
    const done = kloset(['at', store, 'import', 'restic', location], secrets(env))
    expect(done).toMatchObject({ code: 0, stderr: '' })
    expect(done.stdout).toMatch(/^Imported 1 snapshot of s3:/)
  })

  const ssh = givenSsh()
  test.skipIf(ssh === undefined)('is read over SFTP, in the words of restic too', () => {
    const { host, port, user, keyFile, knownHosts } = ssh!
    const options = ['ssh-config=none', `identity=${keyFile}`, `known-hosts=${knownHosts}`, `port=${port}`]
    const location = `sftp:${user}@${host}:${repository.location}`
    const args = options.flatMap((option) => ['--peer-o', option])
    const done = kloset(['at', store, 'import', 'restic', location, ...args], secrets())
    expect(done.stderr).toBe('')
    expect(done).toMatchObject({ code: 0 })
    expect(done.stdout).toMatch(/^Imported 1 snapshot of sftp:/)
  })
})
