// A source that can be read only once, over a damaged parent: the backup fails and commits nothing, since a second look would find an empty source.
import { expect, test } from 'vitest'
import type { Source } from '../../src/connector/index.js'
import { memoryStorage } from '../../src/storage/index.js'
import { createAt, openAt, placeOf, rawKey } from '../support/stores.js'

function once(): Source {
  let used = false
  return {
    type: 'tar',
    origin: 'o',
    root: 'r',
    capabilities: { order: 'path', access: 'in-order', atomic: false, ranges: false, timeGrain: 1n, concurrency: 1 },
    async *scan() {
      if (used) return
      used = true
      for (let i = 0; i < 2_000; i += 500) {
        yield Array.from({ length: 500 }, (_, j) => ({
          path: `f${String(i + j).padStart(6, '0')}${'x'.repeat(60)}`,
          type: 'file' as const,
          size: 3,
          mtime: BigInt(i + j) * 1_000_000_007n,
        }))
      }
    },
    async *read() {
      yield new TextEncoder().encode('abc')
    },
    async close() {},
  } as unknown as Source
}

test('a backup of it fails, commits nothing, and works without a parent', async () => {
  const place = placeOf()
  const store = await createAt(place, rawKey)
  const first = await store.backup(once())
  expect(first.totals.files).toBe(2_000)
  await store.close()
  for (const [name, bytes] of place) {
    if (!name.startsWith('packs/') || bytes.length < 2_500) continue
    const damaged = bytes.slice()
    damaged[damaged.length >> 1]! ^= 1
    place.set(name, damaged)
  }
  const again = await openAt(place, rawKey)
  await expect(again.backup(once())).rejects.toMatchObject({
    code: expect.stringMatching(/_CORRUPT$/),
    message: expect.stringContaining('comes only once'),
    hint: expect.stringContaining('Nothing was committed'),
  })
  expect(await again.select()).toHaveLength(1)
  expect((await again.backup(once(), { parent: null })).totals.files).toBe(2_000)
  await again.close()
  const signal = new AbortController().signal
  expect(await memoryStorage({ place }).stat('log/00000000000000000003', { signal })).toBeUndefined()
})
