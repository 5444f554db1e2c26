import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect } from 'node:net'
import { join } from 'node:path'
import fc from 'fast-check'
import { memoryStorage, type Store } from 'kloset'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ServedRequest, serveWebdav, type WebdavServer } from '../src/index.js'
import { hrefOf, namesIn } from '../src/webdav/addresses.js'
import { isOurs } from '../src/webdav/hosts.js'
import { parsePropfind } from '../src/webdav/propfind.js'
import {
  addSnapshot,
  damaging,
  emptyStore,
  makeFolder,
  noise,
  oddestNames,
  oddNames,
  run,
  temporary,
} from './stores.js'

const folder = temporary()
const source = join(folder, 'source')
const login = { user: 'ada', password: 'correct horse: ä' }
const authorization = `Basic ${Buffer.from(`${login.user}:${login.password}`).toString('base64')}`
const has = (program: string): boolean => spawnSync(program, ['--version']).error === undefined

let store: Store
let server: WebdavServer
const requests: ServedRequest[] = []

beforeAll(async () => {
  makeFolder(source, oddNames)
  store = await emptyStore()
  await store.backup(source, { host: 'nas', tags: ['daily'] })
  server = await serveWebdav(store, { port: 0, login, onRequest: (request) => requests.push(request) })
})
afterAll(async () => {
  await server.close()
  await store.close()
})

const ask = (path: string, init: RequestInit = {}, url = server.url): Promise<Response> =>
  fetch(new URL(path, url), { ...init, headers: { authorization, ...(init.headers as Record<string, string>) } })
const propfind = (path: string, body = '', depth = '0'): Promise<Response> =>
  ask(path, { method: 'PROPFIND', headers: { depth }, ...(body && { body }) })

describe.runIf(has('rclone'))('rclone', () => {
  const rclone = async (args: readonly string[], password = login.password) => {
    const { stdout } = await run('rclone', ['obscure', password])
    return run(
      'rclone',
      ['--webdav-url', server.url, '--webdav-user', login.user, '--retries', '1', '--low-level-retries', '1', ...args],
      {
        RCLONE_CONFIG: '/dev/null',
        RCLONE_WEBDAV_PASS: stdout.trim(),
      },
    )
  }

  test('finds in the tree what was saved, to the byte', async () => {
    const { code, stderr } = await rclone(['check', '--one-way', '--download', source, ':webdav:latest'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('0 differences found') })
    const { stdout } = await rclone(['lsf', '-R', ':webdav:hosts/nas/latest/names'])
    const names = Buffer.from(stdout, 'latin1').toString().trimEnd().split('\n')
    expect(names.sort()).toEqual(oddNames.map(String).sort())
  })

  test('copies everything, with times', async () => {
    const target = join(folder, 'copied')
    expect((await rclone(['copy', ':webdav:latest', target])).code).toBe(0)
    const { stdout } = await run('diff', ['-r', '--no-dereference', source, target])
    // What WebDAV does not have.
    expect(stdout.trim()).toBe(`Only in ${source}: link`)
  })

  test('reads parts of a file', async () => {
    const wanted = Buffer.from(noise(9_000_000, 1))
    for (const [offset, count] of [
      [0, 1],
      [4_194_300, 10],
      [8_999_990, 100],
    ] as const) {
      const { stdout } = await rclone([
        'cat',
        '--offset',
        `${offset}`,
        '--count',
        `${count}`,
        ':webdav:latest/large.bin',
      ])
      expect(Buffer.from(stdout, 'latin1').equals(wanted.subarray(offset, offset + count))).toBe(true)
    }
  })

  test('is kept out with a wrong password, and from writing', async () => {
    expect((await rclone(['lsf', ':webdav:'], 'wrong')).stderr).toContain('401')
    expect((await rclone(['rcat', ':webdav:latest/new'])).code).not.toBe(0)
    expect((await rclone(['deletefile', ':webdav:latest/empty'])).stderr).toContain('403')
    expect((await rclone(['mkdir', ':webdav:new'])).stderr).toContain('403')
  })
})

const davfs = join(folder, 'davfs')

