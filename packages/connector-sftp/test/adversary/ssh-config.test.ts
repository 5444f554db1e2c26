import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type OptionValue, Registry } from 'kloset/connector'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { readSshConfig } from '../../src/config/ssh-config.js'
import { type Target, targetOf } from '../../src/config/target.js'
import { sftp } from '../../src/index.js'

// What an SSH configuration says of the way to a server is what OpenSSH makes of it; what others can change is not believed.

const folder = mkdtempSync(join(tmpdir(), 'kloset-ssh-config-'))
const file = join(folder, 'config')
afterAll(() => rmSync(folder, { recursive: true }))
beforeEach(() => writeFileSync(file, ''))

async function target(at: string, text: string, options: Record<string, OptionValue> = {}): Promise<Target> {
  writeFileSync(file, text)
  const resolved = await new Registry([sftp]).resolve(at, { options: { 'ssh-config': file, ...options }, env: {} })
  return targetOf(resolved.location, resolved.options as Parameters<typeof targetOf>[1])
}

/** The hosts on the way, the first one first. */
function wayTo({ way, user, where }: Target): string[] {
  return [...(way && 'jump' in way ? wayTo(way.jump) : []), `${user}@${where}`]
}

describe('an SSH configuration', () => {
  test('with the line ends of Windows, or form feeds, says the same', () => {
    for (const end of ['\r\n', '\f\n', ' \t\r\n']) {
      writeFileSync(
        file,
        ['Host nas', '  HostName nas.lan', '  Port 2222', '  ProxyJump gate', '  User "a b"', ''].join(end),
      )
      expect(Object.fromEntries(readSshConfig('nas', file))).toEqual({
        hostname: ['nas.lan'],
        port: ['2222'],
        proxyjump: ['gate'],
        user: ['a b'],
      })
    }
  })

  test('that others can change is refused', async () => {
    for (const mode of [0o666, 0o620]) {
      chmodSync(file, mode)
      await expect(target('sftp://nas/x', 'Host nas\n')).rejects.toMatchObject({
        code: 'KLOSET_DENIED',
        hint: expect.stringContaining('chmod go-w'),
      })
    }
    chmodSync(file, 0o600)
  })

  test('includes what others can change as little', () => {
    const other = join(folder, 'other')
    writeFileSync(other, 'Port 1\n')
    chmodSync(other, 0o666)
    writeFileSync(file, `Include ${other}\n`)
    expect(() => readSshConfig('nas', file)).toThrow(/others can change/)
  })
})

describe('the way to a server', () => {
  test('leads through the hosts of ProxyJump, in their order', async () => {
    const text = 'Host nas\n  ProxyJump a@one:2201,[::1]:2202,ssh://c@three\n  User u\nHost *\n  User other\n'
    expect(wayTo(await target('sftp://nas/x', text))).toEqual([
      'a@one:2201',
      'other@[::1]:2202',
      'c@three:22',
      'u@nas:22',
    ])
  })

  test('to the first of them is the one that is configured for it', async () => {
    const text = 'Host nas\n  ProxyJump one,two\nHost one two\n  ProxyJump gate\nHost *\n  User u\n'
    expect(wayTo(await target('sftp://nas/x', text))).toEqual(['u@gate:22', 'u@one:22', 'u@two:22', 'u@nas:22'])
  })

  test('never goes in circles', async () => {
    const circle = target('sftp://nas/x', 'Host nas\n  ProxyJump gate\nHost gate\n  ProxyJump nas\n')
    await expect(circle).rejects.toMatchObject({
      code: 'KLOSET_CONNECTOR',
      hint: expect.stringContaining('each other'),
    })
  })

  test('carries nothing that is only for the server: no password, key, user or port', async () => {
    const options = {
      password: 'p',
      identity: '/key',
      'identity-passphrase': 'q',
      user: 'me',
      port: 1,
      'host-key': `SHA256:${'a'.repeat(43)}`,
    }
    const { way, login } = await target('sftp://nas/x', 'Host nas\n  ProxyJump gate\nHost gate\n  User g\n', options)
    expect(login.password).toBe('p')
    expect(way).toMatchObject({
      jump: {
        user: 'g',
        port: 22,
        known: { fingerprint: undefined },
        login: { password: undefined, passphrase: undefined, identities: undefined },
      },
    })
  })

  test('is what is named first, also where that is none', async () => {
    const command = 'ProxyCommand nc "%h" %p # no comment'
    expect((await target('sftp://nas/x', `ProxyJump none\n${command}\n`)).way).toBeUndefined()
    expect((await target('sftp://nas/x', `ProxyCommand none\nProxyJump gate\n`)).way).toBeUndefined()
    const allowed = { 'proxy-command': true }
    expect((await target('sftp://nas:23/x', `${command}\nProxyJump gate\n`, allowed)).way).toEqual({
      command: 'nc "nas" 23 # no comment',
    })
  })

  test('is no command unless that is allowed', async () => {
    await expect(target('sftp://nas/x', 'ProxyCommand touch /tmp/x\n')).rejects.toMatchObject({
      code: 'KLOSET_UNSUPPORTED',
      hint: expect.stringContaining('proxy-command=yes'),
    })
  })

  test('is no command that the name of a host or user becomes a part of the shell of', async () => {
    const allowed = { 'proxy-command': true }
    for (const at of [
      'sftp://$(id)/x',
      'sftp://a;id/x',
      'sftp://-oProxyCommand=id/x',
      'sftp://a%26id@nas/x',
      "sftp://a'b@nas/x",
    ])
      await expect(target(at, 'ProxyCommand ssh gate -l %r -W %h:%p\n', allowed)).rejects.toMatchObject({
        code: 'KLOSET_CONNECTOR',
        message: expect.stringContaining('cannot be part of a ProxyCommand'),
      })
    expect((await target('sftp://me@nas-1.lan/x', 'ProxyCommand nc %n %r\n', allowed)).way).toEqual({
      command: 'nc nas-1.lan me',
    })
  })

  test('is refused where ProxyJump is no host', async () => {
    for (const jump of ['user@', 'a:b:c', 'a:99999'])
      await expect(target('sftp://nas/x', `Host nas\n  ProxyJump ${jump}\n`)).rejects.toMatchObject({
        code: 'KLOSET_CONNECTOR',
      })
  })
})
