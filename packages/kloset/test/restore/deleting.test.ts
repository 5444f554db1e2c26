import { describe, expect, it } from 'vitest'
import type { RestoreOptions, RestoreResult } from '../../src/api.js'
import { isKlosetError } from '../../src/errors.js'
import { type MemoryPlace, memoryStorage } from '../../src/storage/memory.js'
import { longAgo, newStore, reopen, type Specs, scripted } from '../backup/support.js'
import { commitByHand } from './handmade.js'
import { type MemoryDestination, memoryDestination, type Restored } from './memory-destination.js'

function file(path: string, text = path, more: Partial<Restored> = {}): Restored {
  const bytes = new TextEncoder().encode(text)
  return { path, type: 'file', size: bytes.length, mtime: longAgo, mode: 0o644, bytes, ...more }
}

function folder(path: string, device = 1n): Restored {
  return { path, type: 'directory', inode: { device, number: 1n, links: 2 } }
}

async function restored(
  specs: Specs,
  live: readonly Restored[],
  options: RestoreOptions = {},
): Promise<{ to: MemoryDestination; result: RestoreResult; notices: string[] }> {
  const { store } = await newStore()
  await store.backup(scripted(specs))
  const to = memoryDestination({ live })
  const notices: string[] = []
  const onEvent: RestoreOptions['onEvent'] = (event) => void (event.type === 'notice' && notices.push(event.message))
  const result = await store.restore('latest', to, { delete: true, onEvent, ...options })
  return { to, result, notices }
}

function pathsIn(to: MemoryDestination): string[] {
  return [...to.entries.keys()].filter((path) => path !== '').sort()
}