// It needs /dev/fuse, and the right to mount.
test.runIf(has('mount.davfs'))('davfs2 mounts it, and reads files by their paths', async ({ skip }) => {
  mkdirSync(davfs)
  const [secrets, config] = [join(folder, 'secrets'), join(folder, 'davfs2.conf')]
  writeFileSync(secrets, `${davfs} ${login.user} "${login.password}"\n`, { mode: 0o600 })
  // It becomes a user of its own.
  const cache = join(folder, 'davfs-cache')
  mkdirSync(cache)
  chmodSync(cache, 0o777)
  writeFileSync(config, `secrets ${secrets}\ncache_dir ${cache}\n`, { mode: 0o600 })
  const mounted = await run('mount', ['-t', 'davfs', '-o', `ro,conf=${config}`, server.url, davfs])
  if (mounted.code !== 0) skip(mounted.stderr)
  try {
    for (const name of oddNames) {
      const { stdout } = await run('cat', [join(davfs, 'latest/names', `${name}`)])
      expect(Buffer.from(stdout, 'latin1').toString()).toBe(`${name}`)
    }
    expect((await run('cmp', [join(davfs, 'hosts/nas/latest/large.bin'), join(source, 'large.bin')])).code).toBe(0)
    expect((await run('stat', ['-c', '%s %A', join(davfs, 'latest/script.sh')])).stdout).toMatch(/^10 -rwx/)
  } finally {
    await run('umount', [davfs])
  }
})

describe('files', () => {
  test('come whole, with what caches need to know', async () => {
    const response = await ask('latest/large.bin')
    expect(response.status).toBe(200)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-length': '9000000',
      'content-type': 'application/octet-stream',
      'accept-ranges': 'bytes',
      etag: expect.stringMatching(/^"[0-9a-f]{32}"$/),
      'content-security-policy': 'sandbox',
      'x-content-type-options': 'nosniff',
    })
    expect(Buffer.from(await response.arrayBuffer()).equals(noise(9_000_000, 1))).toBe(true)
    const head = await ask('latest/script.sh', { method: 'HEAD' })
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '10'])
    expect(head.headers.get('last-modified')).toBe('Sun, 09 Sep 2001 01:46:40 GMT')
  })

  const size = 9_000_000
  test.each([
    ['bytes=0-0', 206, `bytes 0-0/${size}`, 1],
    ['bytes=8999999-', 206, `bytes 8999999-8999999/${size}`, 1],
    ['bytes=-3', 206, `bytes 8999997-8999999/${size}`, 3],
    ['bytes=-99999999', 206, `bytes 0-8999999/${size}`, size],
    ['bytes=4000000-99999999', 206, `bytes 4000000-8999999/${size}`, 5_000_000],
    ['bytes=9000000-', 416, `bytes */${size}`, undefined],
    ['bytes=-0', 416, `bytes */${size}`, undefined],
    ['bytes=5-2', 200, null, size],
    ['bytes=0-1,5-6', 200, null, size],
    ['lines=1-2', 200, null, size],
    ['bytes=-', 200, null, size],
  ])('in parts: %s', async (range, status, contentRange, length) => {
    const response = await ask('latest/large.bin', { headers: { range } })
    const body = Buffer.from(await response.arrayBuffer())
    expect([response.status, response.headers.get('content-range')]).toEqual([status, contentRange])
    if (length === undefined) return
    const start = Number(/\d+/.exec(contentRange ?? '0')![0])
    expect(body.equals(noise(size, 1).subarray(start, start + length))).toBe(true)
  })

  test('are sent again only when they changed', async () => {
    const { headers } = await ask('latest/script.sh', { method: 'HEAD' })
    const [etag, modified] = [headers.get('etag') ?? '', headers.get('last-modified') ?? '']
    const statusWith = async (headers: Record<string, string>): Promise<number> =>
      (await ask('latest/script.sh', { headers })).status
    expect(await statusWith({ 'if-none-match': etag })).toBe(304)
    expect(await statusWith({ 'if-none-match': `"other", W/${etag}` })).toBe(304)
    expect(await statusWith({ 'if-none-match': '"other"', 'if-modified-since': modified })).toBe(200)
    expect(await statusWith({ 'if-modified-since': modified })).toBe(304)
    expect(await statusWith({ 'if-modified-since': 'Sun, 09 Sep 2001 01:46:39 GMT' })).toBe(200)
    expect(await statusWith({ 'if-match': '"other"' })).toBe(412)
    expect(await statusWith({ 'if-unmodified-since': 'Sun, 09 Sep 2001 01:46:39 GMT' })).toBe(412)
    expect(await statusWith({ range: 'bytes=0-1', 'if-range': etag })).toBe(206)
    expect(await statusWith({ range: 'bytes=0-1', 'if-range': '"other"' })).toBe(200)
    expect(await statusWith({ range: 'bytes=0-1', 'if-range': modified })).toBe(200)
    // The link to it has the same bytes.
    expect((await ask('latest/hard-link', { method: 'HEAD' })).headers.get('etag')).toBe(etag)
  })

  test('of strange names and empty ones', async () => {
    for (const name of oddNames)
      expect(await (await ask(`latest/names/${encodeURIComponent(`${name}`)}`)).text()).toBe(`${name}`)
    const empty = await ask('latest/empty')
    expect([empty.status, empty.headers.get('content-length'), await empty.text()]).toEqual([200, '0', ''])
  })
})

