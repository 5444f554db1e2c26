import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { EntryFilter, Snapshot, SnapshotEntry, Store } from '../../src/api.js'
import { toHex } from '../../src/bytes/index.js'
import type { VirtualFile } from '../../src/connector/index.js'
import { KlosetError } from '../../src/errors.js'
import { find, type StoredSnapshot, versions } from '../../src/snapshot/index.js'
import { files, sourceWith } from '../support/samples.js'
import { allOf, createAt, placeOf, plaintext } from '../support/stores.js'
import { build, file, inOrder, manyFiles, Nodes } from '../tree/support.js'

const name = fc.constantFrom('a', 'b', 'a.c', 'B', 'a b', 'x\udcff', '[1]')
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join('/'))
const content = fc.constantFrom('', 'one', 'two', 'three and more')
/** What a folder holds at some time: a path below a file is left out, as it cannot be. */
const folder = fc.dictionary(path, content, { maxKeys: 12 }).map((of) => {
  const paths = Object.keys(of)
  return paths
    .filter((one) => !paths.some((other) => one.startsWith(`${other}/`)))
    .map((one): VirtualFile => ({ path: one, content: of[one]!, mtime: BigInt(of[one]!.length) * 1_000_000_000n }))
})
const pattern = fc.constantFrom(
  'a',
  '*',
  'a*',
  '?',
  '*.c',
  'a/*',
  '/data/a/*',
  '/data/**',
  'b/a/a',
  '/*/b',
  'B',
  'x?',
  '\\[1\\]',
  '/data/',
  'a/',
  '/data/a/b',
  '/else/**',
)

/** As a pattern of these is meant, said in another way. */
function isNamed(entry: SnapshotEntry, root: string, glob: string): boolean {
  if (glob.endsWith('/') && entry.type !== 'directory') return false
  const bare = glob.replace(/^\/|\/$/g, '')
  const whole = entry.path === '' ? root : `${root}/${entry.path}`
  const regular = bare
    .replace(/\\?[[\].]/g, (special) => `\\${special.at(-1)}`)
    .replace(
      /\/\*\*$|\*\*\/|\*|\?/g,
      (wild) => ({ '/**': '(?:/.*)?', '**/': '(?:.*/)?', '*': '[^/]*', '?': '[^/]' })[wild]!,
    )
  return new RegExp(glob.startsWith('/') ? `^${regular}$` : `(?:^|/)${regular}$`, 's').test(whole)
}

async function historyOf(times: readonly VirtualFile[][], root = 'data'): Promise<{ store: Store; all: Snapshot[] }> {
  const store = await createAt(placeOf(), plaintext)
  const all: Snapshot[] = []
  for (const entries of times) all.push((await store.backup(sourceWith(entries, root))).snapshot!)
  return { store, all }
}

