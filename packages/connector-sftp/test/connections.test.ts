import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { retrying } from 'kloset'
import type { Storage } from 'kloset/connector'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { givenSsh } from '../../../testing/given.js'
import { missingForSsh, type SshServer, type StartedSshServer, startSsh } from '../../../testing/servers/sshd.js'
import { ifAbsent, namesIn, newFolder, open, openOn, pattern, replacing, signal, whole } from './opening.js'

const offline = { code: 'KLOSET_OFFLINE', retry: 'later', hint: expect.any(String) }

describe.skipIf(missingForSsh() !== undefined)('a connection', () => {
  let server: StartedSshServer
  let folder = ''
  let storage: Storage
  beforeAll(async () => {
    server = await startSsh()
  })
  afterAll(() => server?.stop())
  beforeEach(async () => {
    folder = newFolder(server)
    storage = await openOn(server, folder)
  })
  afterEach(() => storage.close())

  test('that is cut in the middle of a put leaves nothing to be seen, and the next put succeeds', async () => {
    const body = pattern(30_000_000)
    // So that the folder is there, and nothing is being made when the connection goes.
    await storage.put('packs/ab/first', pattern(1), ifAbsent)
    const putting = storage.put('packs/ab/pack', body, ifAbsent)
    putting.catch(() => undefined)
    await vi.waitFor(() => expect(readdirSync(join(folder, 'tmp~'))).toHaveLength(1), { interval: 1 })
    server.dropConnections()
    await expect(putting).rejects.toMatchObject(offline)
    expect(readdirSync(join(folder, 'packs', 'ab'))).toEqual(['first'])
    expect(await storage.put('packs/ab/pack', body, ifAbsent)).toBe('stored')
    expect(Buffer.compare(await storage.get('packs/ab/pack', whole), body)).toBe(0)
    expect(await namesIn(storage)).toEqual(['packs/ab/first', 'packs/ab/pack'])
  })

  test('that is cut again and again does not stop those who try again', async () => {
    const stubborn = retrying(storage, { firstDelay: 1 })
    let done = 0
    const cut = (): void => {
      done++
      if (done % 6 === 0) server.dropConnections()
    }
    const names = Array.from({ length: 24 }, (_, at) => `packs/${at % 4}/${at}`)
    await Promise.all(names.map((name, at) => stubborn.put(name, pattern(400_000 + at, at), ifAbsent).then(cut)))
    const read = async (name: string, at: number): Promise<void> => {
      expect(Buffer.compare(await stubborn.get(name, whole), pattern(400_000 + at, at))).toBe(0)
      cut()
    }
    await Promise.all(names.map(read))
    expect(await namesIn(stubborn)).toEqual([...names].sort())
  })

  test('fails while the server is gone, and works again when it is back', async () => {
    await storage.put('a', pattern(10), ifAbsent)
    await server.down()
    for (const call of [
      () => storage.get('a', whole),
      () => storage.put('b', pattern(1), ifAbsent),
      () => namesIn(storage),
    ])
      await expect(call()).rejects.toMatchObject(offline)
    await server.up()
    expect(await storage.get('a', whole)).toEqual(pattern(10))
    expect(await storage.put('b', pattern(1), ifAbsent)).toBe('stored')
  })

  test('is made once for all who wait for it', async () => {
    await storage.put('a', pattern(10), ifAbsent)
    server.dropConnections()
    await vi.waitFor(async () => expect(await storage.stat('a', { signal })).toEqual({ size: 10 }))
    const before = logins(server)
    server.dropConnections()
    await new Promise((resolve) => setTimeout(resolve, 100))
    await Promise.all(Array.from({ length: 16 }, () => storage.get('a', whole)))
    expect(logins(server) - before).toBe(1)
  })

  test('is left when the storage is closed, also by what is under way', async () => {
    const reading = storage.put('a', pattern(20_000_000), ifAbsent)
    reading.catch(() => undefined)
    await storage.close()
    await reading.catch((error) => expect(error).toMatchObject({ code: 'KLOSET_OFFLINE' }))
    await expect(storage.stat('a', { signal })).rejects.toThrow()
  })

  test('survives that its keys are exchanged anew in the middle of transfers', async () => {
    const own = await startSsh({ settings: ['RekeyLimit 3M'] })
    try {
      const rekeying = await openOn(own, newFolder(own))
      const bodies = [1, 2, 3, 4].map((seed) => pattern(12_000_000, seed))
      await Promise.all(bodies.map((body, at) => rekeying.put(`p/${at}`, body, replacing)))
      const read = await Promise.all(bodies.map((_, at) => rekeying.get(`p/${at}`, whole)))
      for (const [at, body] of bodies.entries()) expect(Buffer.compare(read[at]!, body)).toBe(0)
      await rekeying.close()
    } finally {
      await own.stop()
    }
  })

  test('makes do with the sessions the server opens', async () => {
    const own = await startSsh({ settings: ['MaxSessions 2'] })
    try {
      const few = await openOn(own, newFolder(own), { options: { channels: 8 } })
      for (let round = 0; round < 3; round++)
        await Promise.all(
          Array.from({ length: 16 }, (_, at) => few.put(`p/${round}-${at}`, pattern(100_000, at), ifAbsent)),
        )
      expect(await namesIn(few)).toHaveLength(48)
      await few.close()
    } finally {
      await own.stop()
    }
  })

  test('can be several', async () => {
    const before = logins(server)
    const several = await openOn(server, newFolder(server), { options: { connections: 3, channels: 1 } })
    for (let round = 0; round < 3; round++)
      await Promise.all(
        Array.from({ length: 8 }, (_, at) => several.put(`p/${round}-${at}`, pattern(500_000), ifAbsent)),
      )
    expect(logins(server) - before).toBe(3)
    await several.close()
  })

  test('lets one of sixteen racing puts win, each over a connection of its own', async () => {
    const clients = await Promise.all(Array.from({ length: 16 }, () => openOn(server, folder)))
    for (let round = 0; round < 5; round++) {
      const answers = await Promise.all(
        clients.map((client, racer) => client.put(`log/${round}`, pattern(100 + racer, racer), ifAbsent)),
      )
      const winners = answers.flatMap((answer, racer) => (answer === 'stored' ? [racer] : []))
      expect(winners).toHaveLength(1)
      for (const client of clients)
        expect(await client.get(`log/${round}`, whole)).toEqual(pattern(100 + winners[0]!, winners[0]))
    }
    await Promise.all(clients.map((client) => client.close()))
  })
})

