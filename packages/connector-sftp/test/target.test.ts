import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { type OptionValue, Registry } from 'kloset/connector'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { readSshConfig } from '../src/config/ssh-config.js'
import { type Target, targetOf } from '../src/config/target.js'
import { sftp } from '../src/index.js'

const folder = mkdtempSync(join(tmpdir(), 'kloset-ssh-config-'))
const file = join(folder, 'config')
afterAll(() => rmSync(folder, { recursive: true }))
beforeEach(() => writeFileSync(file, ''))

const found = (text: string, host: string): Record<string, readonly string[]> => {
  writeFileSync(file, text)
  return Object.fromEntries(readSshConfig(host, file))
}

async function target(at: string, options: Record<string, OptionValue> = {}, env = {}): Promise<Target> {
  const resolved = await new Registry([sftp]).resolve(at, { options: { 'ssh-config': file, ...options }, env })
  return targetOf(resolved.location, resolved.options as Parameters<typeof targetOf>[1])
}

describe('the SSH configuration', () => {
  test('gives the first value whose block matches', () => {
    const text = 'Host nas\n  User ada\n  Port 2222\nHost *\n  User other\n  Compression yes\n'
    expect(found(text, 'nas')).toEqual({ user: ['ada'], port: ['2222'], compression: ['yes'] })
    expect(found(text, 'else')).toEqual({ user: ['other'], compression: ['yes'] })
  })

  test('knows patterns, quotes, equal signs, comments and any case', () => {
    const text = 'HOST *.lan !bad.lan\n\tHostName = "%h.example"  # why\nhost "x y"\n user=z\n#Host nas\n'
    expect(found(text, 'nas.lan')).toEqual({ hostname: ['%h.example'] })
    expect(found(text, 'bad.lan')).toEqual({})
    expect(found(text, 'x y')).toEqual({ user: ['z'] })
  })

  test('collects all identities', () => {
    expect(found('IdentityFile a\nHost nas\nIdentityFile b\n', 'nas')).toEqual({ identityfile: ['a', 'b'] })
  })

  test('takes of Match what needs no client', () => {
    expect(found('Match host nas\nUser a\nMatch all\nUser b\n', 'nas')).toEqual({ user: ['b'] })
  })

  test('includes files, in the block where it says so, and never without end', () => {
    mkdirSync(join(folder, 'd'), { recursive: true })
    writeFileSync(join(folder, 'd', '1.conf'), `Port 1\nInclude ${file}\n`)
    writeFileSync(join(folder, 'd', '2.conf'), 'Port 2\nUser u\n')
    expect(found('Host nas\nInclude d/*.conf\n', 'nas')).toEqual({ port: ['1'], user: ['u'] })
    expect(found('Host nas\nInclude d/*.conf\n', 'else')).toEqual({})
  })

  test('that is named has to be there', () => {
    expect(() => readSshConfig('nas', join(folder, 'absent'))).toThrow(/cannot read the SSH configuration/)
  })
})

describe('a target', () => {
  test('is what the location says, then the options, then the configuration, then what is usual', async () => {
    expect(await target('sftp://nas/x')).toMatchObject({
      host: 'nas',
      port: 22,
      user: userInfo().username,
      where: 'nas:22',
    })
    writeFileSync(file, 'Host nas\nHostName nas.lan\nUser ada\nPort 2222\n')
    expect(await target('sftp://nas/x')).toMatchObject({
      host: 'nas.lan',
      port: 2222,
      user: 'ada',
      where: 'nas.lan:2222',
    })
    expect(await target('sftp://nas/x', { user: 'bob', port: 23 })).toMatchObject({ user: 'bob', port: 23 })
    expect(await target('sftp://eve@nas:24/x', { user: 'bob', port: 23 })).toMatchObject({ user: 'eve', port: 24 })
    expect(await target('sftp://nas/x', { 'ssh-config': 'none' })).toMatchObject({ host: 'nas', port: 22 })
  })

  test('finds its keys where OpenSSH does', async () => {
    const usual = await target('sftp://nas/x')
    expect(usual.known).toMatchObject({ name: 'nas', port: 22, hashed: false })
    expect(usual.known.files[0]).toBe(join(homedir(), '.ssh', 'known_hosts'))
    expect(usual.known.files).toContain('/etc/ssh/ssh_known_hosts')
    writeFileSync(file, 'HostKeyAlias cluster\nPort 2222\nUserKnownHostsFile ~/a %d/b_%h\nHashKnownHosts yes\n')
    const { known } = await target('sftp://nas/x')
    expect(known).toMatchObject({ name: 'cluster', port: 22, hashed: true })
    expect(known.files.slice(0, 2)).toEqual([join(homedir(), 'a'), join(homedir(), 'b_nas')])
    expect((await target('sftp://nas/x', { 'known-hosts': '~/k' })).known.files).toEqual([join(homedir(), 'k')])
  })

  test('logs in with what was named', async () => {
    writeFileSync(file, 'IdentityFile ~/.ssh/%r_%p\nIdentitiesOnly yes\n')
    expect((await target('sftp://ada@nas:23/x')).login).toMatchObject({
      identities: [join(homedir(), '.ssh', 'ada_23')],
      explicit: false,
      onlyIdentities: true,
    })
    const named = await target('sftp://nas/x', { identity: '~/k' })
    expect(named.login).toMatchObject({ identities: [join(homedir(), 'k')], explicit: true })
  })

  test('asks the agent of the environment, unless told otherwise', async () => {
    const env = { SSH_AUTH_SOCK: '/run/agent' }
    expect((await target('sftp://nas/x', {}, env)).login.agent).toBe('/run/agent')
    expect((await target('sftp://nas/x', { agent: 'none' }, env)).login.agent).toBeUndefined()
    writeFileSync(file, 'IdentityAgent none\n')
    expect((await target('sftp://nas/x', {}, env)).login.agent).toBeUndefined()
    writeFileSync(file, 'IdentityAgent ~/agent\n')
    expect((await target('sftp://nas/x', {}, env)).login.agent).toBe(join(homedir(), 'agent'))
  })

  test('takes secrets from the environment and the location', async () => {
    const env = { SFTP_PASSWORD: 'p', SFTP_IDENTITY_PASSPHRASE: 'q' }
    expect((await target('sftp://nas/x', {}, env)).login).toMatchObject({ password: 'p', passphrase: 'q' })
    expect((await target('sftp://u:secret@nas/x')).login.password).toBe('secret')
  })

  test('that makes no sense is refused', async () => {
    const connector = { code: 'KLOSET_CONNECTOR' }
    await expect(target('sftp:///x')).rejects.toMatchObject(connector)
    await expect(target('sftp://nas/x', { port: 0 })).rejects.toMatchObject(connector)
    writeFileSync(file, 'Port ssh\n')
    await expect(target('sftp://nas/x')).rejects.toMatchObject(connector)
    for (const fingerprint of ['MD5:aa:bb', 'SHA256:short', 'ssh-ed25519 AAAA'])
      await expect(target('sftp://nas:22/x', { 'host-key': fingerprint })).rejects.toMatchObject(connector)
    const exact = `SHA256:${'a'.repeat(43)}`
    for (const given of [exact, `${exact}=`])
      expect((await target('sftp://nas:22/x', { 'host-key': given })).known.fingerprint).toBe(exact)
  })
})
