import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { retrying } from 'kloset'
import type { Storage } from 'kloset/connector'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { givenS3 } from '../../../testing/given.js'
import { type HttpProxy, startHttpProxy } from '../../../testing/http-proxy.js'
import { startProxy, type TcpProxy, type Weather } from '../../../testing/proxy.js'
import { type Front, refusal, startFront } from './front.js'
import { Judge } from './judge.js'
import {
  ifAbsent,
  keysOf,
  locate,
  newBucket,
  noServer,
  type Options,
  open,
  replacing,
  signal,
  whole,
} from './places.js'

const server = givenS3()
const options: Options = server === undefined ? {} : keysOf(server)
const fake: Options = { 'access-key': 'key', 'secret-key': 'the-secret-key', 'session-token': 'the-session-token' }
/** What a client remembers of a place that it has seen. */
const known = new Map([['s3', '{"region":"us-east-1","putIfAbsent":true}']])
const body = Uint8Array.from({ length: 100_000 }, (_, at) => at * 7)

describe.skipIf(server === undefined)(`s3 storage over a bad line (${server?.endpoint ?? noServer})`, () => {
  const judge = server && new Judge(server)
  let proxy: HttpProxy
  let line: TcpProxy
  let bucket: string
  beforeAll(async () => {
    proxy = await startHttpProxy(server!.endpoint)
    line = await startProxy({ port: Number(new URL(server!.endpoint).port) })
  })
  afterAll(() => Promise.all([proxy.stop(), line.stop()]))
  beforeEach(async () => {
    bucket = newBucket()
    const storage = await open(locate(server!, bucket), { mode: 'create', options })
    await storage.put('there', body, replacing)
    await storage.close()
  })
  afterEach(() => {
    proxy.clear()
    line.weather = {}
  })

  const through = (to: { endpoint: string }, more: Options = {}) =>
    open(locate(to, bucket), { options: { ...options, 'if-absent': 'yes', ...more } })
  /** A new client without a connection yet, on a line like this. */
  const overLine = (weather: Weather, more: Options = {}) => {
    line.weather = weather
    const at = locate({ endpoint: `http://127.0.0.1:${line.port}` }, bucket)
    return open(at, { options: { ...options, ...more }, memory: new Map(known) })
  }

  test('waits as long as the server asks, and then goes on', async () => {
    const storage = await through(proxy)
    proxy.fault({ answer: { status: 503, retryAfter: '1' } })
    await expect(storage.get('there', whole)).rejects.toMatchObject({
      code: 'KLOSET_BUSY',
      retry: 'later',
      retryAfter: 1000,
    })
    proxy.fault({ answer: { status: 429, retryAfter: '1' } })
    const start = performance.now()
    expect(await retrying(storage, { firstDelay: 1 }).get('there', whole)).toEqual(body)
    expect(performance.now() - start).toBeGreaterThan(990)
  })

  test('asks to be called again after whatever may pass', async () => {
    const storage = await through(proxy)
    for (const status of [500, 502, 503, 504, 429]) {
      proxy.fault({ answer: { status, body: '<html>of some machine in between</html>' } })
      await expect(storage.stat('there', { signal })).rejects.toMatchObject({ code: 'KLOSET_BUSY', retry: 'later' })
    }
  })

  test('never gives less than was asked for', async () => {
    const storage = await through(proxy)
    const range = { offset: 10, length: 50_000 }
    for (const how of [whole, { signal, range }]) {
      for (const truncate of [0, 1, 40_000]) {
        proxy.fault({ method: 'GET', truncate })
        await expect(storage.get('there', how)).rejects.toMatchObject({ code: 'KLOSET_OFFLINE', retry: 'later' })
      }
      proxy.fault({ method: 'GET', truncate: 40_000, times: 2 })
      const bytes = await retrying(storage, { firstDelay: 1 }).get('there', how)
      expect(bytes).toEqual(how.range ? body.subarray(10, 50_010) : body)
    }
    proxy.fault({ method: 'GET', truncate: 100 })
    await expect(listed(storage)).rejects.toMatchObject({ code: 'KLOSET_OFFLINE', retry: 'later' })
  })

  test('notices bytes that changed on the way down, whole objects only', async () => {
    const storage = await through(proxy)
    proxy.fault({ method: 'GET', flip: 77_777 })
    await expect(storage.get('there', whole)).rejects.toMatchObject({
      code: 'KLOSET_CONNECTOR',
      retry: 'later',
      message: expect.stringContaining('checksum'),
    })
    proxy.fault({ method: 'GET', flip: -1 })
    expect(await retrying(storage, { firstDelay: 1 }).get('there', whole)).toEqual(body)
  })

  test('notices an object that is not what was stored', async () => {
    const storage = await through(proxy)
    await judge!.put(bucket, 'changed', body, { crc32: '00000000' })
    await expect(storage.get('changed', whole)).rejects.toMatchObject({ retry: 'later' })
    // What others stored has no note, and is taken as it is.
    await judge!.put(bucket, 'plain', body)
    expect(await storage.get('plain', whole)).toEqual(body)
  })

  test('has the server notice bytes that changed on the way up', async () => {
    const storage = await overLine({ up: { flip: 50_000 } }, { checksums: 'md5' })
    await expect(storage.put('up', body, replacing)).rejects.toMatchObject({
      code: 'KLOSET_CONNECTOR',
      retry: 'later',
      context: { s3: 'BadDigest' },
    })
    expect(await storage.stat('up', { signal })).toBeUndefined()
  })

  test('finds out at once that a connection is gone', async () => {
    const storage = await overLine({})
    for (const what of ['reset', 'end'] as const) {
      line.weather = { down: { after: { bytes: 20_000, what } } }
      await expect(storage.get('there', whole)).rejects.toMatchObject({ code: 'KLOSET_OFFLINE', retry: 'later' })
    }
    line.weather = { refuse: true }
    await expect(storage.stat('there', { signal })).rejects.toMatchObject({ code: 'KLOSET_OFFLINE', retry: 'later' })
    await line.down()
    await expect(storage.stat('there', { signal })).rejects.toMatchObject({
      code: 'KLOSET_OFFLINE',
      retry: 'later',
      context: { network: 'ECONNREFUSED' },
    })
    await line.up()
    line.weather = {}
    expect(await storage.stat('there', { signal })).toEqual({ size: body.length })
  })

  test('gives up on a server that has fallen silent, before and within its answer', async () => {
    for (const bytes of [0, 30_000]) {
      const storage = await overLine({ down: { after: { bytes, what: 'stall' } } }, { 'idle-timeout': 1 })
      await expect(storage.get('there', whole)).rejects.toMatchObject({
        code: 'KLOSET_OFFLINE',
        retry: 'later',
        context: { network: 'idle' },
      })
    }
  })

  test('gives up on a trickle, and has patience with a slow line', async () => {
    const brook = await overLine({ down: { rate: 400 } }, { 'idle-timeout': 1 })
    await expect(brook.get('there', whole)).rejects.toMatchObject({
      code: 'KLOSET_OFFLINE',
      context: { network: 'trickle' },
    })
    const river = await overLine({ down: { rate: 40_000 }, up: { rate: 200_000 } }, { 'idle-timeout': 1 })
    expect(await river.get('there', whole)).toEqual(body)
    expect(await river.put('slowly', body, replacing)).toBe('stored')
  })

  test('has let go of the memory of a body when an aborted put is settled', async () => {
    const storage = await overLine({ up: { rate: 20_000_000 } })
    const large = new Uint8Array(30_000_000).fill(1)
    const stop = new AbortController()
    const reason = new Error('enough')
    const putting = storage.put('aborted', large, { ...replacing, signal: stop.signal })
    putting.catch(() => large.fill(2))
    setTimeout(() => stop.abort(reason), 200)
    await expect(putting).rejects.toBe(reason)
    expect(await storage.stat('aborted', { signal })).toBeUndefined()
  })

  describe('encrypted', () => {
    const folder = mkdtempSync(join(tmpdir(), 'kloset-s3-'))
    const [key, ca] = [join(folder, 'key.pem'), join(folder, 'ca.pem')]
    let front: Front
    beforeAll(async () => {
      const subject = ['-subj', '/CN=kloset test', '-addext', 'subjectAltName=IP:127.0.0.1']
      const made = [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-days',
        '2',
        ...subject,
      ]
      execFileSync('openssl', [...made, '-keyout', key, '-out', ca], { stdio: 'ignore' })
      front = await startFront(server, { key: readFileSync(key, 'utf8'), cert: readFileSync(ca, 'utf8') })
    })
    afterAll(async () => {
      await front.stop()
      rmSync(folder, { recursive: true })
    })

    test('trusts an authority that it is told to trust, and no other', async () => {
      const untrusted = through(front, { tls: true })
      await expect(untrusted).rejects.toMatchObject({
        code: 'KLOSET_OFFLINE',
        retry: 'never',
        hint: expect.stringContaining('option ca'),
      })
      const storage = await through(front, { tls: true, ca })
      await storage.put('packs/large', new Uint8Array(3_000_000).fill(5), replacing)
      expect(await storage.put('there', body, ifAbsent)).toBe('exists')
      expect(await storage.get('there', whole)).toEqual(body)
      expect((await storage.get('packs/large', whole)).length).toBe(3_000_000)
    })

    test('says that the certificate is for another name', async () => {
      const at = `s3://localhost:${new URL(front.endpoint).port}/${bucket}`
      const opening = open(at, { options: { ...options, tls: true, ca } })
      await expect(opening).rejects.toMatchObject({
        code: 'KLOSET_OFFLINE',
        context: { network: 'ERR_TLS_CERT_ALTNAME_INVALID' },
      })
    })

    test('says that one side is encrypted and the other is not', async () => {
      const plain = { code: 'KLOSET_OFFLINE', retry: 'never', hint: expect.stringContaining('tls=false') }
      await expect(through(server!, { tls: true })).rejects.toMatchObject(plain)
      await expect(through(front)).rejects.toMatchObject({ code: expect.stringMatching(/OFFLINE|CONNECTOR/) })
    })
  })
})

