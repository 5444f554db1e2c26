import { beforeAll, describe, expect, it } from 'vitest'
import type { Difference, Snapshot, SnapshotEntry, Store } from '../../src/api.js'
import type { Source, VirtualFile } from '../../src/connector/index.js'
import { files, longAgo, noise, sourceWith } from '../support/samples.js'
import { allOf, createAt, outcome, placeOf, plaintext } from '../support/stores.js'

const content: VirtualFile[] = [
  { path: 'b', type: 'directory', mode: 0o700 },
  ...files({ a: 'one', 'b/x': noise(500, 1), 'b/y': '', 'b!': 'sorts after what is in b', 'b/c/d/e': 'deep' }),
  { path: 'link', type: 'symlink', target: 'a' },
  { path: 'not\udcff', content: 'bytes' },
  { path: 'gone', content: () => Promise.reject(new Error('unreadable')), size: 7 },
]

async function snapshotOf(store: Store, ...sources: Source[]): Promise<Snapshot> {
  return (await store.backup(sources, { host: 'h', user: 'u' })).snapshot!
}

const pathsOf = async (entries: AsyncIterable<SnapshotEntry>): Promise<string[]> =>
  (await allOf(entries)).map(({ path }) => path)

describe('a snapshot of one source', () => {
  let snapshot: Snapshot
  beforeAll(async () => {
    snapshot = await snapshotOf(await createAt(placeOf(), plaintext), sourceWith(content))
  })

  it('says what it is', () => {
    expect(snapshot.id).toMatch(/^[0-9a-f]{32}$/)
    expect(snapshot.time.getTime()).toBeGreaterThan(Date.parse('2026-01-01'))
    expect(snapshot).toMatchObject({ host: 'h', user: 'u', name: undefined, tags: [], parent: undefined })
    expect(snapshot.sources).toEqual([{ type: 'test', origin: 'here', root: 'data', at: '', totals: snapshot.totals }])
    expect(snapshot.totals).toEqual({ files: 7, directories: 4, others: 1, bytes: 536, errors: 1 })
  })

  it('walks everything in path order', async () => {
    const all = ['', 'a', 'b', 'b/c', 'b/c/d', 'b/c/d/e', 'b/x', 'b/y', 'b!', 'gone', 'link', 'not\udcff']
    expect(await pathsOf(snapshot.walk())).toEqual(all)
    expect(await pathsOf(snapshot.walk('b'))).toEqual(['b', 'b/c', 'b/c/d', 'b/c/d/e', 'b/x', 'b/y'])
    expect(await pathsOf(snapshot.walk('b/y'))).toEqual(['b/y'])
  })

  it('lists what is directly in a directory', async () => {
    expect(await pathsOf(snapshot.list(''))).toEqual(['a', 'b', 'b!', 'gone', 'link', 'not\udcff'])
    expect(await pathsOf(snapshot.list('b'))).toEqual(['b/c', 'b/x', 'b/y'])
    expect(await pathsOf(snapshot.list('b/c/d'))).toEqual(['b/c/d/e'])
    expect(await pathsOf(snapshot.list('a'))).toEqual(['a'])
  })

  it('knows each entry', async () => {
    expect(await snapshot.stat('')).toMatchObject({ path: '', type: 'directory' })
    expect(await snapshot.stat('a')).toEqual({ path: 'a', type: 'file', size: 3, contentSize: 3, mtime: longAgo })
    expect(await snapshot.stat('b')).toMatchObject({ type: 'directory', mode: 0o700 })
    expect(await snapshot.stat('link')).toMatchObject({ type: 'symlink', target: 'a' })
    expect(await snapshot.stat('gone')).toMatchObject({ type: 'file', size: 7, error: { message: 'unreadable' } })
    expect(await snapshot.stat('gone')).not.toHaveProperty('contentSize')
  })

  it.each(['nothing', 'a/x', 'b/', '/a', '../a', 'b//x', '.', 'A', 'b/c/d/e/f', 'not\ufffd', '\0'])(
    'has no %j',
    async (path) => {
      for (const reading of [
        snapshot.stat(path),
        snapshot.open(path),
        allOf(snapshot.walk(path)),
        allOf(snapshot.list(path)),
      ]) {
        expect(await outcome(reading)).toBe('KLOSET_PATH_NOT_FOUND')
      }
    },
  )

  it('counts what is at and below a path', async () => {
    expect(await snapshot.totalsOf('')).toEqual(snapshot.totals)
    expect(await snapshot.totalsOf('b')).toEqual({ files: 3, directories: 3, others: 0, bytes: 504, errors: 0 })
    expect(await snapshot.totalsOf('b/x')).toEqual({ files: 1, directories: 0, others: 0, bytes: 500, errors: 0 })
    expect(await snapshot.totalsOf('link')).toMatchObject({ others: 1, bytes: 0 })
    expect(await snapshot.totalsOf('gone')).toMatchObject({ files: 1, bytes: 0, errors: 1 })
  })

  it('opens files only, and those that were stored', async () => {
    expect(await outcome(snapshot.open('b'))).toBe('KLOSET_PATH_NOT_FOUND')
    expect(await outcome(snapshot.open(''))).toBe('KLOSET_PATH_NOT_FOUND')
    expect(await outcome(snapshot.open('link'))).toBe('KLOSET_PATH_NOT_FOUND')
    await expect(snapshot.open('gone')).rejects.toMatchObject({ hint: expect.stringContaining('unreadable') })
    const file = await snapshot.open('b/c/d/e')
    expect(file).toMatchObject({ name: 'e', size: 4, entry: { path: 'b/c/d/e', type: 'file' } })
    expect(await file.text()).toBe('deep')
  })

  it('opens an entry as it was listed, or as somebody wrote it', async () => {
    const listed = (await allOf(snapshot.list('b'))).find(({ path }) => path === 'b/x')!
    expect(await (await snapshot.open(listed)).bytes()).toEqual(noise(500, 1))
    expect(await (await snapshot.open({ path: 'a', type: 'file' })).text()).toBe('one')
    await expect(snapshot.open(await snapshot.stat('gone'))).rejects.toMatchObject({ code: 'KLOSET_PATH_NOT_FOUND' })
  })
})

