import { describe, expect, it } from 'vitest'
import type { SyncEvent } from '../../src/api.js'
import { copiesOf } from '../../src/index.js'
import { errorsOf, longAgo, noise, type Specs, scripted } from '../backup/support.js'
import { rawKey, restored } from '../support/stores.js'
import {
  broughtOver,
  idsOf,
  newPlaced,
  otherSizes,
  outcomeOf,
  type Placed,
  reopened,
  rich,
  storedTwice,
  told,
} from './support.js'

const one: Specs = { a: noise(20_000, 1), b: noise(3_000, 2) }
const two: Specs = { ...one, c: noise(5_000, 3) }
const three: Specs = { ...one, b: { content: noise(3_100, 4), mtime: longAgo + 1n } }

async function pair(like: boolean): Promise<{ here: Placed; there: Placed }> {
  const here = await newPlaced()
  return { here, there: await newPlaced(like ? { like: here.store } : otherSizes) }
}

describe.each([true, false])('which snapshots are synchronized (alike: %s)', (like) => {
  it('those that are named, among those that meet the conditions', async () => {
    const { here, there } = await pair(like)
    await here.store.backup(scripted(one), { tags: ['a'], host: 'x' })
    await here.store.backup(scripted(two), { tags: ['a', 'b'], host: 'x' })
    await here.store.backup(scripted(three), { tags: ['b'], host: 'y', name: 'last' })
    const ids = await idsOf(here.store)
    const synced = async (options: Parameters<Placed['store']['syncTo']>[1]): Promise<string[]> =>
      (await here.store.syncTo(there.store, options)).synchronized.map(({ id }) => id)
    await expect(synced({ snapshots: ['nothing'] })).rejects.toMatchObject({ code: 'KLOSET_SNAPSHOT_NOT_FOUND' })
    expect(await synced({ where: { host: 'z' } })).toEqual([])
    expect(await synced({ snapshots: ['latest', ids[2]!.slice(0, 20)] })).toEqual([ids[2]])
    await expect(synced({ snapshots: [ids[0]!, ids[1]!], where: { tags: ['b'] } })).rejects.toThrow('not among those')
    expect(await synced({ snapshots: ['latest'], where: { tags: ['a', 'b'] } })).toEqual([ids[1]])
    expect(await synced({ where: { tags: ['a'] } })).toEqual([ids[0]])
    // Whatever order they came in, they are listed by their times.
    expect(await idsOf(there.store)).toEqual(ids)
    expect((await there.store.snapshot('latest')).id).toBe(ids[2])
    expect((await there.store.snapshot('latest~2')).id).toBe(ids[0])
    for (const id of ids) expect(await told(there.store, id)).toEqual(await told(here.store, id))
    expect(await errorsOf(there.store)).toEqual([])
    expect(storedTwice(there)).toEqual([])
    // A backup there compares with the latest by time.
    const next = await there.store.backup(scripted({ ...three, new: 'x' }), { host: 'y' })
    expect(next.changes).toEqual({ new: 1, changed: 0, unchanged: 2 })
  })

  it('in both directions, and again, and nothing moves any more', async () => {
    const { here, there } = await pair(like)
    await here.store.backup(scripted(one))
    await there.store.backup(scripted(two))
    await here.store.backup(scripted(three))
    const mine = await idsOf(here.store)
    const theirs = await idsOf(there.store)
    const rechunked = !like
    expect(outcomeOf(await here.store.syncTo(there.store))).toEqual(broughtOver(mine, { rechunked }))
    expect(outcomeOf(await there.store.syncTo(here.store))).toEqual(broughtOver(theirs, { present: 2, rechunked }))
    const [objects, others] = [here.place.size, there.place.size]
    expect(outcomeOf(await here.store.syncTo(there.store))).toEqual(broughtOver([], { present: 3 }))
    expect(outcomeOf(await there.store.syncTo(here.store))).toEqual(broughtOver([], { present: 3 }))
    expect([here.place.size, there.place.size]).toEqual([objects, others])
    expect(await idsOf(here.store)).toEqual([mine[0], theirs[0], mine[1]])
    expect(await idsOf(there.store)).toEqual(await idsOf(here.store))
    for (const id of await idsOf(here.store)) expect(await told(there.store, id)).toEqual(await told(here.store, id))
    for (const { store } of [here, there]) expect(await errorsOf(store)).toEqual([])
    if (like) for (const each of [here, there]) expect(storedTwice(each)).toEqual([])
  })

  it('with itself, none', async () => {
    const { here } = await pair(like)
    await here.store.backup(scripted(one))
    expect(outcomeOf(await here.store.syncTo(here.store))).toEqual(broughtOver([], { present: 1 }))
    expect(outcomeOf(await here.store.syncTo(await reopened(here)))).toEqual(broughtOver([], { present: 1 }))
  })

  it('what was forgotten there stays so, unless it is asked for', async () => {
    const { here, there } = await pair(like)
    await here.store.backup(scripted(one))
    await here.store.backup(scripted(two))
    const ids = await idsOf(here.store)
    await here.store.syncTo(there.store)
    await there.store.forget([ids[0]!])
    const events: SyncEvent[] = []
    const onEvent = (event: SyncEvent): void => void events.push(event)
    expect(outcomeOf(await here.store.syncTo(there.store, { onEvent }))).toEqual(
      broughtOver([], { present: 1, forgotten: 1 }),
    )
    expect(events.map(({ type }) => type)).toEqual(['skipped', 'skipped'])
    expect(await idsOf(there.store)).toEqual([ids[1]])
    // What was forgotten here is not brought over by asking for it there.
    await here.store.forget([ids[1]!])
    expect(outcomeOf(await here.store.syncTo(there.store, { includeForgotten: true }))).toEqual(
      broughtOver([ids[0]!], { rechunked: !like }),
    )
    expect(await idsOf(there.store)).toEqual(ids)
    expect(await told(there.store, ids[0])).toEqual(await told(here.store, ids[0]))
    expect(await errorsOf(there.store)).toEqual([])
    const fresh = await reopened(there)
    expect(await idsOf(fresh)).toEqual(ids)
    const forgotten = []
    for await (const each of fresh.forgotten()) forgotten.push(each)
    expect(forgotten).toEqual([])
  })

  it('what was forgotten there and pruned away comes over anew', async () => {
    const { here, there } = await pair(like)
    await here.store.backup(scripted(one))
    await here.store.backup(scripted(two))
    const ids = await idsOf(here.store)
    await here.store.syncTo(there.store)
    await there.store.forget(ids)
    await there.store.prune({ delay: 0, grace: 0 })
    await there.store.prune({ delay: 0, grace: 0 })
    const fresh = await reopened(there)
    const result = await here.store.syncTo(fresh, { includeForgotten: true })
    expect(outcomeOf(result)).toEqual(broughtOver(ids, { rechunked: !like }))
    for (const id of ids) expect(await told(fresh, id)).toEqual(await told(here.store, id))
    expect(await errorsOf(fresh)).toEqual([])
  })
})

