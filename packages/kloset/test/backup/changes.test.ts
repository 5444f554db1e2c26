import { describe, expect, it } from 'vitest'
import type { Source } from '../../src/connector/index.js'
import { KlosetError } from '../../src/errors.js'
import { openStore } from '../../src/open.js'
import { hostName } from '../../src/runtime/system.js'
import { memoryStorage } from '../../src/storage/memory.js'
import {
  contents,
  engine,
  errorsOf,
  expected,
  listing,
  longAgo,
  newStore,
  noise,
  type Scripted,
  type Specs,
  scripted,
  told,
  treesOf,
} from './support.js'

const tree: Specs = {
  'a/one': noise(5_000, 1),
  'a/two': noise(20_000, 2),
  'b/empty': '',
  'b/three': 'three',
  link: { type: 'symlink', target: 'a/one' },
}

describe('what is read', () => {
  it('everything the first time, and nothing of what did not change the second time', async () => {
    const { store } = await newStore()
    const first = scripted(tree)
    const a = await told(store, first)
    expect(first.opened.sort()).toEqual(['a/one', 'a/two', 'b/three'])
    expect(a.result.changes).toEqual({ new: 4, changed: 0, unchanged: 0 })
    expect(a.result.totals).toMatchObject({ files: 4, directories: 3, others: 1, bytes: 25_005, errors: 0 })
    const second = scripted(tree)
    const b = await told(store, second)
    expect(second.opened).toEqual([])
    expect(b.result.changes).toEqual({ new: 0, changed: 0, unchanged: 4 })
    expect(b.result.added).toMatchObject({ chunks: 0, bytes: 0, metadata: 0, objects: 1 })
    expect(treesOf(b.result)).toEqual(treesOf(a.result))
    expect(b.result.totals).toEqual(a.result.totals)
    expect(await contents(store)).toEqual(expected(tree))
    expect(await errorsOf(store)).toEqual([])
  })

  it('only what is new or changed', async () => {
    const { store } = await newStore()
    await store.backup(scripted(tree))
    const { 'a/one': _, ...rest } = tree
    const next: Specs = { ...rest, 'a/two': { content: noise(20_000, 9), mtime: longAgo + 1n }, 'b/four': 'four' }
    const source = scripted(next)
    const { result, events } = await told(store, source)
    expect(source.opened.sort()).toEqual(['a/two', 'b/four'])
    expect(result.changes).toEqual({ new: 1, changed: 1, unchanged: 2 })
    expect(events).toEqual(['changed a/two', 'unchanged b/empty', 'new b/four', 'unchanged b/three'])
    const again = await told(store, scripted({ ...next, c: { type: 'directory' } }), { all: true, dryRun: true })
    expect(again.events).toEqual(expect.arrayContaining(['unchanged a', 'unchanged link', 'new c']))
    expect(await contents(store)).toEqual(expected(next))
  })

  it.each([
    ['size', { size: 4 }],
    ['mtime', { mtime: longAgo + 1n }],
    ['ctime', { ctime: longAgo + 1n }],
    ['inode', { inode: { device: 1n, number: 8n, links: 1 } }],
    ['version', { version: 'v2' }],
  ])('a file again whose %s is another', async (_, change) => {
    const { store } = await newStore()
    const stat = { content: 'xyz', ctime: longAgo, inode: { device: 1n, number: 7n, links: 1 }, version: 'v1' }
    // Where both have a change token it alone decides, so it is left out where another change has to show.
    const base = 'version' in change ? stat : { ...stat, version: undefined }
    await store.backup(scripted({ file: base }))
    const again = scripted({ file: { ...base, ...change, ...('size' in change && { content: 'xyzz' }) } })
    expect((await store.backup(again)).changes).toEqual({ new: 0, changed: 1, unchanged: 0 })
    expect(again.opened).toEqual(['file'])
  })

  it('not a file whose change token is the same, whatever its times', async () => {
    const { store } = await newStore()
    await store.backup(scripted({ file: { content: 'xyz', version: 'v1' } }))
    const again = scripted({ file: { content: 'other', version: 'v1', mtime: longAgo + 5n } })
    expect((await store.backup(again)).changes.unchanged).toBe(1)
    expect(again.opened).toEqual([])
  })

  it('not a file of which only mode, owner or attributes changed, and keeps what they are now', async () => {
    const { store } = await newStore()
    const a = await store.backup(scripted({ file: { content: 'xyz', mode: 0o600 } }))
    const next = { content: 'xyz', mode: 0o644, owner: { uid: 5, gid: 6 }, attributes: { 'test.a': 'b' } }
    const source = scripted({ file: next })
    const b = await store.backup(source)
    expect(source.opened).toEqual([])
    expect(b.changes.unchanged).toBe(1)
    expect(treesOf(b)).not.toEqual(treesOf(a))
    expect(await b.snapshot!.stat('file')).toMatchObject({
      mode: 0o644,
      owner: { uid: 5, gid: 6 },
      attributes: { 'test.a': 'b' },
    })
    expect(await (await b.snapshot!.open('file')).text()).toBe('xyz')
  })

  it('a file again that has no times and no token', async () => {
    const { store } = await newStore()
    const specs = { file: { content: 'xyz', mtime: undefined } }
    await store.backup(scripted(specs))
    const again = scripted(specs)
    expect((await store.backup(again)).changes.changed).toBe(1)
    expect(again.opened).toEqual(['file'])
  })

  it('a file again that changed within the grain of the clock before the last backup, or after it began', async () => {
    const { store } = await newStore()
    const specs = { fresh: { content: 'xyz', mtime: BigInt(Date.now() + 60_000) * 1_000_000n }, old: 'abc' }
    await store.backup(scripted(specs))
    const again = scripted(specs)
    const { events } = await told(store, again)
    expect(again.opened).toEqual(['fresh'])
    expect(events).toEqual(['changed fresh', 'unchanged old'])
  })

  it('a file again that changed within a coarse grain of the source', async () => {
    const { store } = await newStore()
    const specs = { file: { content: 'xyz', mtime: BigInt(Date.now() - 5_000) * 1_000_000n } }
    const coarse = { capabilities: { timeGrain: 60_000_000_000n } }
    await store.backup(scripted(specs, coarse))
    const again = scripted(specs, coarse)
    await store.backup(again)
    expect(again.opened).toEqual(['file'])
    const fine = scripted(specs)
    await store.backup(fine)
    expect(fine.opened).toEqual([])
  })

  it('a file again whose times have no fraction, as of a filesystem that keeps whole seconds, for two seconds', async () => {
    const { store } = await newStore()
    const now = Math.floor(Date.now() / 1000) * 1000
    const whole = { content: 'xyz', mtime: BigInt(now - 1_000) * 1_000_000n }
    const older = { content: 'abc', mtime: BigInt(now - 3_000) * 1_000_000n }
    const finer = { content: 'def', mtime: BigInt(now - 1_000) * 1_000_000n + 5_000n }
    await store.backup(scripted({ finer, older, whole }))
    const again = scripted({ finer, older, whole })
    await store.backup(again)
    expect(again.opened).toEqual(['whole'])
  })

  it('not a file of which only the device of the inode is another, as in a snapshot of a filesystem', async () => {
    const { store } = await newStore()
    const on = (device: bigint): Specs => ({ file: { content: 'xyz', inode: { device, number: 7n, links: 1 } } })
    await store.backup(scripted(on(1n)))
    const again = scripted(on(2n))
    expect((await store.backup(again)).changes.unchanged).toBe(1)
    expect(again.opened).toEqual([])
  })

  it.each([
    ['ctime', { ctime: longAgo + 1n }, { ctime: false }],
    ['ctime, however young', { ctime: BigInt(Date.now() + 60_000) * 1_000_000n }, { ctime: false }],
    ['inode', { inode: { device: 1n, number: 8n, links: 1 } }, { inode: false }],
  ])(
    'not a file of which only the %s is another, where that does not count, and keeps what it is now',
    async (_, change, compare) => {
      const { store } = await newStore()
      const stat = { content: 'xyz', ctime: longAgo, inode: { device: 1n, number: 7n, links: 1 } }
      await store.backup(scripted({ file: stat }))
      const again = scripted({ file: { ...stat, ...change } })
      const { changes, snapshot } = await store.backup(again, { compare })
      expect(changes).toEqual({ new: 0, changed: 0, unchanged: 1 })
      expect(again.opened).toEqual([])
      expect(await snapshot!.stat('file')).toMatchObject(change)
      expect(snapshot!.options).toEqual({ compare: { ctime: true, inode: true, ...compare } })
      expect((await store.snapshot('latest')).options).toEqual(snapshot!.options)
      const other = 'inode' in compare ? { ctime: false } : { inode: false }
      await store.backup(scripted({ file: stat }))
      const strict = scripted({ file: { ...stat, ...change } })
      await store.backup(strict, { compare: other })
      expect(strict.opened).toEqual(['file'])
    },
  )

  it('a file again that was a directory or a link before', async () => {
    const { store } = await newStore()
    await store.backup(scripted({ 'x/inside': 'i', y: { type: 'symlink', target: 'x', size: 1 } }))
    const next: Specs = { x: 'now a file', y: { content: 'f', size: 1 } }
    const source = scripted(next)
    await store.backup(source)
    expect(source.opened).toEqual(['x', 'y'])
    expect(await contents(store)).toEqual(expected(next))
    expect(await errorsOf(store)).toEqual([])
  })

  it('everything where no parent is wanted', async () => {
    const { store } = await newStore()
    const a = await store.backup(scripted(tree))
    const source = scripted(tree)
    const b = await store.backup(source, { parent: null })
    expect(source.opened).toHaveLength(3)
    expect(b.changes.new).toBe(4)
    expect(b.snapshot!.parent).toBeUndefined()
    expect(b.added).toMatchObject({ chunks: 0, bytes: 0 })
    expect(treesOf(b)).toEqual(treesOf(a))
  })
})

