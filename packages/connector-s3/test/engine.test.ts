import { createEngine, createStore, openStore, type Store } from 'kloset'
import { sourceOf } from 'kloset/connector'
import { afterAll, describe, expect, test } from 'vitest'
import { givenS3 } from '../../../testing/given.js'
import { startHttpProxy } from '../../../testing/http-proxy.js'
import { type MemoryDestination, memoryDestination } from '../../kloset/test/restore/memory-destination.js'
import { s3 } from '../src/index.js'
import { Judge } from './judge.js'
import { keysOf, locate, newBucket, noServer } from './places.js'

const server = givenS3()
const engine = createEngine({ workers: 0 })
afterAll(() => engine.close())

const unlock = { passphrase: 'correct horse battery staple' }
const small = { chunker: { min: 2048, normal: 8192, max: 32_768 }, frame: 32_768, pack: 256 * 1024 }

describe.skipIf(server === undefined)(`a store on S3 (${server?.endpoint ?? noServer})`, () => {
  const options = server === undefined ? {} : { ...keysOf(server), 'storage-class': 'STANDARD' }
  const opening = { unlock, engine, connectors: [s3], options } as const
  const cheap = { argon2: { memoryKiB: 8192, passes: 1 } }

  test('takes backups and gives them back', async () => {
    const bucket = newBucket()
    const at = locate(server!, bucket, 'backups/of-mine')
    await expect(openStore(at, opening)).rejects.toMatchObject({ code: 'KLOSET_NO_STORE' })
    const made = await createStore(at, { ...opening, ...cheap, ...small })
    const first = files(40)
    await made.backup(first.source)
    await made.close()
    await expect(createStore(at, { ...opening, ...cheap, ...small })).rejects.toMatchObject({
      code: 'KLOSET_STORE_EXISTS',
    })

    const store = await openStore(at, opening)
    const second = files(50)
    const { snapshot, failed } = await store.backup(second.source)
    expect(failed).toEqual([])
    expect(await problems(store)).toEqual([])
    const target = memoryDestination()
    await store.restore(snapshot!.id, target)
    expectRestored(target, second.contents)
    await store.close()

    const reader = await openStore(at, { ...opening, mode: 'read' })
    const ids = []
    for await (const { id } of reader.snapshots()) ids.push(id)
    expect(ids).toHaveLength(2)
    const old = memoryDestination()
    await reader.restore('latest~1', old)
    expectRestored(old, first.contents)
    await reader.close()
    // All of it is where it should be.
    const keys = await new Judge(server!).keys(bucket)
    expect(keys.filter((key) => !/^backups\/of-mine\/[a-z0-9/._-]+$/.test(key))).toEqual([])
  })

  test('two clients at once lose nothing', async () => {
    const at = locate(server!, newBucket())
    const one = await createStore(at, { ...opening, ...cheap, ...small })
    const other = await openStore(at, opening)
    const rounds = Array.from({ length: 4 }, (_, round) => round)
    for (const round of rounds)
      await Promise.all([one.backup(files(3, `one-${round}`).source), other.backup(files(3, `other-${round}`).source)])
    await Promise.all([one.close(), other.close()])
    const store = await openStore(at, opening)
    expect(await problems(store)).toEqual([])
    let count = 0
    for await (const _ of store.snapshots()) count++
    expect(count).toBe(8)
    await store.close()
  })

  test('survives a server that is not well', async () => {
    const proxy = await startHttpProxy(server!.endpoint)
    const at = locate(proxy, newBucket())
    const store = await createStore(at, { ...opening, ...cheap, ...small })
    proxy.fault(
      { method: 'PUT', path: /packs\//, answer: { status: 503, retryAfter: '1' } },
      { method: 'PUT', path: /packs\//, lose: 'request' },
      { method: 'PUT', path: /packs\//, lose: 'answer' },
      { method: 'PUT', path: /log\//, lose: 'answer' },
      { method: 'PUT', path: /log\//, answer: { status: 500 } },
      { method: 'PUT', path: /index\//, answer: { status: 429 } },
    )
    const { source, contents } = files(40)
    const { snapshot } = await store.backup(source)
    proxy.fault(
      { method: 'GET', path: /packs\//, truncate: 10 },
      { method: 'GET', path: /packs\//, lose: 'answer', times: 2 },
      { method: 'GET', path: /index\//, flip: 20 },
      { method: 'GET', path: /log\//, flip: 20 },
      { method: 'GET', path: /list-type/, answer: { status: 503 } },
    )
    const again = await openStore(at, opening)
    const target = memoryDestination()
    await again.restore(snapshot!.id, target)
    expectRestored(target, contents)
    proxy.clear()
    expect(await problems(again)).toEqual([])
    await Promise.all([store.close(), again.close()])
    await proxy.stop()
  })
})

/** `count` files of up to a hundred kilobytes, the same each time for the same label. */
function files(count: number, label = '') {
  const contents = new Map<string, Uint8Array>()
  for (let at = 0; at < count; at++)
    contents.set(`folder-${at % 4}/file-${label}${at}`, bytesOf(`${label}${at}`, at * 2500))
  const source = sourceOf({ type: 'test', origin: 's3' }, async function* () {
    for (const [path, content] of contents) yield { path, content }
  })
  return { source, contents }
}

function bytesOf(seed: string, length: number): Uint8Array {
  let state = [...seed].reduce((hash, char) => Math.imul(hash ^ char.charCodeAt(0), 0x01000193), 0x811c9dc5) | 1
  return Uint8Array.from({ length }, () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state
  })
}

function expectRestored({ entries }: MemoryDestination, contents: Map<string, Uint8Array>): void {
  const restored = [...entries.values()].filter(({ type }) => type === 'file').map(({ path }) => path)
  expect(restored.sort()).toEqual([...contents.keys()].sort())
  for (const [path, content] of contents)
    expect(Buffer.compare(entries.get(path)?.bytes ?? new Uint8Array(0), content), path).toBe(0)
}

async function problems(store: Store): Promise<string[]> {
  const found: string[] = []
  for await (const { level, code, object } of store.check({ read: 'all' })) found.push(`${level} ${code} ${object}`)
  return found
}