describe.skipIf(!givenSsh())('what is no SFTP server', () => {
  const given = givenSsh()!
  const options = (server: SshServer) => ({
    identity: server.keyFile,
    'known-hosts': server.knownHosts,
    'ssh-config': 'none',
  })

  async function listening(greeting: string): Promise<{ server: Server; at: string }> {
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      if (greeting !== '') socket.end(greeting)
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    return { server, at: `sftp://u@127.0.0.1:${(server.address() as { port: number }).port}/x` }
  }

  test('says that nobody listens, or that there is no such host', async () => {
    const { server, at } = await listening('')
    await new Promise((resolve) => server.close(resolve))
    const refused = open(at, { options: options(given) })
    await expect(refused).rejects.toMatchObject({ ...offline, message: expect.stringContaining('refuses') })
    const nowhere = open('sftp://no-such-host.invalid/x', { options: options(given) })
    await expect(nowhere).rejects.toMatchObject({ code: 'KLOSET_OFFLINE', message: expect.stringContaining('host') })
  })

  test('says that something else answers', async () => {
    const { server, at } = await listening('HTTP/1.1 400 Bad Request\r\n\r\n')
    await expect(open(at, { options: options(given) })).rejects.toMatchObject({
      code: 'KLOSET_OFFLINE',
      message: expect.stringContaining('no SSH server'),
      hint: expect.stringContaining('port'),
    })
    server.close()
  })

  test('says that nothing answers in time', async () => {
    const { server, at } = await listening('')
    const waiting = open(at, { options: { ...options(given), 'connect-timeout': 1 } })
    await expect(waiting).rejects.toMatchObject({ ...offline, message: expect.stringContaining('within 1 second') })
    server.close()
  })

  test('is left at once when that is asked for', async () => {
    const { server, at } = await listening('')
    const controller = new AbortController()
    const reason = new Error('enough')
    setTimeout(() => controller.abort(reason), 50)
    await expect(open(at, { options: options(given), signal: controller.signal })).rejects.toBe(reason)
    server.close()
  })

  test('says that the server offers no SFTP', async () => {
    const own = await startSsh({ subsystem: undefined })
    await expect(openOn(own, own.folder)).rejects.toMatchObject({
      code: 'KLOSET_UNSUPPORTED',
      hint: expect.stringContaining('Subsystem'),
    })
    await own.stop()
  })

  test('says that a profile of the server prints something', async () => {
    const own = await startSsh({ subsystem: '/bin/echo Welcome to this server!' })
    await expect(openOn(own, own.folder)).rejects.toMatchObject({
      code: 'KLOSET_CONNECTOR',
      hint: expect.stringContaining('.bashrc'),
    })
    await own.stop()
  })

  test('gives up a request that is never answered, while the connection is there', async () => {
    const own = await startSsh()
    try {
      const folder = newFolder(own)
      const storage = await openOn(own, folder, { options: { 'idle-timeout': 1 } })
      // Opening it waits for somebody who writes.
      execFileSync('mkfifo', [join(folder, 'fifo')])
      await expect(storage.get('fifo', whole)).rejects.toMatchObject({
        ...offline,
        message: expect.stringContaining('has not answered for 1 second'),
      })
      expect(await storage.put('a', pattern(10), ifAbsent)).toBe('stored')
      await storage.close()
    } finally {
      await own.stop()
    }
  })
})

