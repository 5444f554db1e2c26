import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { givenS3 } from '../../../testing/given.js'
import { type HttpFault, type HttpProxy, startHttpProxy } from '../../../testing/http-proxy.js'
import { startProxy, type TcpProxy } from '../../../testing/proxy.js'
import {
  backUp,
  differences,
  expectSound,
  inStore,
  makeStore,
  restored,
  someFiles,
  type Way,
} from '../../../testing/story.js'
import { s3 } from '../src/index.js'
import { keysOf, locate, newBucket, noServer } from './places.js'

const server = givenS3()

describe.skipIf(server === undefined)(`a bad network (${server ? 'S3' : noServer})`, () => {
  const options = { ...(server && keysOf(server)), 'idle-timeout': 1, 'connect-timeout': 2 }
  let http: HttpProxy
  let tcp: TcpProxy
  let direct: Way
  let requests: Way
  let packets: Way

  beforeAll(async () => {
    http = await startHttpProxy(server!.endpoint)
    tcp = await startProxy({ port: Number(new URL(server!.endpoint).port) })
  })

  beforeEach(async () => {
    http.clear()
    tcp.weather = {}
    const bucket = newBucket()
    const wayBy = (endpoint: string): Way => ({ location: locate({ endpoint }, bucket), connector: s3, options })
    direct = wayBy(server!.endpoint)
    requests = wayBy(http.endpoint)
    packets = wayBy(`http://${tcp.host}:${tcp.port}`)
    await makeStore(direct)
  })

  afterAll(async () => {
    await http?.stop()
    await tcp?.stop()
  })

  const packs = /\/packs\//
  const log = /\/log\//
  const never = { times: Number.POSITIVE_INFINITY } as const

  describe('a backup gets through', () => {
    test.each<[string, HttpFault[]]>([
      ['puts that never arrive', [{ method: 'PUT', path: packs, lose: 'request', times: 3 }]],
      ['puts whose answers are lost', [{ method: 'PUT', path: packs, lose: 'answer', times: 3 }]],
      ['a commit that never arrives', [{ method: 'PUT', path: log, lose: 'request' }]],
      ['a commit whose answer is lost', [{ method: 'PUT', path: log, lose: 'answer' }]],
      ['a commit whose answer is lost twice', [{ method: 'PUT', path: log, lose: 'answer', times: 2 }]],
      [
        'a server that says nothing',
        [
          { method: 'PUT', path: packs, stall: true, times: 2 },
          { method: 'GET', stall: true },
        ],
      ],
      [
        '500',
        [
          { method: 'PUT', answer: { status: 500 }, times: 4 },
          { method: 'GET', answer: { status: 500 } },
        ],
      ],
      ['503, 429 and 502', [503, 429, 502].map((status) => ({ method: 'PUT', answer: { status } }))],
      ['answers that end too soon', [{ method: 'GET', truncate: 10, times: 3 }]],
    ])('%s', async (_, faults) => {
      const files = someFiles(1)
      http.fault(...faults)
      const { snapshot, failed } = await backUp(requests, files)
      expect(failed).toEqual([])
      expect(http.requests.filter(({ fault }) => fault).length).toBeGreaterThan(0)
      await expectSound(direct, 1)
      expect(differences(await restored(direct, snapshot!.id), files)).toEqual([])
    })

    test('and waits as long as the server asks it to', async () => {
      http.fault({ method: 'PUT', path: packs, answer: { status: 503, retryAfter: '2' } })
      await backUp(requests, someFiles(2))
      const refused = http.requests.findLast(({ fault }) => fault?.answer?.retryAfter === '2')!
      const again = http.requests.find(({ path, at, fault }) => path === refused.path && at > refused.at && !fault)!
      expect(again.at - refused.at).toBeGreaterThanOrEqual(1990)
      await expectSound(direct, 1)
    })

    test.each<[string, () => void]>([
      [
        'connections that are reset in the middle of a put',
        () => {
          tcp.next(...Array.from({ length: 4 }, () => ({ up: { after: { bytes: 200_000, what: 'reset' as const } } })))
        },
      ],
      [
        'connections that end in the middle of a put',
        () => {
          tcp.next(...Array.from({ length: 4 }, () => ({ up: { after: { bytes: 200_000, what: 'end' as const } } })))
        },
      ],
      [
        'connections over which nothing passes any more',
        () => {
          tcp.next(
            { up: { after: { bytes: 100_000, what: 'stall' } } },
            { down: { after: { bytes: 0, what: 'stall' } } },
          )
        },
      ],
      [
        'a trickle, from far away',
        () => {
          tcp.weather = { up: { rate: 2_000_000, latency: 40 }, down: { rate: 500_000, latency: 40 } }
        },
      ],
      [
        'a server that is gone for a while',
        () => {
          setTimeout(() => tcp.cut(), 150)
          setTimeout(() => void tcp.down(), 200)
          setTimeout(() => void tcp.up(), 2000)
          tcp.weather = { up: { rate: 3_000_000 } }
        },
      ],
    ])('%s', async (_, spoil) => {
      const files = someFiles(3)
      spoil()
      const { snapshot } = await backUp(packets, files)
      tcp.weather = {}
      await expectSound(direct, 1)
      expect(differences(await restored(direct, snapshot!.id), files)).toEqual([])
    })
  })

  describe('a restore gets through', () => {
    test.each<[string, HttpFault[]]>([
      [
        'reads that are refused for a while',
        [503, 500, 429].map((status) => ({
          method: 'GET',
          path: packs,
          answer: { status, retryAfter: '0' },
          times: 2,
        })),
      ],
      ['reads without an answer', [{ method: 'GET', path: packs, lose: 'answer', times: 4 }]],
      ['reads that end too soon', [{ method: 'GET', path: packs, truncate: 1000, times: 4 }]],
      ['reads that stall', [{ method: 'GET', path: packs, stall: true, times: 2 }]],
      ['wrong bytes, and right ones the next time', [{ method: 'GET', path: packs, flip: 100, times: 2 }]],
      [
        'wrong bytes in the log and the index',
        [{ method: 'GET', path: /\/(log|index|checkpoints)\//, flip: -20, times: 3 }],
      ],
    ])('%s', async (_, faults) => {
      const files = someFiles(4)
      const { snapshot } = await backUp(direct, files)
      http.fault(...faults)
      expect(differences(await restored(requests, snapshot!.id), files)).toEqual([])
      expect(http.requests.filter(({ fault }) => fault && faults.includes(fault)).length).toBeGreaterThan(0)
    })
  })

  describe('stops cleanly', () => {
    const denied = '<Error><Code>InvalidAccessKeyId</Code><Message>revoked</Message></Error>'

    test('where the host is not known', async () => {
      const nowhere = { ...direct, location: 's3://no-such-host.invalid:9000/bucket' }
      await expect(inStore(nowhere, async () => undefined)).rejects.toMatchObject({
        code: 'KLOSET_OFFLINE',
        retry: 'never',
        message: expect.stringContaining('no-such-host.invalid'),
      })
    })

    test('where nothing listens', async () => {
      await tcp.down()
      try {
        await expect(inStore(packets, async () => undefined)).rejects.toMatchObject({
          code: 'KLOSET_OFFLINE',
          hint: expect.stringMatching(/\w/),
        })
      } finally {
        await tcp.up()
      }
    })

    test('where the credentials are revoked midway', async () => {
      const before = await backUp(direct, someFiles(5))
      const { length } = http.requests
      http.fault(
        { method: 'PUT', path: packs, lose: 'answer' },
        { method: 'PUT', answer: { status: 403, body: denied }, ...never },
      )
      await expect(backUp(requests, someFiles(6))).rejects.toMatchObject({
        code: 'KLOSET_DENIED',
        message: expect.stringContaining('access key'),
        hint: expect.stringMatching(/\w/),
      })
      expect(http.requests.slice(length).some(({ fault }) => fault?.answer)).toBe(true)
      await expectSound(direct, 1)
      expect(differences(await restored(direct, before.snapshot!.id), someFiles(5))).toEqual([])
      // What was stored before it is used by the next try.
      http.clear()
      await backUp(requests, someFiles(6))
      await expectSound(direct, 2)
    })

    test('where the quota is used up', async () => {
      const limited = {
        ...direct,
        options: { ...options, ...keysOf(server!.limited) },
        location: locate(server!, newBucket()),
      }
      await makeStore(limited)
      const { snapshot } = await backUp(limited, someFiles(7))
      await expect(backUp(limited, new Map([...someFiles(8), ...prefixed(someFiles(9))]))).rejects.toMatchObject({
        code: 'KLOSET_FULL',
        hint: expect.stringMatching(/quota/),
      })
      await expectSound(limited, 1)
      expect(differences(await restored(limited, snapshot!.id), someFiles(7))).toEqual([])
    })
  })
})

function prefixed(files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>) {
  return [...files].map(([path, content]) => [`more/${path}`, content] as const)
}
