import { describe, expect, test } from 'vitest'
import type { Storage } from '../../src/connector/index.js'
import { sourceOf } from '../../src/connector/index.js'
import { KlosetError } from '../../src/errors.js'
import { createEngine, createStore, openStore } from '../../src/index.js'
import { memoryStorage, readSoundly } from '../../src/storage/index.js'

describe('what comes wrong', () => {
  const damaged = new KlosetError('KLOSET_PACK_CORRUPT', 'damaged')
  const failing = (times: number, error: unknown) => {
    let left = times
    return (value: string) => {
      if (left-- > 0) throw error
      return value
    }
  }

  test('is read again, twice, before that is believed', async () => {
    let reads = 0
    const read = async () => `read ${++reads}`
    expect(await readSoundly(read, failing(2, damaged))).toBe('read 3')
    await expect(readSoundly(read, failing(3, damaged))).rejects.toBe(damaged)
    expect(reads).toBe(6)
  })

  test('is not read again where that is in vain', async () => {
    let reads = 0
    const denied = new KlosetError('KLOSET_DENIED', 'denied')
    await expect(readSoundly(async () => `read ${++reads}`, failing(1, denied))).rejects.toBe(denied)
    expect(reads).toBe(1)
  })
})

describe('a network that changes bytes', () => {
  const unlock = { key: new Uint8Array(32).fill(1) }
  const engine = createEngine({ workers: 0 })
  const files = ['one', 'two', 'three'].map((path, at) => ({ path, content: `${path} `.repeat(20_000 * (at + 1)) }))

  /** `storage`, where of each object the first answers, `times` of them, have a bit turned over in their middle. */
  const flipping = (storage: Storage, times: number): Storage => {
    const seen = new Map<string, number>()
    return {
      ...storage,
      get: async (name, how) => {
        const bytes = new Uint8Array(await storage.get(name, how))
        const before = seen.get(name) ?? 0
        seen.set(name, before + 1)
        if (before < times && /^(packs|index|log|checkpoints)\//.test(name)) bytes[bytes.length >> 1]! ^= 4
        return bytes
      },
    }
  }

  const made = async () => {
    const storage = memoryStorage()
    const store = await createStore(storage, { unlock, engine, chunker: { min: 4096, normal: 16_384, max: 65_536 } })
    await store.backup(sourceOf({ type: 'test', origin: 'memory' }, () => files))
    return storage
  }

  test('for once does no harm', async () => {
    const store = await openStore(flipping(await made(), 1), { unlock, engine })
    const snapshot = await store.snapshot('latest')
    for (const { path, content } of files) expect(await (await snapshot.open(path)).text()).toBe(content)
  })

  test('for once is no damage to a check', async () => {
    const store = await openStore(flipping(await made(), 1), { unlock, engine })
    const findings = []
    for await (const finding of store.check({ read: 'all' })) findings.push(finding.code)
    expect(findings).toEqual([])
  })

  test('for good is damage', async () => {
    const store = await openStore(flipping(await made(), Number.POSITIVE_INFINITY), { unlock, engine, mode: 'read' })
    const findings = []
    for await (const finding of store.check({ read: 'all' })) findings.push(finding.code)
    expect(findings.length).toBeGreaterThan(0)
  })
})
