import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Store } from '../../src/api.js'
import { fromHex, toHex } from '../../src/bytes/index.js'
import type { VirtualFile } from '../../src/connector/index.js'
import { openedStore } from '../../src/facade.js'
import { openPack } from '../../src/pack/index.js'
import type { StoredSnapshot } from '../../src/snapshot/index.js'
import type { MemoryPlace } from '../../src/storage/index.js'
import { reach } from '../../src/tree/reach.js'
import { keyringOf } from '../support/damage.js'
import { noise, sourceWith } from '../support/samples.js'
import { allOf, createAt, placeOf, plaintext } from '../support/stores.js'

const { signal } = new AbortController()

const folder = fc
  .array(
    fc.record({
      path: fc.constantFrom('a', 'b', 'c/d', 'c/e', 'f'),
      from: fc.nat(4),
      length: fc.constantFrom(0, 50, 400, 5_000),
    }),
    { maxLength: 5 },
  )
  .map((entries) =>
    [...new Map(entries.map((entry) => [entry.path, entry])).values()].map(
      ({ path, from, length }): VirtualFile => ({ path, content: noise(length, from + 1) }),
    ),
  )

interface Sizes {
  readonly count: number
  readonly bytes: number
  readonly stored: number
}

/** What snapshots need, each by itself: every id with whether it is a chunk. Nothing is shared, nothing is skipped. */
async function neededBy(store: Store, snapshot: StoredSnapshot): Promise<Map<string, 'data' | 'metadata'>> {
  const blobs = await openedStore(store).blobs()
  const ids = new Map<string, 'data' | 'metadata'>()
  const tell = (of: 'data' | 'metadata') => (bytes: Uint8Array, at: number) => {
    ids.set(toHex(bytes.subarray(at, at + 32)), of)
    return true
  }
  await reach(
    snapshot.places.map(({ source }) => fromHex(source.tree)),
    (id) => blobs.node(id, { signal }),
    { node: tell('metadata'), chunk: tell('data') },
    { width: 1, signal },
  )
  return ids
}

/** The blobs of all packs as their footers tell: raw length, and share of the frame. */
async function blobsIn(place: MemoryPlace): Promise<Map<string, { bytes: number; stored: number }[]>> {
  const keyring = await keyringOf(place)
  const blobs = new Map<string, { bytes: number; stored: number }[]>()
  for (const [name, file] of place) {
    if (!name.startsWith('packs/')) continue
    const { footer } = openPack(keyring, fromHex(name.slice(9)), file)
    let record = 0
    const view = new DataView(footer.records.buffer, footer.records.byteOffset)
    for (let i = 0; i < footer.frames.length; i += 3) {
      const [sealed, raw, count] = [footer.frames[i]!, footer.frames[i + 1]!, footer.frames[i + 2]!]
      for (let left = count; left > 0; left--, record += 40) {
        const id = toHex(footer.records.subarray(record, record + 32))
        const bytes = view.getUint32(record + 36, true)
        blobs.set(id, [...(blobs.get(id) ?? []), { bytes, stored: (bytes * sealed) / raw }])
      }
    }
  }
  return blobs
}

function sizesOf(
  ids: Iterable<[string, 'data' | 'metadata']>,
  of: 'data' | 'metadata',
  blobs: ReadonlyMap<string, readonly { bytes: number; stored: number }[]>,
): Sizes {
  let [count, bytes, stored] = [0, 0, 0]
  for (const [id, kind] of ids) {
    if (kind !== of) continue
    count++
    bytes += blobs.get(id)![0]!.bytes
    stored += blobs.get(id)![0]!.stored
  }
  return { count, bytes, stored: Math.round(stored) }
}

async function storeOf(
  times: readonly VirtualFile[][],
): Promise<{ store: Store; place: MemoryPlace; all: StoredSnapshot[] }> {
  const place = placeOf()
  const store = await createAt(place, plaintext)
  // Of no parent: then the same trees are found again by their ids only.
  for (const entries of times) await store.backup(sourceWith(entries), { parent: null })
  return { store, place, all: (await allOf(store.snapshots())) as StoredSnapshot[] }
}

