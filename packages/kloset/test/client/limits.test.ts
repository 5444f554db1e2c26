import { afterAll, expect, test } from 'vitest'
import { sourceOf } from '../../src/connector/index.js'
import { createEngine, createStore, memoryStorage } from '../../src/index.js'

const engine = createEngine({ workers: 0 })
afterAll(() => engine.close())

const unlock = { plaintext: true } as const
const noise = crypto.getRandomValues(new Uint8Array(65_536))
const source = () =>
  sourceOf({ type: 'rows', origin: 'test', root: 'rows' }, async function* () {
    for (let i = 0; i < 100; i++) {
      const content = noise.slice()
      new DataView(content.buffer).setUint32(0, i)
      for (let at = 0; at < content.length; at++) content[at]! ^= i
      yield { path: `${i}`, content }
    }
  })

test('a store keeps to the limits it is opened with', async () => {
  const inner = memoryStorage({ capabilities: { concurrency: 16 } })
  let running = 0
  let most = 0
  const counting = async <T>(work: () => Promise<T>): Promise<T> => {
    most = Math.max(most, ++running)
    await new Promise((resolve) => setTimeout(resolve, 1))
    return work().finally(() => running--)
  }
  const storage = {
    ...inner,
    put: ((...call) => counting(() => inner.put(...call))) as typeof inner.put,
    get: ((...call) => counting(() => inner.get(...call))) as typeof inner.get,
  }
  const store = await createStore(storage, { unlock, engine, limits: { concurrency: 2, upload: 1e9, download: 1e9 } })
  await store.backup(source(), { packSize: 1024 * 1024, readConcurrency: 1 })
  expect(most).toBe(2)
  const sizes: number[] = []
  for await (const batch of inner.list('packs/', { signal: new AbortController().signal, after: undefined }))
    sizes.push(...batch.map(({ size }) => size))
  expect(sizes.length).toBeGreaterThan(5)
  expect(Math.max(...sizes)).toBeLessThan(2.2 * 1024 * 1024)
  await store.close()
})

test('limits under which nothing would come to its end are refused before anything is done', async () => {
  for (const limits of [{ upload: 0 }, { download: 1000 }, { upload: Number.NaN }, { concurrency: 0 }])
    await expect(createStore(memoryStorage(), { unlock, engine, limits })).rejects.toThrow(RangeError)
  const store = await createStore(memoryStorage(), { unlock, engine })
  await expect(store.backup(source(), { packSize: 1000 })).rejects.toThrow(RangeError)
  await expect(store.backup(source(), { readConcurrency: 0 })).rejects.toThrow(RangeError)
  await store.close()
})
