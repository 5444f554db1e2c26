// An entry with values that no snapshot can hold costs itself at most: its times are moved to the nearest and that is told, or it fails by name.
import { expect, test } from 'vitest'
import type { BackupEvent } from '../../src/api.js'
import type { Entry } from '../../src/connector/index.js'
import { addTotals, TreeCursor } from '../../src/tree/index.js'
import { contents, errorsOf, newStore, type Scripted, type Specs, scripted } from '../backup/support.js'
import { build, type Item, inOrder, Nodes, root } from '../tree/support.js'

const latest = 2n ** 63n - 1n
const earliest = -(2n ** 63n)

function odd(specs: Specs): Scripted {
  return scripted({ ...specs, good: 'good', zz: 'last' })
}

/** Notices and failures of a backup. */
function listener(): { heard: string[]; onEvent: (event: BackupEvent) => void } {
  const heard: string[] = []
  return {
    heard,
    onEvent(event) {
      if (event.type === 'notice') heard.push(`${event.code}: ${event.message}`)
      if (event.type === 'failed') heard.push(`failed ${event.path}`)
    },
  }
}

test.each<[string, Specs[string], Partial<Entry>]>([
  ['an mtime after 2262', { content: 'x', mtime: latest + 1n }, { mtime: latest }],
  ['an mtime of the year 30828', { content: 'x', mtime: 910_670_515_200_000_000_000n }, { mtime: latest }],
  ['an mtime before 1677', { content: 'x', mtime: earliest - 1n }, { mtime: earliest }],
  [
    'a ctime and a birthtime beyond',
    { content: 'x', ctime: latest * 3n, birthtime: earliest * 2n },
    { ctime: latest, birthtime: earliest },
  ],
  ['a link’s mtime', { type: 'symlink', target: 'good', mtime: latest + 5n }, { mtime: latest, target: 'good' }],
  ['a folder’s mtime', { type: 'directory', mtime: latest + 5n }, { mtime: latest }],
])('%s is kept as the nearest, and told', async (_, spec, kept) => {
  const { store } = await newStore()
  for (const dryRun of [true, false]) {
    const { heard, onEvent } = listener()
    const { snapshot, failedCount } = await store.backup(odd({ odd: spec }), { onEvent, dryRun })
    expect(failedCount).toBe(0)
    expect(heard).toEqual([expect.stringMatching(/^time-moved: .*1677 to 2262.* of odd$/)])
    if (dryRun) continue
    expect(await snapshot!.stat('odd')).toMatchObject(kept)
  }
  expect(Object.keys(await contents(store))).toEqual(expect.arrayContaining(['good', 'zz']))
  expect(await errorsOf(store)).toEqual([])
})

test('the root’s own time is kept as the nearest, and told', async () => {
  const { store } = await newStore()
  const { heard, onEvent } = listener()
  const { snapshot } = await store.backup(odd({ '': { type: 'directory', mtime: latest + 1n } }), { onEvent })
  expect(heard).toEqual([expect.stringMatching(/of \.$/)])
  expect(await snapshot!.stat('')).toMatchObject({ mtime: latest })
})

test('of many times one notice names some and counts the others', async () => {
  const { store } = await newStore()
  const { heard, onEvent } = listener()
  const names = Array.from({ length: 30 }, (_, i) => `f${i + 10}`)
  await store.backup(scripted(Object.fromEntries(names.map((name) => [name, { content: name, mtime: latest + 1n }]))), {
    onEvent,
  })
  expect(heard).toEqual([expect.stringContaining('f10, f11, f12, f13, f14 and 25 others')])
})

test.each<[string, bigint, bigint | undefined]>([
  ['from 2^63 on', 2n ** 64n - 2n, 2n ** 64n - 2n],
  ['that its source gives as a negative number', -2n, 2n ** 64n - 2n],
  ['beyond 64 bits, which is left out', 2n ** 64n, undefined],
])('an inode number %s is no failure', async (_, number, kept) => {
  const { store } = await newStore()
  const { snapshot, failedCount } = await store.backup(
    odd({ odd: { content: 'x', inode: { device: 0n, number, links: 1 } } }),
  )
  expect(failedCount).toBe(0)
  expect((await snapshot!.stat('odd')).inode?.number).toBe(kept)
  expect(Object.keys(await contents(store))).toEqual(['good', 'odd', 'zz'])
})

