import { describe, expect, it } from 'vitest'
import type { Snapshot, Store } from '../../src/api.js'
import { openedStore } from '../../src/facade.js'
import { memoryStorage } from '../../src/storage/memory.js'
import {
  contents,
  expected,
  findings,
  listing,
  longAgo,
  newStore,
  noise,
  reopen,
  type Specs,
  scripted,
} from '../backup/support.js'
import { allOf, outcome } from '../support/stores.js'

const first: Specs = { a: noise(30_000, 1), b: 'b' }
const second: Specs = { a: { content: noise(30_000, 2), mtime: longAgo + 1n }, b: 'b' }

const idsOf = (snapshots: readonly Snapshot[]): string[] => snapshots.map(({ id }) => id)
const listed = async (store: Store): Promise<string[][]> => [
  idsOf(await allOf(store.snapshots())),
  idsOf(await allOf(store.forgotten())),
]

async function twoSnapshots(): Promise<{ store: Store; place: Map<string, Uint8Array<ArrayBuffer>>; ids: string[] }> {
  const { store, place } = await newStore()
  const ids = [await store.backup(scripted(first)), await store.backup(scripted(second))].map(
    ({ snapshot }) => snapshot!.id,
  )
  return { store, place, ids }
}

describe('forgetting', () => {
  it('takes names as they are given elsewhere, is one entry, and can be undone', async () => {
    const { store, place, ids } = await twoSnapshots()
    const entries = (): number => [...place.keys()].filter((name) => name.startsWith('log/')).length
    const before = entries()
    expect(idsOf(await store.forget(['latest', ids[0]!.slice(0, 12), ids[0]!]))).toEqual(ids)
    expect(entries()).toBe(before + 1)
    expect(await listed(store)).toEqual([[], ids])
    expect(await listed(await reopen(place))).toEqual([[], ids])
    expect(idsOf(await store.undelete([ids[1]!.slice(0, 12)]))).toEqual([ids[1]])
    expect(await listed(await reopen(place))).toEqual([[ids[1]], [ids[0]]])
    expect(await contents(store)).toEqual(expected(second))
  })

  it('of what was never there or is forgotten says so, and changes nothing', async () => {
    const { store, place, ids } = await twoSnapshots()
    await store.forget([ids[0]!])
    const objects = listing(place)
    for (const name of [ids[0]!, 'latest~1', 'ffffffffffffffffffffffffffffffff', '']) {
      expect(await outcome(store.forget(['latest', name]))).toBe('KLOSET_SNAPSHOT_NOT_FOUND')
    }
    for (const name of [ids[1]!, 'ffffffffffffffffffffffffffffffff']) {
      expect(await outcome(store.undelete([name]))).toBe('KLOSET_SNAPSHOT_NOT_FOUND')
    }
    expect(listing(place)).toEqual(objects)
  })

  it('in a dry run says what would be forgotten or had again, and changes nothing', async () => {
    const { store, place, ids } = await twoSnapshots()
    await store.forget([ids[0]!])
    const objects = listing(place)
    expect(idsOf(await store.forget(['latest'], { dryRun: true }))).toEqual([ids[1]])
    expect(idsOf(await store.undelete([ids[0]!], { dryRun: true }))).toEqual([ids[0]])
    expect(listing(place)).toEqual(objects)
  })

  it('puts nothing where another client was first', async () => {
    const { store, place, ids } = await twoSnapshots()
    const other = await reopen(place)
    // It has read the log; when it comes to the put, the other one has forgotten the snapshot.
    const storage = memoryStorage({ place })
    let raced = false
    const slow = await reopen(place, () => ({
      ...storage,
      async put(name, body, how) {
        if (!raced) await other.forget([ids[0]!])
        raced = true
        return storage.put(name, body, how)
      },
    }))
    expect(idsOf(await slow.forget([ids[0]!]))).toEqual([ids[0]])
    await store.snapshot('latest')
    expect(openedStore(store).log.state.position).toBe(3)
  })

  it('is not possible in a store that was opened for reading', async () => {
    const { store, place } = await twoSnapshots()
    const readOnly = await reopen(place, (storage) => ({
      ...storage,
      capabilities: { ...storage.capabilities, write: false },
    }))
    for (const act of [() => readOnly.forget(['latest']), () => readOnly.undelete([]), () => readOnly.prune()]) {
      expect(await outcome(act())).toBe('KLOSET_READ_ONLY')
    }
    expect(await outcome(readOnly.prune({ dryRun: true }))).toBe('done')
    await store.close()
  })
})

describe('undeleting', () => {
  it('lifts what was condemned, so that no later prune deletes it', async () => {
    const { store, place, ids } = await twoSnapshots()
    await store.forget([ids[0]!])
    expect((await store.prune()).condemned.packs).toBeGreaterThan(0)
    await store.undelete([ids[0]!])
    expect(await (await reopen(place)).prune({ delay: 0, grace: 0 })).toMatchObject({ purged: { packs: 0 } })
    const fresh = await reopen(place)
    expect(await contents(fresh, ids[0]!)).toEqual(expected(first))
    expect(await findings(fresh)).toEqual([])
  })

  it('lifts more packs than an entry can name', async () => {
    const { store, place } = await newStore({ pack: 4096, frame: 4096 })
    const { snapshot } = await store.backup(scripted({ a: noise(7_000_000, 1) }))
    await store.backup(scripted({ b: 'b' }))
    await store.forget([snapshot!.id])
    const { condemned } = await store.prune()
    expect(condemned.packs).toBeGreaterThan(1_000)
    await store.undelete([snapshot!.id])
    expect(openedStore(store).log.state.packs.size).toBe(0)
    expect(await (await reopen(place)).prune({ delay: 0 })).toMatchObject({
      purged: { packs: 0 },
      condemned: { packs: 0 },
    })
  })

  it('is refused where something it needs was deleted, for all or none', async () => {
    const { store, place, ids } = await twoSnapshots()
    await store.forget([ids[0]!])
    await store.prune({ delay: 0 })
    await store.forget([ids[1]!])
    const objects = listing(place)
    for (const client of [store, await reopen(place)]) {
      for (const dryRun of [true, false]) {
        const failure = await client.undelete(ids, { dryRun }).catch((error: unknown) => error)
        expect(failure).toMatchObject({ code: 'KLOSET_SNAPSHOT_PRUNED', context: { snapshot: ids[0] } })
      }
    }
    expect(listing(place)).toEqual(objects)
    expect(idsOf(await store.undelete([ids[1]!]))).toEqual([ids[1]])
    expect(await contents(store)).toEqual(expected(second))
  })

  it('finds what was deleted and stored again', async () => {
    const { store, ids, place } = await twoSnapshots()
    await store.forget(ids)
    await store.prune({ delay: 0 })
    expect(await outcome(store.undelete([ids[0]!]))).toBe('KLOSET_SNAPSHOT_PRUNED')
    await store.backup(scripted(first))
    await store.undelete([ids[0]!])
    expect(await contents(store, ids[0]!)).toEqual(expected(first))
    expect(await findings(await reopen(place))).toEqual([])
  })
})
