import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type HttpProxy, startHttpProxy } from '../http-proxy.js'

let server: Server
let proxy: HttpProxy
let heard: string[]

beforeEach(async () => {
  heard = []
  server = createServer(async (request, answer) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part)
    heard.push(`${request.method} ${request.url} ${request.headers.host}`)
    const body = Buffer.concat(parts)
    answer.writeHead(200, { 'content-length': body.length || 5, 'x-of': 'the server' })
    answer.end(body.length > 0 ? body : 'hello')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  proxy = await startHttpProxy(`http://127.0.0.1:${(server.address() as { port: number }).port}`)
})

afterEach(async () => {
  await proxy.stop()
  server.close()
  server.closeAllConnections()
})

const get = (path = '/x', signal = AbortSignal.timeout(5000)) => fetch(`${proxy.endpoint}${path}`, { signal })

test('passes requests and answers as they are', async () => {
  const answer = await get('/a?b=c')
  expect([answer.status, answer.headers.get('x-of'), await answer.text()]).toEqual([200, 'the server', 'hello'])
  const body = Buffer.alloc(3_000_000, 'body')
  const echo = await fetch(`${proxy.endpoint}/put`, { method: 'PUT', body })
  expect(Buffer.from(await echo.arrayBuffer()).equals(body)).toBe(true)
  expect(heard[0]).toBe(`GET /a?b=c ${new URL(proxy.endpoint).host}`)
  expect(proxy.requests).toMatchObject([{ method: 'GET', path: '/a?b=c' }, { method: 'PUT' }])
})

test('answers in place of the server, as often as said, and to whom it was meant', async () => {
  proxy.fault({ path: /^\/busy/, times: 2, answer: { status: 503, retryAfter: '1' } })
  const statuses = []
  for (const path of ['/busy', '/free', '/busy', '/busy']) {
    const answer = await get(path)
    statuses.push([answer.status, answer.headers.get('retry-after')])
    await answer.text()
  }
  expect(statuses).toEqual([
    [503, '1'],
    [200, null],
    [503, '1'],
    [200, null],
  ])
  expect(heard).toHaveLength(2)
})

test('keeps the promise of a length that it then breaks', async () => {
  proxy.fault({ truncate: 2 })
  const answer = await get()
  expect(answer.headers.get('content-length')).toBe('5')
  await expect(answer.text()).rejects.toThrow()
  expect(await (await get()).text()).toBe('hello')
})

test('turns over a bit of a body', async () => {
  proxy.fault({ flip: 0 }, { flip: -1 })
  expect(await (await get()).text()).toBe('iello')
  expect(await (await get()).text()).toBe('helln')
})

test('loses requests, which the server then never hears of, and answers, of which it does not know', async () => {
  proxy.fault({ lose: 'request' })
  await expect(get()).rejects.toThrow()
  expect(heard).toHaveLength(0)
  proxy.fault({ method: 'PUT', lose: 'answer' })
  await expect(fetch(`${proxy.endpoint}/put`, { method: 'PUT', body: 'x' })).rejects.toThrow()
  expect(heard).toHaveLength(1)
})

test('stalls until it is stopped or cleared', async () => {
  proxy.fault({ stall: true, times: 10 })
  await expect(get('/x', AbortSignal.timeout(200))).rejects.toThrow('timeout')
  proxy.clear()
  expect(await (await get()).text()).toBe('hello')
})
