import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toHex } from '../../src/bytes/index.js'
import { type Argon2Costs, passphraseKey, refusedCosts } from '../../src/crypto/index.js'
import { Segments } from '../../src/crypto/segments.js'
import { startThread } from '../../src/runtime/node/threads.js'
import { Pool, type StartThread } from '../../src/runtime/pool.js'
import { Deriving } from '../../src/store/derive.js'
import type { DeriveMessage } from '../../src/store/derive-job.js'
import { createJob } from '../../src/worker.js'
import { type Bundled, bundled } from '../support/threads.js'

let module: Bundled
beforeAll(async () => {
  module = await bundled('src/kloset-worker.ts')
})
afterAll(() => module.remove())

const salt = new Uint8Array(16).fill(7)
const cheap = (lanes: number): Argon2Costs => ({ memoryKiB: 8_192, passes: 1, lanes })

describe.each([
  ['the threads of the pool', true, 3],
  ['threads of its own', false, 3],
  ['one thread', false, 1],
  ['the calling thread', true, 0],
  ['what the runtime has', true, undefined],
])('on %s', (_, stay, size) => {
  it.each([1, 2, 4, 5])('derives what one thread derives, with %i lanes', async (lanes) => {
    const pool = size === undefined ? undefined : counting(size).pool
    const deriving = new Deriving(pool, stay)
    expect(toHex(await deriving.derive('one', salt, cheap(lanes)))).toBe(
      toHex(await passphraseKey('one', salt, cheap(lanes))),
    )
    deriving.close()
    await pool?.close()
  })

  it('derives for stores that are opened at once, and each key once', async () => {
    const pool = size === undefined ? undefined : counting(size).pool
    const stores = ['one', 'other', 'third'].map((passphrase) => ({ passphrase, deriving: new Deriving(pool, stay) }))
    const keys = stores.map(({ passphrase, deriving }) => deriving.derive(passphrase, salt, cheap(4)))
    for (const [i, { passphrase, deriving }] of stores.entries()) {
      expect(toHex(await keys[i]!)).toBe(toHex(await passphraseKey(passphrase, salt, cheap(4))))
      expect(deriving.derive(passphrase, salt, cheap(4))).toBe(keys[i])
      deriving.close()
    }
    await pool?.close()
  })

  it('tells what is wrong with costs, and derives on', async () => {
    const pool = size === undefined ? undefined : counting(size).pool
    const deriving = new Deriving(pool, stay)
    const absurd = { memoryKiB: 1024, passes: 1, lanes: 4 }
    await expect(deriving.derive('one', salt, absurd)).rejects.toThrow(refusedCosts(absurd))
    expect(await deriving.derive('one', salt, cheap(4))).toHaveLength(32)
    deriving.close()
    await pool?.close()
  })
})

it('starts its threads at once, and ends those that are its own', async () => {
  const { pool, threads } = counting(6)
  const own = new Deriving(pool, false)
  expect(threads).toEqual({ started: 4, stopped: 0 })
  await own.derive('one', salt, cheap(4))
  own.close()
  await expect.poll(() => threads.stopped).toBe(4)
  const stays = new Deriving(pool, true)
  expect(threads.started).toBe(10)
  await stays.derive('one', salt, cheap(4))
  stays.close()
  const jobs = await pool.start('derive', undefined)
  expect(await jobs.call(5, { passphrase: 'one', salt, costs: cheap(1) } satisfies DeriveMessage)).toHaveLength(32)
  expect(threads.stopped).toBe(4)
  await pool.close()
})

it('fails where one of its threads dies, and the others go on to other work', async () => {
  let dying = 1
  // The second takes a segment, and is gone.
  const pool = new Pool(
    3,
    (hear) => {
      const thread = startThread(module.url, hear)
      const dies = dying++ === 2
      return {
        ...thread,
        post(request, transfer) {
          const group = request.op === 'handle' ? (request.message as DeriveMessage).group : undefined
          if (group === undefined || !dies) return thread.post(request, transfer)
          new Segments(group.counters, 4, 4).take()
          setTimeout(() => hear.failure(new Error('out of memory')), 200)
        },
      }
    },
    createJob,
  )
  const deriving = new Deriving(pool, true)
  await expect(deriving.derive('one', salt, cheap(4))).rejects.toThrow('out of memory')
  expect(toHex(await deriving.derive('one', salt, cheap(1)))).toBe(toHex(await passphraseKey('one', salt, cheap(1))))
  deriving.close()
  await pool.close()
})

it('derives on the calling thread where no thread can be had', async () => {
  const pool = new Pool(2, (hear) => startThread(new URL('./absent.js', module.url), hear), createJob)
  const deriving = new Deriving(pool, false)
  expect(toHex(await deriving.derive('one', salt, cheap(4)))).toBe(toHex(await passphraseKey('one', salt, cheap(4))))
  deriving.close()
  await pool.close()
})

/** A pool of real threads, and how many of them were started and stopped. */
function counting(size: number): { readonly pool: Pool; readonly threads: { started: number; stopped: number } } {
  const threads = { started: 0, stopped: 0 }
  const start: StartThread = (hear) => {
    threads.started++
    const thread = startThread(module.url, hear)
    return {
      ...thread,
      stop() {
        threads.stopped++
        return thread.stop()
      },
    }
  }
  return { pool: new Pool(size, size === 0 ? undefined : start, createJob), threads }
}