test.each<[string, Partial<Entry> & { type: Entry['type'] }]>([
  ['a size of 2^53', { type: 'file', size: 2 ** 53 }],
  ['a size below zero', { type: 'file', size: -1 }],
  ['a size that is no number', { type: 'file', size: Number.NaN }],
  ['an owner below zero', { type: 'file', owner: { uid: -1 } }],
  ['a mode with more than permissions', { type: 'file', mode: 0o100644 }],
  ['a target of 64 KiB and more', { type: 'symlink', target: 'x'.repeat(70_000) }],
  ['a target that no bytes are', { type: 'symlink', target: '\ud800' }],
  [
    'an attribute’s name that is too long',
    { type: 'file', xattrs: { [`user.${'x'.repeat(140_000)}`]: new Uint8Array(1) } },
  ],
  ['an attribute’s name that no bytes are', { type: 'file', xattrs: { 'user.\ud800': new Uint8Array(1) } }],
  ['an owner’s name that is too long', { type: 'file', owner: { user: 'x'.repeat(140_000) } }],
  ['a device number below zero', { type: 'block', device: { major: -1, minor: 0 } }],
  ['a count of links below zero', { type: 'file', inode: { device: 0n, number: 1n, links: -1 } }],
  ['a kind that nobody knows', { type: 'door' as 'file' }],
])('%s fails the entry alone, by name', async (_, spec) => {
  const { store } = await newStore()
  for (const order of ['path', 'any'] as const) {
    const { heard, onEvent } = listener()
    const source = scripted({ good: 'good', odd: spec, zz: 'last' }, { capabilities: { order } })
    const result = await store.backup(source, { onEvent })
    expect(heard).toEqual(['failed odd'])
    expect(result.failed).toMatchObject([{ path: 'odd', error: { code: 'KLOSET_LIMIT' } }])
    expect(await result.snapshot!.stat('odd')).toMatchObject({ error: { code: 'KLOSET_LIMIT' } })
  }
  expect(Object.keys(await contents(store))).toEqual(['good', 'zz'])
  expect(await errorsOf(store)).toEqual([])
})

test('a directory with more metadata than fits keeps its owner, mode and what is in it', async () => {
  const { store } = await newStore()
  const folder = {
    type: 'directory',
    mode: 0o700,
    owner: { uid: 7, gid: 8 },
    attributes: { a: 'x'.repeat(130_000) },
  } as const
  const { snapshot } = await store.backup(odd({ d: folder, 'd/file': 'in it' }))
  expect(await snapshot!.stat('d')).toMatchObject({
    mode: 0o700,
    owner: { uid: 7, gid: 8 },
    error: { code: 'KLOSET_LIMIT' },
  })
  expect(Object.keys(await contents(store))).toContain('d/file')
})

test('an entry that fails when its metadata leaves no room for the error is told all the same', async () => {
  const { store } = await newStore()
  const full = { content: 'x', attributes: { a: 'x'.repeat(128_970) }, unreadable: new Error('y'.repeat(900)) }
  const { failed, snapshot } = await store.backup(odd({ full }))
  expect(failed.map(({ path }) => path)).toEqual(['full'])
  expect(await snapshot!.stat('full')).toMatchObject({ error: { message: 'y'.repeat(900) } })
})

test('sizes that add up to more than 2^53 fail nothing: their sum stops there, in whichever order it is taken', async () => {
  const nodes = new Nodes()
  const huge = (path: string): Item => ({
    path,
    stat: { type: 'file', size: 5e15 },
    content: { form: 'list', id: new Uint8Array(32), level: 1, length: 5e15, count: 100 },
  })
  const items = inOrder([root, ...Array.from({ length: 4_000 }, (_, i) => huge(`f${i}`))])
  const built = await build(items, nodes)
  expect(built.depth).toBeGreaterThan(1)
  expect(built.totals).toMatchObject({ files: 4_000, bytes: Number.MAX_SAFE_INTEGER })
  expect(addTotals(built.totals, built.totals).bytes).toBe(Number.MAX_SAFE_INTEGER)
  // Readers add up what is in each node, and compare it with what is said above.
  const cursor = new TreeCursor(built.root, nodes.fetch)
  let read = 0
  await cursor.first()
  for (; !cursor.done; await cursor.advance()) read++
  expect(read).toBe(4_001)
})
