import { expect, it } from 'vitest'
import { workAtOnce, wrongAfter } from '../../../../testing/writers.js'
import { create, open, places, threads } from './tools.js'

const place = places()
const engine = threads()

it('eight processes make a thousand backups at the same time, beside one that forgets and prunes', async () => {
  const at = place()
  await (await create(at, engine)).close()
  const done = await workAtOnce({ package: 'connector-fs', export: 'fs', location: at }, { writers: 8, rounds: 125 })
  expect(done.committed.size).toBe(1000)
  expect(done.forgotten.size).toBeGreaterThan(0)
  expect(done.purged).toBeGreaterThan(0)
  const store = await open(at, engine)
  expect(await wrongAfter(store, done)).toEqual([])
  await store.close()
}, 600_000)
