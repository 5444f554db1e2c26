import { beforeEach, describe, expect, it } from 'vitest'
import { fromHex } from '../../src/bytes/index.js'
import { encodeSegment, segmentOf } from '../../src/index/index.js'
import { openPack, PackWriter, packObject } from '../../src/pack/index.js'
import { packBlobs } from '../../src/pack/reader.js'
import type { MemoryPlace } from '../../src/storage/index.js'
import { Forger } from '../support/forge.js'
import { workerRecorder } from '../support/recorder.js'
import { files, sourceWith } from '../support/samples.js'
import { allOf, createAt, filesOf, openAt, outcome, placeOf, rawKey, restored } from '../support/stores.js'
import { folder } from './place.js'

const content = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`file-${i}`, `content ${i} `.repeat(60)]))
let place: MemoryPlace

/**
 * What a repacking prune does: the blobs of all packs are stored again, the log says so, and the old packs are deleted; then the
 * index segments that only they are in.
 */
async function repack(swaps = false): Promise<void> {
  const forger = await Forger.of(place)
  const segments: string[] = []
  const old = [...place.keys()].filter((name) => name.startsWith('packs/'))
  for (const name of old) {
    const id = fromHex(name.slice(-64))
    const file = place.get(name)!
    const pack = openPack(forger.keyring, id, file)
    const ofClass = pack.footer.class
    const writer = new PackWriter({
      keyring: forger.keyring,
      class: ofClass,
      packSize: 1 << 20,
      frameSize: 4096,
      codec: 'none',
      onPack: (sealed) => {
        place.set(packObject(sealed.name), sealed.file.slice())
        segments.push(forger.storeSegment(encodeSegment(forger.keyring, segmentOf(sealed, ofClass))))
      },
    })
    const { chunkKey, nodeKey } = forger.keyring
    for (const blob of packBlobs(pack, file, ofClass === 'data' ? chunkKey : nodeKey))
      writer.addBytes(blob.id, blob.bytes)
    writer.flush()
    writer.release()
  }
  const packs = old.map((name) => name.slice(-64))
  forger.append({ content: { kind: 'condemn' }, segmentsAdded: segments, packs })
  forger.append({ content: { kind: 'purge' }, packs })
  for (const name of old) place.delete(name)
  if (!swaps) return
  forger.append({ content: { kind: 'purged' }, packs })
  const before = [...place.keys()].filter((name) => name.startsWith('index/') && !segments.includes(name.slice(6)))
  forger.append({ content: { kind: 'index-swap' }, segmentsRemoved: before.map((name) => name.slice(6)) })
  for (const name of before) place.delete(name)
}

beforeEach(async () => {
  place = placeOf()
  const store = await createAt(place, rawKey)
  await store.backup(sourceWith(files(content)))
  await store.close()
})

describe('whoever reads while packs are moved', () => {
  it.each([
    ['without a cache', undefined, false],
    ['with one', true, false],
    ['also when the index is exchanged', undefined, true],
    ['and with a cache', true, true],
  ])('finds everything where it is now, %s', async (_, cached, swaps) => {
    const store = await openAt(place, rawKey, cached ? { cache: { folder: folder() } } : {})
    const snapshot = await store.snapshot('latest')
    const file = await snapshot.open('file-7')
    await repack(swaps)
    expect(await file.text()).toBe(content['file-7'])
    expect((await allOf(snapshot.walk())).length).toBe(41)
    expect(store.requests.list).toBeLessThan(10)
  })

  it.each([
    ['plainly', undefined, false],
    ['with workers', workerRecorder, false],
    ['plainly, with another index', undefined, true],
    ['with workers, with another index', workerRecorder, true],
  ])('restores all of it, %s', async (_, to, swaps) => {
    const store = await openAt(place, rawKey)
    const snapshot = await store.snapshot('latest')
    expect(snapshot.totals.files).toBe(40)
    // The index is read, and then out of date.
    await store.info()
    await repack(swaps)
    const { found, result } = await restored(store, snapshot.id, to?.())
    expect(result.failed).toEqual([])
    expect(filesOf(found).size).toBe(40)
  })

  it('asks again once, not for every piece that is really gone', async () => {
    const store = await openAt(place, rawKey)
    const snapshot = await store.snapshot('latest')
    await store.info()
    const data = [...place.keys()].filter((name) => name.startsWith('packs/'))
    for (const name of data) place.delete(name)
    const before = store.requests
    expect(await outcome(snapshot.stat('file-1'))).toMatch(/^KLOSET_(NOT_FOUND|CHUNK_MISSING|PACK_CORRUPT)$/)
    expect(await outcome(snapshot.stat('file-2'))).toMatch(/^KLOSET_/)
    const asked = store.requests.get - before.get
    expect(asked).toBeLessThanOrEqual(4)
  })
})
