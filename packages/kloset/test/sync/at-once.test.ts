import { describe, expect, it } from 'vitest'
import type { Store } from '../../src/api.js'
import type { Storage } from '../../src/connector/index.js'
import { contents, errorsOf, expected, noise, type Specs, scripted } from '../backup/support.js'
import { plaintext } from '../support/stores.js'
import { idsOf, newPlaced, otherSizes, type Placed, reopened, told } from './support.js'

/** A storage whose calls take a while each, differently long with every seed, so that clients meet in ever new ways. */
function jittery(storage: Storage, seed: number): Storage {
  let state = Math.imul(seed + 1, 0x9e3779b1) >>> 0
  const pause = (): Promise<void> => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return new Promise((resolve) => setTimeout(resolve, (state >>> 16) % 4))
  }
  return {
    ...storage,
    async put(name, body, how) {
      await pause()
      return storage.put(name, body, how)
    },
    async get(name, how) {
      await pause()
      return storage.get(name, how)
    },
    async *list(prefix, how) {
      await pause()
      yield* storage.list(prefix, how)
    },
  }
}

const states: readonly Specs[] = Array.from({ length: 5 }, (_, i) => ({
  same: noise(12_000, 1),
  [`own${i}`]: noise(9_000, 10 + i),
  ...(i % 2 === 0 ? { even: noise(15_000, 2) } : { odd: noise(15_000, 3) }),
}))

async function given(like: boolean): Promise<{ here: Placed; there: Placed; ids: string[] }> {
  const here = await newPlaced()
  for (const specs of states) await here.store.backup(scripted(specs))
  return { here, there: await newPlaced(like ? { like: here.store } : otherSizes), ids: await idsOf(here.store) }
}

function client({ place }: Placed, seed: number): Promise<Store> {
  return reopened({ place }, plaintext, (storage) => jittery(storage, seed))
}

describe.each([true, false])('at the same time (alike: %s)', (like) => {
  it.each([1, 2, 3])('two synchronizations bring each snapshot over once (%i)', async (seed) => {
    const { here, there, ids } = await given(like)
    const [one, two] = [await client(there, seed), await client(there, 100 + seed)]
    const results = await Promise.all([here.store.syncTo(one), here.store.syncTo(two)])
    const fresh = await reopened(there)
    expect((await idsOf(fresh)).sort()).toEqual([...ids].sort())
    for (const id of ids) expect(await told(fresh, id)).toEqual(await told(here.store, id))
    expect(await errorsOf(fresh)).toEqual([])
    const brought = results.flatMap(({ synchronized }) => synchronized.map(({ id }) => id))
    expect(new Set(brought)).toEqual(new Set(ids))
    for (const { synchronized, present } of results) expect(synchronized.length + present).toBe(ids.length)
  })

  it.each(Array.from({ length: 6 }, (_, seed) => seed))(
    'a synchronization, backups and prunes leave every snapshot whole (%i)',
    async (seed) => {
      const { here, there, ids } = await given(like)
      // Something to prune: half of it is what the synchronization is going to need.
      await here.store.syncTo(there.store, { snapshots: [ids[0]!, ids[1]!] })
      const others = await there.store.backup(scripted(states[3]!, { root: '/elsewhere' }))
      const [syncing, backing, pruning] = await Promise.all([0, 1, 2].map((i) => client(there, 10 * seed + i)))
      const pruned = (async () => {
        await pruning!.forget([ids[0]!, ids[1]!, others.snapshot!.id])
        for (let i = 0; i < 4; i++) await pruning!.prune({ delay: 0, grace: 0 })
      })()
      const [synced, backup] = await Promise.all([
        here.store.syncTo(syncing!, { includeForgotten: seed % 2 === 0 }),
        backing!.backup(scripted(states[4]!, { root: '/more' })),
        pruned,
      ])
      const fresh = await reopened(there)
      const left = await idsOf(fresh)
      for (const { id } of synced.synchronized) expect(left).toContain(id)
      for (const id of left.filter((each) => ids.includes(each))) {
        expect(await told(fresh, id)).toEqual(await told(here.store, id))
      }
      expect(await contents(fresh, backup.snapshot!.id)).toEqual(expected(states[4]!))
      expect(await errorsOf(fresh)).toEqual([])
      // Pruned once more, everything is still there.
      for (let i = 0; i < 2; i++) await fresh.prune({ delay: 0, grace: 0 })
      expect(await idsOf(fresh)).toEqual(left)
      expect(await errorsOf(fresh)).toEqual([])
    },
  )

  it('backups into the store that is read', async () => {
    const { here, there } = await given(like)
    const source = await client(here, 5)
    const [result] = await Promise.all([
      source.syncTo(there.store),
      here.store.backup(scripted({ ...states[0], new: noise(50_000, 9) })),
      (await client(here, 6)).backup(scripted(states[1]!, { root: '/two' })),
    ])
    expect(result.incomplete).toEqual([])
    await here.store.syncTo(there.store)
    expect((await idsOf(there.store)).sort()).toEqual((await idsOf(here.store)).sort())
    expect(await errorsOf(there.store)).toEqual([])
  })
})
