import { expect, it } from 'vitest'
import { roundsOn, workAtOnce, wrongAfter } from '../../../../testing/writers.js'
import { create, open, places, threads } from './tools.js'

const place = places()
const engine = threads()
const rounds = roundsOn('disk')

it('eight processes make backups all the time, beside one that forgets and prunes', async () => {
  const at = place()
  await (await create(at, engine)).close()
  const done = await workAtOnce({ package: 'connector-fs', export: 'fs', location: at }, { writers: 8, rounds })
  expect(done.committed.size).toBe(8 * rounds)
  expect(done.forgotten.size).toBeGreaterThan(0)
  expect(done.purged).toBeGreaterThan(0)
  const store = await open(at, engine)
  expect(await wrongAfter(store, done)).toEqual([])
  await store.close()
}, 600_000)
