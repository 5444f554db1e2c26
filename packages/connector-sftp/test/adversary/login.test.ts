import { createHash, generateKeyPairSync } from 'node:crypto'
import { appendFileSync, chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import ssh2 from 'ssh2'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  makeKey,
  missingForSsh,
  publicPart,
  type StartedSshServer,
  startSsh,
} from '../../../../testing/servers/sshd.js'
import { ifAbsent, newFolder, open, optionsFor, pattern, whole } from '../opening.js'

// Who is let in, by whom, and over which hosts: real servers, each of which shows a key of its own.

describe.skipIf(missingForSsh() !== undefined)('through other hosts', () => {
  let server: StartedSshServer
  let gates: readonly StartedSshServer[]
  let config: string
  let known: string

  beforeAll(async () => {
    server = await startSsh()
    gates = [await startSsh(), await startSsh()]
    config = join(server.place, 'config')
    known = join(server.place, 'all_known_hosts')
    writeFileSync(known, [server, ...gates].map(({ knownHosts }) => readFileSync(knownHosts, 'utf8')).join(''))
  })
  afterAll(() => Promise.all([server, ...(gates ?? [])].map((each) => each?.stop())))

  const hosts = (jump: string): string =>
    [
      `Host nas\n  HostName 127.0.0.1\n  Port ${server.port}\n  ${jump}\n`,
      ...gates.map(
        ({ port, keyFile }, index) =>
          `Host gate${index}\n  HostName 127.0.0.1\n  Port ${port}\n  IdentityFile ${keyFile}\n`,
      ),
      'Host *\n  IdentityAgent none\n',
    ].join('')

  async function enter(jump: string, options: Record<string, string> = {}): Promise<void> {
    writeFileSync(config, hosts(jump))
    const storage = await open(`sftp://nas${newFolder(server)}`, {
      options: { ...optionsFor(server), 'known-hosts': known, 'ssh-config': config, ...options },
    })
    await storage.put('a/b', pattern(3_000_000), ifAbsent)
    expect(Buffer.compare(await storage.get('a/b', whole), pattern(3_000_000))).toBe(0)
    await storage.close()
  }
  const accepted = (gate: StartedSshServer): number => gate.log().match(/Accepted publickey/g)?.length ?? 0

  test('a store is reached over one, and over several', async () => {
    await enter('ProxyJump gate0')
    expect(gates.map(accepted)).toEqual([1, 0])
    await enter('ProxyJump gate0,gate1')
    expect(gates.map(accepted)).toEqual([2, 1])
  })

  test('each of them has to be known by its key', async () => {
    for (const unknown of [gates[0]!, gates[1]!, server]) {
      const file = join(server.place, 'some_known_hosts')
      const others = [server, ...gates].filter((each) => each !== unknown)
      writeFileSync(file, others.map(({ knownHosts }) => readFileSync(knownHosts, 'utf8')).join(''))
      await expect(enter('ProxyJump gate0,gate1', { 'known-hosts': file })).rejects.toMatchObject({
        code: 'KLOSET_DENIED',
        message: expect.stringContaining(`:${unknown.port} is not known`),
      })
    }
  })

  test('that forward nothing, or are not there, it is said which', async () => {
    const closed = await startSsh({ settings: ['AllowTcpForwarding no'] })
    try {
      appendFileSync(known, readFileSync(closed.knownHosts))
      const jump = `ProxyJump 127.0.0.1:${closed.port}\nHost 127.0.0.1\n  IdentityFile ${closed.keyFile}`
      await expect(enter(jump)).rejects.toMatchObject({ hint: expect.stringContaining('AllowTcpForwarding') })
    } finally {
      await closed.stop()
    }
    await expect(enter('ProxyJump 127.0.0.1:1')).rejects.toMatchObject({
      code: 'KLOSET_OFFLINE',
      message: expect.stringContaining('127.0.0.1:1'),
    })
  })

  test('by a command, where that is allowed, which is told no secrets', async () => {
    const told = join(server.place, 'environment')
    const script = join(server.place, 'proxy.mjs')
    writeFileSync(
      script,
      `import { writeFileSync } from 'node:fs'
       import { connect } from 'node:net'
       writeFileSync(${JSON.stringify(told)}, JSON.stringify(process.env))
       const socket = connect(Number(process.argv[3]), process.argv[2])
       process.stdin.pipe(socket).pipe(process.stdout)\n`,
    )
    const command = `ProxyCommand ${process.execPath} ${script} %h %p`
    process.env.KLOSET_PASSPHRASE = 'hidden passphrase'
    process.env.SFTP_PASSWORD = 'hidden password'
    try {
      await expect(enter(command)).rejects.toMatchObject({ code: 'KLOSET_UNSUPPORTED' })
      expect(existsSync(told)).toBe(false)
      await enter(command, { 'proxy-command': 'yes' })
      expect(readFileSync(told, 'utf8')).not.toContain('hidden')
      expect(JSON.parse(readFileSync(told, 'utf8')).PATH).toBe(process.env.PATH)
    } finally {
      delete process.env.KLOSET_PASSPHRASE
      delete process.env.SFTP_PASSWORD
    }
    await expect(enter('ProxyCommand exit 3', { 'proxy-command': 'yes' })).rejects.toMatchObject({
      code: 'KLOSET_OFFLINE',
    })
  })

  test('a private key that others can read is refused, and one that was not named is passed over', async () => {
    const key = join(server.place, 'open_key')
    await makeKey(key, 'ed25519')
    appendFileSync(join(server.place, 'authorized_keys'), `${publicPart(key)}\n`)
    await enter('', { identity: key })
    for (const mode of [0o644, 0o640, 0o604]) {
      chmodSync(key, mode)
      const refusal = { code: 'KLOSET_DENIED', hint: expect.stringContaining(`chmod 600 ${key}`) }
      await expect(enter('', { identity: key })).rejects.toMatchObject(refusal)
    }
    writeFileSync(config, hosts(`IdentityFile ${key}`))
    const options = { 'known-hosts': known, 'ssh-config': config }
    await expect(open(`sftp://nas${newFolder(server)}`, { options })).rejects.toMatchObject({
      code: 'KLOSET_DENIED',
      message: expect.stringContaining('others can read it'),
    })
    expect(statSync(key).mode & 0o777).toBe(0o604)
  })

  test('nothing of SHA-1 is offered to a server', async () => {
    const old = await startSsh({ settings: ['MACs hmac-sha1', 'Ciphers aes128-ctr'] })
    try {
      const opening = open(`sftp://${old.user}@127.0.0.1:${old.port}${newFolder(old)}`, { options: optionsFor(old) })
      await expect(opening).rejects.toMatchObject({ code: 'KLOSET_UNSUPPORTED' })
    } finally {
      await old.stop()
    }
  })

  test('a server with any of the usual algorithms for integrity is understood', async () => {
    for (const mac of [
      'hmac-sha2-256',
      'hmac-sha2-512',
      'hmac-sha2-256-etm@openssh.com',
      'hmac-sha2-512-etm@openssh.com',
    ]) {
      const strict = await startSsh({ settings: [`MACs ${mac}`, 'Ciphers aes128-ctr'] })
      const at = `sftp://${strict.user}@127.0.0.1:${strict.port}${newFolder(strict)}`
      await (await open(at, { options: optionsFor(strict) })).close()
      await strict.stop()
    }
  })
})

