import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { givenS3, givenSsh } from '../../../../testing/given.js'
import { describeFolder, makeFolder, noise } from './folders.js'
import { finish, has, kloset, onTerminal, start, temporary } from './kloset.js'

const s3 = givenS3()
const ssh = givenSsh()

// The story of a person who wants the live data and two copies elsewhere: on the disk, on a machine over SFTP, in a bucket.
describe.skipIf(s3 === undefined || ssh === undefined)('three copies (S3 and SSH servers)', () => {
  const folder = temporary()
  const source = join(folder, 'etc')
  const local = join(folder, 'backups')
  const home = join(folder, 'home')
  const remote = mkdtempSync(join(ssh?.folder ?? folder, 'nas-'))
  const nas = `sftp://${ssh?.user}@${ssh?.host}:${ssh?.port}${remote}/backups`
  const bucket = `s3://${s3 && new URL(s3.endpoint).host}/mybackups-${process.pid}`
  const passphrases = { [local]: 'disk-phrase-1', [nas]: 'nas-phrase-2', [bucket]: 'bucket-phrase-3' }

  /** The environment of a person who works with a store, and with another one. */
  const env = (store: string, peer?: string): NodeJS.ProcessEnv => ({
    HOME: home,
    KLOSET_PASSPHRASE: passphrases[store],
    ...(peer && { KLOSET_PEER_PASSPHRASE: passphrases[peer] }),
    S3_REPOSITORY_USER: s3?.accessKey,
    S3_REPOSITORY_PASSWORD: s3?.secretKey,
  })
  const run = (store: string, args: readonly string[], peer?: string) =>
    kloset(['at', store, ...args], { env: env(store, peer) })

  beforeAll(() => {
    makeFolder(source)
    // As OpenSSH's own client has it: the usual key, and a server that is known.
    mkdirSync(join(home, '.ssh'), { recursive: true, mode: 0o700 })
    copyFileSync(ssh!.keyFile, join(home, '.ssh/id_ed25519'))
    copyFileSync(ssh!.knownHosts, join(home, '.ssh/known_hosts'))
  })

  let id = ''

  test('the first, on the disk', () => {
    expect(run(local, ['create'])).toMatchObject({ code: 0 })
    const done = run(local, ['backup', source])
    expect(done.code).toBe(0)
    id = /^Snapshot ([0-9a-f]{8}) of /.exec(done.stdout)?.[1] ?? ''
    expect(run(local, ['ls']).stdout).toMatch(new RegExp(`^${id}  .*${source}\n$`))
    expect(run(local, ['check', id])).toMatchObject({ code: 0 })
  })

  test.each([
    ['the second, over SFTP', nas],
    ['the third, over S3', bucket],
  ])('%s', (_, place) => {
    expect(run(local, ['sync', 'to', place], place)).toMatchObject({ code: 10 })
    expect(run(place, ['create'])).toMatchObject({ code: 0 })
    const done = run(local, ['sync', 'to', place], place)
    expect(done.code).toBe(0)
    expect(done.stdout).toContain(`synchronized 1 snapshot to ${place}`)
    expect(run(place, ['ls']).stdout).toBe(run(local, ['ls']).stdout)
    expect(run(place, ['check', '--read-data', id])).toMatchObject({ code: 0 })
    expect(run(place, ['create'])).toMatchObject({ code: 1 })
  })

  test('a later snapshot, and which ones are where', () => {
    writeFileSync(join(source, 'later'), noise(100_000, 9))
    expect(run(nas, ['backup', source])).toMatchObject({ code: 0 })
    expect(run(local, ['sync', 'from', nas], nas).stdout).toContain('synchronized 1 snapshot')
    const file = join(folder, 'passphrase')
    writeFileSync(file, passphrases[bucket]!, { mode: 0o600 })
    const add = ['config', 'add', 'offsite', bucket, '--passphrase-file', file]
    expect(kloset(add, { env: { HOME: home } })).toMatchObject({ code: 0 })
    const copies = run(local, ['info', '--copies', nas, '@offsite'], nas)
    expect(copies.stdout).toMatch(new RegExp(`^${id} .* yes +yes +yes$`, 'm'))
    expect(copies.stdout).toMatch(/ yes +yes +-$/m)
    expect(run(local, ['sync', 'with', '@offsite'], nas).stdout).toContain('synchronized 1 snapshot to s3://')
  })

  test('what goes back and forth is little', () => {
    const listed = run(bucket, ['ls', '-v'])
    expect(listed.stderr).toMatch(/^requests to s3:.*: [1-3] get; /m)
    const backup = run(nas, ['backup', source, '-v', '--json']).json
    expect(backup.find((line) => line.type === 'requests')).toMatchObject({ type: 'requests', put: 1 })
    expect(backup.at(-1)).toMatchObject({ type: 'summary' })
  })

  test('the first two are destroyed, and the third brings everything back', () => {
    rmSync(local, { recursive: true })
    rmSync(remote, { recursive: true })
    expect(run(local, ['ls'])).toMatchObject({ code: 10 })
    expect(run(nas, ['ls'])).toMatchObject({ code: 10 })
    const target = join(folder, 'restored')
    expect(run(bucket, ['restore', '--to', target, 'latest'])).toMatchObject({ code: 0 })
    expect(describeFolder(target)).toEqual(describeFolder(source))
  })

  describe('ping', () => {
    const steps = (args: readonly string[]) =>
      kloset(['ping', '--json', ...args], { env: env(bucket) }).json.map(({ step, ok }) => step && [step, ok])

    test('goes all the way', () => {
      const all = ['options', 'name', 'connection', 'login', 'list', 'read', 'write', 'writers'].map((step) => [
        step,
        true,
      ])
      expect(steps([bucket, '--write'])).toEqual([...all, undefined])
      mkdirSync(join(remote, 'backups'), { recursive: true })
      expect(steps([nas, '--write'])).toEqual([...all, undefined])
      expect(readdirSync(join(remote, 'backups')).filter((name) => name.startsWith('ping'))).toEqual([])
    })

    test('says where it ends', () => {
      const fails = (location: string, more: NodeJS.ProcessEnv = {}) => {
        const { code, json } = kloset(['ping', '--json', location], { env: { ...env(bucket), ...more } })
        const step = json.findLast((line) => line.type === 'step')
        expect(step).toMatchObject({ ok: false, message: expect.any(String), hint: expect.any(String) })
        return [code, step?.step, step?.code]
      }
      expect(fails('sftp://me@no-such-host.invalid/x')).toEqual([1, 'name', 'FAILED'])
      expect(fails(`${bucket}-not-there`)).toEqual([10, 'place', 'KLOSET_NOT_FOUND'])
      expect(fails(bucket, { S3_REPOSITORY_PASSWORD: 'wrong' })).toEqual([1, 'login', 'KLOSET_DENIED'])
      expect(fails(`${nas}-not-there`)).toEqual([10, 'place', 'KLOSET_NOT_FOUND'])
      expect(fails(nas, { HOME: folder })).toEqual([1, 'login', 'KLOSET_DENIED'])
    })
  })

  test.skipIf(!has('script'))('an unknown server is asked about on a terminal, and known from then on', async () => {
    const fresh = join(folder, 'fresh')
    mkdirSync(join(fresh, '.ssh'), { recursive: true })
    copyFileSync(ssh!.keyFile, join(fresh, '.ssh/id_ed25519'))
    const how = { env: { ...env(nas), HOME: fresh } }
    const no = await onTerminal(['ping', nas], [[/SHA256:.*\(yes\/no\): /s, 'no\r']], how)
    expect(no.code).toBe(1)
    const yes = await onTerminal(['ping', nas], [[/SHA256:.*\(yes\/no\): /s, 'yes\r']], how)
    expect(yes.code).toBe(0)
    expect(readFileSync(join(fresh, '.ssh/known_hosts'), 'utf8')).toContain('ssh-ed25519')
    expect(kloset(['ping', nas], how)).toMatchObject({ code: 0 })
  })

  describe('secrets', () => {
    const secrets = [...Object.values(passphrases), s3?.secretKey ?? '', 'let-me-in']

    test('are in nothing that is written, however it fails', () => {
      const withPassword = nas.replace('@', ':let-me-in@')
      const wrong = { ...env(bucket), S3_REPOSITORY_PASSWORD: 'let-me-in' }
      const commands: [readonly string[], NodeJS.ProcessEnv][] = [
        [['at', bucket, 'ls'], { ...env(bucket), KLOSET_PASSPHRASE: 'let-me-in' }],
        [['at', bucket, 'ls'], wrong],
        [['ping', bucket], wrong],
        [['ping', bucket, '-o', 'secret-key=let-me-in'], env(bucket)],
        [['at', bucket, 'ls', '-o', 'secret-key=let-me-in'], env(bucket)],
        [['at', bucket, 'ls', '-o', 'concurrency=let-me'], env(bucket)],
        [['at', `${withPassword}-not-there`, 'ls'], env(nas)],
        [['at', withPassword, 'ls'], env(nas)],
        [['ping', withPassword], { ...env(nas), HOME: folder }],
        [['at', bucket, 'sync', 'to', `${withPassword}-not-there`], env(bucket, nas)],
        [['at', `${bucket}?secret-key=let-me-in`, 'ls'], wrong],
        [['at', 's3://a:let-me-in@127.0.0.1:1/bucket', 'ls'], env(bucket)],
      ]
      for (const [args, environment] of commands) {
        for (const form of [['-v'], ['-v', '--json']]) {
          const { code, stdout, stderr } = kloset([...args, ...form], { env: { ...environment, KLOSET_DEBUG: '1' } })
          expect(code).not.toBe(0)
          for (const secret of secrets) expect(stdout + stderr).not.toContain(secret)
        }
      }
    })

    test('are not among the arguments of any process', async () => {
      const child = start(['at', bucket, 'check', '--passphrase-command', 'sleep 0.5; cat "$SECRET"', '-v', '--json'], {
        env: { ...env(bucket), SECRET: join(folder, 'passphrase') },
      })
      const seen: string[] = []
      const looking = setInterval(() => seen.push(...commandLines()), 50)
      const done = await finish(child, /never/, () => undefined)
      clearInterval(looking)
      expect(done.code).toBe(0)
      expect(seen.some((line) => line.includes('sleep 0.5'))).toBe(true)
      for (const secret of secrets) expect(seen.filter((line) => line.includes(secret))).toEqual([])
    })
  })
})

function commandLines(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
      } catch {
        return ''
      }
    })
}
