import { beforeAll, describe, expect, it } from 'vitest'
import type { SnapshotFile } from '../../src/api.js'
import { type Bytes, concatBytes } from '../../src/bytes/index.js'
import { isKlosetError } from '../../src/index.js'
import type { MemoryPlace } from '../../src/storage/index.js'
import { packsOf } from '../support/damage.js'
import { files, noise, sourceWith } from '../support/samples.js'
import { createAt, flipped, openAt, placeOf, plaintext } from '../support/stores.js'

const bytes = noise(5_000, 1)

async function drained(stream: ReadableStream<Bytes>): Promise<Bytes> {
  const pieces: Bytes[] = []
  for await (const piece of stream as unknown as AsyncIterable<Bytes>) pieces.push(piece)
  return concatBytes(...pieces)
}

describe('an open file', () => {
  let place: MemoryPlace
  let file: SnapshotFile
  beforeAll(async () => {
    place = placeOf()
    const store = await createAt(place, plaintext)
    const { snapshot } = await store.backup(
      sourceWith(files({ f: bytes, e: '', t: 'grüße', bad: Uint8Array.of(0xff) })),
      {},
    )
    file = await snapshot!.open('f')
  })

  const open = async (name: string): Promise<SnapshotFile> =>
    (await (await openAt(place, plaintext)).snapshot('latest')).open(name)

  it('is read whole, in pieces, and again', async () => {
    expect(file.size).toBe(5_000)
    for (let i = 0; i < 2; i++) {
      expect(await file.bytes()).toEqual(bytes)
      const pieces: Bytes[] = []
      for await (const piece of file) pieces.push(piece)
      expect(pieces.length).toBeGreaterThan(16)
      expect(concatBytes(...pieces)).toEqual(bytes)
      expect(await drained(file.stream())).toEqual(bytes)
    }
  })

  it('gives bytes that the reader may keep and change', async () => {
    const mine = await file.bytes()
    mine.fill(0)
    for await (const piece of file) piece.fill(0)
    expect(await file.bytes()).toEqual(bytes)
  })

  it('is read from any byte to any other', async () => {
    const spots = [0, 1, 63, 64, 128, 191, 192, 2_000, 4_999, 5_000]
    for (const start of spots) {
      for (const end of spots) {
        expect(await drained(file.stream({ start, end }))).toEqual(bytes.subarray(start, Math.max(start, end)))
      }
      expect(await drained(file.stream({ start }))).toEqual(bytes.subarray(start))
      expect(await drained(file.stream({ end: start }))).toEqual(bytes.subarray(0, start))
    }
    expect(await drained(file.stream({ start: 4_990, end: 1e9 }))).toEqual(bytes.subarray(4_990))
    expect(await drained(file.stream({ start: 6_000 }))).toEqual(new Uint8Array(0))
    expect(await drained(file.stream({ start: -5, end: 3 }))).toEqual(bytes.subarray(0, 3))
  })

  it('reads no more than is taken', async () => {
    const stream = (await open('f')).stream()
    const reader = stream.getReader()
    const { value } = await reader.read()
    expect(value!.length).toBeLessThanOrEqual(192)
    await reader.cancel()
    expect((await reader.read()).done).toBe(true)
    for await (const piece of await open('f')) {
      expect(piece.length).toBeGreaterThan(0)
      break
    }
  })

  it('that is empty has nothing', async () => {
    const empty = await open('e')
    expect(empty.size).toBe(0)
    expect(await empty.text()).toBe('')
    expect(await drained(empty.stream())).toEqual(new Uint8Array(0))
    expect(await drained(empty.stream({ start: 0, end: 10 }))).toEqual(new Uint8Array(0))
  })

  it('is text where it is UTF-8', async () => {
    expect(await (await open('t')).text()).toBe('grüße')
    await expect((await open('bad')).text()).rejects.toThrow()
  })

  it('fails where its bytes are damaged, and gives what comes before', async () => {
    const damaged = new Map(place)
    const data = [...(await packsOf(place))].filter(([, pack]) => pack.class === 'data')
    const [name, { frames }] = data.at(-1)!
    damaged.set(name, flipped(place.get(name)!, frames.at(-1)!.to - 50))
    const broken = await (await (await openAt(damaged, plaintext)).snapshot('latest')).open('f')
    const error = await broken.bytes().catch((thrown: unknown) => thrown)
    expect(isKlosetError(error, 'KLOSET_PACK_CORRUPT')).toBe(true)
    await expect(drained(broken.stream())).rejects.toMatchObject({ code: 'KLOSET_PACK_CORRUPT' })
    expect(await drained(broken.stream({ end: 100 }))).toEqual(bytes.subarray(0, 100))
  })
})
