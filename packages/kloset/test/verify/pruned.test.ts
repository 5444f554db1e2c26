import { describe, expect, it } from 'vitest'
import type { Store } from '../../src/api.js'
import { openedStore } from '../../src/facade.js'
import type { EntryContent } from '../../src/log/index.js'
import { memoryStorage } from '../../src/storage/memory.js'
import { call, contents, expected, findings, newStore, noise, reopen, type Specs, scripted } from '../backup/support.js'
import { codesOf, findingsOf } from '../support/stores.js'

const files: Specs = { a: noise(9_000, 1), b: 'b' }

/** Says something of packs that nobody who goes by the rules would say. */
async function say(
  store: Store,
  kind: Exclude<EntryContent['kind'], 'snapshot' | 'forget' | 'undelete' | 'setting' | 'edit'>,
  packs: string[],
): Promise<void> {
  const { log } = openedStore(store)
  const draft = { content: { kind }, packs }
  await log.append(draft, { ...call, since: log.state.position, reconsider: () => draft })
}

const packsIn = (place: ReadonlyMap<string, unknown>): string[] =>
  [...place.keys()].filter((name) => name.startsWith('packs/')).map((name) => name.slice(-64))

describe('check', () => {
  it('finds what live snapshots need in packs that are purged, also while they can be read', async () => {
    const { store, place } = await newStore()
    await store.backup(scripted(files))
    expect(await findings(store)).toEqual([])
    for (const pack of packsIn(place)) {
      const copy = new Map(place)
      const client = await reopen(copy)
      await say(client, 'purge', [pack])
      expect(['chunk-missing', 'tree-missing']).toContain(codesOf(await findings(client))[0])
      expect(codesOf(await findingsOf(client, {}))).toEqual(codesOf(await findings(client)))
    }
  })

  it('has nothing against packs that are condemned, and misses none that is purged', async () => {
    const { store, place } = await newStore()
    const { snapshot } = await store.backup(scripted({ x: noise(9_000, 2) }))
    await store.backup(scripted(files, { root: '/other' }))
    await store.forget([snapshot!.id])
    await store.prune()
    expect(await findings(await reopen(place))).toEqual([])
    await store.prune({ delay: 0 })
    expect(await findings(await reopen(place))).toEqual([])
    // What was deleted and came back, a put being late, is nothing to speak of either.
    expect(await contents(store)).toEqual(expected(files))
  })

  it('looks at the log again before it says that something is missing', async () => {
    const { store, place } = await newStore()
    const { snapshot } = await store.backup(scripted({ x: noise(9_000, 2) }))
    await store.backup(scripted(files, { root: '/other' }))
    const storage = memoryStorage({ place })
    let pruned = false
    const client = await reopen(place, () => ({
      ...storage,
      async *list(prefix, how) {
        if (prefix === 'packs/' && !pruned) {
          pruned = true
          await store.forget([snapshot!.id])
          await store.prune({ delay: 0 })
        }
        yield* storage.list(prefix, how)
      },
    }))
    expect(await findings(client)).toEqual([])
    expect(pruned).toBe(true)
  })
})

describe('prune', () => {
  it('ends the condemnation of what is needed, whoever condemned it', async () => {
    const { store, place } = await newStore()
    await store.backup(scripted(files))
    await say(store, 'condemn', packsIn(place))
    const before = packsIn(place)
    expect(await (await reopen(place)).prune({ delay: 0, grace: 0 })).toMatchObject({
      purged: { packs: 0 },
      kept: { packs: before.length },
    })
    expect(packsIn(place)).toEqual(before)
    const fresh = await reopen(place)
    expect(openedStore(fresh).log.state.packs.size).toBe(0)
    expect(await findings(fresh)).toEqual([])
  })
})
