import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Unlock } from '../../src/api.js'
import type { Bytes } from '../../src/bytes/index.js'
import type { MemoryPlace } from '../../src/storage/index.js'
import { type KnownStore, lostAt } from '../support/damage.js'
import { copyOfPlace, findingsOf, flipped, openAt, plaintext, rawKey } from '../support/stores.js'
import { mustBeFound, mustRestore } from './flips.js'
import { smallStore } from './small-stores.js'

/** Damage anywhere must be found; every so many bytes are also restored from, fewer away from packs: what is there is not what files are made of. */
const restoreEvery = { packs: 3, others: 11 }

// An engine without threads gives each call a turn of the event loop by a timer of a millisecond: most of the time here.
const { setTimeout } = globalThis
beforeAll(() => {
  const soon = (act: () => void, delay?: number): unknown => (delay === 0 ? setImmediate(act) : setTimeout(act, delay))
  globalThis.setTimeout = soon as typeof setTimeout
})
afterAll(() => {
  globalThis.setTimeout = setTimeout
})

const stores: Readonly<Record<string, Unlock>> = { encrypted: rawKey, plaintext }

describe.each(Object.entries(stores))('%s: any one byte', (_, unlock) => {
  let known: KnownStore
  beforeAll(async () => {
    known = await smallStore(unlock)
  })

  it('is a store with everything in it, and whole', async () => {
    const names = [...known.place.keys()].map((name) => name.split('/')[0])
    const all = ['checkpoints', 'config', 'config.copy', 'index', 'log', 'packs']
    expect([...new Set(names)].sort()).toEqual(unlock === plaintext ? all : [...all, 'epochs', 'keys'].sort())
    expect(known.packs.size).toBeGreaterThanOrEqual(4)
    expect([...known.packs.values()].some(({ frames }) => frames.length > 1)).toBe(true)
    expect(known.snapshots.map(({ files }) => files.size)).toEqual([5, 5])
    expect(await findingsOf(await openAt(known.place, unlock))).toEqual([])
    for (const snapshot of known.snapshots) {
      await mustRestore('whole', known.place, known, snapshot, new Set(), 'plain')
      await mustRestore('whole', known.place, known, snapshot, new Set(), 'worker')
    }
  })

  it.each(['config', 'keys/', 'epochs/', 'log/', 'checkpoints/', 'index/', 'packs/'])(
    'of %s',
    async (prefix) => {
      for (const [name, bytes] of known.place) {
        if (!name.startsWith(prefix)) continue
        for (let at = 0; at < bytes.length; at++) await damaged(name, bytes, at)
      }
    },
    300_000,
  )

  async function damaged(name: string, bytes: Bytes, at: number): Promise<void> {
    const what = `byte ${at} of ${name}`
    const place: MemoryPlace = copyOfPlace(known.place)
    place.set(name, flipped(bytes, at))
    await mustBeFound(what, place, known)
    const pack = known.packs.get(name)
    if (at % (pack === undefined ? restoreEvery.others : restoreEvery.packs) !== 0) return
    const snapshot = known.snapshots[at % 2]!
    const way = at % 4 < 2 ? 'plain' : 'worker'
    await mustRestore(what, place, known, snapshot, lostBlobs(name, at), way)
  }

  /** Which blobs are lost; undefined where it is enough that nothing wrong is restored. */
  function lostBlobs(name: string, at: number): ReadonlySet<string> | undefined {
    const pack = known.packs.get(name)
    if (pack === undefined) return name.startsWith('log/') ? undefined : new Set()
    // Without its tree a snapshot is not restored at all.
    if (pack.class === 'metadata' && lostAt(pack, at).size > 0) return undefined
    return lostAt(pack, at)
  }
})
