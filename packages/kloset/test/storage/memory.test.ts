import { describe, expect, test } from 'vitest'
import { storageConformance } from '../../src/conformance/index.js'
import { type MemoryPlace, memoryStorage } from '../../src/storage/index.js'

const objects: MemoryPlace = new Map()

describe('memory', () => {
  for (const c of storageConformance({ place: async () => memoryStorage({ place: objects }) }))
    test(c.name, c.run, c.timeout)

  test('the suite leaves nothing behind', () => {
    expect(objects.size).toBe(0)
  })
})
