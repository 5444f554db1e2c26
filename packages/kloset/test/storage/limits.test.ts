import { describe, expect, test } from 'vitest'
import type { Storage } from '../../src/connector/contract.js'
import { limited, memoryStorage, metered, throttled } from '../../src/storage/index.js'

const { signal } = new AbortController()
const replacing = { signal, ifAbsent: false, tier: 'hot' } as const
const whole = { signal, range: undefined }

/** A memory storage whose gets take a moment, and which knows how many ran at once. */
function slow(): { storage: Storage; most: () => number } {
  const storage = memoryStorage()
  let running = 0
  let most = 0
  const get: Storage['get'] = async (name, how) => {
    most = Math.max(most, ++running)
    await new Promise((resolve) => setTimeout(resolve, 2))
    running--
    return storage.get(name, how)
  }
  return { storage: { ...storage, get }, most: () => most }
}

describe('limited', () => {
  test('runs no more calls at once than allowed, and all of them', async () => {
    const { storage, most } = slow()
    await storage.put('a', Uint8Array.of(1), replacing)
    const three = limited(storage, 3)
    const bodies = await Promise.all(Array.from({ length: 20 }, () => three.get('a', whole)))
    expect(bodies).toHaveLength(20)
    expect(most()).toBe(3)
    expect(three.capabilities.concurrency).toBe(3)
  })

  test('lets go of its place when a call fails or is aborted while it waits', async () => {
    const { storage } = slow()
    await storage.put('a', Uint8Array.of(1), replacing)
    const one = limited(storage, 1)
    const controller = new AbortController()
    const reason = new Error('enough')
    const running = one.get('a', whole)
    const waiting = one.get('a', { signal: controller.signal, range: undefined })
    const failing = one.get('absent', whole)
    const last = one.get('a', whole)
    controller.abort(reason)
    await expect(waiting).rejects.toBe(reason)
    await expect(failing).rejects.toMatchObject({ code: 'KLOSET_NOT_FOUND' })
    expect(await running).toEqual(Uint8Array.of(1))
    expect(await last).toEqual(Uint8Array.of(1))
  })

  test('holds no place between the batches of a listing', async () => {
    const storage = limited(memoryStorage(), 1)
    await storage.put('a', Uint8Array.of(1), replacing)
    for await (const [first] of storage.list('', { signal, after: undefined }))
      expect(await storage.get(first!.name, whole)).toEqual(Uint8Array.of(1))
  })

  test('refuses a limit that lets nothing through', () => {
    for (const count of [0, -1, 1.5, Number.NaN]) expect(() => limited(memoryStorage(), count)).toThrow(RangeError)
  })
})

describe('throttled', () => {
  test('lets a second of bytes through at once, and then makes calls wait', async () => {
    const storage = throttled(memoryStorage(), { upload: 10_000 })
    const start = performance.now()
    await storage.put('a', new Uint8Array(10_000), replacing)
    await storage.put('b', new Uint8Array(1500), replacing)
    await storage.put('c', new Uint8Array(10), replacing)
    const elapsed = performance.now() - start
    expect(elapsed).toBeGreaterThan(120)
    await storage.get('a', whole)
  })

  test('counts what was downloaded against what comes next', async () => {
    const storage = throttled(memoryStorage(), { download: 10_000 })
    await storage.put('a', new Uint8Array(11_500), replacing)
    const start = performance.now()
    await storage.get('a', whole)
    await storage.get('a', { signal, range: { offset: 0, length: 10 } })
    expect(performance.now() - start).toBeGreaterThan(120)
  })

  test('gives back what an aborted call did not use', async () => {
    const storage = throttled(memoryStorage(), { upload: 1000 })
    await storage.put('a', new Uint8Array(1100), replacing)
    const controller = new AbortController()
    const reason = new Error('enough')
    const put = storage.put('b', new Uint8Array(1_000_000), { ...replacing, signal: controller.signal })
    controller.abort(reason)
    await expect(put).rejects.toBe(reason)
    // In debt for a megabyte this would take a quarter of an hour.
    await storage.put('c', new Uint8Array(1), replacing)
  })

  test('refuses a bandwidth that lets nothing through', () => {
    for (const upload of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => throttled(memoryStorage(), { upload })).toThrow(RangeError)
  })
})

describe('metered', () => {
  test('counts calls, failed ones too, and the bytes of those that succeeded', async () => {
    const storage = metered(memoryStorage())
    await storage.put('a', new Uint8Array(100), replacing)
    await storage.put('a', new Uint8Array(100), { ...replacing, ifAbsent: true })
    await storage.get('a', { signal, range: { offset: 10, length: 20 } })
    await storage.get('absent', whole).catch(() => {})
    await storage.stat('a', { signal })
    await storage.remove(['a', 'b'], { signal })
    await storage.usage?.({ signal })
    for await (const _ of storage.list('', { signal, after: undefined }));
    await storage.put('a', new Uint8Array(0), replacing)
    for await (const _ of storage.list('', { signal, after: undefined }));
    expect(storage.meter).toEqual({
      requests: { put: 3, get: 2, stat: 1, list: 2, remove: 1, usage: 1 },
      uploaded: 200,
      downloaded: 20,
    })
  })
})

describe('throttled, over a storage that paces', () => {
  /** A memory storage that asks for pieces of 1,000 bytes. */
  function pacing(): Storage {
    const storage = memoryStorage()
    return {
      ...storage,
      capabilities: { ...storage.capabilities, paces: true },
      async put(name, body, how) {
        for (let at = 0; at < body.length; at += 1000) await how.pace?.(Math.min(1000, body.length - at))
        return storage.put(name, body, how)
      },
    }
  }

  test('lets pieces wait, not bodies', async () => {
    const storage = throttled(pacing(), { upload: 10_000 })
    const start = performance.now()
    await storage.put('a', new Uint8Array(12_000), replacing)
    // A second's worth is free; the last piece only has to wait for the one before it.
    expect(performance.now() - start).toBeGreaterThan(80)
  })

  test('gives no pace where there is no limit', async () => {
    const paces: unknown[] = []
    const inner = pacing()
    const get: Storage['get'] = (name, how) => {
      paces.push(how.pace)
      return inner.get(name, how)
    }
    const storage = throttled({ ...inner, get }, { upload: 1e9 })
    await storage.put('a', new Uint8Array(10), replacing)
    await storage.get('a', whole)
    expect(paces).toEqual([undefined])
  })

  test('stops waiting when the call is aborted', async () => {
    const storage = throttled(pacing(), { upload: 1000 })
    const controller = new AbortController()
    const reason = new Error('enough')
    setTimeout(() => controller.abort(reason), 20)
    const how = { ...replacing, signal: controller.signal }
    await expect(storage.put('a', new Uint8Array(1_000_000), how)).rejects.toBe(reason)
    expect(await storage.stat('a', { signal })).toBeUndefined()
  })
})