describe('PROPFIND', () => {
  const name = (text: string): string => `<D:${text}/>`
  const asking = (inside: string): string =>
    `<?xml version="1.0"?><D:propfind xmlns:D="DAV:" xmlns:a="http://apache.org/dav/props/" xmlns:x="x&amp;y">${inside}</D:propfind>`

  test('answers what is asked for, and what there is not', async () => {
    const response = await propfind(
      'latest/script.sh',
      asking(`<D:prop>${['getcontentlength', 'quota', 'getetag'].map(name).join('')}<a:executable/><x:odd/></D:prop>`),
    )
    expect([response.status, response.headers.get('content-type')]).toEqual([207, 'application/xml; charset=utf-8'])
    const xml = await response.text()
    expect(xml).toMatch(/<D:getcontentlength>10<.*<D:getetag>"[0-9a-f]{32}"</)
    expect(xml).toContain('<executable xmlns="http://apache.org/dav/props/">T</executable>')
    expect(xml).toContain('<D:quota/><odd xmlns="x&amp;y"/></D:prop><D:status>HTTP/1.1 404 Not Found</D:status>')
    expect(await (await propfind('latest', asking(name('propname')))).text()).toContain(
      '<D:resourcetype/><D:displayname/>',
    )
    expect(await (await propfind('latest', asking(name('allprop')))).text()).toContain('<D:collection/>')
  })

  test('lists a folder, but never everything', async () => {
    const xml = await (await propfind('latest/many/', '', '1')).text()
    expect(xml.match(/<D:response>/g)).toHaveLength(101)
    for (const depth of ['infinity', '2']) {
      const response = await propfind('', '', depth)
      expect([response.status, await response.text()]).toEqual([403, expect.stringContaining('propfind-finite-depth')])
    }
    expect((await ask('', { method: 'PROPFIND' })).status).toBe(403)
  })

  test.each([
    ['not XML', 'nonsense'],
    ['another element', '<D:other xmlns:D="DAV:"/>'],
    ['another namespace', '<propfind xmlns="dav"><allprop/></propfind>'],
    [
      'an entity of its own',
      '<!DOCTYPE d [<!ENTITY e "x">]><D:propfind xmlns:D="DAV:"><D:prop>&e;</D:prop></D:propfind>',
    ],
    ['a prefix without a namespace', '<D:propfind><D:allprop/></D:propfind>'],
    ['half of it', '<D:propfind xmlns:D="DAV:">'],
  ])('refuses %s', async (_, body) => {
    expect((await propfind('', body)).status).toBe(400)
  })

  test('refuses a body that does not end', async () => {
    expect((await propfind('', ' '.repeat(100_000))).status).toBe(413)
  })

  test('never fails to say whether it understands', () => {
    fc.assert(fc.property(fc.string(), (text) => ['undefined', 'object'].includes(typeof parsePropfind(text))))
  })
})

