import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { Failure, Interrupted, UsageError } from '../src/exit.js'
import { givenUnlock as given, peerNames } from '../src/passphrase.js'
import { HiddenLine } from '../src/prompt.js'

const folder = mkdtempSync(join(tmpdir(), 'kloset-passphrase-'))
afterAll(() => rmSync(folder, { recursive: true }))

function file(name: string, content: string | Uint8Array, mode = 0o600): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  chmodSync(path, mode)
  return path
}

const givenUnlock = (flags: Parameters<typeof given>[0], env: NodeJS.ProcessEnv, warn: (text: string) => void) =>
  given(flags, env, warn, new AbortController().signal)
const silent = (): void => undefined
const none = { encryption: true }

describe('a passphrase that is given', () => {
  test('comes from nowhere, the environment, or an option before the environment', async () => {
    expect(await givenUnlock(none, {}, silent)).toBeUndefined()
    expect(await givenUnlock(none, { KLOSET_PASSPHRASE: 'x y' }, silent)).toEqual({ passphrase: 'x y' })
    const passphraseFile = file('pass', 'from file\r\nsecond line\n')
    expect(await givenUnlock({ ...none, passphraseFile }, { KLOSET_PASSPHRASE: 'x' }, silent)).toEqual({
      passphrase: 'from file',
    })
    expect(await givenUnlock({ encryption: false }, { KLOSET_PASSPHRASE: 'x' }, silent)).toEqual({ plaintext: true })
  })

  test('keeps spaces, and may lack the end of line', async () => {
    const passphraseFile = file('spaces', '  ä b ')
    expect(await givenUnlock({ ...none, passphraseFile }, {}, silent)).toEqual({ passphrase: '  ä b ' })
  })

  test('comes from a command of the shell', async () => {
    const passphraseCommand = 'printf "%s\\n" "a  b" | tr a c; echo more'
    expect(await givenUnlock({ ...none, passphraseCommand }, {}, silent)).toEqual({ passphrase: 'c  b' })
    await expect(givenUnlock({ ...none, passphraseCommand: 'echo x; exit 3' }, {}, silent)).rejects.toThrow(
      'exit code 3',
    )
  })

  test('is never empty, and is text', async () => {
    await expect(givenUnlock(none, { KLOSET_PASSPHRASE: '' }, silent)).rejects.toThrow(Failure)
    await expect(givenUnlock({ ...none, passphraseFile: file('empty', '\n') }, {}, silent)).rejects.toThrow('is empty')
    const binary = file('binary', new Uint8Array([0xff, 0xfe]))
    await expect(givenUnlock({ ...none, passphraseFile: binary }, {}, silent)).rejects.toThrow('not UTF-8')
    await expect(givenUnlock({ ...none, passphraseFile: join(folder, 'absent') }, {}, silent)).rejects.toThrow(
      'does not exist',
    )
  })

  test('of a named location comes after the options and before the environment', async () => {
    const env = { KLOSET_PASSPHRASE: 'environment', KLOSET_PEER_PASSPHRASE: 'of the peer' }
    const configured = { encryption: true, passphraseFile: file('configured', 'configured') }
    const { signal } = new AbortController()
    expect(await given(none, env, silent, signal, configured)).toEqual({ passphrase: 'configured' })
    const chosen = { ...none, passphraseFile: file('chosen', 'chosen') }
    expect(await given(chosen, env, silent, signal, configured)).toEqual({ passphrase: 'chosen' })
    expect(await given(none, env, silent, signal, undefined, peerNames)).toEqual({ passphrase: 'of the peer' })
    const twice = { encryption: false, keyFile: 'k' }
    await expect(given(twice, env, silent, signal, undefined, peerNames)).rejects.toThrow('--peer-key-file')
  })

  test('is given in one way', async () => {
    const flags = { encryption: true, passphraseFile: 'a', passphraseCommand: 'b' }
    await expect(givenUnlock(flags, {}, silent)).rejects.toThrow(UsageError)
    await expect(givenUnlock({ encryption: false, keyFile: 'k' }, {}, silent)).rejects.toThrow(UsageError)
  })

  test('warns about a file that everybody can read', async () => {
    const warnings: string[] = []
    const warn = (text: string) => void warnings.push(text)
    await givenUnlock({ ...none, passphraseFile: file('private', 'x') }, {}, warn)
    expect(warnings).toEqual([])
    await givenUnlock({ ...none, passphraseFile: file('public', 'x', 0o644) }, {}, warn)
    expect(warnings.join()).toContain('chmod 600')
  })
})

test('a key file holds 32 bytes or 64 digits', async () => {
  const key = Uint8Array.from({ length: 32 }, (_, at) => at)
  const hex = Buffer.from(key).toString('hex')
  expect(await givenUnlock({ ...none, keyFile: file('raw', key) }, {}, silent)).toEqual({ key })
  expect(await givenUnlock({ ...none, keyFile: file('hex', `${hex}\n`) }, {}, silent)).toEqual({ key })
  await expect(givenUnlock({ ...none, keyFile: file('short', 'abc') }, {}, silent)).rejects.toThrow(
    'does not hold a key',
  )
})

describe('a hidden line', () => {
  const typed = (...parts: string[]): { text: string; rest: string | undefined } => {
    const line = new HiddenLine()
    let rest: string | undefined
    for (const part of parts) rest = line.take(part)
    return { text: line.text, rest }
  }

  test('ends with Enter, and leaves what follows', () => {
    expect(typed('abc\rdef\r')).toEqual({ text: 'abc', rest: 'def\r' })
    expect(typed('ab', 'c', '\n')).toEqual({ text: 'abc', rest: '' })
    expect(typed('abc')).toEqual({ text: 'abc', rest: undefined })
  })

  test('can be corrected', () => {
    expect(typed('aé🎉\x7f\x7fb\r').text).toBe('ab')
    expect(typed('wrong\x15right\r').text).toBe('right')
    expect(typed('a\x1b[D\x1b[200~b\x1b[201~\x1bOA\r').text).toBe('ab')
  })

  test('can be left', () => {
    expect(() => typed('abc\x03')).toThrow(Interrupted)
    expect(() => typed('\x04')).toThrow(Interrupted)
  })
})