describe('deleting what the snapshot does not have', () => {
  it('comes last, deepest first, and says before anything is written what it will be', async () => {
    const told: unknown[] = []
    const live = [folder(''), folder('d'), file('d/kept'), folder('x'), file('x/y'), file('z', '12345')]
    const { to, result } = await restored({ 'd/kept': 'd/kept', new: 'n' }, live, {
      onDelete: (planned) => void told.push(planned),
    })
    expect(told).toEqual([{ files: 2, directories: 1, others: 0, bytes: 8, paths: ['x', 'x/y', 'z'] }])
    expect(pathsIn(to)).toEqual(['d', 'd/kept', 'new'])
    expect(to.calls.filter((each) => /write|remove/.test(each))).toEqual([
      'write new',
      'remove z',
      'remove x/y',
      'remove x',
    ])
    expect(result).toMatchObject({ deleted: 3, skipped: 1, failed: [] })
  })

  it('does not happen where whoever is told throws', async () => {
    const { store } = await newStore()
    await store.backup(scripted({ new: 'n' }))
    const to = memoryDestination({ live: [folder(''), file('z')] })
    const onDelete = (): void => {
      throw new Error('better not')
    }
    await expect(store.restore('latest', to, { delete: true, onDelete })).rejects.toThrow('better not')
    expect(to.calls).toEqual([])
  })

  it('does not happen where something could not be restored, or read when it was backed up', async () => {
    const { to, notices } = await restored({ bad: { content: 'b', unreadable: new Error('torn') }, good: 'g' }, [
      folder(''),
      file('z'),
    ])
    expect(pathsIn(to)).toEqual(['good', 'z'])
    expect(notices).toEqual([expect.stringContaining('nothing was deleted')])
  })

  it('does not happen where a part of the tree cannot be read', async () => {
    const specs = Object.fromEntries(Array.from({ length: 3_000 }, (_, i) => [`f${i}`, '']))
    const place = await damagedInside(specs, ['f0'])
    const live = [folder(''), file('f1'), file('f2999'), file('mine')]
    const to = memoryDestination({ live })
    const { failedCount, deleted } = await (await reopen(place)).restore('latest', to, { delete: true })
    expect(failedCount).toBeGreaterThan(0)
    expect(deleted).toBe(0)
    for (const { path } of live) expect(to.entries.has(path)).toBe(true)
  })

  it('leaves what is in a directory that could not be read when it was backed up', async () => {
    const { store, place } = await newStore()
    const id = await commitByHand(memoryStorage({ place }), store.id, [
      { path: '', stat: { type: 'directory' } },
      { path: 'secret', stat: { type: 'directory', error: { code: 'KLOSET_DENIED', message: 'no' } } },
    ])
    const to = memoryDestination({ live: [folder(''), folder('secret'), file('secret/a'), file('z')] })
    const { failed } = await (await reopen(place)).restore(id, to, { delete: true })
    expect(pathsIn(to)).toEqual(['secret', 'secret/a'])
    // An empty folder would look as if that were all there was.
    expect(failed).toMatchObject([
      { path: 'secret', error: { code: 'KLOSET_PATH_NOT_FOUND', hint: expect.stringContaining('no') } },
    ])
  })

  it('leaves mounted file systems alone of which the snapshot has nothing', async () => {
    const live = [
      folder(''),
      folder('gone'),
      folder('gone/mnt', 2n),
      file('gone/mnt/a'),
      file('gone/b'),
      folder('home', 3n),
      file('home/old'),
      folder('proc', 4n),
      file('proc/1'),
    ]
    const { to, notices } = await restored({ 'home/me': 'me', proc: { type: 'directory' } }, live)
    expect(pathsIn(to)).toEqual(['gone', 'gone/mnt', 'gone/mnt/a', 'home', 'home/me', 'proc', 'proc/1'])
    expect(notices).toHaveLength(2)
  })

  it('lets files take the place of directories, but only once everything else is right', async () => {
    const live = [folder(''), folder('a'), file('a/x'), file('z')]
    const { to, result } = await restored({ a: 'now a file', b: 'b' }, live)
    expect(to.entries.get('a')).toMatchObject({ type: 'file' })
    expect(pathsIn(to)).toEqual(['a', 'b'])
    expect(result).toMatchObject({ failed: [], deleted: 3 })
    const never = await restored({ a: 'now a file', b: 'b' }, live, { overwrite: 'never' })
    expect(pathsIn(never.to)).toEqual(['a', 'a/x', 'b'])
  })

  it('needs a destination that can, and a folder to be equal to', async () => {
    const { store } = await newStore()
    await store.backup(scripted({ f: 'f' }))
    await expect(store.restore('latest', memoryDestination(), { delete: true })).rejects.toMatchObject({
      code: 'KLOSET_UNSUPPORTED',
    })
    const to = memoryDestination({ live: [folder(''), file('z')] })
    await expect(store.restore('latest', to, { delete: true, path: 'f' })).rejects.toMatchObject({
      code: 'KLOSET_UNSUPPORTED',
    })
    expect(pathsIn(to)).toEqual(['z'])
  })
})

describe('the names of one file, of which some are there', () => {
  const inode = { device: 3n, number: 44n, links: 3 }
  const named: Specs = { a: { content: 'one', inode }, b: { content: 'one', inode }, c: { content: 'one', inode } }
  const there = { device: 9n, number: 7n, links: 2 }

  it.each(['if-changed', 'if-different'] as const)('become one again with %s', async (overwrite) => {
    const other = { ...there, number: 8n, links: 1 }
    const live = [
      folder(''),
      file('a', 'one', { inode: there }),
      file('b', 'one', { inode: there }),
      file('c', 'one', { inode: other }),
    ]
    const { to, result } = await restored(named, live, { overwrite })
    expect(to.calls.filter((each) => /write|link/.test(each))).toEqual(['link c a'])
    expect(result).toMatchObject({ skipped: 2, failed: [], totals: { files: 1 } })
  })

  it('become one with the first that is written where the first is not right', async () => {
    const live = [
      folder(''),
      file('a', 'two', { inode: { ...there, links: 1 } }),
      file('b', 'one', { inode: there }),
      file('c', 'one', { inode: there }),
    ]
    const { to } = await restored(named, live, { overwrite: 'if-different' })
    expect(to.calls.filter((each) => /write|link/.test(each))).toEqual(['write a', 'link b a', 'link c a'])
  })

  it('are never links to one that was kept whatever is in it', async () => {
    const { to } = await restored(named, [folder(''), file('a', 'mine')], { overwrite: 'never' })
    expect(to.calls.filter((each) => /write|link/.test(each))).toEqual(['write b', 'link c b'])
  })

  it('do not have their mode set where others share it', async () => {
    const alone = file('f', 'f', { mode: 0o600, inode: { ...there, links: 1 } })
    const shared = file('f', 'f', { mode: 0o600, inode: there })
    const mended = await restored({ f: { content: 'f', mode: 0o644 } }, [folder(''), alone])
    expect(mended.to.calls).toEqual(['create ', 'finish f', 'finish '])
    expect(mended.result).toMatchObject({ mended: 1, totals: { files: 0 } })
    const written = await restored({ f: { content: 'f', mode: 0o644 } }, [folder(''), shared])
    expect(written.to.calls).toEqual(['create ', 'write f', 'finish '])
  })
})