describe('s3 storage before servers of other kinds', () => {
  let front: Front
  beforeAll(async () => {
    front = await startFront(undefined)
  })
  afterAll(() => front.stop())
  beforeEach(() => {
    front.requests.length = 0
    front.answer = () => listing
  })
  const listing = { status: 200, body: '<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>' }
  const opened = (
    more: Options = {},
    mode: 'read' | 'write' | 'create' = 'write',
    memory = new Map(),
    messages: string[] = [],
  ) =>
    open(locate(front, 'bucket', 'prefix'), {
      mode,
      memory,
      options: { ...fake, ...more },
      log: (message) => messages.push(message),
    })

  test('does not count on a condition that is ignored, or not known', async () => {
    for (const status of [200, 501]) {
      front.answer = ({ method }) => ({ status: method === 'PUT' ? status : 204 })
      for (const mode of ['write', 'create'] as const) {
        const memory = new Map<string, string>()
        const messages: string[] = []
        const storage = await opened({}, mode, memory, messages)
        expect(storage.capabilities).toMatchObject({ write: true, putIfAbsent: false })
        expect(messages).toEqual([expect.stringContaining('which of two writers was first')])
        // It is asked again next time: servers are updated.
        front.requests.length = 0
        await opened({}, 'write', memory)
        expect(front.requests.length).toBeGreaterThan(1)
      }
    }
  })

  test('opens where nothing can be written, and tries the condition out as soon as something can', async () => {
    for (const [status, code, error] of [
      [403, 'QuotaExceeded', 'KLOSET_FULL'],
      [403, 'AccessDenied', 'KLOSET_DENIED'],
    ] as const) {
      front.answer = ({ method }) => (method === 'PUT' ? refusal(status, code) : listing)
      const memory = new Map<string, string>()
      const storage = await opened({}, 'write', memory)
      expect(storage.capabilities).toMatchObject({ write: true, putIfAbsent: true })
      await expect(storage.put('a', body, ifAbsent)).rejects.toMatchObject({ code: error })
      await expect(opened({}, 'create')).rejects.toMatchObject({ code: error })
      // There is room now; but the condition is ignored.
      front.answer = () => ({ status: 200 })
      await expect(storage.put('a', body, ifAbsent)).rejects.toMatchObject({
        code: 'KLOSET_UNSUPPORTED',
        hint: expect.stringContaining('if-absent'),
      })
      expect(await storage.put('a', body, replacing)).toBe('stored')
      expect([...memory.values()].join()).not.toContain('putIfAbsent')
      let puts = 0
      front.answer = ({ method, headers }) => {
        const first = headers['if-none-match'] === undefined || puts++ % 2 === 0
        return method === 'PUT' && !first ? refusal(412, 'PreconditionFailed') : { status: 200 }
      }
      expect(await storage.put('a', body, ifAbsent)).toBe('stored')
      front.requests.length = 0
      await storage.put('b', body, ifAbsent)
      expect(front.requests).toHaveLength(1)
    }
  })

  test('counts on no condition where all lose', async () => {
    front.answer = ({ method }) => (method === 'PUT' ? refusal(409, 'ConditionalRequestConflict') : { status: 204 })
    await expect(opened()).rejects.toMatchObject({ code: 'KLOSET_BUSY', retry: 'later' })
    expect(front.requests).toHaveLength(6)
  })

  test('a conflict with another writer is for later, an object that is there is not', async () => {
    const storage = await opened({ 'if-absent': 'yes' })
    front.answer = () => refusal(409, 'ConditionalRequestConflict')
    await expect(storage.put('a', body, ifAbsent)).rejects.toMatchObject({ code: 'KLOSET_BUSY', retry: 'later' })
    front.answer = () => refusal(412, 'PreconditionFailed')
    expect(await storage.put('a', body, ifAbsent)).toBe('exists')
  })

  test('removes one by one where the server cannot remove many', async () => {
    const storage = await opened({ 'if-absent': 'yes' })
    front.requests.length = 0
    front.answer = ({ method, headers }) => {
      if (method === 'POST') expect(headers['content-md5']).toMatch(/^[\w+/]{22}==$/)
      return { status: method === 'POST' ? 501 : 204 }
    }
    await storage.remove(['a', 'b', 'c'], { signal })
    await storage.remove(['d', 'e'], { signal })
    expect(front.requests.map(({ method }) => method)).toEqual(['POST', ...Array(5).fill('DELETE')])
  })

  test('says which object could not be removed', async () => {
    const storage = await opened({ 'if-absent': 'yes' })
    const errors = (code: string) =>
      `<DeleteResult><Error><Key>prefix/a</Key><Code>NoSuchKey</Code></Error><Error><Key>prefix/b</Key><Code>${code}</Code></Error></DeleteResult>`
    front.answer = () => ({ status: 200, body: errors('NoSuchKey') })
    await storage.remove(['a', 'b'], { signal })
    front.answer = () => ({ status: 200, body: errors('AccessDenied') })
    await expect(storage.remove(['a', 'b'], { signal })).rejects.toMatchObject({
      code: 'KLOSET_DENIED',
      message: expect.stringContaining('remove b from'),
    })
    front.answer = () => ({ status: 200, body: errors('InternalError') })
    await expect(storage.remove(['a', 'b'], { signal })).rejects.toMatchObject({ code: 'KLOSET_BUSY', retry: 'later' })
  })

  test('goes to the region that the server names, and there at once the next time', async () => {
    const inRegion = (authorization = '') => authorization.includes('/eu-north-1/s3/')
    const answers = [
      refusal(400, 'AuthorizationHeaderMalformed', { inner: '<Region>eu-north-1</Region>' }),
      refusal(301, 'PermanentRedirect', { headers: { 'x-amz-bucket-region': 'eu-north-1' } }),
    ]
    for (const elsewhere of answers) {
      front.answer = ({ headers }) => (inRegion(headers.authorization) ? listing : elsewhere)
      const memory = new Map<string, string>()
      front.requests.length = 0
      const storage = await opened({ 'if-absent': 'yes' }, 'write', memory)
      await listed(storage)
      expect(front.requests.map(({ headers }) => inRegion(headers.authorization))).toEqual([false, true, true])
      await listed(await opened({ 'if-absent': 'yes' }, 'write', memory))
      expect(inRegion(front.requests.at(-1)?.headers.authorization)).toBe(true)
      expect(front.requests).toHaveLength(4)
    }
    // What is no region does not become a part of a host's name.
    front.answer = () => refusal(301, 'PermanentRedirect', { headers: { 'x-amz-bucket-region': 'evil.example/' } })
    front.requests.length = 0
    await expect(opened({}, 'read')).rejects.toMatchObject({ hint: expect.stringContaining('region') })
    expect(front.requests).toHaveLength(1)
    // A server that does not know itself is asked twice, not for ever.
    front.answer = () => answers[0]!
    front.requests.length = 0
    await expect(opened()).rejects.toMatchObject({ hint: expect.stringContaining('region') })
    expect(front.requests.length).toBeLessThanOrEqual(4)
  })

  test('takes a part out of the whole where the server ignores ranges', async () => {
    const storage = await opened({ 'if-absent': 'yes' })
    front.answer = () => ({ status: 200, body: '0123456789' })
    const part = (offset: number, length: number) => storage.get('a', { signal, range: { offset, length } })
    expect(Buffer.from(await part(2, 3)).toString()).toBe('234')
    await expect(part(8, 3)).rejects.toMatchObject({ code: 'KLOSET_NOT_FOUND' })
    const other = { 'content-range': 'bytes 5-7/10' }
    front.answer = () => ({ status: 206, headers: other, body: '567' })
    await expect(part(2, 3)).rejects.toMatchObject({ code: 'KLOSET_CONNECTOR', retry: 'later' })
    front.answer = () => ({ status: 206, headers: { 'content-range': 'bytes 2-3/10' }, body: '23' })
    await expect(part(2, 3)).rejects.toMatchObject({ code: 'KLOSET_CONNECTOR', retry: 'later' })
  })

  test('recognises what does not speak S3', async () => {
    const page = { status: 200, headers: { 'content-type': 'text/html' }, body: '<!doctype html><html></html>' }
    const feed = { status: 200, headers: { 'content-type': 'application/xml' }, body: '<rss></rss>' }
    const isNot = { code: 'KLOSET_CONNECTOR', retry: 'never', message: expect.stringContaining('does not speak S3') }
    for (const [answer, mode] of [
      [page, 'read'],
      [page, 'write'],
      [page, 'create'],
      [feed, 'read'],
    ] as const) {
      front.answer = () => answer
      await expect(opened({}, mode)).rejects.toMatchObject(isNot)
    }
  })

  test('does not believe a listing out of order', async () => {
    const contents = (name: string) => `<Contents><Key>prefix/${name}</Key><Size>1</Size></Contents>`
    const storage = await opened({ 'if-absent': 'yes' })
    front.answer = () => ({
      status: 200,
      body: `<ListBucketResult>${contents('b')}${contents('a')}</ListBucketResult>`,
    })
    await expect(listed(storage)).rejects.toMatchObject({ code: 'KLOSET_CONNECTOR' })
  })

  test('signs the digest of a body only where somebody could change it', async () => {
    const storage = await opened({ 'if-absent': 'yes' })
    await storage.put('a', body, replacing)
    expect(front.requests.at(-1)?.headers['x-amz-content-sha256']).toBe('UNSIGNED-PAYLOAD')
    // This name is not known to be the machine itself.
    const address = locate(front, 'bucket').replace('127.0.0.1', '0.0.0.0')
    const remote = await open(address, { options: { ...fake, tls: false, 'if-absent': 'yes' } })
    await remote.put('a', body, replacing)
    expect(front.requests.at(-1)?.headers['x-amz-content-sha256']).toMatch(/^[0-9a-f]{64}$/)
  })

  test('says what is wrong and what to do', async () => {
    const refusals: [number, string, string, string, RegExp][] = [
      [403, 'AccessDenied', 'KLOSET_DENIED', 'never', /rights/],
      [403, 'InvalidAccessKeyId', 'KLOSET_DENIED', 'never', /access key/],
      [403, 'SignatureDoesNotMatch', 'KLOSET_DENIED', 'never', /secret/],
      [403, 'RequestTimeTooSkewed', 'KLOSET_DENIED', 'never', /clock/],
      [400, 'ExpiredToken', 'KLOSET_DENIED', 'never', /Sign in/],
      [404, 'NoSuchBucket', 'KLOSET_NOT_FOUND', 'never', /Creating/],
      [503, 'SlowDown', 'KLOSET_BUSY', 'later', /^$/],
      [500, 'InternalError', 'KLOSET_BUSY', 'later', /^$/],
      [400, 'RequestTimeout', 'KLOSET_OFFLINE', 'later', /^$/],
      [404, 'NoSuchKey', 'KLOSET_OFFLINE', 'later', /^$/],
      [403, 'QuotaExceeded', 'KLOSET_FULL', 'never', /quota/],
      [507, 'XMinioStorageFull', 'KLOSET_FULL', 'never', /quota/],
      [507, '', 'KLOSET_FULL', 'never', /quota/],
      [400, 'EntityTooLarge', 'KLOSET_LIMIT', 'never', /multipart-threshold/],
      [403, 'InvalidObjectState', 'KLOSET_UNSUPPORTED', 'never', /archive/],
      [400, 'InvalidStorageClass', 'KLOSET_UNSUPPORTED', 'never', /storage-class/],
      [301, 'PermanentRedirect', 'KLOSET_CONNECTOR', 'never', /region/],
      [501, 'NotImplemented', 'KLOSET_UNSUPPORTED', 'never', /^$/],
      [418, 'Teapot', 'KLOSET_CONNECTOR', 'never', /^$/],
    ]
    const storage = await opened({ 'if-absent': 'yes' })
    for (const [status, name, code, retry, hint] of refusals) {
      front.answer = () => refusal(status, name)
      const error = await storage.put('a', body, replacing).catch((e) => e)
      expect(error, name).toMatchObject({ code, retry, message: expect.stringContaining('cannot write a in s3://') })
      expect(error.hint ?? '', name).toMatch(hint)
      expect(error.cause).toMatchObject({ name: 'S3Answer', status, message: 'said the server' })
    }
  })

  test('never shows a secret, even where the server does', async () => {
    const messages: string[] = []
    const storage = await open(locate(front, 'bucket'), {
      options: { ...fake, 'if-absent': 'yes' },
      log: (message) => messages.push(message),
    })
    const echo = {
      status: 400,
      body: '<Error><Code>Odd</Code><Message>the-secret-key and the-session-token</Message></Error>',
    }
    const errors: unknown[] = []
    const keep = (error: unknown): void => void errors.push(error)
    for (const answer of [echo, refusal(403, 'SignatureDoesNotMatch'), refusal(403, 'AccessDenied'), { status: 500 }]) {
      front.answer = () => answer
      await storage.put('a', body, replacing).catch(keep)
      await storage.get('a', whole).catch(keep)
      await storage.stat('a', { signal }).catch(keep)
      await storage.remove(['a', 'b'], { signal }).catch(keep)
      await listed(storage).catch(keep)
    }
    expect(errors).toHaveLength(20)
    const shown = inspect([errors, messages, storage], { depth: 20, showHidden: true, maxStringLength: null })
    expect(shown).not.toMatch(/the-secret-key|the-session-token/)
    expect(shown).toContain('… and …')
  })

  test('says that there is no such server', async () => {
    const opening = open('s3://does-not-exist.invalid:9000/bucket', { options: fake })
    await expect(opening).rejects.toMatchObject({ code: 'KLOSET_OFFLINE', hint: expect.stringContaining('name') })
    const closed = open('s3://127.0.0.1:1/bucket', { options: fake })
    await expect(closed).rejects.toMatchObject({ code: 'KLOSET_OFFLINE', retry: 'later' })
  })
})

