import { beforeAll, describe, expect, it } from 'vitest'
import type { MemoryPlace } from '../../src/storage/index.js'
import { type KnownPack, packsOf } from '../support/damage.js'
import { recorder, workerRecorder } from '../support/recorder.js'
import { files, noise, sourceWith } from '../support/samples.js'
import { copyOfPlace, createAt, flipped, openAt, placeOf, plaintext, restored } from '../support/stores.js'

describe.each([
  ['plain', recorder],
  ['worker', workerRecorder],
] as const)('a restore (%s) of a tree with damaged nodes', (_, to) => {
  const paths = Array.from(
    { length: 700 },
    (_, i) => `d${String(Math.floor(i / 35)).padStart(2, '0')}/f${String(i).padStart(4, '0')}`,
  )
  let place: MemoryPlace
  let packs: [string, KnownPack][]

  beforeAll(async () => {
    place = placeOf()
    const store = await createAt(place, plaintext)
    const attributes = { 'test.padding': 'p'.repeat(900) }
    await store.backup(sourceWith(paths.map((path, i) => ({ path, attributes, content: `${i % 3}` }))), {})
    packs = [...(await packsOf(place))].filter(([, pack]) => pack.class === 'metadata')
  })

  it('restores all that is not in them, and names where something is missing', async () => {
    let partly = 0
    for (const [name, { frames }] of packs) {
      for (const { from, ids } of frames) {
        const damaged = copyOfPlace(place)
        damaged.set(name, flipped(place.get(name)!, from + 30))
        const done = await restored(await openAt(damaged, plaintext), 'latest', to()).catch(() => undefined)
        // Without its root nothing is known of a tree.
        if (done === undefined) continue
        partly++
        const missing = paths.filter((path) => done.found.get(path)?.bytes === undefined)
        expect(missing.length).toBeGreaterThan(0)
        expect(missing.length).toBeLessThan(paths.length)
        const failed = done.result.failed.map(({ path }) => path)
        expect(failed.at(-1)).toBe(missing.at(-1))
        expect(failed.length).toBeLessThanOrEqual(ids.size)
      }
    }
    expect(partly).toBeGreaterThan(3)
  })

  it('restores the other sources where the tree of one cannot be read', async () => {
    const two = placeOf()
    const store = await createAt(two, plaintext)
    await store.backup([sourceWith(files({ a: '1' }), 'x'), sourceWith(files({ b: '2' }), 'y')], {})
    const [[name, { frames }]] = [...(await packsOf(two))].filter(([, { class: of }]) => of === 'metadata') as [
      [string, KnownPack],
    ]
    two.set(name, flipped(two.get(name)!, frames[0]!.from + 30))
    const { found, result } = await restored(await openAt(two, plaintext), 'latest', to())
    expect(result.failed.map(({ path }) => path)).toEqual(['x'])
    expect(found.has('y/b')).toBe(true)
  })

  it('reads the other copy of a chunk where a flipped bit makes a pack look newer', async () => {
    const twice = placeOf()
    const one = await createAt(twice, plaintext)
    const other = await openAt(twice, plaintext)
    const source = () => sourceWith(files({ same: noise(150, 1) }))
    await Promise.all([one.backup(source(), { host: 'a' }), other.backup(source(), { host: 'b' })])
    const data = [...(await packsOf(twice))].filter(([, { class: of }]) => of === 'data')
    expect(data).toHaveLength(2)
    for (const [name] of data) {
      const damaged = copyOfPlace(twice)
      damaged.set(name, flipped(twice.get(name)!, 5))
      const { found, result } = await restored(await openAt(damaged, plaintext), 'latest', to())
      expect(result.failed).toEqual([])
      expect(found.get('same')?.bytes).toEqual(noise(150, 1))
    }
  })
})