describe('names', () => {
  test('become URLs and names again, whatever their bytes', () => {
    const segment = fc
      .uint8Array({ minLength: 1, maxLength: 20 })
      .map((bytes) => Buffer.from(bytes).toString('latin1').replace(/[/\0]/g, 'x'))
    fc.assert(
      fc.property(fc.array(segment.filter((each) => each !== '.' && each !== '..')), (names) => {
        expect(namesIn(hrefOf(names, { folder: true }))).toEqual(names)
      }),
    )
    expect(hrefOf(['a\udcff', 'ä'], { folder: false })).toBe('/a%FF/%C3%A4')
    expect(namesIn('/a%ff/%c3%a4/?x=1')).toEqual(['a\udcff', 'ä'])
    expect(namesIn('http://host:80/a')).toEqual(['a'])
  })

  test.each(['/..', '/a/../b', '/%2e%2e/x', '/a%2Fb', '/%00', '/%', '/%zz', '/.'])('lead nowhere: %s', async (path) => {
    expect(namesIn(path)).toBeUndefined()
    // As it is: fetch would tidy it up.
    const status = await new Promise((resolve, reject) => {
      const { hostname, port } = new URL(server.url)
      httpRequest({ hostname, port, path, headers: { authorization } }, ({ statusCode }) => resolve(statusCode))
        .on('error', reject)
        .end()
    })
    expect(status).toBe(404)
  })

  test('of all kinds come out as well-formed XML and harmless HTML', async () => {
    const other = await emptyStore()
    const names = [
      ...oddestNames.map((bytes) => bytes.toString('latin1')),
      '<script>alert(1)</script>',
      '"onmouseover="x',
    ]
    await addSnapshot(
      other,
      names.map((path) => ({ path: path.replaceAll('/', '|'), content: path })),
    )
    const open = await serveWebdav(other, { port: 0, login: null })
    const page = await (await ask('latest/', {}, open.url)).text()
    expect(page).toContain('&lt;script&gt;alert(1)&lt;|script&gt;')
    expect(page).not.toContain('<script')
    const xml = await (await ask('latest', { method: 'PROPFIND', headers: { depth: '1' } }, open.url)).text()
    // biome-ignore lint/suspicious/noControlCharactersInRegex: XML must not have them.
    expect(xml).not.toMatch(/[\u0000-\u0009\u000b-\u001f\ufffe\uffff]/)
    for (const [href] of xml.matchAll(/(?<=<D:href>)[^<]*[^/<](?=<)/g))
      expect((await ask(href, {}, open.url)).status).toBe(200)
    await open.close()
    await other.close()
  })
})

describe('who may come in', () => {
  test('is asked, and refused slowly', async () => {
    const statusWith = async (text: string): Promise<number> => {
      const headers = text === '' ? {} : { authorization: `Basic ${Buffer.from(text).toString('base64')}` }
      return (await fetch(server.url, { headers })).status
    }
    const asked = await fetch(server.url)
    expect([asked.status, asked.headers.get('www-authenticate')]).toEqual([
      401,
      'Basic realm="kloset", charset="UTF-8"',
    ])
    expect(await statusWith(`${login.user}:wrong`)).toBe(401)
    expect(await statusWith(`eve:${login.password}`)).toBe(401)
    const many = await Promise.all(Array.from({ length: 12 }, () => statusWith('ada:guess')))
    expect(many.filter((status) => status === 429).length).toBeGreaterThan(0)
    expect(await statusWith(`${login.user}:${login.password}`)).toBe(200)
  })

  test('without a login must mean this machine, not a name that leads to it', async () => {
    const open = await serveWebdav(store, { port: 0, login: null })
    const { hostname, port } = new URL(open.url)
    const statusFor = (host: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        httpRequest({ hostname, port, headers: { host } }, ({ statusCode }) => resolve(statusCode))
          .on('error', reject)
          .end()
      })
    expect(await statusFor(`127.0.0.1:${port}`)).toBe(200)
    expect(await statusFor(`localhost:${port}`)).toBe(200)
    expect(await statusFor(`[::1]:${port}`)).toBe(200)
    expect(await statusFor(`attacker.example:${port}`)).toBe(421)
    expect([isOurs(undefined, []), isOurs('', []), isOurs('[::1', []), isOurs('NAS', ['nas'])]).toEqual([
      false,
      false,
      false,
      true,
    ])
    await open.close()
  })

  test.runIf(has('openssl'))('over TLS', async () => {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
    const made = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-subj',
      '/CN=localhost',
    ]
    spawnSync('openssl', [...made, '-keyout', key, '-out', cert, '-addext', 'subjectAltName=IP:127.0.0.1'])
    const tls = { key: readFileSync(key), cert: readFileSync(cert) }
    const secure = await serveWebdav(store, { port: 0, login, tls })
    expect(secure.url).toMatch(/^https:/)
    const status = await new Promise((resolve, reject) => {
      httpsRequest(secure.url, { ca: tls.cert, headers: { authorization } }, ({ statusCode }) => resolve(statusCode))
        .on('error', reject)
        .end()
    })
    expect(status).toBe(200)
    await secure.close()
  })

  test('has to be said', async () => {
    await expect(serveWebdav(store, {} as never)).rejects.toThrow(TypeError)
    await expect(serveWebdav(store, { login: { user: 'a', password: '' } })).rejects.toThrow(TypeError)
    await expect(serveWebdav(store, { login: null, port: Number(new URL(server.url).port) })).rejects.toMatchObject({
      code: 'KLOSET_BUSY',
    })
  })
})

