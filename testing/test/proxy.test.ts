import { once } from 'node:events'
import { connect, createServer, type Server } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sharedLine, startProxy, type TcpProxy } from '../proxy.js'

let echo: Server
let proxy: TcpProxy

beforeEach(async () => {
  echo = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined)
    socket.pipe(socket)
  })
  echo.listen(0, '127.0.0.1')
  await once(echo, 'listening')
  proxy = await startProxy({ port: (echo.address() as { port: number }).port })
})

afterEach(async () => {
  await proxy.stop()
  echo.close()
})

/** Sends bytes, ends, and gives what came back, how it ended, and how long it took. */
async function say(bytes: Uint8Array, patience = 5000) {
  const started = performance.now()
  const socket = connect({ port: proxy.port, host: proxy.host, allowHalfOpen: true })
  const parts: Buffer[] = []
  let error: NodeJS.ErrnoException | undefined
  socket.on('data', (part) => parts.push(part))
  socket.on('error', (reason) => {
    error = reason
  })
  socket.end(bytes)
  const how = await Promise.race([
    once(socket, 'end').then(
      () => 'end',
      () => 'error',
    ),
    once(socket, 'close').then(() => (error ? 'error' : 'close')),
    new Promise((resolve) => setTimeout(resolve, patience, 'nothing')),
  ])
  socket.destroy()
  return { how, bytes: Buffer.concat(parts), error: error?.code, took: performance.now() - started }
}

const hello = Buffer.from('hello, world')

test('passes everything, both ways', async () => {
  const large = Buffer.alloc(20_000_000, 'large')
  const answers = await Promise.all([say(hello), say(large), say(Buffer.alloc(0))])
  expect(answers.map(({ how }) => how)).toEqual(['end', 'end', 'end'])
  expect(answers[0]!.bytes.equals(hello)).toBe(true)
  expect(answers[1]!.bytes.equals(large)).toBe(true)
  expect(proxy.connections).toBe(3)
})

describe('a fault', () => {
  test('resets after so many bytes', async () => {
    proxy.next({ down: { after: { bytes: 5, what: 'reset' } } }, { up: { after: { bytes: 0, what: 'reset' } } })
    expect(await say(hello)).toMatchObject({ how: 'error', error: 'ECONNRESET' })
    expect(await say(hello)).toMatchObject({ how: 'error', error: 'ECONNRESET' })
    expect(await say(hello)).toMatchObject({ how: 'end', bytes: hello })
  })

  test('ends as if the server had', async () => {
    proxy.next({ down: { after: { bytes: 5, what: 'end' } } })
    const cut = await say(hello)
    expect(cut).toMatchObject({ how: 'end' })
    expect(cut.bytes.toString()).toBe('hello')
  })

  test('stalls', async () => {
    proxy.next({ up: { after: { bytes: 5, what: 'stall' } } })
    const stalled = await say(hello, 300)
    expect(stalled).toMatchObject({ how: 'nothing' })
    expect(stalled.bytes.toString()).toBe('hello')
  })

  test('turns over one bit', async () => {
    proxy.next({ down: { flip: 1 } }, { up: { flip: 11 } })
    expect((await say(hello)).bytes.toString()).toBe('hdllo, world')
    expect((await say(hello)).bytes.toString()).toBe('hello, worle')
  })

  test('refuses, by itself or by the system', async () => {
    proxy.next({ refuse: true })
    expect((await say(hello)).how).toBe('error')
    await proxy.down()
    expect(await say(hello)).toMatchObject({ error: 'ECONNREFUSED' })
    await proxy.up()
    expect(await say(hello)).toMatchObject({ how: 'end', bytes: hello })
  })

  test('cuts what is there', async () => {
    proxy.weather = { down: { after: { bytes: 0, what: 'stall' } } }
    const waiting = say(hello)
    await new Promise((resolve) => setTimeout(resolve, 100))
    proxy.cut()
    expect((await waiting).how).toBe('error')
  })
})

test('latency is there once each way, however much is sent; a rate is for each byte', async () => {
  proxy.weather = { up: { latency: 50 }, down: { latency: 50 } }
  const far = await say(Buffer.alloc(1_000_000))
  expect(far.bytes).toHaveLength(1_000_000)
  expect(far.took).toBeGreaterThan(99)
  expect(far.took).toBeLessThan(1000)
  proxy.weather = { down: { rate: 40_000 } }
  const slow = await say(Buffer.alloc(20_000))
  expect(slow.bytes).toHaveLength(20_000)
  expect(slow.took).toBeGreaterThan(450)
})

test('connections share a line, and all get through', async () => {
  proxy.weather = { down: { shared: sharedLine(200_000) } }
  const bytes = Buffer.alloc(20_000, 'shared')
  const answers = await Promise.all([say(bytes), say(bytes), say(bytes)])
  expect(answers.every((answer) => answer.bytes.equals(bytes))).toBe(true)
  // What a line of its own would have taken each of them is a third of it.
  expect(Math.max(...answers.map(({ took }) => took))).toBeGreaterThan(200)
})
