import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { describeFolder, makeFolder, noise } from './folders.js'
import { kloset, temporary } from './kloset.js'

const folder = temporary()
const source = join(folder, 'source')
const [one, two, plain] = ['one', 'two', 'plain'].map((name) => join(folder, name)) as [string, string, string]
const secrets = { env: { KLOSET_PASSPHRASE: 'of one', KLOSET_PEER_PASSPHRASE: 'of two' } }
const turned = { env: { KLOSET_PASSPHRASE: 'of two', KLOSET_PEER_PASSPHRASE: 'of one' } }
let first = ''

beforeAll(() => {
  makeFolder(source)
  kloset(['at', one, 'create'], secrets)
  kloset(['at', one, 'backup', source, '--tag', 'daily'], secrets)
  first = idsIn(one, secrets)[0] as string
})

const idsIn = (store: string, how: typeof secrets) =>
  kloset(['at', store, 'ls', '--json'], how).json.map(({ id }) => id)

describe('two stores of one kind', () => {
  test('the other one must be there', () => {
    const refused = kloset(['at', one, 'sync', 'to', two], secrets)
    expect(refused).toMatchObject({ code: 10, stdout: '' })
    expect(refused.stderr).toContain(`kloset at ${two} create --like ${one}`)
  })

  test('create --like', () => {
    expect(kloset(['at', two, 'create', '--like', one, '--chunk-size', '64KiB'], turned)).toMatchObject({ code: 2 })
    expect(kloset(['at', two, 'create', '--like', one], turned)).toMatchObject({ code: 0 })
  })

  test('sync to says what it did', () => {
    const dry = kloset(['at', one, 'sync', 'to', two, '--dry-run'], secrets)
    expect(dry.stdout).toMatch(/^Dry run: would synchronize 1 snapshot to /)
    const done = kloset(['at', one, 'sync', 'to', two], secrets)
    expect(done).toMatchObject({ code: 0, stderr: '' })
    expect(done.stdout).toMatch(
      new RegExp(`^sync: synchronized 1 snapshot to ${two}  \\(.*\\)\n  ${first.slice(0, 8)}  `),
    )
    expect(done.stdout).toMatch(/\n {2}read 4\.8 MiB, sent 4\.8 MiB; of the content, \d.* were there already\n/)
    expect(done.stderr).not.toContain('anew')
    expect(idsIn(two, turned)).toEqual([first])
    expect(kloset(['at', two, 'check', '--read-data'], turned)).toMatchObject({ code: 0 })
    const again = kloset(['at', one, 'sync', 'to', two], secrets)
    expect(again.stdout).toMatch(/^sync: synchronized 0 snapshots to .*\n {2}there already: 1 snapshot\n$/)
  })

  test('sync with brings each what it lacks', () => {
    const other = join(folder, 'other')
    mkdirSync(other)
    writeFileSync(join(other, 'file'), noise(300_000, 5))
    kloset(['at', one, 'backup', other], secrets)
    kloset(['at', two, 'backup', source, '--name', 'of two'], turned)
    const done = kloset(['at', one, 'sync', 'with', two], secrets)
    expect(done.stdout).toMatch(new RegExp(`^sync: synchronized 1 snapshot to ${two} `, 'm'))
    expect(done.stdout).toMatch(new RegExp(`^sync: synchronized 1 snapshot to ${one} `, 'm'))
    expect(idsIn(one, secrets)).toEqual(idsIn(two, turned))
    expect(idsIn(one, secrets)).toHaveLength(3)
  })

  test('what was forgotten stays forgotten, unless it is asked for', () => {
    kloset(['at', two, 'forget', first], turned)
    expect(kloset(['at', one, 'sync', 'to', two], secrets).stdout).toContain(
      'left out: 1 snapshot that was forgotten there (--include-forgotten)',
    )
    const copies = kloset(['at', one, 'info', '--copies', two], secrets)
    expect(copies.stdout).toMatch(/^id +time +size +saved +\S*one +\S*two$/m)
    expect(copies.stdout).toMatch(new RegExp(`^${first.slice(0, 8)} .* yes +forgotten$`, 'm'))
    const lines = kloset(['at', one, 'info', '--copies', two, '--json'], secrets).json
    expect(lines).toHaveLength(3)
    expect(lines[0]).toMatchObject({
      type: 'copies',
      id: first,
      places: [
        { location: one, place: 'present' },
        { location: two, place: 'forgotten' },
      ],
    })
    const done = kloset(['at', two, 'sync', 'from', one, '--include-forgotten', '--json'], turned).json
    expect(done.at(-1)).toEqual({
      type: 'summary',
      dryRun: false,
      from: one,
      to: two,
      synchronized: [first],
      incomplete: [],
      present: 2,
      forgotten: 0,
      failed: 0,
      rechunked: false,
      read: expect.any(Number),
      sent: expect.any(Number),
      deduplicated: expect.any(Number),
      duration: expect.any(Number),
    })
    expect(done).toContainEqual(expect.objectContaining({ type: 'synchronized', id: first }))
  })
})

test('a store of another kind gets the same snapshots, cut anew; by id and by selectors', () => {
  kloset(['at', plain, 'create', '--no-encryption', '--chunk-size', '64KiB'])
  const own = { env: { KLOSET_PASSPHRASE: 'of one' } }
  expect(kloset(['at', one, 'sync', 'to', plain, '--tag', 'nothing', '--peer-no-encryption'], own).stdout).toMatch(
    /^sync: synchronized 0 /,
  )
  const done = kloset(['at', one, 'sync', 'to', plain, '--tag', 'daily', first.slice(0, 8)], own)
  expect(done.stdout).toMatch(/^sync: synchronized 1 snapshot to /)
  expect(done.stderr).toContain('cut anew')
  const target = join(folder, 'restored')
  expect(kloset(['at', plain, 'restore', '--to', target, first])).toMatchObject({ code: 0 })
  expect(describeFolder(target)).toEqual(describeFolder(source))
  rmSync(target, { recursive: true })
  expect(kloset(['at', one, 'sync', 'to', plain, 'ffffffff'], own)).toMatchObject({ code: 1 })
  expect(kloset(['at', one, 'sync', 'with', plain, 'ffffffff'], own)).toMatchObject({ code: 1 })
  expect(kloset(['at', one, 'sync', 'into', plain], own)).toMatchObject({ code: 2 })
})

test('each store has a passphrase of its own, and errors say which is meant', () => {
  const wrong = kloset(['at', one, 'sync', 'to', two], { env: { ...secrets.env, KLOSET_PEER_PASSPHRASE: 'of one' } })
  expect(wrong.code).toBe(12)
  expect(wrong.stderr).toContain('KLOSET_PEER_PASSPHRASE')
  const none = kloset(['at', one, 'sync', 'to', two], { env: { KLOSET_PASSPHRASE: 'of one' } })
  expect(none.code).toBe(12)
  expect(none.stderr).toContain('--peer-passphrase-file')
  const file = join(folder, 'passphrase')
  writeFileSync(file, 'of two\n', { mode: 0o600 })
  expect(
    kloset(['at', one, 'sync', 'to', two, '--peer-passphrase-file', file], { env: { KLOSET_PASSPHRASE: 'of one' } }),
  ).toMatchObject({ code: 0 })
})
