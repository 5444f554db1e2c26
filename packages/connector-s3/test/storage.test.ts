import { inspect } from 'node:util'
import type { Storage } from 'kloset/connector'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { givenS3 } from '../../../testing/given.js'
import { type Front, startFront } from './front.js'
import { Judge } from './judge.js'
import { ifAbsent, keysOf, locate, newBucket, noServer, open, replacing, signal, whole } from './places.js'

const server = givenS3()
const body = Uint8Array.of(1, 2, 3)

describe.skipIf(server === undefined)(`s3 storage (${server?.endpoint ?? noServer})`, () => {
  const options = server === undefined ? {} : keysOf(server)
  const create = (bucket: string, prefix?: string, more = {}) =>
    open(locate(server!, bucket, prefix), { mode: 'create', options: { ...options, ...more } })
  const judge = server && new Judge(server)
  let front: Front
  beforeAll(async () => {
    front = await startFront(server)
  })
  afterAll(() => front.stop())

  test('a bucket is made only by create', async () => {
    const bucket = newBucket()
    for (const mode of ['read', 'write'] as const) {
      const error = await open(locate(server!, bucket), { mode, options }).catch((e) => e)
      expect(error).toMatchObject({ code: 'KLOSET_NOT_FOUND', hint: expect.stringContaining('Creating a store') })
      expect(error.message).toContain(bucket)
    }
    const storage = await create(bucket)
    expect(storage.capabilities).toEqual({ write: true, list: true, putIfAbsent: true, concurrency: 16, paces: true })
    await storage.put('a', body, replacing)
    const again = await create(bucket)
    expect(await again.get('a', whole)).toEqual(body)
  })

  test('a bucket that goes away while it is open is missed by name', async () => {
    const bucket = newBucket()
    const storage = await create(bucket)
    await judge!.removeBucket(bucket)
    await expect(storage.get('a', whole)).rejects.toMatchObject({
      code: 'KLOSET_NOT_FOUND',
      message: expect.stringContaining(`no bucket ${bucket}`),
    })
    await expect(storage.put('a', body, replacing)).rejects.toMatchObject({ code: 'KLOSET_NOT_FOUND' })
  })

  test('prefixes of one bucket know nothing of each other', async () => {
    const bucket = newBucket()
    const [top, one, other] = [await create(bucket), await create(bucket, 'one'), await create(bucket, 'one-more/x')]
    await one.put('name', body, replacing)
    await other.put('name', Uint8Array.of(9), replacing)
    expect(await one.get('name', whole)).toEqual(body)
    expect(await other.get('name', whole)).toEqual(Uint8Array.of(9))
    expect(await names(one)).toEqual(['name'])
    expect(await names(other)).toEqual(['name'])
    expect(await names(top)).toEqual(['one-more/x/name', 'one/name'])
    await one.remove(['name', 'other'], { signal })
    expect(await other.get('name', whole)).toEqual(Uint8Array.of(9))
    // What a console makes for a folder, and what is not named as ours are.
    for (const key of ['', 'README.md', 'a b', 'a&b', 'ü', 'x'.repeat(129), 'tmp~/x', 'ok'])
      await judge!.put(bucket, `one/${key}`, body)
    expect(await names(one)).toEqual(['ok'])
  })

  test('writes nothing when it was opened for reading', async () => {
    const bucket = newBucket()
    await (await create(bucket)).put('a', body, replacing)
    const storage = await open(locate(server!, bucket), { mode: 'read', options })
    expect(storage.capabilities).toMatchObject({ write: false, list: true, putIfAbsent: false })
    await expect(storage.put('b', body, replacing)).rejects.toMatchObject({ code: 'KLOSET_READ_ONLY' })
    await expect(storage.remove(['a'], { signal })).rejects.toMatchObject({ code: 'KLOSET_READ_ONLY' })
    expect(await storage.get('a', whole)).toEqual(body)
  })

  test('never asks for anything but names of objects', async () => {
    const storage = await create(newBucket())
    for (const name of ['', '.', '..', '../x', 'a//b', '/a', 'a/', 'A', 'a b', 'ü', 'x'.repeat(129), 'tmp~/x']) {
      const unsafe = { code: 'KLOSET_PATH_UNSAFE' }
      await expect(storage.put(name, body, replacing)).rejects.toMatchObject(unsafe)
      await expect(storage.get(name, whole)).rejects.toMatchObject(unsafe)
      await expect(storage.stat(name, { signal })).rejects.toMatchObject(unsafe)
      await expect(storage.remove([name], { signal })).rejects.toMatchObject(unsafe)
    }
  })

  test('of 16 racing puts exactly one wins, again and again', async () => {
    const bucket = newBucket()
    const clients = await Promise.all(Array.from({ length: 4 }, () => create(bucket)))
    for (let round = 0; round < 10; round++) {
      const racing = Array.from({ length: 16 }, (_, racer) =>
        clients[racer % 4]!.put(`race-${round}`, Uint8Array.of(racer), ifAbsent),
      )
      const answers = await Promise.all(racing)
      expect(answers.filter((answer) => answer === 'stored')).toHaveLength(1)
      expect(await clients[0]!.get(`race-${round}`, whole)).toEqual(Uint8Array.of(answers.indexOf('stored')))
    }
  })

  describe('what opening costs', () => {
    const through = (bucket: string, given: Parameters<typeof open>[1]) => {
      front.requests.length = 0
      return open(locate(front, bucket), { ...given, options: { ...options, ...given?.options } })
    }

    test('nothing where this machine knows the place', async () => {
      const bucket = newBucket()
      const memory = new Map<string, string>()
      await through(bucket, { mode: 'create', memory })
      for (const mode of ['read', 'write'] as const) {
        const storage = await through(bucket, { mode, memory })
        expect(front.requests).toEqual([])
        expect(storage.capabilities.putIfAbsent).toBe(mode === 'write')
      }
    })

    test('one request to read, and three to write, where it does not', async () => {
      const bucket = newBucket()
      await create(bucket)
      await through(bucket, { mode: 'read' })
      expect(front.requests.map(({ method }) => method)).toEqual(['GET'])
      const memory = new Map<string, string>()
      await through(bucket, { mode: 'write', memory })
      expect(front.requests.map(({ method }) => method)).toEqual(['PUT', 'PUT', 'DELETE'])
      await through(bucket, { mode: 'write', memory })
      expect(front.requests).toEqual([])
      // The probe leaves nothing behind.
      expect(await judge!.keys(bucket)).toEqual([])
    })

    test('one request to write, where it is told about the server', async () => {
      const bucket = newBucket()
      await create(bucket)
      for (const [said, putIfAbsent] of [
        ['yes', true],
        ['no', false],
      ] as const) {
        const storage = await through(bucket, { mode: 'write', options: { 'if-absent': said } })
        expect(front.requests).toHaveLength(1)
        expect(storage.capabilities.putIfAbsent).toBe(putIfAbsent)
      }
    })

    test('every call is one request', async () => {
      const bucket = newBucket()
      const storage = await through(bucket, { mode: 'create' })
      const calls = [
        () => storage.put('a', new Uint8Array(5_000_000), replacing),
        () => storage.put('b', body, ifAbsent),
        () => storage.get('a', whole),
        () => storage.get('a', { signal, range: { offset: 1, length: 2 } }),
        () => storage.stat('a', { signal }),
        () => names(storage),
        () => storage.remove(['a'], { signal }),
        () => storage.remove(['a', 'b', 'c'], { signal }),
      ]
      for (const call of calls) {
        front.requests.length = 0
        await call()
        expect(front.requests).toHaveLength(1)
      }
    })
  })

  describe('who may not', () => {
    test('is told that the secret is wrong', async () => {
      const wrong = { ...options, 'secret-key': 'wrong-secret-key-0123456789' }
      const error = await open(locate(server!, newBucket()), { mode: 'create', options: wrong }).catch((e) => e)
      expect(error).toMatchObject({ code: 'KLOSET_DENIED', context: { s3: 'SignatureDoesNotMatch' }, retry: 'never' })
      expect(error.hint).toContain('secret key is wrong')
      expect(shown(error)).not.toContain('wrong-secret-key')
    })

    test('is told that the key is unknown', async () => {
      const unknown = { 'access-key': 'nobody', 'secret-key': 'wrong-secret-key-0123456789' }
      const error = await open(locate(server!, newBucket()), { options: unknown }).catch((e) => e)
      expect(error).toMatchObject({ code: 'KLOSET_DENIED', context: { s3: 'InvalidAccessKeyId' } })
      expect(shown(error)).not.toContain('wrong-secret-key')
    })

    test('is told that the bucket is somebody else’s', async () => {
      const bucket = newBucket()
      await create(bucket)
      for (const mode of ['read', 'write', 'create'] as const) {
        const other = open(locate(server!, bucket), { mode, options: keysOf(server!.limited) })
        await expect(other).rejects.toMatchObject({ code: 'KLOSET_DENIED', hint: expect.stringContaining('rights') })
      }
      const anybody = open(locate(server!, bucket), { mode: 'read', options: { anonymous: true } })
      await expect(anybody).rejects.toMatchObject({ code: 'KLOSET_DENIED' })
    })
  })

  test('says that a quota is used up', async () => {
    const bucket = newBucket()
    const at = locate(server!, bucket)
    const storage = await open(at, { mode: 'create', options: keysOf(server!.limited) })
    const fill = async () => {
      for (let at = 0; at < 20; at++) await storage.put(`fill-${at}`, new Uint8Array(2_000_000), replacing)
    }
    await expect(fill()).rejects.toMatchObject({
      code: 'KLOSET_FULL',
      hint: expect.stringContaining('quota'),
      context: { s3: 'QuotaExceeded' },
    })
    const stored = await names(storage)
    await storage.remove(stored, { signal })
  })

  describe('settings', () => {
    test('the storage class is for packs only', async () => {
      const storage = await open(locate(front, newBucket()), {
        mode: 'create',
        options: { ...options, 'storage-class': 'STANDARD', 'multipart-threshold': 6_000_000, 'part-size': 5_242_880 },
      })
      front.requests.length = 0
      await storage.put('packs/a', body, { ...replacing, tier: 'cold' })
      await storage.put('log/1', body, ifAbsent)
      await storage.put('packs/b', new Uint8Array(6_000_000), { ...replacing, tier: 'cold' })
      const classes = front.requests.map(({ headers }) => headers['x-amz-storage-class'])
      expect(classes).toEqual(['STANDARD', undefined, 'STANDARD', undefined, undefined, undefined])
    })

    test('the headers of server-side encryption are sent with what is stored', async () => {
      front.answer = ({ method, headers }) => (method === 'PUT' && headers['content-md5'] ? { status: 200 } : undefined)
      const sse = { sse: 'aws:kms', 'sse-kms-key': 'key-id', checksums: 'md5', 'if-absent': 'yes' }
      const bucket = newBucket()
      await create(bucket)
      const storage = await open(locate(front, bucket), { options: { ...options, ...sse } })
      await storage.put('a', body, replacing)
      front.answer = () => undefined
      expect(front.requests.at(-1)?.headers).toMatchObject({
        'x-amz-server-side-encryption': 'aws:kms',
        'x-amz-server-side-encryption-aws-kms-key-id': 'key-id',
        'content-md5': 'Uonfc331cyb83SJZevsfrA==',
      })
    })

    test('that make no sense are refused', async () => {
      const wrong = [
        { concurrency: 0 },
        { 'part-size': 1000 },
        { 'sse-kms-key': 'x' },
        { 'idle-timeout': 0 },
        { 'if-absent': 'maybe' },
        { ca: '/does/not/exist' },
        { ca: new URL(import.meta.url).pathname.replace('storage.test', 'front') },
      ]
      for (const each of wrong) {
        const opening = open(locate(server!, 'bucket'), { options: { ...options, ...each } })
        await expect(opening, JSON.stringify(each)).rejects.toMatchObject({ code: 'KLOSET_CONNECTOR' })
      }
    })
  })

  describe('an object in parts', () => {
    const large = new Uint8Array(100_000_000).map((_, at) => at * 31 + (at >> 12))

    test('is stored whole, and only when it is', async () => {
      const bucket = newBucket()
      const storage = await open(locate(front, bucket), { mode: 'create', options })
      front.requests.length = 0
      const putting = storage.put('large', large, { ...replacing, tier: 'cold' })
      while (front.requests.length < 4) await new Promise((resolve) => setTimeout(resolve, 5))
      expect(await storage.stat('large', { signal })).toBeUndefined()
      expect(await putting).toBe('stored')
      const parts = front.requests.filter(({ path }) => path.includes('partNumber'))
      expect(parts).toHaveLength(6)
      expect(equal(await storage.get('large', whole), large)).toBe(true)
      const range = { offset: 16_777_000, length: 1000 }
      expect(await storage.get('large', { signal, range })).toEqual(large.slice(16_777_000, 16_778_000))
      expect(await judge!.uploads(bucket)).toEqual([])
    })

    test('that is aborted leaves nothing', async () => {
      const bucket = newBucket()
      const storage = await open(locate(front, bucket), { mode: 'create', options })
      const reason = new Error('enough')
      for (const after of [1, 2, 5, 7]) {
        const stop = new AbortController()
        front.requests.length = 0
        const putting = storage.put('large', large, { ...replacing, signal: stop.signal })
        putting.catch(() => undefined)
        while (front.requests.length < after) await new Promise((resolve) => setTimeout(resolve, 1))
        stop.abort(reason)
        await expect(putting).rejects.toBe(reason)
        expect(front.requests.at(-1)?.method).toBe('DELETE')
        expect(await storage.stat('large', { signal })).toBeUndefined()
        expect(await judge!.uploads(bucket)).toEqual([])
      }
    })

    test('whose part fails leaves nothing, and says so', async () => {
      const bucket = newBucket()
      const storage = await open(locate(front, bucket), { mode: 'create', options })
      front.answer = ({ path }) => (path.includes('partNumber=3') ? { status: 500 } : undefined)
      await expect(storage.put('large', large, replacing)).rejects.toMatchObject({
        code: 'KLOSET_BUSY',
        retry: 'later',
      })
      front.answer = () => undefined
      expect(await judge!.uploads(bucket)).toEqual([])
      expect(await storage.stat('large', { signal })).toBeUndefined()
    })

    test('is never put together under a condition', async () => {
      const storage = await open(locate(front, newBucket()), {
        mode: 'create',
        options: { ...options, 'multipart-threshold': 1000 },
      })
      front.requests.length = 0
      expect(await storage.put('a', new Uint8Array(2000), ifAbsent)).toBe('stored')
      expect(front.requests.map(({ method }) => method)).toEqual(['PUT'])
    })
  })
})

async function names(storage: Storage): Promise<string[]> {
  const found: string[] = []
  for await (const batch of storage.list('', { signal, after: undefined })) found.push(...batch.map(({ name }) => name))
  return found
}

/** All that can be seen of an error and its causes. */
function shown(error: unknown): string {
  return inspect(error, { depth: 10, showHidden: true })
}

/** As `toEqual`, which takes minutes for megabytes. */
function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
