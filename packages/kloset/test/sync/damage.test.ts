import { describe, expect, it } from 'vitest'
import type { SyncEvent } from '../../src/api.js'
import { fromHex } from '../../src/bytes/index.js'
import { openedStore } from '../../src/facade.js'
import { encodeSegment, segmentOf } from '../../src/index/index.js'
import { openPack, PackWriter, packBlobs, packObject } from '../../src/pack/index.js'
import { decodeContent, extents, keyOf, lookup } from '../../src/tree/index.js'
import { call, errorsOf, noise, type Specs, scripted } from '../backup/support.js'
import {
  broughtOver,
  idsOf,
  newPlaced,
  otherSizes,
  outcomeOf,
  type Placed,
  recordOf,
  reopened,
  told,
} from './support.js'

const first: Specs = { a: noise(20_000, 1), b: noise(20_000, 2), 'd/c': noise(500, 3), long: noise(200_000, 9) }
const second: Specs = { ...first, e: noise(20_000, 4) }
const third: Specs = { e: noise(20_000, 4), f: noise(7_000, 5) }

async function given(like: boolean): Promise<{ here: Placed; there: Placed; ids: string[] }> {
  const here = await newPlaced()
  for (const specs of [first, second, third]) await here.store.backup(scripted(specs))
  const there = await newPlaced(like ? { like: here.store } : otherSizes)
  return { here, there, ids: await idsOf(here.store) }
}

/** Where chunk number `n` of a file is, or a node of a snapshot's tree. */
async function framesOf({ store }: Placed, snapshot: string, path: string): Promise<{ object: string; at: number }[]> {
  const opened = openedStore(store)
  const blobs = await opened.blobs()
  const fetch = (id: Uint8Array) => blobs.node(id, call)
  const tree = fromHex(recordOf(store, snapshot)!.sources[0]!.tree)
  const entry = await lookup(tree, fetch, keyOf(path))
  const places: { object: string; at: number }[] = []
  for await (const { id } of extents(decodeContent(entry!.content), fetch)) places.push(await placeOf(store, id!))
  return places
}

async function placeOf(store: Placed['store'], id: Uint8Array): Promise<{ object: string; at: number }> {
  const { frame } = (await openedStore(store).index()).locate(id)!
  return { object: packObject(frame.pack), at: frame.offset }
}

function flip({ place }: Placed, { object, at }: { object: string; at: number }): () => void {
  const before = place.get(object)!
  const damaged = before.slice()
  damaged[at]! ^= 1
  place.set(object, damaged)
  return () => void place.set(object, before)
}

describe.each([true, false])('a damaged chunk of the source (alike: %s)', (like) => {
  it('keeps the snapshots that need it from being committed, and no others; healed, they come over', async () => {
    const { here, there, ids } = await given(like)
    const [place] = await framesOf(here, ids[0]!, 'b')
    const heal = flip(here, place!)
    const result = await here.store.syncTo(there.store)
    expect(outcomeOf(result)).toMatchObject({ synchronized: [ids[2]], incomplete: [ids[0], ids[1]] })
    const paths = result.failed.map(({ path }) => path)
    expect(paths).toContain('b')
    expect(result.failedCount).toBe(result.failed.length)
    for (const { error } of result.failed) expect(error).toMatchObject({ code: 'KLOSET_PACK_CORRUPT' })
    expect(await idsOf(there.store)).toEqual([ids[2]])
    expect(await errorsOf(there.store)).toEqual([])
    heal()
    const { store } = here
    expect(outcomeOf(await store.syncTo(there.store))).toEqual(
      broughtOver([ids[0]!, ids[1]!], { present: 1, rechunked: !like }),
    )
    for (const id of ids) expect(await told(there.store, id)).toEqual(await told(store, id))
    expect(await errorsOf(there.store)).toEqual([])
  })

  it('does no harm where another place of it is whole', async () => {
    const { here, there, ids } = await given(like)
    // Another client that does not see what the first one stored, as two at once may be: everything is there twice.
    const twin = await newPlaced({ like: here.store })
    await here.store.syncTo(twin.store)
    const [place] = await framesOf(here, ids[0]!, 'b')
    await storeAgain(twin, here)
    flip(here, place!)
    expect(outcomeOf(await here.store.syncTo(there.store))).toEqual(broughtOver(ids, { rechunked: !like }))
    expect(await errorsOf(there.store)).toEqual([])
  })

  it('of a pack that is gone counts as one', async () => {
    const { here, there, ids } = await given(like)
    const [{ object }] = (await framesOf(here, ids[2]!, 'f')) as [{ object: string; at: number }]
    here.place.delete(object)
    const result = await here.store.syncTo(there.store)
    expect(result.incomplete.map(({ id }) => id)).toContain(ids[2])
    expect(result.failed.map(({ path }) => path)).toContain('f')
    expect(await errorsOf(there.store)).toEqual([])
  })
})