test('a server that answers before it has read everything gets nothing of what the memory holds next', async () => {
  const received: Buffer[] = []
  let early: Server | undefined
  let client: Socket | undefined
  const port = await new Promise<number>((resolve) => {
    early = createServer((socket) => {
      client = socket
      socket.once('data', (first) => {
        received.push(first)
        socket.pause()
        socket.write('HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\n\r\n')
      })
      socket.on('error', () => undefined)
    }).listen(0, '127.0.0.1', () => resolve((early!.address() as { port: number }).port))
  })
  const storage = await open(`s3://127.0.0.1:${port}/bucket`, { memory: new Map(known), options: fake })
  const large = new Uint8Array(50_000_000).fill(1)
  await expect(storage.put('a', large, replacing)).rejects.toMatchObject({ code: 'KLOSET_BUSY', retry: 'later' })
  large.fill(2)
  client!.on('data', (bytes) => received.push(bytes))
  await new Promise((resolve) => client!.once('close', resolve).resume())
  expect(received.some((bytes) => bytes.includes(2))).toBe(false)
  await new Promise((resolve) => early!.close(resolve))
})

async function listed(storage: Storage): Promise<string[]> {
  const found: string[] = []
  for await (const batch of storage.list('', { signal, after: undefined })) found.push(...batch.map(({ name }) => name))
  return found
}
