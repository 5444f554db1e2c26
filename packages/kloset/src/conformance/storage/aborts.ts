import type { Storage } from '../../connector/contract.js'
import { check, checkAborts, checkBytes, checkEqual, fail } from '../assert.js'
import type { Check } from '../case.js'
import { type Bench, eachOf, listed, namesIn, never, pattern, replacing, whole } from './bench.js'

/** Calls that are told to stop. */
export const abortChecks: readonly Check<Bench>[] = [
  {
    name: 'does nothing when already aborted',
    needs: 'write',
    async run(bench) {
      const { storage, name } = await bench.holding('there', pattern(10))
      const reason = new Error('aborted before the call')
      const signal = AbortSignal.abort(reason)
      const how = { signal, ifAbsent: false, tier: 'hot' } as const
      await checkAborts(() => storage.put(bench.named('new'), pattern(10), how), reason, 'an aborted put')
      await checkAborts(() => storage.put(name, pattern(20), how), reason, 'an aborted put')
      await checkAborts(() => storage.get(name, { signal, range: undefined }), reason, 'an aborted get')
      await checkAborts(() => storage.stat(name, { signal }), reason, 'an aborted stat')
      await checkAborts(() => storage.remove([name], { signal }), reason, 'an aborted remove')
      if (storage.capabilities.list)
        await checkAborts(() => listAll(storage, bench.prefix, signal), reason, 'a listing')
      checkEqual(await storage.stat(bench.named('new'), { signal: never }), undefined, 'what an aborted put left')
      checkBytes(await storage.get(name, whole), pattern(10), 'what an aborted put and remove were about')
    },
  },
  {
    name: 'stores all or nothing when a put is aborted midway',
    needs: 'write',
    timeout: 120_000,
    async run(bench) {
      const storage = await bench.client()
      const body = pattern(10_000_000)
      const before = storage.capabilities.list ? await namesIn(storage, '') : []
      const stored: string[] = []
      for (const delay of [0, 1, 2, 5, 10, 20]) {
        const name = bench.named(`midway-${delay}`)
        const outcome = await abortedAfter(delay, (signal) =>
          storage.put(name, body, { signal, ifAbsent: false, tier: 'hot' }),
        )
        const size = (await storage.stat(name, { signal: never }))?.size
        if (outcome === 'finished') checkEqual(size, body.length, 'the size of an object whose put resolved')
        // An abort can come after the object was stored and before the answer: either is right, a part is not.
        check(size === undefined || size === body.length, `an aborted put stores all or nothing, not ${size} bytes`)
        if (size !== undefined) stored.push(name)
      }
      if (storage.capabilities.list) {
        const appeared = (await namesIn(storage, '')).filter((name) => !before.includes(name))
        checkEqual(appeared.sort(), stored.sort(), 'what aborted puts left in the listing')
      }
      const name = bench.named('after')
      await storage.put(name, body, replacing)
      checkBytes(await storage.get(name, whole), body, 'an object stored after aborted puts')
    },
  },
  {
    name: 'stops a get that is aborted midway',
    needs: 'write',
    timeout: 120_000,
    async run(bench) {
      const body = pattern(10_000_000)
      const { storage, name } = await bench.holding('read', body)
      for (const delay of [0, 1, 2, 5])
        await abortedAfter(delay, async (signal) => {
          checkBytes(await storage.get(name, { signal, range: undefined }), body, 'an object whose get resolved')
        })
      checkBytes(await storage.get(name, whole), body, 'an object read after aborted gets')
    },
  },
  {
    name: 'writes nothing to memory that it was lent once a get has ended, however that was',
    needs: 'write',
    timeout: 120_000,
    async run(bench) {
      const body = pattern(4_000_000)
      const { storage, name } = await bench.holding('lent', body)
      for (const delay of [0, 1, 3]) {
        const memory = new ArrayBuffer(body.length)
        await abortedAfter(delay, (signal) => storage.get(name, { signal, range: undefined, memory }))
        const all = new Uint8Array(memory).fill(0xa5)
        await new Promise((resolve) => setTimeout(resolve, 50))
        check(
          all.every((byte) => byte === 0xa5),
          'memory that was lent belongs to the caller again',
        )
      }
    },
  },
  {
    name: 'stops a listing that is aborted between batches',
    needs: 'list',
    timeout: 120_000,
    async run(bench) {
      const storage = await bench.client()
      const names = Array.from({ length: 1500 }, (_, at) => bench.named(`listed/${at}`))
      await eachOf(names, (name) => storage.put(name, pattern(1), replacing))
      const reason = new Error('aborted between batches')
      const controller = new AbortController()
      const leave = async (): Promise<void> => {
        for await (const _ of storage.list(bench.prefix, { signal: controller.signal, after: undefined }))
          controller.abort(reason)
      }
      await checkAborts(leave, reason, 'a listing aborted between batches')
      checkEqual((await listed(storage, bench.prefix)).length, 1500, 'how many objects there are after it')
    },
  },
]

/** Runs `work` and aborts it; it must finish, or throw the reason and nothing else. */
async function abortedAfter(delay: number, work: (signal: AbortSignal) => Promise<unknown>): Promise<string> {
  const controller = new AbortController()
  const reason = new Error(`aborted after ${delay} ms`)
  const timer = setTimeout(() => controller.abort(reason), delay)
  try {
    await work(controller.signal)
    return 'finished'
  } catch (error) {
    if (error === reason) return 'aborted'
    throw controller.signal.aborted ? fail(`an aborted call throws the signal's reason, not ${error}`) : error
  } finally {
    clearTimeout(timer)
  }
}

async function listAll(storage: Storage, prefix: string, signal: AbortSignal): Promise<void> {
  for await (const _ of storage.list(prefix, { signal, after: undefined }));
}