describe.each([true, false])('a dry run (alike: %s)', (like) => {
  it('tells what would be done and writes nothing', async () => {
    const { here, there } = await pair(like)
    await here.store.backup(scripted({ ...one, text: 'again and again\n'.repeat(5_000) }))
    await here.store.backup(scripted({ ...two, text: 'again and again\n'.repeat(5_000) }))
    await here.store.syncTo(there.store, { snapshots: ['latest~1'] })
    await here.store.backup(scripted({ ...three, text: 'again and again\n'.repeat(5_000) }))
    const objects = there.place.size
    const dry = await here.store.syncTo(there.store, { dryRun: true })
    expect(there.place.size).toBe(objects)
    const wet = await here.store.syncTo(there.store)
    expect(dry.synchronized.map(({ id }) => id)).toEqual(wet.synchronized.map(({ id }) => id))
    expect(dry.present).toBe(1)
    expect(dry.rechunked).toBe(!like)
    expect(dry.deduplicated).toBe(wet.deduplicated)
    expect(dry.sent).toBeGreaterThan(0.5 * 8_000)
    expect(dry.sent).toBeLessThan(wet.sent)
    expect((await here.store.syncTo(there.store, { dryRun: true })).sent).toBe(0)
  })

  it('of a damaged store tells what cannot be read', async () => {
    const { here, there } = await pair(like)
    await here.store.backup(scripted(rich))
    for (const [name, body] of here.place) if (name.startsWith('packs/')) here.place.set(name, body.slice().fill(0, 46))
    const dry = await (await reopened(here)).syncTo(there.store, { dryRun: true })
    expect(dry.synchronized).toEqual([])
    expect(dry.incomplete).toHaveLength(1)
    expect(dry.failedCount).toBe(1)
  })
})

describe('copies', () => {
  it('of three stores, from one to the next, and restored from the third when the others are gone', async () => {
    const first = await newPlaced({ unlock: { passphrase: 'one' }, argon2: { memoryKiB: 8192, passes: 1 } })
    const second = await newPlaced({ unlock: rawKey, codec: 'lz4', like: first.store })
    const third = await newPlaced({ ...otherSizes, unlock: rawKey, encryption: 'chacha20-poly1305', codec: 'deflate' })
    await first.store.backup(scripted(rich), { host: 'laptop' })
    const [id] = await idsOf(first.store)
    const before = await told(first.store)
    const { found } = await restored(first.store, id!)
    await first.store.syncTo(second.store)
    await second.store.syncTo(third.store)
    await second.store.backup(scripted(one))
    const [, own] = await idsOf(second.store)
    await third.store.forget([id!])
    expect(await copied(first, second, third)).toEqual([
      [id, 'present', 'present', 'forgotten'],
      [own, 'absent', 'present', 'absent'],
    ])
    await second.store.syncTo(third.store, { includeForgotten: true })
    await third.store.syncTo(first.store)
    await first.store.forget([own!])
    await second.store.forget([own!])
    expect(await copied(second, third, first)).toEqual([
      [id, 'present', 'present', 'present'],
      [own, 'forgotten', 'present', 'forgotten'],
    ])
    first.place.clear()
    second.place.clear()
    const left = await reopened(third, rawKey)
    expect(await told(left, id)).toEqual(before)
    expect((await restored(left, id!)).found).toEqual(found)
    expect(await errorsOf(left)).toEqual([])
  })

  it('of no stores are none', async () => {
    expect(await copiesOf([])).toEqual([])
  })
})

async function copied(...placed: readonly Placed[]): Promise<unknown[]> {
  const copies = await copiesOf(placed.map(({ store }) => store))
  return copies.map(({ snapshot, places }) => [snapshot.id, ...places])
}