/** Stores all chunks of one store in another that is like it, although it has them. */
async function storeAgain(from: Placed, to: Placed): Promise<void> {
  const { keyring, log } = openedStore(to.store)
  const segments: string[] = []
  const writer = new PackWriter({
    keyring,
    class: 'data',
    packSize: 32_768,
    frameSize: 8_192,
    codec: 'none',
    onPack(pack) {
      to.place.set(packObject(pack.name), pack.file.slice())
      const { name, bytes } = encodeSegment(keyring, segmentOf(pack, 'data'))
      to.place.set(`index/${name}`, bytes)
      segments.push(name)
    },
  })
  const source = openedStore(from.store).keyring
  for (const [name, file] of from.place) {
    if (!name.startsWith('packs/')) continue
    const pack = openPack(source, fromHex(name.slice(9)), file)
    if (pack.footer.class !== 'data') continue
    for (const { id, bytes } of packBlobs(pack, file, source.chunkKey)) writer.addBytes(id, bytes)
  }
  writer.flush()
  writer.release()
  const draft = { content: { kind: 'setting' as const, name: 'test', value: 1 }, segmentsAdded: segments }
  await log.append(draft, { ...call, since: log.state.position, reconsider: () => draft })
}

describe.each([true, false])('a damaged node of the source (alike: %s)', (like) => {
  it('of a tree keeps its snapshot back', async () => {
    const { here, there, ids } = await given(like)
    const tree = fromHex(recordOf(here.store, ids[2]!)!.sources[0]!.tree)
    const heal = flip(here, await placeOf(here.store, tree))
    const fresh = await reopened(here)
    const result = await fresh.syncTo(there.store)
    expect(result.incomplete.map(({ id }) => id)).toContain(ids[2])
    expect(result.failedCount).toBeGreaterThan(0)
    expect(await idsOf(there.store)).toEqual(ids.filter((id) => !result.incomplete.some((each) => each.id === id)))
    expect(await errorsOf(there.store)).toEqual([])
    heal()
    await (await reopened(here)).syncTo(there.store)
    for (const id of ids) expect(await told(there.store, id)).toEqual(await told(here.store, id))
  })

  it('of the list of a large file keeps its snapshots back', async () => {
    const { here, there, ids } = await given(like)
    const opened = openedStore(here.store)
    const blobs = await opened.blobs()
    const fetch = (id: Uint8Array) => blobs.node(id, call)
    const tree = fromHex(recordOf(here.store, ids[0]!)!.sources[0]!.tree)
    const content = decodeContent((await lookup(tree, fetch, keyOf('long')))!.content)
    if (content.form !== 'list') throw new Error('a list was expected')
    flip(here, await placeOf(here.store, content.id))
    const result = await (await reopened(here)).syncTo(there.store)
    expect(result.incomplete.map(({ id }) => id)).toEqual(expect.arrayContaining([ids[0], ids[1]]))
    expect(result.failed.length).toBeGreaterThan(0)
    expect(await errorsOf(there.store)).toEqual([])
  })
})

describe('a damaged tree of the store that is written to', () => {
  it('is not built upon', async () => {
    const { here, there, ids } = await given(false)
    await here.store.syncTo(there.store, { snapshots: [ids[0]!] })
    const tree = fromHex(recordOf(there.store, ids[0]!)!.sources[0]!.tree)
    flip(there, await placeOf(there.store, tree))
    const peer = await reopened(there)
    const notices: string[] = []
    const onEvent = (event: SyncEvent): void => void (event.type === 'notice' && notices.push(event.code))
    const result = await here.store.syncTo(peer, { onEvent })
    expect(outcomeOf(result)).toEqual(broughtOver([ids[1]!, ids[2]!], { present: 1, rechunked: true }))
    expect(notices).toContain('parent-damaged')
    for (const id of ids.slice(1)) expect(await told(peer, id)).toEqual(await told(here.store, id))
  })
})

it('a chunk that the index does not know is one that cannot be read', async () => {
  const { here, ids } = await given(true)
  for (const like of [true, false]) {
    const there = await newPlaced(like ? { like: here.store } : otherSizes)
    const index = await openedStore(here.store).index()
    const [{ object }] = (await framesOf(here, ids[2]!, 'f')) as [{ object: string; at: number }]
    const { locate, locateAll } = index
    const isGone = (id: Uint8Array): boolean =>
      locateAll.call(index, id).some(({ frame }) => packObject(frame.pack) === object)
    index.locate = (id) => (isGone(id) ? undefined : locate.call(index, id))
    index.locateAll = (id) => (isGone(id) ? [] : locateAll.call(index, id))
    const result = await here.store.syncTo(there.store)
    Object.assign(index, { locate, locateAll })
    expect(result.incomplete.map(({ id }) => id)).toContain(ids[2])
    for (const { error } of result.failed) expect(error).toMatchObject({ code: 'KLOSET_CHUNK_MISSING' })
  }
})