describe('reading back', () => {
  it('finds what was not written as it should be, and nothing else', async () => {
    const { store } = await newStore()
    await store.backup(
      scripted({ a: 'aaaa', b: 'bbbb', c: { content: 'c', mode: 0o600 }, link: { type: 'symlink', target: 'a' } }),
    )
    const to = memoryDestination({ live: [folder('')] })
    const { write } = to
    to.write = async (entry, content, how) => {
      await write.call(to, entry, content, how)
      if (entry.path === 'b') to.entries.set('b', file('b', 'b?bb'))
      if (entry.path === 'c') to.entries.set('c', { ...to.entries.get('c')!, mode: 0o644 })
    }
    const { failed, verified } = await store.restore('latest', to, { verify: true })
    expect(failed).toMatchObject([
      { path: 'c', error: { code: 'KLOSET_RESTORE_DIFFERS', message: expect.stringContaining('mode') } },
      { path: 'b', error: { code: 'KLOSET_RESTORE_DIFFERS', message: expect.stringContaining('content') } },
    ])
    expect(verified).toMatchObject({ files: 1, directories: 1, others: 1, bytes: 4 })
  })

  it('needs a destination that can be read', async () => {
    const { store } = await newStore()
    await store.backup(scripted({ f: 'f' }))
    await expect(store.restore('latest', memoryDestination(), { verify: true })).rejects.toMatchObject({
      code: 'KLOSET_UNSUPPORTED',
    })
  })
})

describe('patterns', () => {
  it('spare the nodes of what they do not take: that one of them is damaged does not matter', async () => {
    const specs: Record<string, string> = { 'a/first': 'a', 'z/last': 'z' }
    for (let i = 0; i < 4_000; i++) specs[`m/${i}`] = ''
    const place = await damagedInside(specs, ['', 'a/first', 'm', 'z', 'z/last'])
    const failures = async (options: RestoreOptions): Promise<number> =>
      (await (await reopen(place)).restore('latest', memoryDestination(), options)).failedCount
    expect(await failures({})).toBeGreaterThan(0)
    expect(await failures({ patterns: ['!/a/**', '!/z/'] })).toBe(0)
    expect(await failures({ patterns: ['/m/'] })).toBe(0)
  })
})

/** A store with a snapshot that has lost some of its tree, and not these paths. */
async function damagedInside(specs: Specs, whole: readonly string[]): Promise<MemoryPlace> {
  // Where nodes end follows from a store's secret, so which one is hit is another in each.
  for (;;) {
    const { store, place } = await newStore()
    await store.backup(scripted(specs))
    damageLargest(place)
    try {
      const snapshot = await (await reopen(place)).snapshot('latest')
      for (const path of whole) await snapshot.stat(path)
      return place
    } catch (error) {
      if (!isKlosetError(error)) throw error
    }
  }
}

/** Damages the middle of the largest pack. */
function damageLargest(place: MemoryPlace): void {
  const packs = [...place].filter(([name]) => name.startsWith('packs/')).sort(([, a], [, b]) => b.length - a.length)
  const [name, pack] = packs[0]!
  const bytes = pack.slice()
  bytes[Math.floor(bytes.length / 2)]! ^= 1
  place.set(name, bytes)
}