describe('a server that', () => {
  const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs1', format: 'pem' })
  const password = 'right'
  const tried: string[] = []
  let methods: readonly string[] = []
  const server = new ssh2.Server({ hostKeys: [key] }, (client) => {
    client.on('error', () => undefined)
    client.on('authentication', (context) => {
      tried.push(context.method)
      const isRight = context.method === 'password' && (context as { password?: string }).password === password
      if ((methods.length === 0 && context.method === 'none') || isRight) context.accept()
      else context.reject(methods as never)
    })
  })
  let options: Record<string, string>
  let at: string

  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    at = `sftp://u@127.0.0.1:${(server.address() as AddressInfo).port}/x`
    const parsed = ssh2.utils.parseKey(key) as ssh2.ParsedKey
    const print = createHash('sha256').update(parsed.getPublicSSH()).digest('base64').replace(/=+$/, '')
    options = { 'ssh-config': 'none', 'host-key': `SHA256:${print}`, agent: 'none' }
  })
  afterAll(() => void server.close())

  test('asks for no login is asked for that first, as by OpenSSH, whatever keys there are', async () => {
    methods = []
    tried.length = 0
    // It offers no files, but lets us in.
    await expect(open(at, { options: { ...options, password } })).rejects.not.toMatchObject({ code: 'KLOSET_DENIED' })
    expect(tried[0]).toBe('none')
    expect(tried).not.toContain('password')
  })

  test('refuses a password gets a hint about passwords, and one that takes keys about keys', async () => {
    methods = ['password']
    const wrong = open(at, { options: { ...options, password: 'wrong' } })
    await expect(wrong).rejects.toMatchObject({
      code: 'KLOSET_DENIED',
      hint: expect.stringMatching(/^(?!.*authorized_keys).*SFTP_PASSWORD/),
    })
    methods = ['publickey']
    const none = open(at, { options })
    await expect(none).rejects.toMatchObject({
      code: 'KLOSET_DENIED',
      hint: expect.stringMatching(/^(?!.*SFTP_PASSWORD).*authorized_keys/),
    })
    methods = ['publickey', 'password']
    const both = open(at, { options: { ...options, password: 'wrong' } })
    await expect(both).rejects.toMatchObject({ hint: expect.stringMatching(/SFTP_PASSWORD.*authorized_keys/) })
  })
})