describe('a search', () => {
  it('finds what a walk through every snapshot finds', async () => {
    const condition = fc.record(
      {
        names: fc.array(pattern, { minLength: 1, maxLength: 2 }),
        types: fc.constantFrom<NonNullable<EntryFilter['types']>>(['file'], ['directory'], ['file', 'symlink']),
        size: fc.constantFrom({ min: 3 }, { max: 3 }, { min: 1, max: 5 }),
        modified: fc.constantFrom({ since: new Date(3000) }, { before: new Date(4000) }),
      },
      { requiredKeys: [] },
    )
    await fc.assert(
      fc.asyncProperty(fc.array(folder, { minLength: 1, maxLength: 3 }), condition, async (times, filter) => {
        const { store, all } = await historyOf(times)
        const expected: string[][] = []
        for (const snapshot of all) {
          for (const entry of await allOf(snapshot.walk())) {
            const size = entry.contentSize ?? entry.size ?? 0
            const { names, types, size: asked, modified } = filter
            const holds =
              (names?.some((glob) => isNamed(entry, 'data', glob)) ?? true) &&
              (types?.includes(entry.type) ?? true) &&
              (asked === undefined ||
                (entry.type === 'file' && size >= (asked.min ?? 0) && size <= (asked.max ?? size))) &&
              (modified === undefined ||
                (entry.mtime !== undefined &&
                  entry.mtime >= BigInt(modified.since?.getTime() ?? 0) * 1_000_000n &&
                  entry.mtime < BigInt(modified.before?.getTime() ?? 1e12) * 1_000_000n))
            if (holds) expected.push([snapshot.id, entry.path])
          }
        }
        const found = await allOf(store.find(filter))
        expect(found.map(({ snapshot, entry }) => [snapshot.id, entry.path])).toEqual(expected)
        await store.close()
      }),
      { numRuns: 25 },
    )
  })

  it('tells every version of a file once, with the snapshots it is in', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(folder, { minLength: 1, maxLength: 6 }), pattern, async (times, glob) => {
        const { store, all } = await historyOf(times)
        const expected = new Map<string, string[]>()
        for (const snapshot of all) {
          for (const entry of await allOf(snapshot.walk())) {
            if (!isNamed(entry, 'data', glob)) continue
            const text = entry.type === 'file' ? await (await snapshot.open(entry.path)).text() : ''
            const key = JSON.stringify([entry.path, entry.type, text])
            expected.set(key, [...(expected.get(key) ?? []), snapshot.id])
          }
        }
        const found = new Map<string, string[]>()
        for (const { entry, snapshots } of await allOf(store.versions({ names: [glob] }))) {
          const text = entry.type === 'file' ? await (await snapshots[0]!.open(entry.path)).text() : ''
          found.set(
            JSON.stringify([entry.path, entry.type, text]),
            snapshots.map(({ id }) => id),
          )
        }
        expect(found).toEqual(expected)
        await store.close()
      }),
      { numRuns: 20 },
    )
  })

  it('is for some snapshots where only those are asked for', async () => {
    const { store, all } = await historyOf([files({ a: '1' }), files({ a: '1', b: '2' }), files({ b: '2' })])
    const ids = async (options: Parameters<Store['find']>[0]): Promise<string[]> =>
      (await allOf(store.find(options))).map(
        ({ snapshot, entry }) => `${all.indexOf(all.find(({ id }) => id === snapshot.id)!)}:${entry.path}`,
      )
    expect(await ids({ names: ['a', 'b'], snapshots: ['latest'] })).toEqual(['2:b'])
    expect(await ids({ names: ['b'], snapshots: ['latest~1', all[0]!.id] })).toEqual(['1:b'])
    expect(await ids({ names: ['b'], where: { host: 'nobody' } })).toEqual([])
    await expect(allOf(store.find({ snapshots: ['ffff'] }))).rejects.toMatchObject({
      code: 'KLOSET_SNAPSHOT_NOT_FOUND',
    })
  })

  it('keeps apart what comes from different places, and brings together what comes from one', async () => {
    const store = await createAt(placeOf(), plaintext)
    const etc = (text: string) => sourceWith(files({ hosts: text }), '/etc')
    const home = sourceWith(files({ hosts: 'mine' }), '/home')
    await store.backup(etc('old'))
    await store.backup([home, etc('old')])
    await store.backup(etc('newer'))
    const found = await allOf(store.versions({ names: ['hosts'] }))
    expect(found.map(({ source, entry, snapshots }) => [source.root, entry.path, snapshots.length])).toEqual([
      ['/etc', 'hosts', 2],
      ['/etc', 'hosts', 1],
      ['/home', 'home/hosts', 1],
    ])
    const paths = async (glob: string) => (await allOf(store.find({ names: [glob] }))).map(({ entry }) => entry.path)
    expect(await paths('/etc/hosts')).toEqual(['hosts', 'etc/hosts', 'hosts'])
    expect(await paths('/home/**')).toEqual(['home', 'home/hosts'])
    expect(await paths('etc/hosts')).toEqual(['hosts', 'etc/hosts', 'hosts'])
  })

  it.each([
    ['Report (final).pdf', 'Report (final).pdf'],
    ['a|b', 'a|b'],
    ['!not', '!not'],
    ['a+b', 'a+b'],
    ['$x^', '$x^'],
    ['{one,two}', 'two'],
    ['.*', '.hidden'],
    ['*', '.hidden'],
    ['[[:digit:]]', '7'],
    ['@(x)', '@(x)'],
  ])('understands %j as a shell does', async (glob, named) => {
    const { store } = await historyOf([files({ [named]: '', 'a+': '', aab: '', 'Report final.pdf': '' })])
    const found = (await allOf(store.find({ names: [glob], types: ['file'] }))).map(({ entry }) => entry.path)
    expect(found).toContain(named)
    if (glob !== '*') expect(found).toEqual([named])
  })

  it('can take no difference between upper and lower case', async () => {
    const { store } = await historyOf([files({ 'A/Readme.TXT': '' })])
    for (const glob of ['readme.*', 'a/*', '/DATA/a/README.txt']) {
      const found = await allOf(store.find({ names: [glob], ignoreCase: true, types: ['file'] }))
      expect(found.map(({ entry }) => entry.path)).toEqual(['A/Readme.TXT'])
    }
  })

  it('refuses what is no filter', async () => {
    const { store } = await historyOf([files({ a: '' })])
    await expect(allOf(store.find({ names: [''] }))).rejects.toThrow(TypeError)
    await expect(allOf(store.find({ names: ['//'] }))).rejects.toThrow(TypeError)
    await expect(allOf(store.find({ types: ['folder' as 'file'] }))).rejects.toThrow(TypeError)
    await expect(allOf(store.find({ size: { min: Number.NaN } }))).rejects.toThrow(RangeError)
    await expect(allOf(store.find({ modified: { since: new Date('never') } }))).rejects.toThrow(RangeError)
  })
})

