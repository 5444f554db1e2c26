import { describe, expect, test } from 'vitest'
import { KlosetError } from '../../src/errors.js'
import { memoryStorage, type Retry, retrying } from '../../src/storage/index.js'
import { type FaultPlan, faulty } from './faulty.js'

const { signal } = new AbortController()
const ifAbsent = { signal, ifAbsent: true, tier: 'hot' } as const
const replacing = { signal, ifAbsent: false, tier: 'hot' } as const
const offline = new KlosetError('KLOSET_OFFLINE', 'gone', { retry: 'later' })
const body = Uint8Array.of(1, 2, 3)

/** Fails the first `count` calls of each kind. */
function first(count: number, when: 'before' | 'after', error: unknown = offline): FaultPlan {
  return (_, at) => (at < count ? { when, error } : undefined)
}

describe('retrying', () => {
  test('makes a call again until it succeeds, waiting longer each time', async () => {
    const retries: Retry[] = []
    const policy = {
      firstDelay: 4,
      longestDelay: 10,
      random: () => 0.999,
      onRetry: (retry: Retry) => retries.push(retry),
    }
    const storage = retrying(faulty(memoryStorage(), first(4, 'before')), policy)
    expect(await storage.put('a', body, replacing)).toBe('stored')
    expect(retries.map(({ kind, attempt, delay }) => [kind, attempt, delay])).toEqual([
      ['put', 1, 4],
      ['put', 2, 8],
      ['put', 3, 10],
      ['put', 4, 10],
    ])
    expect(retries[0]?.error).toBe(offline)
  })

  test('gives up after so many attempts, with the last error', async () => {
    const storage = retrying(faulty(memoryStorage(), first(3, 'before')), { attempts: 3, firstDelay: 1 })
    await expect(storage.stat('a', { signal })).rejects.toBe(offline)
    expect(await storage.stat('a', { signal })).toBeUndefined()
  })

  test('never makes a call again that cannot succeed', async () => {
    for (const error of [new KlosetError('KLOSET_DENIED', 'no'), new TypeError('wrong'), { code: 'ENOENT' }, 'text']) {
      const storage = retrying(faulty(memoryStorage(), first(1, 'before', error)), { firstDelay: 1 })
      await expect(storage.put('a', body, replacing)).rejects.toBe(error)
    }
  })

  test('makes a call again that the network broke, also where fetch wraps the error', async () => {
    const reset = Object.assign(new Error('reset'), { code: 'ECONNRESET' })
    for (const error of [reset, new TypeError('fetch failed', { cause: reset })]) {
      const storage = retrying(faulty(memoryStorage(), first(1, 'before', error)), { firstDelay: 1 })
      expect(await storage.put('a', body, replacing)).toBe('stored')
    }
  })

  test('waits as long as the other side asks for', async () => {
    const busy = new KlosetError('KLOSET_BUSY', 'slow down', { retry: 'later', retryAfter: 30 })
    const retries: Retry[] = []
    const policy = { firstDelay: 1, onRetry: (retry: Retry) => retries.push(retry) }
    const storage = retrying(faulty(memoryStorage(), first(1, 'before', busy)), policy)
    const start = performance.now()
    await storage.put('a', body, replacing)
    expect(retries[0]?.delay).toBe(30)
    expect(performance.now() - start).toBeGreaterThan(25)
  })

  test('stops waiting when it is aborted', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const retries: Retry[] = []
    const policy = {
      firstDelay: 1e6,
      longestDelay: 1e6,
      random: () => 0.999,
      onRetry: (retry: Retry) => retries.push(retry),
    }
    const storage = retrying(faulty(memoryStorage(), first(9, 'before')), policy)
    const put = storage.put('a', body, { ...replacing, signal: controller.signal })
    setTimeout(() => controller.abort(reason), 5)
    await expect(put).rejects.toBe(reason)
    expect(retries).toHaveLength(1)
  })

  test('throws the reason of an abort, not the error it caused', async () => {
    const reason = new Error('enough')
    const controller = new AbortController()
    const storage = retrying(
      faulty(memoryStorage(), () => {
        controller.abort(reason)
        return { when: 'before', error: offline }
      }),
    )
    await expect(storage.get('a', { signal: controller.signal, range: undefined })).rejects.toBe(reason)
  })

  test('reports faithfully that an object exists, when its own lost put may have stored it', async () => {
    const storage = retrying(faulty(memoryStorage(), first(1, 'after')), { firstDelay: 1 })
    expect(await storage.put('log/1', body, ifAbsent)).toBe('exists')
    expect(await storage.get('log/1', { signal, range: undefined })).toEqual(body)
  })

  test('goes on with a listing where it broke off', async () => {
    const inner = memoryStorage()
    const names = Array.from({ length: 3500 }, (_, at) => `n${String(at).padStart(5, '0')}`)
    for (const name of names) await inner.put(name, body, replacing)
    // Every other pull fails, so that no listing gets far by itself.
    const storage = retrying(
      faulty(inner, (_, count) => (count % 2 === 1 ? { when: 'after', error: offline } : undefined)),
      { firstDelay: 1, attempts: 2 },
    )
    const found: string[] = []
    for await (const batch of storage.list('', { signal, after: names[10] }))
      found.push(...batch.map(({ name }) => name))
    expect(found).toEqual(names.slice(11))
  })

  test('does not hide what the reader of a listing throws', async () => {
    const inner = memoryStorage()
    await inner.put('a', body, replacing)
    const storage = retrying(inner)
    const read = async () => {
      for await (const _ of storage.list('', { signal, after: undefined })) throw offline
    }
    await expect(read()).rejects.toBe(offline)
  })
})
