import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { idsByPackIn } from '../../../kloset/test/backup/support.js'
import {
  create,
  differences,
  errorsOf,
  fsStorage,
  open,
  places,
  settle,
  someFiles,
  threads,
  writeNoise,
} from './tools.js'

const place = places()
const engine = threads()
const child = fileURLToPath(new URL('./child.mjs', import.meta.url))

/** Backs up in another process and kills it once it has stored so many objects and then so many ms went by. */
function killedAfter(store: string, source: string, objects: number, wait: number): Promise<{ ended: boolean }> {
  return new Promise((resolve) => {
    let stored = 0
    let ended = false
    const running = spawn(process.execPath, [child, store, source], { stdio: ['ignore', 'pipe', 'inherit'] })
    createInterface(running.stdout).on('line', (line) => {
      if (!line.startsWith('stored ')) ended = true
      else if (++stored === objects) setTimeout(() => running.kill('SIGKILL'), wait)
    })
    running.on('close', () => resolve({ ended }))
  })
}

describe('a backup whose process is killed', () => {
  it.each([
    [1, 0],
    [1, 7],
    [2, 3],
    [5, 0],
    [9, 11],
    [14, 0],
  ])('after %i objects and %i ms leaves a whole store, and the next one goes on from there', async (objects, wait) => {
    const source = someFiles(place(), 200)
    writeNoise(`${source}/big`, 3_000_000, 77)
    await settle()
    const at = place()
    const made = await create(at, engine, true)
    await made.backup(`${source}/1`)
    await made.close()
    await killedAfter(at, source, objects, wait)
    const store = await open(at, engine)
    expect(await errorsOf(store)).toEqual([])
    const kept = await idsByPackIn(await fsStorage(at), store)
    const result = await store.backup(source)
    expect(result.failed).toEqual([])
    expect(await errorsOf(store)).toEqual([])
    const target = place()
    expect((await store.restore('latest', target)).failed).toEqual([])
    expect(differences(source, target)).toEqual([])
    // Everything that was stored stays, and nothing of it is stored again.
    const packs = await idsByPackIn(await fsStorage(at), store)
    expect([...packs.keys()]).toEqual(expect.arrayContaining([...kept.keys()]))
    const had = new Set([...kept.values()].flat())
    const added = [...packs].filter(([name]) => !kept.has(name)).flatMap(([, ids]) => ids)
    expect(added.filter((id) => had.has(id))).toEqual([])
    await store.close()
  })

  it('leaves nothing that later backups stumble over, however often it happens', async () => {
    const source = someFiles(place(), 150)
    await settle()
    const at = place()
    await (await create(at, engine, true)).close()
    let times = 0
    for (let objects = 1; objects <= 9; objects += 2)
      times += (await killedAfter(at, source, objects, objects % 3)).ended ? 0 : 1
    expect(times).toBeGreaterThan(0)
    const store = await open(at, engine)
    await store.backup(source)
    const last = await store.backup(source)
    expect(last.changes).toMatchObject({ new: 0, changed: 0 })
    expect(await errorsOf(store)).toEqual([])
    expect(readdirSync(at)).toEqual(expect.arrayContaining(['config', 'index', 'log', 'packs']))
    await store.close()
  })
})
