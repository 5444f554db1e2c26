import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Difference, DiffOptions, Snapshot, SnapshotEntry, Store } from '../../src/api.js'
import { comparePaths, type VirtualFile } from '../../src/connector/index.js'
import { diff, pathOfKey } from '../../src/tree/index.js'
import { files, longAgo, sourceWith } from '../support/samples.js'
import { allOf, createAt, outcome, placeOf, plaintext } from '../support/stores.js'
import { build, file, inOrder, manyFiles, Nodes } from '../tree/support.js'

const name = fc.constantFrom('a', 'b', 'a.b', 'a!')
const folder = fc
  .dictionary(
    fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join('/')),
    fc.record({ content: fc.constantFrom('', 'one', 'two'), mode: fc.constantFrom(0o600, 0o644) }),
    { maxKeys: 12 },
  )
  .map((of) => {
    const paths = Object.keys(of)
    const leaves = paths.filter((one) => !paths.some((other) => other.startsWith(`${one}/`)))
    return leaves.map((path): VirtualFile => ({ path, mtime: longAgo, ...of[path]! }))
  })

let store: Store
async function snapshotOf(...sources: ReturnType<typeof sourceWith>[]): Promise<Snapshot> {
  store ??= await createAt(placeOf(), plaintext)
  // Each is read whole: sizes and times are often the same here.
  return (await store.backup(sources, { parent: null })).snapshot!
}

const told = (differences: readonly Difference[]): string[] =>
  differences.map(({ change, path }) => `${change} ${path}`)

describe('what is different between two snapshots', () => {
  it('is what comparing them entry by entry says, at any paths', async () => {
    const where = fc.constantFrom('', 'a', 'b', 'a/b')
    await fc.assert(
      fc.asyncProperty(folder, folder, where, where, async (left, right, path, otherPath) => {
        const before = await snapshotOf(sourceWith(left))
        const after = await snapshotOf(sourceWith(right))
        const [old, now] = [await below(before, path), await below(after, otherPath)]
        const options: DiffOptions = { path, otherPath }
        if (old.size === 0 && now.size === 0) {
          expect(await outcome(allOf(before.diff(after, options)))).toBe('KLOSET_PATH_NOT_FOUND')
          return
        }
        const expected: string[] = []
        for (const each of [...new Set([...old.keys(), ...now.keys()])].sort(comparePaths)) {
          const [a, b] = [old.get(each), now.get(each)]
          if (a === undefined) expected.push(`added ${each}`)
          else if (b === undefined) expected.push(`removed ${each}`)
          else if (a.type !== b.type || a.contentId !== b.contentId) expected.push(`changed ${each}`)
          else if (a.mode !== b.mode) expected.push(`metadata ${each}`)
        }
        expect(told(await allOf(before.diff(after, options)))).toEqual(expected)
      }),
      { numRuns: 40 },
    )
  })

  it('says which fields differ, and gives both sides', async () => {
    const link = (target: string): VirtualFile => ({ path: 'l', type: 'symlink', target })
    const before = await snapshotOf(sourceWith([...files({ 'd/f': '1', 'd/g': '22' }), link('x')]))
    const after = await snapshotOf(
      sourceWith([
        { path: 'd/f', content: '1', mode: 0o600, mtime: longAgo + 1n },
        { path: 'd/g', type: 'fifo' },
        link('y'),
      ]),
    )
    expect((await allOf(before.diff(after))).map(({ path, change, differs }) => [path, change, differs])).toEqual([
      ['d/f', 'metadata', ['mode', 'mtime']],
      ['d/g', 'changed', ['content', 'type']],
      ['l', 'changed', ['target']],
    ])
    const [only] = await allOf(before.diff(after, { path: 'd/f' }))
    expect([only?.path, only?.before?.path, only?.after?.mode]).toEqual(['', 'd/f', 0o600])
  })

  it('of snapshots of several sources is told source by source', async () => {
    const [x, y, z] = ['x', 'y', 'z'].map((root) => sourceWith(files({ f: root }), root))
    const before = await snapshotOf(x!, y!)
    const after = await snapshotOf(y!, z!)
    expect(told(await allOf(before.diff(after)))).toEqual(['removed x', 'removed x/f', 'added z', 'added z/f'])
    expect(told(await allOf(before.diff(after, { path: 'x', otherPath: 'z' })))).toEqual(['changed f'])
    const alone = await snapshotOf(y!)
    expect(told(await allOf(alone.diff(after, { otherPath: 'y' })))).toEqual([])
  })

  it('tells what was renamed, where that is asked for', async () => {
    const before = await snapshotOf(
      sourceWith(files({ 'a/one': '1', 'a/two': '2', twin: 'same', other: 'same', empty: '' })),
    )
    const after = await snapshotOf(
      sourceWith(files({ 'b/one': '1', 'a/two': '2!', 'b/other': 'same', new: 'same', void: '' })),
    )
    const renamed = await allOf(before.diff(after, { renames: true }))
    expect(told(renamed)).toEqual([
      'changed a/two',
      'added b',
      'renamed b/one',
      'renamed b/other',
      'removed empty',
      'renamed new',
      'added void',
    ])
    expect(renamed.filter(({ change }) => change === 'renamed').map(({ before: from }) => from?.path)).toEqual([
      'a/one',
      'other',
      'twin',
    ])
  })

  it('below a path reads nothing beside it', async () => {
    const nodes = new Nodes()
    const all = manyFiles(8_000)
    const before = await build(all, nodes)
    const after = await build(inOrder(all.map((one, i) => (i % 100 === 0 && i > 0 ? file(one.path, 1) : one))), nodes)
    for (const under of ['folder-0', 'folder-159', 'folder-80/file-4000.txt', 'folder-8', 'nothing']) {
      nodes.reads = []
      const paths: string[] = []
      for await (const { before: was } of diff(before.root, after.root, nodes.fetch, {
        under: new TextEncoder().encode(under),
      })) {
        paths.push(pathOfKey(was!.key))
      }
      const expected = all.filter(
        ({ path }, i) => i > 0 && i % 100 === 0 && (path === under || path.startsWith(`${under}/`)),
      )
      expect(paths).toEqual(expected.map(({ path }) => path))
      expect(nodes.reads.length).toBeLessThanOrEqual(2 * (before.depth + 1))
    }
  })
})

/** Everything at and below a path, by its path below that. */
async function below(snapshot: Snapshot, path: string): Promise<Map<string, SnapshotEntry>> {
  const entries = new Map<string, SnapshotEntry>()
  for await (const entry of snapshot.walk()) {
    if (path === '' || entry.path === path) entries.set(path === '' ? entry.path : '', entry)
    else if (entry.path.startsWith(`${path}/`)) entries.set(entry.path.slice(path.length + 1), entry)
  }
  return entries
}