it('reads extended attributes of any length', async () => {
  const [short, long] = [Uint8Array.of(1, 2), noise(60_000, 7)]
  const file = { path: 'a', content: 'x', xattrs: { 'user.short': short, 'user.long': long } }
  const snapshot = await snapshotOf(await createAt(placeOf(), plaintext), sourceWith([file]))
  expect((await snapshot.stat('a')).longXattrs).toEqual({ 'user.long': 60_000 })
  expect(await snapshot.xattr('a', 'user.short')).toEqual(short)
  expect(await snapshot.xattr('a', 'user.long')).toEqual(long)
  expect(await snapshot.xattr('a', 'toString')).toBeUndefined()
  expect(await outcome(snapshot.xattr('b', 'user.long'))).toBe('KLOSET_PATH_NOT_FOUND')
})

it('names contents: alike where their bytes are', async () => {
  const store = await createAt(placeOf(), plaintext)
  const holding = (here: Record<string, string>): Promise<Snapshot> => snapshotOf(store, sourceWith(files(here)))
  const [before, after] = [await holding({ a: 'first', b: 'two', c: '' }), await holding({ a: 'two', b: 'two', d: '' })]
  const id = async (snapshot: Snapshot, path: string): Promise<string | undefined> =>
    (await snapshot.stat(path)).contentId
  expect(await id(before, 'a')).toMatch(/^[0-9a-f]{32}$/)
  expect(await id(after, 'a')).not.toBe(await id(before, 'a'))
  expect(await id(after, 'b')).toBe(await id(before, 'b'))
  expect(await id(after, 'a')).toBe(await id(before, 'b'))
  expect(await id(after, 'd')).toBe(await id(before, 'c'))
  expect(await id(after, '')).toBeUndefined()
})

describe('a snapshot of several sources', () => {
  it('has a folder for each, named after its root, and never the same one', async () => {
    const store = await createAt(placeOf(), plaintext)
    const roots = ['/srv/data', '/home/data', 'C:\\data-2', '/', '/x/..', '/y/data/']
    const snapshot = await snapshotOf(store, ...roots.map((root, i) => sourceWith(files({ f: `${i}` }), root)))
    const folders = new Map(snapshot.sources.map(({ at, root }) => [root, at]))
    expect(Object.fromEntries(folders)).toEqual({
      '/srv/data': 'data',
      '/home/data': 'data-2',
      'C:\\data-2': 'data-2-2',
      '/': 'test',
      '/x/..': 'test-2',
      '/y/data/': 'data-3',
    })
    for (const [i, root] of roots.entries()) {
      expect(await (await snapshot.open(`${folders.get(root)}/f`)).text()).toBe(`${i}`)
    }
    expect(await pathsOf(snapshot.list(''))).toEqual([...folders.values()].sort())
    expect(await pathsOf(snapshot.walk())).toEqual([...folders.values()].sort().flatMap((at) => [at, `${at}/f`]))
    expect(await snapshot.stat('')).toEqual({ path: '', type: 'directory' })
    expect(await snapshot.stat('data')).toMatchObject({ path: 'data', type: 'directory' })
    expect(await pathsOf(snapshot.list('data'))).toEqual(['data/f'])
    expect(await snapshot.totalsOf('')).toMatchObject({ files: 6, directories: 6 })
    expect(await snapshot.totalsOf('data-2')).toMatchObject({ files: 1, directories: 1 })
    expect(await outcome(snapshot.stat('data-9'))).toBe('KLOSET_PATH_NOT_FOUND')
    expect(await outcome(snapshot.stat('dat'))).toBe('KLOSET_PATH_NOT_FOUND')
  })
})

