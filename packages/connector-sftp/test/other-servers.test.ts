import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { storageConformance } from 'kloset/conformance'
import ssh2, { type AuthContext, type Connection } from 'ssh2'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { namesIn, open, pattern, replacing, whole } from './opening.js'

const rclone = '/usr/bin/rclone'
const password = 'open sesame'

describe.skipIf(!existsSync(rclone))('a store on rclone, which is another server for SFTP', () => {
  const base = existsSync(rclone) ? mkdtempSync(join(tmpdir(), 'kloset-rclone-')) : ''
  let server: ChildProcess
  let at = ''
  let options: Record<string, string> = {}

  beforeAll(async () => {
    const port = await freePort()
    mkdirSync(join(base, 'files', 'suite'), { recursive: true })
    const key = join(base, 'host')
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key])
    server = spawn(
      rclone,
      [
        'serve',
        'sftp',
        join(base, 'files'),
        '--addr',
        `127.0.0.1:${port}`,
        '--key',
        key,
        '--user',
        'u',
        '--pass',
        password,
      ],
      { stdio: 'ignore', env: { ...process.env, RCLONE_CONFIG: join(base, 'none'), HOME: base } },
    )
    at = `sftp://u@127.0.0.1:${port}`
    const print = execFileSync('ssh-keygen', ['-lf', `${key}.pub`], { encoding: 'utf8' }).split(' ')[1]!
    options = { 'host-key': print, 'ssh-config': 'none', identity: key, password }
    await vi.waitFor(async () => (await open(`${at}/suite`, { options })).close(), { timeout: 20_000, interval: 200 })
  })
  afterAll(() => {
    server?.kill()
    if (base) rmSync(base, { recursive: true, force: true })
  })

  test('is one for a single writer, as no two are kept apart there', async () => {
    const storage = await open(`${at}/plain`, { options })
    expect(storage.capabilities.putIfAbsent).toBe(false)
    await storage.put('packs/ab/one', pattern(3_000_000), replacing)
    expect(Buffer.compare(await storage.get('packs/ab/one', whole), pattern(3_000_000))).toBe(0)
    expect(await namesIn(storage)).toEqual(['packs/ab/one'])
    await storage.close()
  })

  // What it cannot do is to replace an object at one stroke; and what takes long is tried on the other server.
  const place = () => open(`${at}/suite`, { options })
  for (const c of storageConformance({ place, expect: { putIfAbsent: false, paces: true } }))
    if (!/being replaced|5,000|100 MB|at once|batch|while others/.test(c.name)) test(c.name, c.run, c.timeout)
})

describe('a server that asks', () => {
  const keys = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'pkcs1', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  })
  const folder = mkdtempSync(join(tmpdir(), 'kloset-asks-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  /** Opens a storage on a server that lets in who passes `checks`; it has no files. Returns the error, and what was asked. */
  async function entering(
    checks: (context: AuthContext) => void,
    how: { password?: string; answers?: string[] },
  ): Promise<{ error: unknown; asked: string[]; entered: number }> {
    let entered = 0
    const server = new ssh2.Server({ hostKeys: [keys.privateKey] }, (client: Connection) => {
      client.on('authentication', checks)
      client.on('ready', () => entered++)
      client.on('error', () => undefined)
      client.on('session', (accept) => accept().on('subsystem', (_accept, reject) => reject?.()))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const asked: string[] = []
    const answers = [...(how.answers ?? [])]
    const identity = join(folder, 'identity')
    writeFileSync(
      identity,
      generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs1', format: 'pem' }),
      { mode: 0o600 },
    )
    try {
      const error = await open(`sftp://u@127.0.0.1:${(server.address() as AddressInfo).port}/x`, {
        options: {
          identity,
          'ssh-config': 'none',
          'known-hosts': join(folder, 'known'),
          ...(how.password && { password: how.password }),
        },
        ask: async ({ kind, message }) => {
          if (kind === 'confirm') return true
          asked.push(message)
          return answers.shift() ?? false
        },
      }).catch((thrown: unknown) => thrown)
      return { error, asked, entered }
    } finally {
      server.close()
    }
  }

  const only =
    (method: 'password' | 'keyboard-interactive', right: (context: AuthContext) => void) => (context: AuthContext) =>
      context.method === method ? right(context) : context.reject([method])
  const wantsPassword = only('password', (context) => {
    if (context.method === 'password' && context.password === password) context.accept()
    else context.reject(['password'])
  })

  test('for a password gets the one that was given', async () => {
    expect(await entering(wantsPassword, { password })).toMatchObject({
      entered: 1,
      asked: [],
      error: { code: 'KLOSET_UNSUPPORTED' },
    })
    const refused = await entering(wantsPassword, { password: 'wrong' })
    expect(refused).toMatchObject({ entered: 0, asked: [], error: { code: 'KLOSET_DENIED' } })
    expect(String(refused.error)).toContain('(tried: the password; the server takes: password)')
  })

  test('for a password gets what a person types, three times at most', async () => {
    const typed = await entering(wantsPassword, { answers: ['wrong', password] })
    expect(typed).toMatchObject({ entered: 1, asked: [expect.stringContaining('password of u'), expect.any(String)] })
    const never = await entering(wantsPassword, { answers: ['a', 'b', 'c', 'd'] })
    expect(never).toMatchObject({ entered: 0, error: { code: 'KLOSET_DENIED' } })
    expect(never.asked).toHaveLength(3)
    expect((await entering(wantsPassword, {})).error).toMatchObject({ code: 'KLOSET_DENIED' })
  })

  test('for a code besides the password gets the code from a person', async () => {
    let passed = false
    const both = (context: AuthContext): void => {
      if (context.method === 'password') {
        passed = context.password === password
        context.reject(['keyboard-interactive'], passed)
      } else if (context.method === 'keyboard-interactive' && passed) {
        context.prompt([{ prompt: 'Code:', echo: false }], ([answer]) => {
          if (answer === '123456') context.accept()
          else context.reject()
        })
      } else context.reject(['password'])
    }
    const { entered, asked } = await entering(both, { password, answers: ['123456'] })
    expect(entered).toBe(1)
    expect(asked).toEqual([expect.stringContaining('Code:')])
  })

  test('for the password in a question of its own gets it, too', async () => {
    const asks = only('keyboard-interactive', (context) => {
      if (context.method !== 'keyboard-interactive') return
      context.prompt([{ prompt: 'Password:', echo: false }], ([answer]) => {
        if (answer === password) context.accept()
        else context.reject()
      })
    })
    expect(await entering(asks, { password })).toMatchObject({ entered: 1, asked: [] })
    expect(await entering(asks, { answers: [password] })).toMatchObject({ entered: 1 })
  })
})

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}