describe('a search through many snapshots of much', () => {
  const start = manyFiles(4_000)
  /** Snapshots that differ in one file each, as far as a search looks at them. */
  async function manyTimes(count: number): Promise<{ nodes: Nodes; snapshots: StoredSnapshot[]; changing: string }> {
    const nodes = new Nodes()
    const changing = 'folder-40/changing'
    const snapshots: StoredSnapshot[] = []
    for (let i = 0; i < count; i++) {
      const { root } = await build(inOrder([...start, file(changing, i)]), nodes)
      const source = { type: 'test', origin: 'here', root: 'data', tree: toHex(root) }
      snapshots.push({ id: String(i), places: [{ at: '', source }] } as unknown as StoredSnapshot)
    }
    return { nodes, snapshots, changing }
  }

  it('reads no node twice in which there is nothing', async () => {
    const { nodes, snapshots, changing } = await manyTimes(8)
    const found = await allOf(find(snapshots, nodes.fetch, { names: ['changing'] }))
    expect(found.map(({ snapshot, entry }) => [snapshot.id, entry.path])).toEqual(
      snapshots.map(({ id }) => [id, changing]),
    )
    // Every tree has the node of that file and those above it to itself.
    expect(nodes.reads.length).toBe(nodes.map.size)
    expect(nodes.map.size).toBeGreaterThan(25)
  })

  it('reads no node twice for versions, and none beside the folder that is asked for', async () => {
    const { nodes, snapshots, changing } = await manyTimes(8)
    const all = await allOf(versions(snapshots, nodes.fetch, { names: ['file-*', 'changing'] }))
    expect(nodes.reads.length).toBe(nodes.map.size)
    expect(all.length).toBe(4_000 + 8)
    expect(all.filter(({ entry }) => entry.path !== changing).every(({ snapshots: of }) => of.length === 8)).toBe(true)
    nodes.reads = []
    const one = await allOf(versions(snapshots, nodes.fetch, { names: [`/data/${changing}`] }))
    expect(one.map(({ snapshots: of }) => of.map(({ id }) => id))).toEqual(snapshots.map(({ id }) => [id]))
    const depth = (nodes.map.size - nodes.reads.length) / 8
    expect(nodes.reads.length).toBeLessThanOrEqual(8 * 3)
    expect(depth).toBeGreaterThan(0)
  })

  it('goes on after what is damaged, where somebody wants to hear of it', async () => {
    const { nodes, snapshots, changing } = await manyTimes(3)
    const [first] = await allOf(find(snapshots.slice(0, 1), nodes.fetch, { names: ['file-0.txt'] }))
    expect(first?.entry.path).toBe('folder-0/file-0.txt')
    const broken = nodes.reads.at(1)!
    const fetch = async (id: Uint8Array): Promise<Uint8Array> => {
      if (toHex(id) === broken) throw new KlosetError('KLOSET_CHUNK_MISSING', 'gone')
      return nodes.fetch(id)
    }
    for (const search of [find, versions]) {
      const filter = { names: ['file-0.txt', 'changing'] }
      await expect(allOf<unknown>(search(snapshots, fetch, filter))).rejects.toMatchObject({
        code: 'KLOSET_CHUNK_MISSING',
      })
      const lost: string[] = []
      const found = await allOf<{ entry: { path: string } }>(
        search(snapshots, fetch, { ...filter, onLost: ({ snapshot, path }) => lost.push(`${snapshot.id}:${path}`) }),
      )
      expect(found.map(({ entry }) => entry.path)).toEqual([changing, changing, changing])
      expect(lost[0]).toMatch(/^0:folder-/)
    }
  })
})