describe.skipIf(!givenSsh())('round trips', () => {
  const server = givenSsh()!

  test('are three for a put, and two for a get of any size', { timeout: 60_000 }, async () => {
    const file = `${server.knownHosts}-${Math.random().toString(36).slice(2)}`
    const waves = await startWaves(server.port)
    const known = readFileSync(server.knownHosts, 'utf8').replaceAll(`:${server.port} `, `:${waves.port} `)
    writeFileSync(file, known)
    const storage = await openOn({ ...server, port: waves.port, knownHosts: file }, newFolder(server))
    const costOf = async (call: () => Promise<unknown>): Promise<number> => {
      // What was sent behind the last answer that somebody waited for.
      await new Promise((resolve) => setTimeout(resolve, 100))
      const before = waves.count()
      await call()
      return waves.count() - before
    }
    await storage.put('packs/ab/first', pattern(10), ifAbsent)
    expect(await costOf(() => storage.put('packs/ab/one', pattern(100_000), ifAbsent))).toBe(3)
    expect(await costOf(() => storage.put('packs/ab/one', pattern(1), ifAbsent))).toBe(3)
    expect(await costOf(() => storage.put('packs/ab/two', pattern(100_000), replacing))).toBe(3)
    expect(await costOf(() => storage.put('packs/cd/new', pattern(10), ifAbsent))).toBe(3)
    expect(await costOf(() => storage.get('packs/ab/one', whole))).toBe(2)
    expect(await costOf(() => storage.get('packs/ab/one', { signal, range: { offset: 500, length: 70_000 } }))).toBe(2)
    expect(await costOf(() => storage.stat('packs/ab/one', { signal }))).toBe(1)
    await storage.close()
    waves.stop()
  })
})

/** A proxy that passes on what a client sends only when it has paused: each wave is a round trip. */
async function startWaves(to: number): Promise<{ port: number; count(): number; stop(): void }> {
  const pause = 25
  let count = 0
  const server = createServer({ noDelay: true }, (client) => {
    const behind = connect({ port: to, host: '127.0.0.1', noDelay: true })
    let held: Buffer[] = []
    let timer: NodeJS.Timeout | undefined
    client.on('data', (bytes) => {
      held.push(bytes)
      clearTimeout(timer)
      timer = setTimeout(() => {
        count++
        behind.write(Buffer.concat(held))
        held = []
      }, pause)
    })
    behind.on('data', (bytes) => client.write(bytes))
    for (const [one, other] of [
      [client, behind],
      [behind, client],
    ] as const)
      one.on('close', () => other.destroy()).on('error', () => other.destroy())
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return { port: (server.address() as { port: number }).port, count: () => count, stop: () => server.close() }
}

function logins(server: StartedSshServer): number {
  return server.log().split('Accepted publickey').length - 1
}
