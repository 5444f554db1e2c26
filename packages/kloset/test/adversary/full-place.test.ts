import { describe, expect, it } from 'vitest'
import type { Storage } from '../../src/connector/contract.js'
import { KlosetError } from '../../src/errors.js'
import { createStore, openStore } from '../../src/index.js'
import { memoryStorage } from '../../src/storage/memory.js'
import { type Specs, scripted } from '../backup/support.js'
import { allOf, outcome } from '../support/stores.js'

// A place that takes nothing any more: only forgetting and pruning use what it has set aside, and it is set aside again afterwards.

const unlock = { plaintext: true } as const
const files: Specs = { a: 'a', b: 'b' }

/** A place that can be filled, and what was asked of its reserve. */
function place(): { storage: Storage; full: { now: boolean }; asked: string[]; set: { aside: boolean } } {
  const memory = memoryStorage()
  const full = { now: false }
  const set = { aside: false }
  const asked: string[] = []
  const storage: Storage = {
    ...memory,
    put: (name, body, how) => {
      if (full.now) throw new KlosetError('KLOSET_FULL', `cannot write ${name}: the disk is full`)
      return memory.put(name, body, how)
    },
    reserve: {
      keep: async () => {
        asked.push('keep')
        if (full.now) throw new KlosetError('KLOSET_FULL', 'the disk is full')
        set.aside = true
      },
      release: async () => {
        asked.push('release')
        const { aside } = set
        set.aside = false
        if (aside) full.now = false
        return aside
      },
    },
  }
  return { storage, full, asked, set }
}

async function filled() {
  const at = place()
  const store = await createStore(at.storage, { unlock })
  expect(at.asked).toEqual(['keep'])
  const { snapshot } = await store.backup(scripted(files))
  await store.close()
  at.full.now = true
  at.asked.length = 0
  return { ...at, id: snapshot!.id, store: await openStore(at.storage, { unlock }) }
}

describe('a full place', () => {
  it('lets a snapshot be forgotten, and packs be pruned, with what is set aside', async () => {
    const { store, full, asked, set, id } = await filled()
    await store.forget([id])
    expect(asked).toEqual(['release', 'keep'])
    full.now = true
    expect((await store.prune({ delay: 0, grace: 0 })).purged.packs).toBeGreaterThan(0)
    expect(asked).toEqual(['release', 'keep', 'release', 'keep'])
    expect(set.aside).toBe(true)
    expect(await allOf(store.snapshots())).toEqual([])
    await store.close()
  })

  it('gives what is set aside to nobody else', async () => {
    const { store, asked } = await filled()
    expect(await outcome(store.backup(scripted({ ...files, c: 'c' })))).toBe('KLOSET_FULL')
    expect(asked).toEqual([])
    await store.close()
  })

  it('says that it is full where nothing is set aside', async () => {
    const { store, asked, set, id } = await filled()
    set.aside = false
    expect(await outcome(store.forget([id]))).toBe('KLOSET_FULL')
    expect(asked).toEqual(['release'])
    await store.close()
  })

  it('is asked for nothing by a dry run', async () => {
    const { store, asked, id } = await filled()
    await store.forget([id], { dryRun: true })
    await store.prune({ dryRun: true })
    expect(asked).toEqual([])
    await store.close()
  })
})
