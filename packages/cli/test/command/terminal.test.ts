import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { noise } from './folders.js'
import { finish, has, kloset, onTerminal, start, temporary } from './kloset.js'

const folder = temporary()
const source = join(folder, 'source')

beforeAll(() => {
  mkdirSync(source)
  writeFileSync(join(source, 'evil\x1b]0;title\x07.txt'), 'x')
  writeFileSync(join(source, 'big'), noise(40_000_000))
})

describe.skipIf(!has('script'))('on a terminal (needs script of util-linux)', () => {
  const store = join(folder, 'encrypted')

  test('create asks twice, warns, and shows nothing of what is typed', async () => {
    const { code, screen } = await onTerminal(
      ['at', store, 'create'],
      [
        [/passphrase for .*: /, 'correct horse\r'],
        [/the same again: /, 'another\r'],
        [/passphrase for .*: /, 'correct horse\r'],
        [/the same again: /, 'correct horse\r'],
      ],
    )
    expect(code).toBe(0)
    expect(screen).toContain('cannot be recovered')
    expect(screen).toContain('not the same')
    expect(screen).not.toContain('horse')
    expect(kloset(['at', store, 'ls'], { env: { KLOSET_PASSPHRASE: 'correct horse' } })).toMatchObject({ code: 0 })
  })

  test('a wrong passphrase may be corrected, three times', async () => {
    const once = await onTerminal(
      ['at', store, 'info'],
      [
        [/passphrase of .*: /, 'wrong\r'],
        [/passphrase of .*: /, 'correct horsx\x7fe\r'],
      ],
    )
    expect(once.code).toBe(0)
    expect(once.screen).toContain('Wrong passphrase, try again.')
    expect(once.screen).toContain('aes-256-gcm')
    const wrong = [/passphrase of .*: /, 'wrong\r'] as const
    expect((await onTerminal(['at', store, 'info'], [wrong, wrong, wrong])).code).toBe(12)
  })

  test('Ctrl-C at the question ends it', async () => {
    expect((await onTerminal(['at', store, 'info'], [[/passphrase of .*: /, '\x03']])).code).toBe(130)
    expect((await onTerminal(['at', join(folder, 'never'), 'create'], [[/passphrase for .*: /, '\x03']])).code).toBe(
      130,
    )
  })

  test('what exists is said before anything is asked', async () => {
    const { code, screen } = await onTerminal(['at', store, 'create'], [])
    expect(code).toBe(1)
    expect(screen).not.toContain('passphrase for')
    expect((await onTerminal(['at', join(folder, 'nowhere'), 'ls'], [])).code).toBe(10)
  })

  test('a plaintext store asks nothing; work shows a live line, and no name can play with the terminal', async () => {
    const plain = join(folder, 'plain')
    kloset(['at', plain, 'create', '--no-encryption'])
    const { code, screen } = await onTerminal(['at', plain, 'backup', '-v', source], [])
    expect(code).toBe(0)
    expect(screen).toContain('\r\x1b[2K')
    // However quick the work is, the state before the commit is always told.
    expect(screen).toMatch(/finishing {2}.*MiB/)
    expect(screen).toContain("$'evil\\x1b]0;title\\x07.txt'")
    expect(screen).not.toContain('\x07')
    expect(screen).toContain('Snapshot \x1b[1m')
    for (const env of [{ NO_COLOR: '1' }, { TERM: 'dumb' }])
      expect((await onTerminal(['at', plain, 'ls'], [], { env })).screen).not.toContain('\x1b[')
    expect((await onTerminal(['at', plain, 'ls'], [])).screen).toMatch(/id.*time.*size.*host/)
  })
})

describe('a signal', () => {
  const large = join(folder, 'large')
  const store = join(folder, 'interrupted')

  beforeAll(() => {
    mkdirSync(large)
    for (let number = 0; number < 5; number++)
      writeFileSync(join(large, `file${number}`), noise(80_000_000, number + 1))
    kloset(['at', store, 'create', '--no-encryption'])
  })

  test.each(['SIGINT', 'SIGTERM'] as const)('%s stops in good order, and the next run goes on', async (signal) => {
    const child = start(['at', store, 'backup', '--json', large])
    const stopped = await finish(child, /"type":"progress"/, () => child.kill(signal))
    expect(stopped.code).toBe(130)
    expect(stopped.stderr).toContain('Run the same command again: what was stored is reused.')
    expect(stopped.json.at(-1)).toMatchObject({ type: 'error', code: 'INTERRUPTED' })
    expect(kloset(['at', store, 'ls']).stdout).toBe('')
    expect(kloset(['at', store, 'check']).code).toBe(0)
  })

  test('a second one stops at once, and harms nothing', async () => {
    const child = start(['at', store, 'backup', '--json', large])
    const stopped = await finish(child, /"type":"progress"/, () => {
      child.kill('SIGINT')
      child.kill('SIGTERM')
    })
    expect(stopped.code).toBe(130)
    expect(kloset(['at', store, 'check']).code).toBe(0)
    expect(kloset(['at', store, 'backup', large]).code).toBe(0)
  })

  test('does not wait for a command that gives the passphrase', async () => {
    const child = start(['at', store, 'ls', '--passphrase-command', 'echo waiting >&2; exec sleep 20'])
    const stopped = await finish(child, /waiting/, () => child.kill('SIGINT'))
    expect(stopped).toMatchObject({ code: 130, stdout: '' })
    expect(stopped.stderr).toContain('kloset: interrupted')
  })
})
