import { cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Notice, Unlock } from '../../src/api.js'
import { createStore, memoryStorage, openStore } from '../../src/index.js'
import type { MemoryPlace } from '../../src/storage/index.js'
import { folder, type Machine, machine, on, total } from '../client/place.js'
import { files, sourceWith } from '../support/samples.js'
import {
  allOf,
  copyOfPlace,
  filesOf,
  findingsOf,
  flipped,
  placeOf,
  plaintext,
  rawKey,
  restored,
  tiny,
} from '../support/stores.js'

/** All files below a folder. */
function filesBelow(at: string): string[] {
  return readdirSync(at, { recursive: true, encoding: 'utf8' }).filter((name) => statSync(join(at, name)).isFile())
}

const content = Object.fromEntries(
  Array.from({ length: 60 }, (_, i) => [`folder-${i % 5}/file-${i}`, `what is in file ${i}. `.repeat(1 + (i % 9))]),
)

interface Seen {
  readonly ids: readonly string[]
  readonly paths: readonly string[]
  readonly contents: ReadonlyMap<string, string>
  readonly unchanged: unknown
  readonly notices: readonly Notice[]
  readonly requests: number
}

describe.each<[string, Unlock]>([
  ['an encrypted store', rawKey],
  ['a plaintext store', plaintext],
])('the cache of %s', (_, unlock) => {
  let original: MemoryPlace
  let whole: Machine
  let expected: Seen

  /** What a client sees and does that has this cache: lists, reads, and backs up what has not changed. */
  async function look(at: string, then?: () => void, place = copyOfPlace(original)): Promise<Seen> {
    const notices: Notice[] = []
    const onNotice = (notice: Notice): void => void notices.push(notice)
    const options = { unlock, engine: tiny.engine!, cache: { folder: at }, onNotice }
    const store = await openStore(memoryStorage({ place }), options)
    then?.()
    const ids = (await allOf(store.snapshots())).map(({ id }) => id)
    const snapshot = await store.snapshot('latest~1')
    const paths = (await allOf(snapshot.walk())).map(({ path }) => path)
    then?.()
    const { found, result } = await restored(store, 'latest')
    expect(result.failed).toEqual([])
    const contents = new Map([...filesOf(found)].map(([path, bytes]) => [path, new TextDecoder().decode(bytes)]))
    const { changes, added, totals } = await store.backup(sourceWith(files(content)), { host: 'somewhere' })
    const requests = total(store.requests)
    await store.close()
    const again = await openStore(memoryStorage({ place }), { unlock, engine: tiny.engine! })
    expect(await findingsOf(again)).toEqual([])
    const { chunks, bytes, metadata, objects } = added
    return { ids, paths, contents, unchanged: { changes, chunks, bytes, metadata, objects, totals }, notices, requests }
  }

  beforeAll(async () => {
    original = placeOf()
    whole = machine()
    const made = { ...tiny, ...on(whole), unlock }
    await (await createStore(memoryStorage({ place: original }), made)).close()
    for (const more of [{}, { added: 'later' }, {}]) {
      const store = await openStore(memoryStorage({ place: original }), { ...on(whole), unlock })
      await store.backup(sourceWith(files({ ...content, ...more })), { host: 'somewhere' })
      await store.close()
    }
    expected = await look(copied())
    expect(expected.notices).toEqual([])
    expect(expected.contents.get('folder-1/file-1')).toBe(content['folder-1/file-1'])
  })

  function copied(): string {
    const at = folder()
    cpSync(whole.cache, at, { recursive: true })
    return at
  }

  const same = async (at: string, then?: () => void): Promise<void> => {
    const seen = await look(at, then)
    expect({ ...seen, requests: 0 }).toEqual({ ...expected, requests: 0 })
  }

  it('may lose or have damaged any of its files', async () => {
    const names = filesBelow(whole.cache)
    expect(new Set(names.map((name) => name.split('/')[1])).size).toBeGreaterThan(3)
    const damages: ((bytes: Buffer) => Buffer)[] = [
      (bytes) => Buffer.alloc(0, bytes),
      (bytes) => bytes.subarray(0, bytes.length >>> 1),
      (bytes) => {
        bytes[bytes.length >>> 1]! ^= 4
        return bytes
      },
      (bytes) => {
        bytes[8]! ^= 1
        return bytes
      },
    ]
    for (const [i, name] of names.entries()) {
      const at = copied()
      const path = join(at, name)
      if (i % 5 === 4) rmSync(path)
      else writeFileSync(path, damages[i % 5]!(readFileSync(path)))
      await same(at)
      rmSync(at, { recursive: true })
    }
  })

  it('may have all of them damaged at once, and mends', async () => {
    const at = copied()
    for (const name of filesBelow(at)) {
      const bytes = readFileSync(join(at, name))
      bytes[bytes.length - 1]! ^= 0x20
      writeFileSync(join(at, name), bytes)
    }
    const place = copyOfPlace(original)
    const first = await look(at, undefined, place)
    expect({ ...first, requests: 0 }).toEqual({ ...expected, requests: 0 })
    const second = await look(at, undefined, place)
    expect(second.notices).toEqual([])
    expect(second.requests).toBeLessThan(first.requests)
    expect(second.requests).toBeLessThanOrEqual(expected.requests + 1)
  })

  it('may have files that were exchanged for others of their kind', async () => {
    for (const kind of ['packs', 'index', 'frames']) {
      const at = copied()
      const names = filesBelow(at).filter((name) => name.split('/')[1] === kind)
      const bodies = names.map((name) => readFileSync(join(at, name)))
      for (const [i, name] of names.entries()) writeFileSync(join(at, name), bodies[(i + 1) % bodies.length]!)
      await same(at)
    }
  })

  it('may vanish while it is being used', async () => {
    const at = copied()
    await same(at, () => rmSync(at, { recursive: true, force: true }))
  })

  it('serves several at once', async () => {
    const at = copied()
    await Promise.all(Array.from({ length: 4 }, () => same(at)))
    const empty = folder()
    await Promise.all(Array.from({ length: 4 }, () => same(empty)))
    await same(empty)
  })

  it('does not hide from a check what is damaged in the store', async () => {
    const at = copied()
    for (const kind of ['packs/', 'index/', 'log/', 'keys/', 'epochs/', 'config']) {
      const place = copyOfPlace(original)
      const names = [...place.keys()].filter((name) => name.startsWith(kind))
      for (const name of names) {
        const options = { unlock, engine: tiny.engine!, cache: { folder: at } }
        const store = await openStore(memoryStorage({ place }), options)
        // Everything this client needs of it is kept, and in memory.
        const snapshot = await store.snapshot('latest')
        const paths = (await allOf(snapshot.walk())).length
        const bytes = place.get(name)!
        place.set(name, flipped(bytes, bytes.length >>> 1))
        expect(await allOf(snapshot.walk())).toHaveLength(paths)
        expect(await findingsOf(store), name).not.toEqual([])
        place.set(name, bytes)
        await store.close()
      }
    }
  })

  it('may be too small for anything', async () => {
    const place = copyOfPlace(original)
    const at = folder()
    for (const size of [0, 100, 10_000]) {
      const options = { unlock, engine: tiny.engine!, cache: { folder: at, size } }
      const store = await openStore(memoryStorage({ place }), options)
      expect(await allOf(store.snapshots())).toHaveLength(3)
      expect(filesOf((await restored(store, 'latest')).found).size).toBe(60)
      await store.close()
      const kept = filesBelow(at).reduce((sum, name) => sum + statSync(join(at, name)).size, 0)
      expect(kept).toBeLessThanOrEqual(size + 1_000)
    }
  })
})