describe('the same tree gives the same root', () => {
  it('whatever the parent was, however its scan was batched, in whichever store session', async () => {
    const many: Record<string, string> = {}
    for (let i = 0; i < 900; i++) many[`d${i % 7}/file-${i}`] = `content of ${i}`
    const { store } = await newStore()
    const direct = await store.backup(scripted(many, { batch: 500 }))
    const half = Object.fromEntries(Object.entries(many).filter((_, i) => i % 3 > 0))
    await store.backup(scripted({ ...half, 'd0/gone': 'gone', zzz: 'z' }, { batch: 400 }))
    const over = await store.backup(scripted(many, { batch: 333 }))
    expect(over.changes.new).toBe(300)
    const alone = await store.backup(scripted(many, { batch: 1_000 }), { parent: null })
    expect(treesOf(over)).toEqual(treesOf(direct))
    expect(treesOf(alone)).toEqual(treesOf(direct))
    expect(await errorsOf(store)).toEqual([])
  })
})

describe('the parent', () => {
  it('is the latest of the same host and source', async () => {
    const { store } = await newStore()
    const a = await store.backup(scripted({ f: 'a' }), { host: 'alpha' })
    await store.backup(scripted({ f: 'b' }), { host: 'beta' })
    await store.backup(scripted({ f: 'c' }, { root: '/other' }), { host: 'alpha' })
    await store.backup(scripted({ f: 'c' }, { origin: 'elsewhere' }), { host: 'alpha' })
    await store.backup(scripted({ f: 'c' }, { type: 'else' }), { host: 'alpha' })
    const source = scripted({ f: 'a' })
    const last = await store.backup(source, { host: 'alpha' })
    expect(last.snapshot!.parent).toBe(a.snapshot!.id)
    expect(source.opened).toEqual([])
  })

  it('can be named, also one of another host', async () => {
    const { store } = await newStore()
    const a = await store.backup(scripted({ f: 'a' }), { host: 'alpha' })
    await store.backup(scripted({ f: { content: 'b', mtime: 5n } }), { host: 'beta' })
    const source = scripted({ f: 'a' })
    const last = await store.backup(source, { host: 'beta', parent: a.snapshot!.id.slice(0, 8) })
    expect(last.changes.unchanged).toBe(1)
    await expect(store.backup(source, { parent: 'ffff' })).rejects.toMatchObject({ code: 'KLOSET_SNAPSHOT_NOT_FOUND' })
  })
})

