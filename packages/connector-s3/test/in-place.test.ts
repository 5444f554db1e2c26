import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { crc32Reference } from '../src/checksums.js'
import { InPlace } from '../src/in-place.js'

const never = new AbortController().signal

/** What the server writes, piece by piece, whatever it is asked; `close` ends the connection after it. */
interface Script {
  readonly pieces: readonly (string | Uint8Array)[]
  readonly close?: boolean
}

describe('answers read in place', () => {
  let server: Server
  let port: number
  let scripts: Script[]
  let connections: number
  let last: Socket
  let ended: Promise<unknown>
  let client: InPlace
  beforeAll(async () => {
    server = createServer((socket) => {
      connections++
      last = socket
      ended = new Promise((resolve) => socket.on('close', resolve))
      socket.setNoDelay(true).on('error', () => undefined)
      let heard = ''
      socket.on('data', (data) => {
        heard += data.toString('latin1')
        if (!heard.endsWith('\r\n\r\n')) return
        heard = ''
        void play(socket, scripts.shift()!)
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    port = (server.address() as AddressInfo).port
  })
  afterAll(() => server.close())
  beforeEach(() => {
    scripts = []
    connections = 0
    client = newClient()
  })

  const newClient = () =>
    new InPlace({ secure: false, ca: undefined, sockets: 4, connectTimeout: 5_000, idleTimeout: 5_000 })
  const get = (more: Partial<Parameters<InPlace['get']>[0]> = {}) =>
    client.get({
      method: 'GET',
      host: '127.0.0.1',
      port,
      path: '/',
      headers: { host: 'there' },
      signal: never,
      ...more,
    })
  async function play(socket: Socket, { pieces, close }: Script): Promise<void> {
    for (const piece of pieces) {
      if (socket.destroyed) return
      if (!socket.write(piece)) await Promise.race([once(socket, 'drain'), once(socket, 'close')])
      await turn()
    }
    if (close) socket.end()
  }

  test('are what was sent, however it is cut into pieces, over one connection', async () => {
    const answers = fc.array(
      fc.record({
        size: fc.oneof(fc.nat(50), fc.nat(40_000), fc.nat(300_000)),
        cuts: fc.array(fc.nat(60_000), { maxLength: 12 }),
      }),
      { minLength: 1, maxLength: 4 },
    )
    await fc.assert(
      fc.asyncProperty(answers, async (given) => {
        connections = 0
        client = newClient()
        for (const { size, cuts } of given) {
          const body = Buffer.from(Uint8Array.from({ length: size }, (_, at) => at * 7 + (at >> 8)))
          const head = `HTTP/1.1 206 Partial Content\r\nContent-Length: ${size}\r\nETag:  "a b" \r\nx-twice: 1\r\nX-Twice: 2\r\n\r\n`
          scripts.push({ pieces: cut(Buffer.concat([Buffer.from(head), body]), cuts) })
          const answer = (await get())!
          expect(answer.status).toBe(206)
          expect({ ...answer.headers }).toEqual({ 'content-length': `${size}`, etag: '"a b"', 'x-twice': '1, 2' })
          expect(body.equals(answer.body)).toBe(true)
          // It may be given away to another thread.
          expect(answer.body.buffer.byteLength).toBe(size)
        }
        expect(connections).toBe(1)
        client.close()
      }),
      { numRuns: 60 },
    )
  })

  test('go where they are told to, and are summed up on the way', async () => {
    const given = fc.record({
      size: fc.nat(100_000),
      room: fc.nat(150_000),
      cuts: fc.array(fc.nat(60_000), { maxLength: 8 }),
    })
    await fc.assert(
      fc.asyncProperty(given, async ({ size, room, cuts }) => {
        const body = Buffer.from(Uint8Array.from({ length: size }, (_, at) => at * 11 + (at >> 8)))
        const head = `HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`
        scripts.push({ pieces: cut(Buffer.concat([Buffer.from(head), body]), cuts) })
        const memory = new SharedArrayBuffer(room)
        const answer = (await get({ large: { memory, crc: true } }))!
        expect(body.equals(answer.body)).toBe(true)
        expect(answer.body.buffer === memory).toBe(room >= size)
        expect(answer.crc).toBe(crc32Reference(body))
      }),
      { numRuns: 40 },
    )
    client.close()
  })

  test('that are errors may come in chunks', async () => {
    const whole = Buffer.from(
      'HTTP/1.1 503 Slow Down\r\nTransfer-Encoding: chunked\r\nRetry-After: 7\r\n\r\n5\r\n<Erro\r\n2;x=y\r\nr>\r\n0\r\n',
    )
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(whole.length), { maxLength: 12 }), async (cuts) => {
        scripts.push({ pieces: cut(whole, cuts) })
        const answer = (await get())!
        expect(answer.status).toBe(503)
        expect(answer.headers['retry-after']).toBe('7')
        expect(Buffer.from(answer.body).toString()).toBe('<Error>')
      }),
      { numRuns: 30 },
    )
    client.close()
  })

  test.each([
    ['of another version', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok'],
    ['that are none', 'SSH-2.0-OpenSSH_9.2\r\n\r\n'],
    ['that are followed by another', 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'],
    ['that have no body', 'HTTP/1.1 204 No Content\r\n\r\n'],
    ['of no announced length', 'HTTP/1.1 200 OK\r\n\r\nok'],
    ['of two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok'],
    ['of a length that is none', 'HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok'],
    ['in chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n'],
    [
      'in chunks and of a length',
      'HTTP/1.1 404 No\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['in chunks that are none', 'HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\nno\r\n'],
    ['in chunks without an end', `HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n8000\r\n${'x'.repeat(20_000)}`],
    ['with more than was announced', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokay'],
    ['with a line that is no header', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n folded\r\n\r\nok'],
    ['with a head that does not end', `HTTP/1.1 200 OK\r\n${'x-long: header\r\n'.repeat(2_000)}`],
  ])('leave those %s to another client', async (_, text) => {
    scripts.push({ pieces: [text] })
    expect(await get()).toBeUndefined()
    await ended
    client.close()
  })

  test('stop trying with a server that gives objects in another way, not for its errors', async () => {
    scripts.push({ pieces: ['HTTP/1.1 404 No\r\n\r\n'], close: true })
    expect(await get()).toBeUndefined()
    scripts.push({ pieces: ['HTTP/1.1 200 OK\r\n\r\nok'], close: true })
    expect(await get()).toBeUndefined()
    expect(await get()).toBeUndefined()
    expect(connections).toBe(2)
  })

  test.each([
    ['before anything', ''],
    ['in the head', 'HTTP/1.1 200 OK\r\nContent-'],
    ['in the body', 'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nsome'],
  ])('fail when they are cut off %s', async (_, text) => {
    scripts.push({ pieces: text === '' ? [] : [text], close: true })
    await expect(get()).rejects.toMatchObject({ code: 'cut-off' })
  })

  test('come over another connection when somebody said something on this one that nobody asked for', async () => {
    scripts.push({ pieces: ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'] })
    await get()
    last.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfalse')
    await ended
    scripts.push({ pieces: ['HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ntrue'] })
    expect(Buffer.from((await get())!.body).toString()).toBe('true')
    expect(connections).toBe(2)
    await ended
  })

  test('wait for their pace, piece by piece and to the last, whatever becomes of the connection meanwhile', async () => {
    for (const [size, close] of [
      [1, false],
      [200_000, false],
      [0, false],
      [200_000, true],
    ] as const) {
      const asked: number[] = []
      scripts.push({ pieces: [`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n${'x'.repeat(size)}`], close })
      const answer = await get({
        pace: async (bytes) => {
          asked.push(bytes)
          await delay(2)
        },
      })
      expect(Buffer.from(answer!.body).equals(Buffer.alloc(size, 'x'))).toBe(true)
      expect(asked.reduce((sum, bytes) => sum + bytes, 0)).toBe(size)
      expect(Math.max(0, ...asked)).toBeLessThanOrEqual(16 * 1024)
    }
    expect(connections).toBe(1)
  })

  test('end with the signal, and so does their connection', async () => {
    const stop = new AbortController()
    scripts.push({ pieces: ['HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nsome'] })
    const answer = get({ signal: stop.signal, pace: async () => stop.abort(new Error('enough')) })
    await expect(answer).rejects.toThrow('enough')
    await ended
  })

  test('are not asked for with a head that could be taken for two', async () => {
    expect(await get({ path: '/a b' })).toBeUndefined()
    expect(await get({ headers: { host: 'there\r\nx: y' } })).toBeUndefined()
    expect(connections).toBe(0)
  })
})

/** Cut at these places, as far as it goes. */
function cut(bytes: Uint8Array, at: readonly number[]): Uint8Array[] {
  const ends = [...new Set([...at.map((each) => each % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b)
  return ends.map((end, i) => bytes.subarray(i === 0 ? 0 : ends[i - 1], end)).filter(({ length }) => length > 0)
}