test('nothing can be changed', async () => {
  for (const method of ['PUT', 'DELETE', 'MKCOL', 'MOVE', 'COPY', 'PROPPATCH', 'LOCK', 'UNLOCK', 'POST']) {
    const response = await ask('latest/empty', { method, ...(method === 'PUT' && { body: 'x' }) })
    expect([method, response.status]).toEqual([method, ['LOCK', 'UNLOCK', 'POST'].includes(method) ? 405 : 403])
  }
  expect(await (await ask('latest/empty')).text()).toBe('')
  expect((await ask('', { method: 'OPTIONS' })).headers.get('dav')).toBe('1')
})

test('each request is told', async () => {
  await (await ask('latest/empty?told')).text()
  await expect
    .poll(() => requests.at(-1))
    .toMatchObject({ method: 'GET', path: '/latest/empty?told', status: 200, address: '127.0.0.1', cut: false })
})

test('what is damaged is an error, or a connection that is cut, and never other bytes', async () => {
  let broken = false
  const other = await emptyStore(damaging(memoryStorage(), () => broken))
  await addSnapshot(other, [
    { path: 'a', content: noise(20_000_000, 1) },
    { path: 'lost', content: () => Promise.reject(new Error('unreadable')) },
  ])
  const failed: string[] = []
  const open = await serveWebdav(other, { port: 0, login: null, onFailed: (path) => failed.push(path) })
  const wanted = noise(20_000_000, 1)
  expect((await ask('latest/lost', {}, open.url)).status).toBe(404)

  const response = await ask('latest/a', {}, open.url)
  const reader = response.body!.getReader()
  const first = await reader.read()
  broken = true
  let got = first.value!
  const rest = async (): Promise<void> => {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      got = Buffer.concat([got, value])
    }
  }
  await expect(rest()).rejects.toThrow()
  expect(got.length).toBeLessThan(wanted.length)
  expect(Buffer.from(got).equals(wanted.subarray(0, got.length))).toBe(true)
  expect((await ask('latest/a', { headers: { range: 'bytes=19000000-' } }, open.url)).status).toBe(500)
  expect(failed).toEqual(['/latest/a', '/latest/a'])
  await open.close()
  await other.close()
})

test('a client that goes away, or says nothing, does no harm', async () => {
  const { hostname, port } = new URL(server.url)
  const socket = connect(Number(port), hostname)
  socket.write(`GET /latest/large.bin HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\n\r\n`)
  await new Promise((resolve) => socket.once('data', resolve))
  socket.destroy()
  await expect.poll(() => requests.at(-1)).toMatchObject({ path: '/latest/large.bin', cut: true })
  const silent = connect(Number(port), hostname)
  await new Promise((resolve) => silent.once('connect', resolve))
  const other = await serveWebdav(store, { port: 0, login })
  await other.close()
  silent.destroy()
})
