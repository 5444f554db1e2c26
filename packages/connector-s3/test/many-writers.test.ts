import { createEngine, createStore, openStore } from 'kloset'
import { afterAll, expect, test } from 'vitest'
import { givenS3 } from '../../../testing/given.js'
import { roundsOn, workAtOnce, wrongAfter } from '../../../testing/writers.js'
import { s3 } from '../src/index.js'
import { keysOf, locate, newBucket } from './places.js'

const server = givenS3()
const engine = createEngine({ workers: 0 })
const rounds = roundsOn('server')
afterAll(() => engine.close())

test.skipIf(server === undefined)(
  'eight processes make backups all the time, beside one that forgets and prunes',
  async () => {
    const location = locate(server!, newBucket())
    const opening = { unlock: { plaintext: true }, engine, connectors: [s3], options: keysOf(server!) } as const
    await (await createStore(location, opening)).close()
    const place = { package: 'connector-s3', export: 's3', location, options: opening.options }
    const done = await workAtOnce(place, { writers: 8, rounds })
    expect(done.committed.size).toBe(8 * rounds)
    expect(done.forgotten.size).toBeGreaterThan(0)
    expect(done.purged).toBeGreaterThan(0)
    const store = await openStore(location, opening)
    expect(await wrongAfter(store, done)).toEqual([])
    await store.close()
  },
  600_000,
)
