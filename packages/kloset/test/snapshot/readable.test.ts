import { beforeAll, describe, expect, it } from 'vitest'
import { pathFromBytes } from '../../src/connector/index.js'
import { KlosetError, memoryStorage, openStore } from '../../src/index.js'
import type { StoredSnapshot } from '../../src/snapshot/index.js'
import type { MemoryPlace } from '../../src/storage/index.js'
import { type KnownPack, logOf, packsOf } from '../support/damage.js'
import { files, sourceWith } from '../support/samples.js'
import {
  allOf,
  copyOfPlace,
  createAt,
  engine,
  flipped,
  openAt,
  outcome,
  placeOf,
  plaintext,
} from '../support/stores.js'

// Long entries make many nodes.
const padding = { 'test.padding': 'p'.repeat(900) }

/** Reads a tree as far as that is possible: what a restore does with a store that is damaged. */
describe('a tree whose nodes are damaged', () => {
  const count = 700
  const paths = Array.from(
    { length: count },
    (_, i) => `d${String(Math.floor(i / 35)).padStart(2, '0')}/f${String(i).padStart(4, '0')}`,
  )
  let place: MemoryPlace
  let packs: [string, KnownPack][]
  let all: string[]
  let root: string

  beforeAll(async () => {
    place = placeOf()
    const store = await createAt(place, plaintext)
    await store.backup(sourceWith(paths.map((path) => ({ path, attributes: padding }))), {})
    packs = [...(await packsOf(place))].filter(([, pack]) => pack.class === 'metadata')
    root = [...(await logOf(place)).state.snapshots.values()][0]!.record.sources[0]!.tree
    all = (await allOf((await store.snapshot('latest')).walk())).map(({ path }) => path)
  })

  async function read(from: MemoryPlace, path = ''): Promise<{ found: string[]; lost: string[]; errors: unknown[] }> {
    const snapshot = (await (await openAt(from, plaintext)).snapshot('latest')) as StoredSnapshot
    const [found, lost, errors]: [string[], string[], unknown[]] = [[], [], []]
    for await (const part of snapshot.readableUnder(path)) {
      for (const { key } of part.entries) found.push(pathFromBytes(key))
      if (part.lost === undefined) continue
      lost.push(part.lost.path)
      errors.push(part.lost.error)
    }
    return { found, lost, errors }
  }

  it('loses what is in a damaged node and nothing else, and says between which paths', async () => {
    let partly = 0
    for (const [name, { frames }] of packs) {
      for (const { from, ids } of frames) {
        const damaged = copyOfPlace(place)
        damaged.set(name, flipped(place.get(name)!, from + 30))
        const result = await read(damaged).catch(() => undefined)
        // Without its root nothing is known of a tree.
        if (result === undefined) continue
        partly++
        const { found, lost, errors } = result
        const missing = all.filter((path) => !found.includes(path))
        expect(found).toEqual(all.filter((path) => !missing.includes(path)))
        expect(missing).toEqual(expect.arrayContaining(lost))
        expect(missing.at(-1)).toBe(lost.at(-1))
        // Small nodes share a frame.
        expect(lost.length).toBeLessThanOrEqual(ids.size)
        const end = all.indexOf(missing[0]!)
        const start = end === 0 ? 'everything up to' : `everything after ${all[end - 1]} up to`
        expect((errors[0] as Error).message).toContain(start)
        for (const [i, path] of lost.entries()) {
          expect(errors[i]).toMatchObject({ code: 'KLOSET_TREE_CORRUPT', context: { path } })
          expect((errors[i] as Error).message).toContain(`up to ${path} is lost`)
        }
      }
    }
    expect(partly).toBeGreaterThan(3)
  })

  it('loses several nodes, each for itself', async () => {
    const damaged = copyOfPlace(place)
    let broken = 0
    for (const [name, { frames }] of packs) {
      for (const { from, ids } of frames) {
        if (ids.has(root) || ids.size > 1 || broken === 3) continue
        damaged.set(name, flipped(damaged.get(name)!, from + 30))
        broken++
      }
    }
    expect(broken).toBeGreaterThan(1)
    const { found, lost } = await read(damaged)
    expect(lost).toHaveLength(broken)
    expect(found.length).toBeGreaterThan(0)
    expect(new Set(found).size).toBe(found.length)
  })

  it('is read below a folder as if nothing were wrong elsewhere', async () => {
    const folders = new Map<string, number>()
    for (const [name, { frames }] of packs) {
      for (const { from } of frames) {
        const damaged = copyOfPlace(place)
        damaged.set(name, flipped(place.get(name)!, from + 30))
        for (const folder of ['d00', 'd07', 'd19']) {
          const result = await read(damaged, folder).catch(() => undefined)
          if (result === undefined) continue
          const expected = all.filter((path) => path === folder || path.startsWith(`${folder}/`))
          if (result.lost.length === 0) {
            expect(result.found).toEqual(expected)
            folders.set(folder, (folders.get(folder) ?? 0) + 1)
          } else expect(expected).toEqual(expect.arrayContaining(result.found))
        }
      }
    }
    expect([...folders.keys()].sort()).toEqual(['d00', 'd07', 'd19'])
  })

  it('is not called damaged where the storage cannot be reached', async () => {
    const storage = memoryStorage({ place })
    let reads = 0
    const offline = new KlosetError('KLOSET_OFFLINE', 'the network is down')
    const failing = {
      ...storage,
      get: (...args: Parameters<typeof storage.get>) =>
        args[0].startsWith('packs/') && ++reads > 3 ? Promise.reject(offline) : storage.get(...args),
    }
    const store = await openStore(failing, { unlock: plaintext, engine })
    const snapshot = (await store.snapshot('latest')) as StoredSnapshot
    expect(await outcome(allOf(snapshot.readableUnder('')))).toBe('KLOSET_OFFLINE')
  })
})

it('reads the other sources of a snapshot where the root of one is damaged', async () => {
  const place = placeOf()
  const store = await createAt(place, plaintext)
  const { snapshot } = await store.backup([sourceWith(files({ a: '1' }), 'x'), sourceWith(files({ b: '2' }), 'y')], {})
  const [[name, { frames }]] = [...(await packsOf(place))].filter(([, { class: of }]) => of === 'metadata') as [
    [string, KnownPack],
  ]
  expect(frames).toHaveLength(2)
  place.set(name, flipped(place.get(name)!, frames[0]!.from + 30))
  const again = (await (await openAt(place, plaintext)).snapshot(snapshot!.id)) as StoredSnapshot
  const parts = await allOf(again.readableUnder(''))
  expect(parts.flatMap(({ lost }) => lost?.path ?? [])).toEqual(['x'])
  expect(
    parts.flatMap(({ place: { at }, entries }) => [...entries].map(({ key }) => `${at}/${pathFromBytes(key)}`)),
  ).toEqual(['y/', 'y/b'])
})
