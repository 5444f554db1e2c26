import { describe, expect, it } from 'vitest'
import type { Store } from '../../src/api.js'
import type { Storage } from '../../src/connector/index.js'
import { openedStore } from '../../src/facade.js'
import { decodeEntry, entryObject, type LogEntry } from '../../src/log/index.js'
import { type MemoryPlace, memoryStorage } from '../../src/storage/memory.js'
import { outcome } from '../support/stores.js'
import {
  contents,
  expected,
  findings,
  keyringOf,
  longAgo,
  newStore,
  noise,
  reopen,
  type Specs,
  scripted,
  storedTwice,
} from './support.js'

const first: Specs = { a: noise(30_000, 1), 'd/b': noise(20_000, 2) }
const second: Specs = { ...first, c: noise(9_000, 3) }
const atOnce = { delay: 0, grace: 0 }

/** A client for which `act` happens just before its backup is committed, once. */
async function interfered(place: MemoryPlace, act: () => Promise<unknown>): Promise<Store> {
  const storage: Storage = memoryStorage({ place })
  let done = false
  return reopen(place, () => ({
    ...storage,
    async put(name, body, how) {
      if (name.startsWith('log/') && !done) {
        done = true
        await act()
      }
      return storage.put(name, body, how)
    },
  }))
}

function newestEntry(store: Store, place: MemoryPlace): LogEntry {
  const { position } = openedStore(store).log.state
  return decodeEntry(keyringOf(store), position, place.get(entryObject(position))!)
}

async function backUp(store: Store, specs: Specs): Promise<{ notices: string[]; opened: string[] }> {
  const notices: string[] = []
  const source = scripted(specs)
  const { failed } = await store.backup(source, {
    onEvent: (event) => void (event.type === 'notice' && notices.push(event.code)),
  })
  expect(failed).toEqual([])
  return { notices, opened: source.opened }
}

describe('a backup whose parent is forgotten while it runs', () => {
  it('commits as it is where nothing was condemned', async () => {
    const { store, place } = await newStore()
    await store.backup(scripted(first))
    const client = await interfered(place, () => store.forget(['latest']))
    expect(await backUp(client, second)).toEqual({ notices: [], opened: ['c'] })
    expect(newestEntry(client, place).lifted).toEqual([])
    await store.prune(atOnce)
    expect(await contents(await reopen(place))).toEqual(expected(second))
    expect(await findings(await reopen(place))).toEqual([])
  })

  it('lifts what was condemned', async () => {
    const { store, place } = await newStore()
    await store.backup(scripted(first))
    const client = await interfered(place, async () => {
      await store.forget(['latest'])
      await store.prune()
    })
    expect(await backUp(client, second)).toEqual({ notices: [], opened: ['c'] })
    // All the data; the tree is another one now.
    expect(newestEntry(client, place).lifted.length).toBeGreaterThan(1)
    await store.prune(atOnce)
    expect(await contents(await reopen(place))).toEqual(expected(second))
    expect(await findings(await reopen(place))).toEqual([])
  })

  it('starts over where it was purged, and uses what it has stored', async () => {
    const { store, place } = await newStore()
    await store.backup(scripted(first))
    const client = await interfered(place, async () => {
      await store.forget(['latest'])
      await store.prune({ delay: 0 })
    })
    expect(await backUp(client, second)).toEqual({
      notices: ['pruned-meanwhile', 'adopted'],
      opened: ['c', 'a', 'c', 'd/b'],
    })
    expect(await storedTwice(client, place)).toEqual([])
    expect(await contents(await reopen(place))).toEqual(expected(second))
    expect(await findings(await reopen(place))).toEqual([])
  })

  it('that was asked for by name takes another one, or none', async () => {
    const { store, place } = await newStore()
    const { snapshot } = await store.backup(scripted(first))
    const client = await interfered(place, async () => {
      await store.forget(['latest'])
      await store.prune({ delay: 0 })
    })
    await client.backup(scripted(second), { parent: snapshot!.id })
    expect(await contents(await reopen(place))).toEqual(expected(second))
  })
})

