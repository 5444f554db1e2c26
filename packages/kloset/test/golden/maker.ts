import { existsSync } from 'node:fs'
import { createEngine, createStore, memoryStorage } from '../../src/index.js'
import { checkpoint } from '../support/damage.js'
import { backups } from './content.js'
import { folderOf, writePlace } from './shelf.js'
import { goldenSizes, goldenStores } from './stores.js'

/** Makes the golden stores of these names, as far as they are not there yet, below a folder of fixtures. */
export async function makeGoldenStores(
  fixtures: string,
  names: readonly string[] = Object.keys(goldenStores),
): Promise<void> {
  const engine = createEngine({ workers: 0 })
  for (const name of names) {
    const { unlock, options, edit } = goldenStores[name]!
    const folder = folderOf(fixtures, name)
    if (existsSync(folder)) continue
    const place = new Map()
    const store = await createStore(memoryStorage({ place }), { ...goldenSizes, ...options, unlock, engine })
    for (const [i, { name: backup, tags, sources }] of backups.entries()) {
      await store.backup(sources(), { host: 'museum', user: 'curator', name: backup, tags })
      if (edit !== undefined) await store.edit(['latest'], edit)
      if (i === 0) await checkpoint(place, unlock)
    }
    await store.close()
    writePlace(folder, place)
  }
}