describe('a source that is mounted elsewhere', () => {
  it('has its history by the root it stands for', async () => {
    const { store } = await newStore()
    const a = await store.backup(scripted(tree, { root: '/home' }))
    const source = scripted(tree, { root: '/mnt/snapshot' })
    const b = await store.backup(source, { as: '/home' })
    expect(source.opened).toEqual([])
    expect(b.snapshot).toMatchObject({
      parent: a.snapshot!.id,
      options: { readFrom: ['/mnt/snapshot'] },
      sources: [{ root: '/home' }],
    })
    const back = scripted(tree, { root: '/home' })
    expect((await store.backup(back)).snapshot!.parent).toBe(b.snapshot!.id)
    expect(back.opened).toEqual([])
  })

  it('is one of several, each with the root it stands for', async () => {
    const { store } = await newStore()
    const two = (): Source[] => [scripted({ f: 'a' }, { root: '/mnt/1' }), scripted({ f: 'b' }, { root: '/mnt/2' })]
    const { snapshot } = await store.backup(two(), { as: ['/home', '/srv'] })
    expect(snapshot!.sources).toMatchObject([
      { root: '/home', at: 'home' },
      { root: '/srv', at: 'srv' },
    ])
    await expect(store.backup(two(), { as: '/home' })).rejects.toThrow(TypeError)
    await expect(store.backup(two(), { as: ['/home', ''] })).rejects.toThrow(TypeError)
  })

  it('is of the host that this machine is said to be', async () => {
    const { store } = await newStore()
    const container = (origin: string): Scripted => scripted(tree, { origin })
    const a = await store.backup(container(hostName()), { host: 'web1' })
    expect(a.snapshot!.sources).toMatchObject([{ origin: 'web1' }])
    const source = container('web1')
    const b = await store.backup(source, { host: 'web1' })
    expect(b.snapshot!.parent).toBe(a.snapshot!.id)
    expect(source.opened).toEqual([])
  })
})

