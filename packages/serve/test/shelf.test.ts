import fc from 'fast-check'
import type { Snapshot, Store } from 'kloset'
import { describe, expect, test, vi } from 'vitest'
import { catalogOf } from '../src/shelf/catalog.js'
import { folderName, timeName } from '../src/shelf/names.js'
import { type Item, Shelf } from '../src/shelf/shelf.js'
import { addSnapshot, emptyStore } from './stores.js'

function snapshotLike(id: string, time: string, more: Partial<Snapshot> = {}): Snapshot {
  return { id: id.padEnd(32, '0'), time: new Date(time), host: 'nas', tags: [], ...more } as Snapshot
}

const namesIn = async (shelf: Shelf, ...path: string[]): Promise<string[]> => {
  const names: string[] = []
  for await (const [name] of shelf.list((await shelf.at(path))!)) names.push(name)
  return names.sort()
}

describe('names of folders', () => {
  const anyText = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc.constantFrom('', '.', '..', '...', 'a/b', '%', '%2E', 'x'.repeat(400)),
  )

  test('can be names everywhere, and are never the same for two texts', () => {
    fc.assert(
      fc.property(anyText, anyText, (a, b) => {
        const name = folderName(a)
        expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255)
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they must not be in it.
        expect(name).not.toMatch(/^$|^\.{1,2}$|[/\\\u0000-\u001f]/)
        expect(Buffer.from(name).toString()).toBe(name)
        if (a !== b) expect(folderName(b)).not.toBe(name)
      }),
      { numRuns: 300 },
    )
  })

  test('leave ordinary names as they are', () => {
    for (const name of ['nas', 'my laptop', 'büro', 'a.b-c_d', '日本']) expect(folderName(name)).toBe(name)
    expect(['../../etc', '.', ''].map(folderName)).toEqual(['..%2F..%2Fetc', '%2E', '%'])
    expect(timeName(new Date('2026-11-20T15:57:33.999Z'))).toBe('2026-11-20T15-57-33Z')
  })
})

describe('a catalog', () => {
  test('keeps snapshots of one second, and ids that begin alike, apart', () => {
    const catalog = catalogOf([
      snapshotLike('aaaaaaaa1', '2026-01-01T00:00:00.100Z', { tags: ['x', 'x'] }),
      snapshotLike('aaaaaaaa2', '2026-01-01T00:00:00.900Z', { host: 'latest' }),
      snapshotLike('bbbbbbbbb', '2026-01-02T00:00:00Z'),
    ])
    const keys = (path: string): string[] => [...catalog.get(path)!.keys()]
    expect(keys('')).toEqual(['ids', 'times', 'hosts', 'tags', 'latest'])
    expect(keys('ids')).toEqual(['aaaaaaaa1', 'aaaaaaaa2', 'bbbbbbbbb'])
    expect(keys('times')).toEqual(['2026-01-01T00-00-00Z', '2026-01-01T00-00-00Z-aaaaaaaa2', '2026-01-02T00-00-00Z'])
    expect(keys('hosts')).toEqual(['nas', 'latest'])
    expect(keys('hosts/nas')).toEqual(['2026-01-01T00-00-00Z', 'latest', '2026-01-02T00-00-00Z'])
    expect(keys('tags/x')).toEqual(['2026-01-01T00-00-00Z', 'latest'])
    expect(catalog.get('hosts/nas')!.get('latest')).toMatchObject({ kind: 'latest', target: '2026-01-02T00-00-00Z' })
    expect(catalog.get('')!.get('latest')).toMatchObject({ target: 'ids/bbbbbbbbb' })
  })

  test('of nothing has its groups', () => {
    expect([...catalogOf([]).get('')!.keys()]).toEqual(['ids', 'times', 'hosts', 'tags'])
  })
})

describe('a shelf', () => {
  test('leads to everything by its path, and to nothing else', async () => {
    const store = await emptyStore()
    await addSnapshot(store, [
      { path: 'a/b/c', content: 'x' },
      { path: 'd', content: 'y' },
    ])
    const shelf = new Shelf(store)
    const kindAt = async (path: string): Promise<Item['kind'] | undefined> =>
      (await shelf.at(path.split('/').filter(Boolean)))?.kind
    expect(await kindAt('')).toBe('group')
    expect(await kindAt('hosts/nas')).toBe('group')
    expect(await kindAt('hosts/nas/latest')).toBe('latest')
    expect(await kindAt('latest/a/b/c')).toBe('entry')
    // Again, with what was listed meanwhile.
    expect(await namesIn(shelf, 'latest', 'a', 'b')).toEqual(['c'])
    expect(await kindAt('latest/a/b/c')).toBe('entry')
    for (const path of ['nothing', 'latest/x', 'latest/a/b/x', 'latest/d/x', 'latest/a/../d', 'hosts/nas/x', 'ids/x'])
      expect([path, await kindAt(path)]).toEqual([path, undefined])
    expect(await shelf.child((await shelf.at(['latest', 'd']))!, 'x')).toBeUndefined()
  })

  test('shows only what it is to show, and what comes later', async () => {
    const store = await emptyStore()
    await addSnapshot(store, [{ path: 'a', content: '1' }], { tags: ['yes'] })
    await addSnapshot(store, [{ path: 'a', content: '2' }], { tags: ['no'] })
    const shelf = new Shelf(store, { where: { tags: ['yes'] } })
    expect(await namesIn(shelf, 'tags')).toEqual(['yes'])
    const later = performance.now() + 10_000
    await addSnapshot(store, [{ path: 'a', content: '3' }], { tags: ['yes', 'new'] })
    expect(await namesIn(shelf, 'tags')).toEqual(['yes'])
    const clock = vi.spyOn(performance, 'now').mockReturnValue(later)
    expect(await namesIn(shelf, 'tags')).toEqual(['new', 'yes'])
    clock.mockRestore()
  })

  test('goes on with what it knows while the store cannot be asked', async () => {
    let gone = false
    const stale: unknown[] = []
    const store = {
      async *snapshots() {
        if (gone) throw new Error('offline')
        yield snapshotLike('abcdef012', '2026-01-01T00:00:00Z')
      },
    } as unknown as Store
    const shelf = new Shelf(store, { onStale: (error) => stale.push(error) })
    expect(await namesIn(shelf, 'ids')).toEqual(['abcdef01'])
    gone = true
    const clock = vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 10_000)
    expect(await namesIn(shelf, 'ids')).toEqual(['abcdef01'])
    clock.mockRestore()
    expect(stale).toHaveLength(1)
    await expect(new Shelf(store).snapshots()).rejects.toThrow('offline')
  })
})
