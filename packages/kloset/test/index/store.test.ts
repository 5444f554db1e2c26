import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Engine, Notice, Store } from '../../src/api.js'
import { toHex } from '../../src/bytes/index.js'
import { blake3 } from '../../src/hash/index.js'
import { SortedFile } from '../../src/index/sorted/sorted-file.js'
import { createEngine, openStore } from '../../src/index.js'
import { type MemoryPlace, memoryStorage } from '../../src/storage/index.js'
import { errorsOf, keyringOf, newStore, noise, type Specs, scripted } from '../backup/support.js'
import { memoryDestination } from '../restore/memory-destination.js'
import { type Bundled, bundled } from '../support/threads.js'

// More backups than segments are held in memory, so that the index of the store is in a sorted file; all in real threads.
const backups = 40
const unlock = { plaintext: true } as const
let worker: Bundled
let cache: string
let engine: Engine
let place: MemoryPlace
let last: string

beforeAll(async () => {
  cache = mkdtempSync(join(tmpdir(), 'kloset-cache-'))
  worker = await bundled('src/kloset-worker.ts')
  engine = createEngine({ workers: 2, worker: worker.url })
  const made = await newStore({ engine, cache: { folder: cache } })
  place = made.place
  for (let i = 0; i < backups; i++) last = (await made.store.backup(scripted(specs(i)))).snapshot!.id
  await made.store.close()
})
afterAll(async () => {
  await engine.close()
  worker.remove()
  rmSync(cache, { recursive: true, force: true })
})

describe('a store whose index is in a sorted file', () => {
  it('gives back what was backed up', async () => {
    const { store } = await open()
    expect(await restored(store)).toEqual(digests(specs(backups - 1)))
    expect(sorted().length).toBe(1)
    await store.close()
  })

  it('stores nothing that it has', async () => {
    const { store } = await open()
    const { added } = await store.backup(scripted(all()), { parent: null })
    expect([added.chunks, added.bytes]).toEqual([0, 0])
    const { added: more } = await store.backup(scripted({ ...all(), new: noise(5_000, 777) }), { parent: null })
    expect(more.bytes).toBe(5_000)
    await store.close()
  })

  it('is checked against segments that are read anew', async () => {
    const { store } = await open()
    expect(await errorsOf(store)).toEqual([])
    const [name] = [...place.keys()].filter((each) => each.startsWith('packs/'))
    const pack = place.get(name!)!
    place.delete(name!)
    expect(await errorsOf(store)).toContain(`pack-missing ${name}`)
    place.set(name!, pack)
    await store.close()
  })

  it('survives damage to the file, whenever it shows', async () => {
    const path = join(folder(), sorted()[0]!)
    const whole = readFileSync(path)
    const file = SortedFile.open(keyringOf({ id: readdirSync(cache).find((name) => name.length === 32)! }), path)!
    const { frames, records, directory, filter, trailer } = file.layout
    file.close()
    for (const at of [100, frames * 2_048, records * 2_048 + 9_000, directory, filter + 5, trailer + 3]) {
      for (const name of sorted()) rmSync(join(folder(), name))
      const changed = Buffer.from(whole)
      changed[at]! ^= 1
      writeFileSync(path, changed)
      const { store } = await open()
      expect(await restored(store), `byte ${at}`).toEqual(digests(specs(backups - 1)))
      await store.close()
    }
    const { store } = await open()
    expect(await errorsOf(store)).toEqual([])
    await store.close()
  })

  it('does without it', async () => {
    rmSync(cache, { recursive: true, force: true })
    const { store, notices } = await open()
    expect(await restored(store)).toEqual(digests(specs(backups - 1)))
    expect(sorted().length).toBe(1)
    expect(notices).toEqual([])
    await store.close()
  })
})

/** What backup number `i` backs up: something new, and something that the ones before had. */
function specs(i: number): Specs {
  return { [`file-${i}`]: noise(9_000, i), [`file-${i >> 1}`]: noise(9_000, i >> 1), [`small-${i}`]: `number ${i}` }
}

function all(): Specs {
  return Object.assign({}, ...Array.from({ length: backups }, (_, i) => specs(i)))
}

function digests(files: Specs): Record<string, string> {
  return Object.fromEntries(
    Object.entries(files).map(([path, content]) => [path, toHex(blake3(Buffer.from(content as Uint8Array)))]),
  )
}

async function restored(store: Store): Promise<Record<string, string>> {
  const to = memoryDestination()
  const { failed } = await store.restore(last, to)
  expect(failed).toEqual([])
  const files = [...to.entries].filter(([, { type }]) => type === 'file')
  return digests(Object.fromEntries(files.map(([path, { bytes }]) => [path, bytes!])))
}

async function open(): Promise<{ store: Store; notices: Notice[] }> {
  const notices: Notice[] = []
  const store = await openStore(memoryStorage({ place }), {
    unlock,
    engine,
    cache: { folder: cache },
    onNotice: (notice) => notices.push(notice),
  })
  return { store, notices }
}

function folder(): string {
  const [store] = readdirSync(cache).filter((name) => /^[0-9a-f]{32}$/.test(name))
  return join(cache, store!, 'sorted')
}

function sorted(): string[] {
  return readdirSync(folder())
}