describe('where nothing changed, and that is enough', () => {
  const skip = { skipIfUnchanged: true }

  it('no snapshot is made, and the result says which holds the same', async () => {
    const { store, place } = await newStore()
    const first = await store.backup(scripted(tree), skip)
    expect(first.snapshot).toBeDefined()
    expect(first.unchangedSince).toBeUndefined()
    const before = listing(place)
    const settled: unknown[] = []
    const source = { ...scripted(tree), settled: async (outcome: unknown) => void settled.push(outcome) }
    const again = await store.backup(source, { ...skip, tags: ['daily'] })
    expect(again.snapshot).toBeUndefined()
    expect(again.unchangedSince!.id).toBe(first.snapshot!.id)
    expect(again.changes).toEqual({ new: 0, changed: 0, unchanged: 4 })
    expect(again.totals).toEqual(first.totals)
    expect(settled).toEqual([{ snapshot: first.snapshot!.id }])
    expect(listing(place)).toEqual(before)
  })

  it('also not where all was read again, or where it is only tried', async () => {
    const { store } = await newStore()
    const { snapshot } = await store.backup(scripted(tree))
    for (const options of [{ parent: null }, { dryRun: true }]) {
      const again = await store.backup(scripted(tree), { ...skip, ...options })
      expect(again.unchangedSince?.id).toBe(snapshot!.id)
    }
  })

  it.each<[string, Specs]>([
    ['content', { 'b/three': { content: 'other', mtime: longAgo + 1n } }],
    ['mode', { 'b/three': { content: 'three', mode: 0o600 } }],
    ['a name more', { 'b/four': '' }],
    ['a failure', { 'b/three': { content: 'three', mtime: longAgo + 1n, unreadable: new Error('no') } }],
  ])('but one is made for another %s', async (_, change) => {
    const { store } = await newStore()
    await store.backup(scripted(tree))
    const { snapshot, unchangedSince } = await store.backup(scripted({ ...tree, ...change }), skip)
    expect(snapshot).toBeDefined()
    expect(unchangedSince).toBeUndefined()
  })

  it('and one for a name less', async () => {
    const { store } = await newStore()
    const { link: _, ...less } = tree
    await store.backup(scripted(tree))
    expect((await store.backup(scripted(less), skip)).snapshot).toBeDefined()
  })

  it('failures that are the same as in the last one need none, and are told', async () => {
    const { store } = await newStore()
    const specs: Specs = { ...tree, secret: { content: 'x', unreadable: new KlosetError('KLOSET_DENIED', 'no') } }
    const { snapshot } = await store.backup(scripted(specs))
    const again = await store.backup(scripted(specs), skip)
    expect(again.unchangedSince?.id).toBe(snapshot!.id)
    expect(again.failed).toMatchObject([{ path: 'secret' }])
  })

  it('is of the same host and just the same sources', async () => {
    const { store } = await newStore()
    const source = (root: string, text = 'f'): Scripted => scripted({ [text]: 'f' }, { root })
    const both = await store.backup([source('/a'), source('/b')])
    // Of one source alone there is no snapshot yet.
    expect((await store.backup(source('/a'), skip)).snapshot).toBeDefined()
    expect((await store.backup([source('/b'), source('/a')], skip)).unchangedSince?.id).toBe(both.snapshot!.id)
    expect((await store.backup([source('/a'), source('/b', 'g')], skip)).snapshot).toBeDefined()
    expect((await store.backup([source('/a'), source('/b', 'g')], { ...skip, host: 'other' })).snapshot).toBeDefined()
    // The one before the last is not the last.
    expect((await store.backup([source('/a'), source('/b')], skip)).snapshot).toBeDefined()
  })

  it('counts only snapshots that are still there', async () => {
    const { store } = await newStore()
    const { snapshot } = await store.backup(scripted(tree))
    await store.forget([snapshot!.id])
    expect((await store.backup(scripted(tree), skip)).snapshot).toBeDefined()
    const { store: raced } = await newStore()
    const old = await raced.backup(scripted(tree))
    const source = scripted(tree, { onBatch: (number) => void (number === 1 && raced.forget([old.snapshot!.id])) })
    expect((await raced.backup(source, skip)).snapshot).toBeDefined()
    expect(await errorsOf(raced)).toEqual([])
  })
})

