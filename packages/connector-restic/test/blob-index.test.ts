import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BlobIndex, type BlobPlace } from '../src/blob-index.js'

const idOf = (number: number): string => createHash('sha256').update(String(number)).digest('hex')

test('tells every place of every blob, in the order they were told', () => {
  const blob = fc.record({
    id: fc.nat(400),
    pack: fc.nat(20),
    offset: fc.nat(2 ** 31),
    length: fc.nat(2 ** 30),
    rawLength: fc.nat(2 ** 31),
  })
  fc.assert(
    fc.property(fc.array(blob, { maxLength: 3000, size: 'max' }), (blobs) => {
      const index = new BlobIndex()
      const known = new Map<string, BlobPlace[]>()
      for (const { id, pack, ...rest } of blobs) {
        const place = { pack: idOf(pack), ...rest }
        index.add(idOf(id), place)
        known.set(idOf(id), [...(known.get(idOf(id)) ?? []), place])
      }
      expect(index.size).toBe(blobs.length)
      for (let id = 0; id <= 400; id++) expect(index.places(idOf(id))).toEqual(known.get(idOf(id)) ?? [])
    }),
    { numRuns: 20 },
  )
})

test('blobs take some 30 bytes each', () => {
  const before = process.memoryUsage().arrayBuffers
  const index = new BlobIndex()
  const count = 200_000
  for (let number = 0; number < count; number++) {
    const id = (Math.imul(number, 2_654_435_761) >>> 0).toString(16).padStart(8, '0').padEnd(64, '0')
    index.add(id, { pack: 'a pack', offset: 1, length: 40, rawLength: 0 })
  }
  expect(index.size).toBe(count)
  // Columns grow by half, and old ones are collected later.
  expect((process.memoryUsage().arrayBuffers - before) / count).toBeLessThan(150)
  expect(index.sizeOf('0'.repeat(64))).toBe(8)
})