describe('a backup that found content which is then pruned', () => {
  it.each([
    ['condemned', {}, []],
    ['purged', { delay: 0 }, ['pruned-meanwhile', 'adopted']],
  ] as const)('ends in a commit where it was %s', async (_, options, expectedNotices) => {
    const { store, place } = await newStore()
    await store.backup(scripted(first, { root: '/other' }))
    await store.forget(['latest'])
    const client = await interfered(place, () => store.prune(options))
    const { notices } = await backUp(client, second)
    expect(notices).toEqual(expectedNotices)
    await store.prune(atOnce)
    expect(await contents(await reopen(place))).toEqual(expected(second))
    expect(await findings(await reopen(place))).toEqual([])
  })

  it('does not start over where it can read its source only once', async () => {
    const { store, place } = await newStore()
    await store.backup(scripted(first, { root: '/other' }))
    await store.forget(['latest'])
    const client = await interfered(place, () => store.prune({ delay: 0 }))
    const source = scripted(second, { capabilities: { access: 'in-order' } })
    expect(await outcome(client.backup(source))).toBe('KLOSET_BUSY')
    expect(openedStore(await reopen(place)).log.state.snapshots.size).toBe(0)
  })

  it('never relies on what is condemned when it starts', async () => {
    const { store, place } = await newStore()
    await store.backup(scripted(first, { root: '/other' }))
    await store.forget(['latest'])
    await store.prune()
    const client = await reopen(place)
    await backUp(client, second)
    expect(newestEntry(client, place).lifted).toEqual([])
    expect(await store.prune(atOnce)).toMatchObject({ purged: { packs: expect.any(Number) } })
    expect(await contents(await reopen(place))).toEqual(expected(second))
    expect(await findings(await reopen(place))).toEqual([])
  })
})

describe('a backup whose own packs are taken for leftovers', () => {
  it.each([
    ['suspected', {}, []],
    ['condemned', { grace: 0 }, []],
    ['purged', atOnce, ['pruned-meanwhile']],
  ] as const)('ends in a commit where they were %s', async (_, options, expectedNotices) => {
    const { store, place } = await newStore()
    const client = await interfered(place, () => store.prune(options))
    const { notices } = await backUp(client, first)
    expect(notices).toEqual(expectedNotices)
    expect([...openedStore(client).log.state.packs.values()].map(({ fate }) => fate)).not.toContain('suspect')
    await store.prune(atOnce)
    expect(await contents(await reopen(place))).toEqual(expected(first))
    expect(await findings(await reopen(place))).toEqual([])
  })
})

describe('a backup beside a damaged segment', () => {
  it('names what only footers told of, so that nothing depends on the segment staying damaged', async () => {
    const { store, place } = await newStore()
    await store.backup(scripted({ x: noise(9_000, 9) }, { root: '/x' }))
    const storage = memoryStorage({ place, capabilities: { concurrency: 1 } })
    let puts = 4
    const broken = await reopen(place, () => ({
      ...storage,
      put: (name, body, how) => (puts-- > 0 ? storage.put(name, body, how) : Promise.reject(new Error('off'))),
    }))
    await broken.backup(scripted(first)).catch(() => undefined)
    // Nothing tells of what was interrupted but the packs themselves.
    const logged = openedStore(store).log.state.segments
    for (const name of [...place.keys()])
      if (name.startsWith('index/') && !logged.has(name.slice(6))) place.delete(name)
    const damaged = `index/${[...logged][0]}`
    const whole = place.get(damaged)!
    place.set(damaged, whole.slice(1))
    const client = await reopen(place)
    await backUp(client, first)
    expect(await storedTwice(client, place)).toEqual([])
    place.set(damaged, whole)
    expect(await findings(await reopen(place))).toEqual([])
    expect(await contents(await reopen(place))).toEqual(expected(first))
  })
})

describe('the memory of a pack', () => {
  it('serves another one only after its put is over, also where that took several tries', async () => {
    const { place } = await newStore()
    const storage = memoryStorage({ place })
    let puts = 0
    const store = await reopen(place, () => ({
      ...storage,
      async put(name, body, how) {
        const before = body.slice()
        await new Promise((resolve) => setTimeout(resolve, 2))
        // Whatever became of it: nobody wrote to it while it was being put.
        expect(body).toEqual(before)
        if (name.startsWith('packs/') && ++puts % 3 === 1) {
          throw Object.assign(new Error('reset'), { code: 'ECONNRESET' })
        }
        return storage.put(name, body, how)
      },
    }))
    const many = Object.fromEntries(
      Array.from({ length: 30 }, (_, i) => [`f${i}`, { content: noise(20_000, i), mtime: longAgo + BigInt(i) }]),
    )
    await backUp(store, many)
    expect(puts).toBeGreaterThan(20)
    expect(await findings(await reopen(place))).toEqual([])
    expect(await contents(await reopen(place))).toEqual(expected(many))
  })
})
