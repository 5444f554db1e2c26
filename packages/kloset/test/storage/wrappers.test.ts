import { describe, expect, test } from 'vitest'
import { storageConformance } from '../../src/conformance/index.js'
import type { Storage } from '../../src/connector/contract.js'
import { KlosetError } from '../../src/errors.js'
import { limited, memoryStorage, metered, retrying, throttled } from '../../src/storage/index.js'
import { type FaultPlan, faulty } from './faulty.js'

const quick = { firstDelay: 0.01, attempts: 1000 }
const fast = { upload: 1e12, download: 1e12 }
const everyThird: FaultPlan = (_, count) =>
  count % 3 === 0 ? { when: 'before', error: new KlosetError('KLOSET_OFFLINE', 'gone', { retry: 'later' }) } : undefined

const wrappers: Record<string, (storage: Storage) => Storage> = {
  limited: (storage) => limited(storage, 2),
  'limited to one call': (storage) => limited(storage, 1),
  metered,
  retrying: (storage) => retrying(storage, quick),
  'retrying what fails': (storage) => retrying(faulty(storage, everyThird), quick),
  throttled: (storage) => throttled(storage, fast),
  'a stack': (storage) => metered(retrying(limited(throttled(storage, fast)), quick)),
  'the stack upside down': (storage) => throttled(limited(retrying(metered(storage), quick)), fast),
  'a stack over what fails': (storage) => metered(limited(retrying(faulty(metered(storage), everyThird), quick), 3)),
}

for (const [name, wrap] of Object.entries(wrappers))
  describe(name, () => {
    const objects = new Map()
    const place = async () => wrap(memoryStorage({ place: objects }))
    for (const c of storageConformance({ place })) test(c.name, c.run, c.timeout)

    test('says what the storage can do', () => {
      const storage = memoryStorage()
      const wrapped = wrap(storage)
      expect(wrapped.location).toBe(storage.location)
      expect(wrapped.capabilities).toMatchObject({ write: true, list: true, putIfAbsent: true })
    })
  })
