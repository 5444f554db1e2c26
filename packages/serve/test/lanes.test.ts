import fc from 'fast-check'
import type { SnapshotFile } from 'kloset'
import { expect, test } from 'vitest'
import { Lanes } from '../src/fuse/lanes.js'
import { addSnapshot, emptyStore, noise } from './stores.js'

const size = 6_000_000
const content = Buffer.from(noise(size, 3))

async function opened(): Promise<{ readonly open: () => Promise<SnapshotFile>; readonly opens: () => number }> {
  const store = await emptyStore()
  await addSnapshot(store, [{ path: 'a', content }])
  const snapshot = await store.snapshot('latest')
  let count = 0
  const open = (): Promise<SnapshotFile> => {
    count++
    return snapshot.open('a')
  }
  return { open, opens: () => count }
}

test('whatever is read, in whichever order and at once, is what the file has there', async () => {
  const { open } = await opened()
  const read = fc.tuple(fc.integer({ min: 0, max: size + 10 }), fc.integer({ min: 1, max: 400_000 }))
  await fc.assert(
    fc.asyncProperty(fc.array(read, { maxLength: 12 }), fc.integer({ min: 1, max: 4 }), async (reads, most) => {
      const lanes = new Lanes(most)
      const got = await Promise.all(reads.map(([at, length], i) => lanes.read(i % 2, open, at, length)))
      for (const [i, [at, length]] of reads.entries())
        expect(Buffer.concat(got[i]!).equals(content.subarray(at, at + length))).toBe(true)
      lanes.end()
    }),
    { numRuns: 25 },
  )
})

test('pieces in a row come from one stream', async () => {
  const { open, opens } = await opened()
  const lanes = new Lanes()
  const pieces: Uint8Array[] = []
  for (let at = 0; at < size; at += 131_072) pieces.push(...(await lanes.read(1, open, at, 131_072)))
  expect(Buffer.concat(pieces).equals(content)).toBe(true)
  expect(opens()).toBe(1)
})

test('what cannot be read is an error, and can be tried again', async () => {
  const { open } = await opened()
  const lanes = new Lanes()
  const fails = (): Promise<SnapshotFile> => Promise.reject(new Error('offline'))
  await expect(lanes.read(1, fails, 0, 10)).rejects.toThrow('offline')
  expect(Buffer.concat(await lanes.read(1, open, 0, 10)).equals(content.subarray(0, 10))).toBe(true)
})
