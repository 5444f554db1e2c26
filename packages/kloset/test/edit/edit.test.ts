import { describe, expect, it } from 'vitest'
import type { Snapshot, SnapshotEdit, Store } from '../../src/api.js'
import { toHex, utf8 } from '../../src/bytes/index.js'
import { openedStore } from '../../src/facade.js'
import { checkpointObject, entryObject } from '../../src/log/index.js'
import { memoryStorage } from '../../src/storage/memory.js'
import { listing, newStore, reopen, scripted } from '../backup/support.js'
import { allOf, createAt, outcome, placeOf, rawKey } from '../support/stores.js'

async function threeSnapshots(): Promise<Awaited<ReturnType<typeof newStore>> & { ids: string[] }> {
  const made = await newStore()
  const ids: string[] = []
  for (const [i, tags] of [['daily'], ['daily', 'db'], []].entries()) {
    const { snapshot } = await made.store.backup(scripted({ a: `version ${i}` }), { tags })
    ids.push(snapshot!.id)
  }
  return { ...made, ids }
}

const labels = ({ name, tags }: Snapshot): unknown => [name, tags]
const listed = async (store: Store): Promise<unknown[]> => (await allOf(store.snapshots())).map(labels)

describe('editing snapshots', () => {
  it('is one entry of the log, that all who open the store see', async () => {
    const { store, place, ids } = await threeSnapshots()
    const before = listing(place)
    const change: SnapshotEdit = { name: 'before the move', tags: { add: ['keep'], remove: ['daily'] } }
    const { edited, unchanged } = await store.edit(['latest~1', ids[1]!.slice(0, 12)], change)
    expect(edited.map(({ before, after }) => [before, after].map(labels))).toEqual([
      [
        [undefined, ['daily', 'db']],
        ['before the move', ['db', 'keep']],
      ],
    ])
    expect(unchanged).toEqual([])
    expect(listing(place).length).toBe(before.length + 1)
    for (const each of [store, await reopen(place)]) {
      expect(await listed(each)).toEqual([
        [undefined, ['daily']],
        ['before the move', ['db', 'keep']],
        [undefined, []],
      ])
      expect((await each.snapshot('before the move')).id).toBe(ids[1])
      expect((await each.select({ where: { tags: ['keep'] } })).map(({ id }) => id)).toEqual([ids[1]])
    }
  })

  it('says nothing where nothing changes, or in a dry run', async () => {
    const { store, place, ids } = await threeSnapshots()
    const before = listing(place)
    const same = await store.edit(ids.slice(0, 2), { tags: { add: ['daily'], remove: ['other'] }, name: null })
    expect([same.edited.length, same.unchanged.map(({ id }) => id)]).toEqual([0, ids.slice(0, 2)])
    const dry = await store.edit(ids, { tags: { add: ['daily'] } }, { dryRun: true })
    expect(dry.edited.map(({ after }) => [after.id, after.tags])).toEqual([[ids[2], ['daily']]])
    expect(dry.unchanged.length).toBe(2)
    expect(listing(place)).toEqual(before)
  })

  it('of several at once undoes nothing', async () => {
    const { place, ids } = await threeSnapshots()
    const clients = await Promise.all(Array.from({ length: 6 }, () => reopen(place)))
    await Promise.all(clients.map((client, i) => client.edit(ids, { tags: { add: [`by ${i}`], remove: ['daily'] } })))
    for (const { tags } of await allOf((await reopen(place)).snapshots())) {
      expect(tags.filter((tag) => tag.startsWith('by ')).sort()).toEqual([0, 1, 2, 3, 4, 5].map((i) => `by ${i}`))
      expect(tags).not.toContain('daily')
    }
  })

  it('leaves what somebody forgot meanwhile', async () => {
    const { store, place, ids } = await threeSnapshots()
    const other = await reopen(place)
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
    const { edited, unchanged } = await slow.edit(ids.slice(0, 2), { tags: { add: ['keep'] } })
    expect([edited.map(({ after }) => after.id), unchanged]).toEqual([[ids[1]], []])
    await store.undelete([ids[0]!])
    expect((await store.snapshot(ids[0]!)).tags).toEqual(['daily'])
  })

  it('outlives forgetting, checkpoints and the entries before them', async () => {
    const { store, place, ids } = await threeSnapshots()
    await store.edit(ids, { name: 'called', tags: { set: ['only'] } })
    await store.forget([ids[0]!])
    await openedStore(store).log.checkpoint({ signal: new AbortController().signal })
    expect([...place.keys()]).toContain(checkpointObject(5))
    for (const position of [1, 2, 3, 4]) place.delete(entryObject(position))
    const fresh = await reopen(place)
    await fresh.undelete([ids[0]!])
    expect(await listed(fresh)).toEqual(Array.from({ length: 3 }, () => ['called', ['only']]))
  })

  it('goes with a snapshot into other stores, and changes no copy that is there', async () => {
    const { store, ids } = await threeSnapshots()
    const { store: peer } = await newStore()
    await store.edit([ids[0]!], { name: 'first', tags: { add: ['keep'] } })
    await store.syncTo(peer)
    expect(labels(await peer.snapshot(ids[0]!))).toEqual(['first', ['daily', 'keep']])
    await peer.edit([ids[0]!], { tags: { add: ['offsite'] } })
    await store.edit([ids[0]!], { tags: { remove: ['keep'] } })
    expect((await store.syncTo(peer)).present).toBe(3)
    expect((await peer.snapshot(ids[0]!)).tags).toEqual(['daily', 'keep', 'offsite'])
    expect((await store.snapshot(ids[0]!)).tags).toEqual(['daily'])
  })

  it('is refused for what a snapshot cannot be given', async () => {
    const { store, place, ids } = await threeSnapshots()
    const before = listing(place)
    const fails = (change: SnapshotEdit): Promise<unknown> => outcome(store.edit(ids, change))
    for (const tag of ['', 'a,b', ' a', 'a\n', 'a\u0007', '\ud800', 'é'.repeat(65)]) {
      expect(await fails({ tags: { add: [tag] } }), tag).toBeInstanceOf(RangeError)
      expect(await outcome(store.backup(scripted({ a: 'a' }), { tags: [tag] })), tag).toBeInstanceOf(RangeError)
    }
    for (const name of ['', 'latest', 'Latest~3', ids[0]!, 'x'.repeat(257), 'a\tb']) {
      expect(await fails({ name }), name).toBeInstanceOf(RangeError)
    }
    const many = Array.from({ length: 100 }, (_, i) => `tag ${i}`)
    expect(await fails({ tags: { add: many } })).toBe('KLOSET_LIMIT')
    expect(await outcome(store.edit(['ffff'], { name: 'x' }))).toBe('KLOSET_SNAPSHOT_NOT_FOUND')
    expect(listing(place)).toEqual(before)
    // What has too many may still lose some.
    await store.edit([ids[2]!], { tags: { add: many } })
    expect(await outcome(store.edit([ids[2]!], { tags: { remove: many.slice(1) } }))).toBe('done')
    const readOnly = await reopen(place, (storage) => ({
      ...storage,
      capabilities: { ...storage.capabilities, write: false },
    }))
    expect(await outcome(readOnly.edit(ids, { name: 'x' }))).toBe('KLOSET_READ_ONLY')
  })

  it('keeps names and tags from whoever has only the storage', async () => {
    const place = placeOf()
    const store = await createAt(place, rawKey)
    await store.backup(scripted({ a: 'a' }))
    await store.edit(['latest'], { name: 'a secret name', tags: { add: ['a secret tag'] } })
    const stored = [...place.values()].map(toHex).join('\n')
    for (const secret of ['a secret name', 'a secret tag']) expect(stored).not.toContain(toHex(utf8(secret)))
  })
})
