import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import type { ConnectOptions } from 'kloset/connector'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { makeKey, missingForSsh, publicPart, type StartedSshServer, startSsh } from '../../../testing/servers/sshd.js'
import { locationOf, newFolder, type Opening, open } from './opening.js'

const secret = 'correct horse battery staple'

describe.skipIf(missingForSsh() !== undefined)('logging in', () => {
  let server: StartedSshServer
  let at: string
  const keys = { encrypted: '', stranger: '', rsa: '', ecdsa: '' }
  const known = (): Record<string, string> => ({ 'known-hosts': server.knownHosts, 'ssh-config': 'none' })

  beforeAll(async () => {
    server = await startSsh({ hostKeys: ['ed25519', 'rsa'], settings: ['MaxAuthTries 4'] })
    at = locationOf(server, newFolder(server))
    for (const name of ['encrypted', 'stranger', 'rsa', 'ecdsa'] as const) keys[name] = join(server.place, name)
    await makeKey(keys.encrypted, 'ed25519', secret)
    await makeKey(keys.stranger, 'ed25519')
    await makeKey(keys.rsa, 'rsa')
    await makeKey(keys.ecdsa, 'ecdsa')
    for (const key of [keys.encrypted, keys.rsa, keys.ecdsa])
      appendFileSync(join(server.place, 'authorized_keys'), `${publicPart(key)}\n`)
  })
  afterAll(() => server?.stop())

  /** Opens and closes; rejects with what opening does. */
  async function enter(options: Record<string, string>, how: Opening = {}): Promise<void> {
    await (await open(at, { ...how, options })).close()
  }

  /** Answers questions, and keeps them. */
  function answering(answer: string | boolean): { asked: string[]; ask: NonNullable<ConnectOptions['ask']> } {
    const asked: string[] = []
    const ask: NonNullable<ConnectOptions['ask']> = async ({ kind, message }) => {
      asked.push(`${kind}: ${message}`)
      return answer
    }
    return { asked, ask }
  }

  describe('with a key', () => {
    test('of any usual kind', async () => {
      for (const identity of [server.keyFile, keys.rsa, keys.ecdsa]) await enter({ ...known(), identity })
    })

    test('that has a passphrase', async () => {
      await enter({ ...known(), identity: keys.encrypted, 'identity-passphrase': secret })
    })

    test('whose passphrase a person types, again where it was wrong', async () => {
      const answers = ['wrong', secret]
      const ask = vi.fn(async () => answers.shift()!)
      await enter({ ...known(), identity: keys.encrypted }, { ask })
      expect(ask).toHaveBeenCalledTimes(2)
      expect(ask).toHaveBeenCalledWith({ kind: 'secret', message: expect.stringContaining(keys.encrypted) })
    })

    test('that the SSH configuration names', async () => {
      const file = join(server.place, 'config')
      writeFileSync(
        file,
        `Host nas\n HostName 127.0.0.1\n Port ${server.port}\n User ${server.user}\n IdentityFile ${keys.rsa}\n`,
      )
      const storage = await open(`sftp://nas${newFolder(server)}`, {
        options: { ...known(), 'ssh-config': file, agent: 'none' },
      })
      expect(storage.location).toMatch(/^sftp:\/\/nas\//)
      await storage.close()
    })

    test('that the server does not know is refused, and the message says what was tried', async () => {
      const refused = enter({ ...known(), identity: keys.stranger })
      await expect(refused).rejects.toMatchObject({
        code: 'KLOSET_DENIED',
        retry: 'never',
        message: expect.stringMatching(/tried: .*stranger; the server takes: publickey/),
        hint: expect.stringContaining('authorized_keys'),
      })
    })

    test('that is missing, or none, is refused before anything is tried', async () => {
      await expect(enter({ ...known(), identity: '/no/such/key' })).rejects.toMatchObject({ code: 'KLOSET_NOT_FOUND' })
      await expect(enter({ ...known(), identity: server.knownHosts })).rejects.toMatchObject({ code: 'KLOSET_DENIED' })
      const wrong = enter({ ...known(), identity: keys.encrypted, 'identity-passphrase': 'wrong' })
      await expect(wrong).rejects.toMatchObject({
        code: 'KLOSET_DENIED',
        message: expect.stringContaining(keys.encrypted),
      })
    })
  })

  describe.skipIf(!existsSync('/usr/bin/ssh-agent'))('with an agent', () => {
    let agent: ChildProcess
    let socket = ''

    beforeAll(async () => {
      socket = join(server.place, 'agent')
      agent = spawn('/usr/bin/ssh-agent', ['-D', '-a', socket])
      await once(agent.stdout!, 'data')
      const add = (key: string): void => {
        execFileSync('ssh-add', [key], { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: 'pipe' })
      }
      // More than the server lets anybody try.
      for (let count = 0; count < 5; count++) {
        const file = join(server.place, `unknown-${count}`)
        await makeKey(file, 'ed25519')
        add(file)
      }
      add(keys.rsa)
    })
    afterAll(() => agent.kill())

    test('that holds too many keys, of which the SSH configuration names the right one', async () => {
      const file = join(server.place, 'config-agent')
      copyFileSync(`${keys.rsa}.pub`, join(server.place, 'named.pub'))
      writeFileSync(file, `IdentityFile ${join(server.place, 'named')}\nIdentitiesOnly yes\n`)
      await enter({ ...known(), agent: socket, 'ssh-config': file })
      writeFileSync(file, `IdentityFile ${join(server.place, 'named')}\n`)
      const refused = enter({ ...known(), agent: socket, 'ssh-config': file })
      await expect(refused).rejects.toMatchObject({
        code: 'KLOSET_DENIED',
        message: expect.stringContaining('the SSH agent'),
      })
    })

    test('of the environment', async () => {
      const env = { SSH_AUTH_SOCK: socket }
      execFileSync('ssh-add', ['-D'], { env: { ...process.env, ...env }, stdio: 'pipe' })
      execFileSync('ssh-add', [keys.rsa], { env: { ...process.env, ...env }, stdio: 'pipe' })
      const file = join(server.place, 'config-none')
      writeFileSync(file, 'IdentityFile /no/such/file\n')
      await enter({ ...known(), 'ssh-config': file }, { env })
      await expect(enter({ ...known(), agent: 'none', 'ssh-config': file }, { env })).rejects.toMatchObject({
        code: 'KLOSET_DENIED',
        message: expect.stringContaining('there was nothing to try'),
      })
    })

    test('that does not answer is no obstacle', async () => {
      await enter({ ...known(), agent: join(server.place, 'no-agent'), identity: server.keyFile })
      const refused = enter({ ...known(), agent: join(server.place, 'no-agent'), identity: keys.stranger })
      await expect(refused).rejects.toMatchObject({ code: 'KLOSET_DENIED', message: expect.stringContaining('agent') })
    })
  })

  describe('to a host', () => {
    const fingerprint = (kind: string): string => {
      const file = join(server.place, `ssh_host_${kind}_key.pub`)
      return execFileSync('ssh-keygen', ['-lf', file], { encoding: 'utf8' }).split(' ')[1]!
    }
    const name = (): string => `[127.0.0.1]:${server.port}`
    const hostKey = (kind: string): string => publicPart(join(server.place, `ssh_host_${kind}_key`))

    /** A file of known hosts. */
    function knowing(...lines: string[]): string {
      const file = join(server.place, `known-${Math.random().toString(36).slice(2)}`)
      writeFileSync(file, lines.map((line) => `${line}\n`).join(''))
      return file
    }

    const through = (file: string, how: Opening = {}): Promise<void> =>
      enter({ identity: server.keyFile, 'ssh-config': 'none', 'known-hosts': file }, how)

    test('that is unknown is refused, with its fingerprint and how to accept it', async () => {
      for (const file of [knowing(), join(server.place, 'absent'), knowing(`other ${hostKey('ed25519')}`)])
        await expect(through(file)).rejects.toMatchObject({
          code: 'KLOSET_DENIED',
          retry: 'never',
          message: expect.stringMatching(/is not known: ed25519 SHA256:/),
          hint: expect.stringContaining(`host-key=${fingerprint('ed25519')}`),
          context: { fingerprint: fingerprint('ed25519') },
        })
    })

    test('that is unknown is accepted by a person, and known from then on', async () => {
      const file = join(server.place, 'made', 'known_hosts')
      const { asked, ask } = answering(true)
      await through(file, { ask })
      expect(asked).toHaveLength(1)
      expect(asked[0]).toMatch(/^confirm: .*SHA256:/)
      expect(readFileSync(file, 'utf8')).toBe(`${name()} ${hostKey('ed25519')}\n`)
      await through(file)
    })

    test('that a person does not accept is refused', async () => {
      const file = knowing()
      await expect(through(file, answering(false))).rejects.toMatchObject({ code: 'KLOSET_DENIED' })
      expect(readFileSync(file, 'utf8')).toBe('')
    })

    test('is remembered with the location where known_hosts cannot be written', async () => {
      const memory = new Map<string, string>()
      const remembering: Opening['memory'] = {
        get: async (key) => memory.get(key),
        set: async (key, value) => void memory.set(key, value),
      }
      const nowhere = '/dev/null/known_hosts'
      const log = vi.fn()
      await through(nowhere, { ...answering(true), memory: remembering, log })
      expect(log).toHaveBeenCalledWith('warn', expect.stringContaining(nowhere))
      await through(nowhere, { memory: remembering })
    })

    test('with another key than it is known by is refused loudly, and nobody is asked', async () => {
      const { asked, ask } = answering(true)
      const file = knowing(`${name()} ${publicPart(keys.stranger)}`)
      await expect(through(file, { ask })).rejects.toMatchObject({
        code: 'KLOSET_DENIED',
        retry: 'never',
        message: expect.stringContaining('is not the one it is known by'),
        hint: expect.stringContaining(`ssh-keygen -R '${name()}'`),
      })
      expect(asked).toEqual([])
    })

    test('that is known by a key of another kind is asked for that kind', async () => {
      await through(knowing(`${name()} ${hostKey('rsa')}`))
    })

    test('that is known by patterns, in a file with hashes', async () => {
      await through(knowing(`[127.0.0.?]:* ${hostKey('ed25519')}`))
      const file = knowing(`${name()} ${hostKey('ed25519')}`)
      execFileSync('ssh-keygen', ['-H', '-f', file], { stdio: 'pipe' })
      await through(file)
    })

    test('with a revoked key is refused, although it is known', async () => {
      const file = knowing(`${name()} ${hostKey('ed25519')}`, `@revoked * ${hostKey('ed25519')}`)
      await expect(through(file)).rejects.toMatchObject({
        code: 'KLOSET_DENIED',
        message: expect.stringContaining('revoked'),
      })
    })

    test('that only an authority vouches for is refused, and the hint says why', async () => {
      const file = knowing(`@cert-authority * ${hostKey('ed25519')}`)
      await expect(through(file)).rejects.toMatchObject({ hint: expect.stringContaining('@cert-authority') })
    })

    test('whose fingerprint was given needs no file, and any other is refused', async () => {
      const given = (print: string): Promise<void> =>
        enter({ identity: server.keyFile, 'ssh-config': 'none', 'known-hosts': knowing(), 'host-key': print })
      await given(fingerprint('ed25519'))
      await expect(given(`SHA256:${'a'.repeat(43)}`)).rejects.toMatchObject({ code: 'KLOSET_DENIED' })
    })

    test('is never let off by a file that cannot be read', async () => {
      await expect(through(server.folder)).rejects.toMatchObject({ code: 'KLOSET_CONNECTOR' })
    })
  })

  test('never shows a secret, in no error and no log', async () => {
    const password = 'hunter2 hunter2'
    const logged: string[] = []
    const log = (_: string, message: string): void => void logged.push(message)
    const attempts: (() => Promise<unknown>)[] = [
      () => enter({ ...known(), identity: keys.stranger, password, 'identity-passphrase': secret }, { log }),
      () => enter({ ...known(), identity: keys.encrypted, password, 'identity-passphrase': `${secret}!` }, { log }),
      () => enter({ ...known(), identity: keys.encrypted }, { log, ask: async () => `${secret}?` }),
      () =>
        open(at.replace('@', `:${encodeURIComponent(password)}@`), {
          log,
          options: { ...known(), identity: keys.stranger },
        }),
      () =>
        enter({ 'ssh-config': 'none', 'known-hosts': keys.stranger, password, 'identity-passphrase': secret }, { log }),
    ]
    for (const attempt of attempts) {
      const error = await attempt()
        .then(() => undefined)
        .catch((thrown: unknown) => thrown)
      const shown = inspect(error, { depth: 20, showHidden: true }) + JSON.stringify(error) + logged.join('')
      expect(shown).toMatch(/KLOSET_(DENIED|CONNECTOR)/)
      for (const word of [password, encodeURIComponent(password), secret]) expect(shown).not.toContain(word)
    }
    const storage = await open(at.replace('@', ':hunter2@'), { options: { ...known(), identity: server.keyFile } })
    expect(inspect(storage, { depth: 1 }) + storage.location).not.toContain('hunter2')
    await storage.close()
  })
})