describe('what a snapshot says of itself', () => {
  it('tags once each, name, host and user', async () => {
    const { store } = await newStore()
    const { snapshot } = await store.backup(scripted(tree), {
      tags: ['daily', 'x', 'daily'],
      name: 'before the upgrade',
      host: 'web1',
      user: 'ann',
    })
    const found = await store.snapshot('latest')
    expect(found.id).toBe(snapshot!.id)
    expect(found).toMatchObject({ tags: ['daily', 'x'], name: 'before the upgrade', host: 'web1', user: 'ann' })
    expect(found.sources).toMatchObject([{ type: 'test', origin: 'here', root: '/data', at: '' }])
  })
})

describe('a dry run', () => {
  it('says what would be stored and stores nothing', async () => {
    const { store, place } = await newStore()
    await store.backup(scripted(tree))
    const before = [...place.keys()].sort()
    const next = { ...tree, 'b/more': noise(30_000, 5), 'a/one': { content: noise(5_000, 1), mtime: longAgo + 9n } }
    const dry = await store.backup(scripted(next), { dryRun: true })
    expect([...place.keys()].sort()).toEqual(before)
    expect(dry.snapshot).toBeUndefined()
    expect(dry.changes).toEqual({ new: 1, changed: 1, unchanged: 3 })
    expect(dry.added).toMatchObject({ bytes: 30_000, stored: 0, objects: 0 })
    const wet = await store.backup(scripted(next))
    expect(wet.changes).toEqual(dry.changes)
    expect(wet.totals).toEqual(dry.totals)
    expect(wet.added).toMatchObject({ chunks: dry.added.chunks, bytes: dry.added.bytes, metadata: dry.added.metadata })
  })

  it('works where nothing may be written', async () => {
    const { store, place } = await newStore()
    await store.backup(scripted(tree))
    const readOnly = await openStore(memoryStorage({ place, capabilities: { write: false } }), {
      unlock: { plaintext: true },
      engine,
    })
    expect((await readOnly.backup(scripted({ ...tree, more: 'm' }), { dryRun: true })).changes.new).toBe(1)
    await expect(readOnly.backup(scripted(tree))).rejects.toSatisfy(
      (error) => error instanceof KlosetError && error.code === 'KLOSET_READ_ONLY',
    )
  })
})
