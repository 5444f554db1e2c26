import { createEngine, createStore, openStore } from 'kloset'
import { afterAll, expect, test } from 'vitest'
import { givenSsh } from '../../../testing/given.js'
import { roundsOn, workAtOnce, wrongAfter } from '../../../testing/writers.js'
import { sftp } from '../src/index.js'
import { locationOf, newFolder, optionsFor } from './opening.js'

const server = givenSsh()
const engine = createEngine({ workers: 0 })
const rounds = roundsOn('server')
afterAll(() => engine.close())

test.skipIf(server === undefined)(
  'eight processes make backups all the time, beside one that forgets and prunes',
  async () => {
    const location = locationOf(server!, newFolder(server!))
    const options = optionsFor(server!) as Record<string, string>
    const opening = { unlock: { plaintext: true }, engine, connectors: [sftp], options } as const
    await (await createStore(location, opening)).close()
    const place = { package: 'connector-sftp', export: 'sftp', location, options }
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