describe('how much there is', () => {
  it('is what counting it without any cleverness says', async () => {
    const times = fc.array(folder, { minLength: 1, maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(times, fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }), async (folders, chosen) => {
        const { store, place, all } = await storeOf(folders)
        const needed = await Promise.all(all.map((snapshot) => neededBy(store, snapshot)))
        const blobs = await blobsIn(place)
        const wanted = all.filter((_, i) => chosen[i])
        const found = await store.stats(wanted.length === 0 ? {} : { snapshots: wanted.map(({ id }) => id) })
        const asked = wanted.length === 0 ? all : wanted
        const union = new Map(asked.flatMap((snapshot) => [...needed[all.indexOf(snapshot)]!]))
        expect(found.data).toEqual(sizesOf(union, 'data', blobs))
        expect(found.metadata).toEqual(sizesOf(union, 'metadata', blobs))
        expect(found.missing).toBe(0)
        expect(found.totals.bytes).toBe(asked.reduce((sum, { totals }) => sum + totals.bytes, 0))
        expect(found.snapshots.map(({ snapshot }) => snapshot.id)).toEqual(asked.map(({ id }) => id))
        for (const own of found.snapshots) {
          const at = all.findIndex(({ id }) => id === own.snapshot.id)
          const alone = [...needed[at]!].filter(([id]) => needed.every((others, i) => i === at || !others.has(id)))
          expect({ data: own.data, metadata: own.metadata }).toEqual({
            data: sizesOf(alone, 'data', blobs),
            metadata: sizesOf(alone, 'metadata', blobs),
          })
        }
        if (asked.length === all.length) {
          const packs = [...place].filter(([name]) => name.startsWith('packs/'))
          expect(found.store).toMatchObject({
            packs: { packs: packs.length, bytes: packs.reduce((sum, [, { length }]) => sum + length, 0) },
          })
          const rest = [...blobs].flatMap(([id, copies]) => copies.slice(union.has(id) ? 1 : 0))
          expect(found.store?.unneeded).toBe(Math.round(rest.reduce((sum, { stored }) => sum + stored, 0)))
        } else expect(found.store).toBeUndefined()
        await store.close()
      }),
      { numRuns: 30 },
    )
  })

  it('tells what forgetting a snapshot frees, and what nobody needs after that', async () => {
    const { store, all } = await storeOf([
      [{ path: 'a', content: noise(5_000, 1) }],
      [
        { path: 'a', content: noise(5_000, 1) },
        { path: 'b', content: noise(3_000, 2) },
      ],
    ])
    const before = await store.stats()
    expect(before.store?.unneeded).toBe(0)
    expect(before.totals.bytes).toBe(13_000)
    expect(before.data.bytes).toBe(8_000)
    expect(before.snapshots.map(({ data }) => data.bytes)).toEqual([0, 3_000])
    await store.forget([all[1]!.id])
    const after = await store.stats()
    const { data, metadata } = before.snapshots[1]!
    expect(Math.abs(after.store!.unneeded - data.stored - metadata.stored)).toBeLessThanOrEqual(1)
    expect(after.data.bytes).toBe(5_000)
    await store.prune({ delay: 0 })
    expect((await store.stats()).store!.packs.bytes).toBeLessThan(before.store!.packs.bytes)
  })

  it('is of the snapshots that are meant', async () => {
    const { store } = await storeOf([[{ path: 'a', content: noise(5_000, 1) }]])
    await expect(store.stats({ snapshots: ['ffff'] })).rejects.toMatchObject({ code: 'KLOSET_SNAPSHOT_NOT_FOUND' })
    const none = await store.stats({ where: { host: 'nobody' } })
    expect(none).toMatchObject({ snapshots: [], totals: { bytes: 0 }, data: { count: 0, stored: 0 }, missing: 0 })
    expect(none.store).toBeUndefined()
  })
})
