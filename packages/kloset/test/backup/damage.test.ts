import { describe, expect, it } from 'vitest'
import type { Notice } from '../../src/api.js'
import { memoryStorage } from '../../src/storage/index.js'
import { errorsOf, newStore, noise, reopen, scripted } from './support.js'

const files = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`f${i}`, noise(9_000, i)]))

describe('a backup into a store that lost a pack', () => {
  it('stores again what the pack held, when everything is read', async () => {
    const { store, place } = await newStore()
    await store.backup(scripted(files))
    const packs = [...place.keys()].filter((name) => name.startsWith('packs/'))
    for (const lost of packs) {
      const damaged = new Map(place)
      damaged.delete(lost)
      const notices: string[] = []
      const again = await reopen(damaged)
      const onEvent = (event: { type: string }) => {
        if (event.type === 'notice') notices.push((event as Notice).code)
      }
      const { snapshot } = await again.backup(scripted(files), { parent: null, onEvent })
      expect(notices).toContain('packs-missing')
      for (const [path, content] of Object.entries(files)) {
        expect(await (await snapshot!.open(path)).bytes()).toEqual(new Uint8Array(content))
      }
    }
  })

  it('goes on without a parent that cannot be read', async () => {
    const { store, place } = await newStore()
    const first = await store.backup(scripted(files))
    const packs = [...place.keys()].filter((name) => name.startsWith('packs/'))
    let damagedParents = 0
    for (const lost of packs) {
      const damaged = new Map(place)
      damaged.delete(lost)
      const notices: string[] = []
      const again = await reopen(damaged)
      const onEvent = (event: { type: string }) => {
        if (event.type === 'notice') notices.push((event as Notice).code)
      }
      const { snapshot } = await again.backup(scripted(files), { onEvent })
      if (!notices.includes('parent-damaged')) continue
      damagedParents++
      expect(snapshot!.parent).toBeUndefined()
      expect(snapshot!.totals).toEqual(first.totals)
      for (const [path, content] of Object.entries(files)) {
        expect(await (await snapshot!.open(path)).bytes()).toEqual(new Uint8Array(content))
      }
    }
    expect(damagedParents).toBeGreaterThan(0)
  })
})

describe('what an interrupted backup left', () => {
  it('becomes part of the store also when the backup that adopted it fails', async () => {
    const { store, place } = await newStore()
    await store.close()
    const storage = memoryStorage({ place })
    let logs = 0
    // The commit fails twice: what was adopted in between must not be taken for a part of the store.
    const client = await reopen(place, () => ({
      ...storage,
      async put(name, body, how) {
        if (name.startsWith('log/') && logs++ < 2) throw new TypeError('not now')
        if (name.startsWith('index/') && logs < 2 && [...place.keys()].some((each) => each.startsWith('packs/'))) {
          throw new TypeError('no segment either')
        }
        return storage.put(name, body, how)
      },
    }))
    await expect(client.backup(scripted(files))).rejects.toThrow()
    await expect(client.backup(scripted(files))).rejects.toThrow()
    logs = 2
    await client.backup(scripted(files))
    expect(await errorsOf(await reopen(place))).toEqual([])
  })
})
