import type { Source } from 'kloset/connector'
import { expect, it } from 'vitest'
import { create, places, threads } from './tools.js'

const place = places()
const engine = threads()

/** A folder that one of two threads cannot list: the one that comes first, or the one that comes second. */
function halfBroken(failing: number): Source {
  const data = { calls: new SharedArrayBuffer(4), failing }
  return {
    type: 'test',
    origin: 'here',
    root: '/data',
    capabilities: { order: 'path', access: 'random', atomic: false, ranges: true, timeGrain: 1n, concurrency: 1 },
    worker: { url: new URL('./parts-side.mjs', import.meta.url), data },
    async *scan() {
      yield []
    },
    async *read() {
      yield new Uint8Array(1)
    },
    async close() {},
  }
}

it.each([0, 1])('a folder that only one of the threads could not list is reported (thread %i)', async (failing) => {
  const store = await create(place(), engine)
  const { failed, snapshot, totals } = await store.backup(halfBroken(failing))
  expect(failed.map(({ path }) => path)).toEqual(['top'])
  expect((await snapshot!.stat('top')).error?.message).toBe('the disk is tired')
  expect(totals.errors).toBe(1)
  await store.close()
})

it('a folder that all of them list is whole', async () => {
  const store = await create(place(), engine)
  const { failed, totals } = await store.backup(halfBroken(-1))
  expect(failed).toEqual([])
  expect(totals).toMatchObject({ files: 40, directories: 2 })
  await store.close()
})