describe('what is different between two snapshots', () => {
  const told = async (differences: AsyncIterable<Difference>): Promise<[string, string][]> =>
    (await allOf(differences)).map(({ change, path }) => [change, path])

  it('is each entry that was added, removed, changed, or only has other metadata', async () => {
    const store = await createAt(placeOf(), plaintext)
    const before = await snapshotOf(
      store,
      sourceWith([...files({ a: '1', 'd/b': '2', c: '3', same: '4' }), { path: 'l', type: 'symlink', target: 'x' }]),
    )
    const after = await snapshotOf(
      store,
      sourceWith([
        ...files({ a: '1!', 'd/n': 'new', same: '4' }),
        { path: 'c', content: '3', mode: 0o600 },
        { path: 'l', type: 'symlink', target: 'y' },
      ]),
    )
    expect(await told(before.diff(after))).toEqual([
      ['changed', 'a'],
      ['metadata', 'c'],
      ['removed', 'd/b'],
      ['added', 'd/n'],
      [expect.any(String), 'l'],
    ])
    const backwards = Object.fromEntries((await told(after.diff(before))).map(([change, path]) => [path, change]))
    expect(backwards).toMatchObject({ a: 'changed', 'd/b': 'added', 'd/n': 'removed' })
    expect(await told(after.diff(after))).toEqual([])
    for await (const { path, before: old, after: now } of before.diff(after)) {
      if (path === 'a') expect([old?.contentSize, now?.contentSize]).toEqual([1, 2])
      if (path === 'd/n') expect([old, now?.path]).toEqual([undefined, 'd/n'])
    }
  })

  it('is whole folders where sources came and went', async () => {
    const store = await createAt(placeOf(), plaintext)
    const [x, y, z] = ['x', 'y', 'z'].map((root) => sourceWith(files({ f: root }), root)) as [Source, Source, Source]
    const before = await snapshotOf(store, x, y)
    const after = await snapshotOf(store, y, z)
    expect((await told(before.diff(after))).sort()).toEqual([
      ['added', 'z'],
      ['added', 'z/f'],
      ['removed', 'x'],
      ['removed', 'x/f'],
    ])
  })

  it('is not told between stores', async () => {
    const [one, other] = await Promise.all(
      [1, 2].map(async () => snapshotOf(await createAt(placeOf(), plaintext), sourceWith(files({ a: '1' })))),
    )
    await expect(allOf(one!.diff(other!))).rejects.toThrow(TypeError)
  })
})

describe('the snapshots of a store', () => {
  it('come oldest first, as far as they meet the conditions', async () => {
    const store = await createAt(placeOf(), plaintext)
    const backup = async (tag: string, host: string) =>
      (await store.backup(sourceWith(files({ a: tag })), { host, tags: [tag, tag], name: `n${tag}` })).snapshot!.id
    const all = [await backup('1', 'x'), await backup('2', 'y'), await backup('3', 'x')]
    const listed = async (where?: Parameters<Store['snapshots']>[0]): Promise<string[]> =>
      (await allOf(store.snapshots(where))).map(({ id }) => id)
    expect(await listed()).toEqual(all)
    expect(await listed({ host: 'x' })).toEqual([all[0], all[2]])
    expect(await listed({ tags: ['2'] })).toEqual([all[1]])
    expect(await listed({ name: 'n3', root: 'data' })).toEqual([all[2]])
    expect(await listed({ before: new Date(0) })).toEqual([])
    expect((await store.snapshot('latest~2')).tags).toEqual(['1'])
    expect((await store.snapshot('latest')).parent).toBe(all[0])
    expect((await store.snapshot(all[1]!.slice(0, 20))).id).toBe(all[1])
    expect(await outcome(store.snapshot('latest~3'))).toBe('KLOSET_SNAPSHOT_NOT_FOUND')
  })
})
