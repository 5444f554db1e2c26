import { describe, expect, it } from 'vitest'
import { toHex } from '../../src/bytes/index.js'
import { KlosetError } from '../../src/errors.js'
import { memoryStorage } from '../../src/storage/memory.js'
import { errorsOf, longAgo, newStore, noise, reopen, type Specs, scripted, sizes } from '../backup/support.js'
import { commitByHand, hostileItems } from './handmade.js'
import { memoryDestination, texts } from './memory-destination.js'

const tree: Specs = {
  'dir/big': noise(3 * sizes.max + 7, 1),
  'dir/deep/er/small': 'small',
  'dir/empty': '',
  'dir/nothing/here': { type: 'directory', mode: 0o700 },
  link: { type: 'symlink', target: '/anywhere' },
  pipe: { type: 'fifo', mode: 0o600 },
  top: { content: 'top', mode: 0o4755, owner: { uid: 1, gid: 2, user: 'ann', group: 'adm' } },
}

async function stored(specs: Specs = tree): Promise<Awaited<ReturnType<typeof newStore>>> {
  const made = await newStore()
  await made.store.backup(scripted(specs))
  return made
}

function hexes(files: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(files).map(([path, text]) => [path, toHex(new TextEncoder().encode(text))]))
}

describe('a restore', () => {
  it('of all gives everything back: contents, metadata, directories last', async () => {
    const { store } = await stored()
    const to = memoryDestination()
    const result = await store.restore('latest', to)
    expect(result).toMatchObject({ failed: [], failedCount: 0, leftOut: {}, skipped: 0 })
    expect(result.totals).toMatchObject({ files: 4, directories: 6, others: 2, errors: 0 })
    expect([...to.entries.keys()].sort()).toEqual(
      ['', 'dir', 'dir/deep', 'dir/deep/er', 'dir/nothing', ...Object.keys(tree)].sort(),
    )
    expect(to.entries.get('dir/big')!.bytes).toEqual(noise(3 * sizes.max + 7, 1))
    expect(to.entries.get('link')).toMatchObject({ type: 'symlink', target: '/anywhere' })
    expect(to.entries.get('pipe')).toMatchObject({ type: 'fifo', mode: 0o600 })
    expect(to.entries.get('top')).toMatchObject({ mode: 0o4755, mtime: longAgo, owner: { uid: 1, user: 'ann' } })
    const finished = to.calls.filter((each) => each.startsWith('finish'))
    expect(finished).toEqual(
      ['dir/nothing/here', 'dir/nothing', 'dir/deep/er', 'dir/deep', 'dir', ''].map((path) => `finish ${path}`),
    )
    expect(to.calls.slice(-finished.length)).toEqual(finished)
    expect(to.complete).toBe(true)
  })

  it('of a directory puts what is in it straight into the target', async () => {
    const { store } = await stored()
    const to = memoryDestination()
    await store.restore('latest', to, { path: 'dir/deep' })
    expect(texts(to)).toEqual({ 'er/small': 'small' })
    expect([...to.entries.keys()].sort()).toEqual(['', 'er', 'er/small'])
  })

  it('of a file puts it into the target under its name', async () => {
    const { store } = await stored()
    const to = memoryDestination()
    const { totals } = await store.restore('latest', to, { path: 'dir/deep/er/small' })
    expect(texts(to)).toEqual({ small: 'small' })
    expect(totals.files).toBe(1)
  })

  it.each(['nowhere', 'dir/bi', 'dir/big/x', '../dir', '/dir', 'dir/'])(
    'of %j, which is not there, says so',
    async (path) => {
      const { store } = await stored()
      const to = memoryDestination()
      await expect(store.restore('latest', to, { path })).rejects.toMatchObject({ code: 'KLOSET_PATH_NOT_FOUND' })
      expect(to.calls).toEqual([])
      expect(to.complete).toBe(false)
    },
  )

  it('of several sources gives each its folder, and a path can be in one of them', async () => {
    const { store } = await newStore()
    await store.backup([scripted({ f: 'one' }, { root: '/x/one' }), scripted({ 'd/f': 'two' }, { root: '/x/two' })])
    const all = memoryDestination()
    await store.restore('latest', all)
    expect(texts(all)).toEqual({ 'one/f': 'one', 'two/d/f': 'two' })
    const some = memoryDestination()
    await store.restore('latest', some, { path: 'two' })
    expect(texts(some)).toEqual({ 'd/f': 'two' })
    const deep = memoryDestination()
    await store.restore('latest', deep, { path: 'two/d' })
    expect(texts(deep)).toEqual({ f: 'two' })
  })

  it('makes the directories that a source left out', async () => {
    const { store } = await newStore()
    await store.backup(scripted({ 'a/b/c': 'c' }, { bare: true }))
    const to = memoryDestination()
    await store.restore('latest', to)
    expect(texts(to)).toEqual({ 'a/b/c': 'c' })
    expect(to.entries.get('a/b')!.type).toBe('directory')
  })

  it('of an older snapshot gives what was there then', async () => {
    const { store } = await newStore()
    await store.backup(scripted({ f: 'old', gone: 'g' }))
    await store.backup(scripted({ f: { content: 'new', mtime: longAgo + 1n } }))
    const to = memoryDestination()
    await store.restore('latest~1', to)
    expect(texts(to)).toEqual({ f: 'old', gone: 'g' })
  })

  it('reports a file that could not be read when it was backed up', async () => {
    const { store } = await stored({ good: 'g', bad: { content: 'b', unreadable: new Error('the tape is torn') } })
    const to = memoryDestination()
    const { failed } = await store.restore('latest', to)
    expect(failed).toMatchObject([{ path: 'bad', error: { hint: expect.stringContaining('the tape is torn') } }])
    expect(texts(to)).toEqual({ good: 'g' })
    expect(to.complete).toBe(false)
  })

  it('goes on where one file cannot be written', async () => {
    const { store } = await stored()
    const to = memoryDestination({
      onWrite: (path) => {
        if (path === 'dir/big') throw new Error('no')
      },
    })
    const heard: string[] = []
    const { failed, totals } = await store.restore('latest', to, {
      onEvent: (event) => void (event.type === 'failed' && heard.push(event.path)),
    })
    expect(failed.map(({ path }) => path)).toEqual(['dir/big'])
    expect(heard).toEqual(['dir/big'])
    expect(totals.errors).toBe(1)
    expect(texts(to)).toMatchObject({ 'dir/deep/er/small': 'small', top: 'top' })
  })

  it('reports, file by file, what a damaged pack held, and restores the rest', async () => {
    const specs: Specs = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`f${i}`, noise(12_000, i + 1)]))
    const { store, place } = await stored(specs)
    const pack = [...place.keys()]
      .filter((name) => name.startsWith('packs/'))
      .find((name) => place.get(name)!.length > 20_000)!
    const bytes = place.get(pack)!.slice()
    bytes[200]! ^= 1
    place.set(pack, bytes)
    const to = memoryDestination()
    const { failed } = await (await reopen(place)).restore('latest', to)
    expect(failed.length).toBeGreaterThan(0)
    expect(failed.length).toBeLessThan(12)
    for (const { error } of failed) expect(error).toMatchObject({ code: 'KLOSET_PACK_CORRUPT' })
    for (const [path, { bytes: written }] of to.entries) if (written) expect(written).toEqual(specs[path])
    expect(Object.keys(texts(to))).toHaveLength(12 - failed.length)
    await store.close()
  })

  it('says by kind what the destination does not keep', async () => {
    const { store } = await stored()
    const to = memoryDestination({ capabilities: { keeps: ['directories', 'mtime'] } })
    const { leftOut, failed } = await store.restore('latest', to)
    expect(leftOut).toMatchObject({ symlinks: 1, special: 1, owner: 1 })
    expect(failed).toEqual([])
    expect(to.entries.has('link')).toBe(false)
  })

  it('tells each entry as an event where that is wanted', async () => {
    const { store } = await stored({ a: 'a', b: 'b' })
    const heard: string[] = []
    await store.restore('latest', memoryDestination({ there: { a: 'x' } }), {
      entries: true,
      overwrite: 'never',
      onEvent: (event) => void ('path' in event && heard.push(`${event.type} ${event.path}`)),
    })
    expect(heard.sort()).toEqual(['restored ', 'restored b', 'skipped a'])
  })
})

describe('the names of one file', () => {
  const inode = { device: 3n, number: 44n, links: 3 }
  const named: Specs = {
    a: { content: 'shared', inode },
    'd/b': { content: 'shared', inode },
    'd/c': { content: 'shared', inode },
    other: { content: 'shared', inode: { device: 3n, number: 45n, links: 2 } },
  }

  it('are links to the first of them again', async () => {
    const { store } = await stored(named)
    const to = memoryDestination()
    const { totals } = await store.restore('latest', to)
    expect(to.calls.filter((each) => !/create|finish/.test(each))).toEqual([
      'write a',
      'write other',
      'link d/b a',
      'link d/c a',
    ])
    expect(totals).toMatchObject({ files: 4, bytes: 24 })
    expect(Object.values(texts(to))).toEqual(['shared', 'shared', 'shared', 'shared'])
  })

  it('are never links to something else that is under the name of one that could not be written', async () => {
    const { store } = await stored(named)
    const to = memoryDestination({
      there: { a: 'old' },
      onWrite: (path) => {
        if (path === 'a') throw new Error('no')
      },
    })
    to.entries.set('a', { path: 'a', type: 'file', bytes: new TextEncoder().encode('old') })
    const { failed } = await store.restore('latest', to, { overwrite: 'always' })
    expect(failed.map(({ path }) => path)).toEqual(['a'])
    expect(texts(to)).toEqual({ a: 'old', 'd/b': 'shared', 'd/c': 'shared', other: 'shared' })
  })

  it('are files of their own where they were not the same when they were read, or cannot be linked', async () => {
    const { store } = await stored({ ...named, 'd/c': { content: 'later', inode } })
    const to = memoryDestination()
    const link = to.link!
    to.link = async (path, from, how) => {
      if (path === 'd/b') throw new KlosetError('KLOSET_UNSUPPORTED', 'too many links')
      return link(path, from, how)
    }
    expect((await store.restore('latest', to)).failed).toEqual([])
    expect(texts(to)).toEqual({ a: 'shared', 'd/b': 'shared', 'd/c': 'later', other: 'shared' })
  })
})

describe('a dry run', () => {
  it('writes nothing and counts what it would', async () => {
    const { store } = await stored()
    const to = memoryDestination()
    const dry = await store.restore('latest', to, { dryRun: true })
    expect(to.calls).toEqual([])
    const wet = await store.restore('latest', to)
    expect(dry.totals).toEqual(wet.totals)
    expect(dry.failed).toEqual([])
  })
})

describe('where the target is not empty', () => {
  const there: Specs = {
    changed: { content: 'theirs', mtime: longAgo + 5n },
    newer: { content: 'nnnn', mtime: longAgo + 9n },
    older: { content: 'oooo', mtime: longAgo - 9n },
    other: 'not ours',
    same: 'same',
  }
  const ours: Specs = { changed: 'ours', newer: 'NNNN', older: 'OOOO', same: 'same', extra: 'extra', 'dir/in': 'in' }

  it('nothing is written without a policy', async () => {
    const { store } = await stored(ours)
    const to = memoryDestination({ there })
    await expect(store.restore('latest', to)).rejects.toMatchObject({ code: 'KLOSET_EXISTS' })
    expect(to.calls).toEqual([])
    expect(to.complete).toBe(false)
  })

  it.each([
    ['always', ['changed', 'dir/in', 'extra', 'newer', 'older', 'same']],
    ['if-changed', ['changed', 'dir/in', 'extra', 'newer', 'older']],
    ['if-newer', ['dir/in', 'extra', 'older']],
    ['never', ['dir/in', 'extra']],
  ] as const)('%s writes only what it says', async (overwrite, written) => {
    const { store } = await stored(ours)
    const to = memoryDestination({ there })
    const result = await store.restore('latest', to, { overwrite })
    expect(Object.keys(texts(to)).sort()).toEqual(written)
    expect(result.skipped).toBe(6 - written.length)
    expect(result.failed).toEqual([])
  })

  it('an empty target needs no policy', async () => {
    const { store } = await stored(ours)
    const to = memoryDestination({ there: {} })
    await store.restore('latest', to)
    expect(Object.keys(texts(to))).toHaveLength(6)
  })

  it('if-changed writes a link again that leads elsewhere', async () => {
    const link = { type: 'symlink', mtime: longAgo } as const
    const { store } = await stored({ kept: { ...link, target: 'a' }, moved: { ...link, target: 'a' } })
    const to = memoryDestination({ there: { kept: { ...link, target: 'a' }, moved: { ...link, target: 'b' } } })
    await store.restore('latest', to, { overwrite: 'if-changed' })
    expect(to.calls.filter((each) => each.startsWith('create'))).toEqual(['create ', 'create moved'])
  })

  it('never keeps a file where a directory is to go, and says what could not be restored below it', async () => {
    const { store } = await stored({ 'd/a': 'a', 'd/e/b': 'b', dz: 'z' })
    const to = memoryDestination({ there: { d: 'a file' } })
    const result = await store.restore('latest', to, { overwrite: 'never' })
    expect(result.failed.map(({ path }) => path)).toEqual(['d/a', 'd/e', 'd/e/b'])
    expect(result.failed[0]!.error).toMatchObject({ code: 'KLOSET_EXISTS' })
    expect(to.calls).toEqual(['create ', 'write dz', 'finish '])
  })
})

describe('a restore that is aborted', () => {
  it.each([1, 2, 3])('at file %i throws the reason and leaves only whole files', async (at) => {
    const specs: Specs = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`f${i}`, noise(20_000, i + 1)]))
    const { store } = await stored(specs)
    const stop = new AbortController()
    let count = 0
    const to = memoryDestination({
      onWrite: () => {
        if (++count === at) stop.abort(new Error('enough'))
      },
    })
    await expect(store.restore('latest', to, { signal: stop.signal })).rejects.toThrow('enough')
    expect(to.complete).toBe(false)
    for (const [path, { bytes }] of to.entries) if (bytes) expect(bytes).toEqual(specs[path])
    expect(Object.keys(texts(to)).length).toBeLessThan(40)
    const calls = to.calls.length
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(to.calls.length).toBe(calls)
  })
})

describe('holes', () => {
  it('come back as zeros, at the beginning, between and at the end', async () => {
    const { store, place } = await newStore()
    const content = [5_000, 'middle', 70_000, 'end', 3]
    const id = await commitByHand(memoryStorage({ place }), store.id, [
      { path: '', stat: { type: 'directory' } },
      { path: 'only', stat: { type: 'file' }, content: [12_345] },
      { path: 'sparse', stat: { type: 'file', size: 1 }, content },
    ])
    const to = memoryDestination()
    const result = await (await reopen(place)).restore(id, to)
    expect(result.failed).toEqual([])
    const zeros = (length: number): string => '\0'.repeat(length)
    expect(hexes(texts(to))).toEqual(
      hexes({
        only: zeros(12_345),
        sparse: content.map((part) => (typeof part === 'number' ? zeros(part) : part)).join(''),
      }),
    )
    expect(to.entries.get('sparse')!.size).toBe(75_012)
  })
})

describe('a hostile snapshot', () => {
  it('has what could lead out of the target refused, each with its path, and the rest restored', async () => {
    const { store, place } = await newStore()
    const { items, hostile } = hostileItems('/outside')
    const id = await commitByHand(memoryStorage({ place }), store.id, items)
    // A file system would refuse these two itself.
    const names = { caseSensitive: true, maxBytes: 255 }
    const to = memoryDestination({ capabilities: { names } })
    const { failed } = await (await reopen(place)).restore(id, to)
    const refused = hostile.refused.filter((path) => path !== 'nothing')
    expect(failed.map(({ path }) => path).sort()).toEqual([...refused].sort())
    expect(texts(to)).toEqual(hostile.restored)
    expect([...to.entries.keys()].sort()).toEqual([
      '',
      'empty',
      'good',
      'good/before',
      'good/zlast',
      'link',
      'nothing',
      'plain',
      'up',
      'z',
    ])
  })

  it('cannot give a directory or a link content', async () => {
    const { store, place } = await newStore()
    const id = await commitByHand(memoryStorage({ place }), store.id, [
      { path: '', stat: { type: 'directory' }, content: 'x' },
      { path: 'd', stat: { type: 'directory' }, content: 'x' },
      { path: 'd/f', stat: { type: 'file' }, content: 'f' },
      { path: 'l', stat: { type: 'symlink', target: 't' }, content: 'x' },
    ])
    const to = memoryDestination()
    expect((await (await reopen(place)).restore(id, to)).failed).toEqual([])
    expect(texts(to)).toEqual({ 'd/f': 'f' })
  })

  it('says of chunks that are nowhere that they are missing', async () => {
    const { store, place } = await newStore()
    await store.backup(scripted({ whole: 'w', broken: noise(10_000) }))
    for (const [name, body] of [...place]) if (name.startsWith('packs/') && body.length > 9_000) place.delete(name)
    const to = memoryDestination()
    const result = await (await reopen(place)).restore('latest', to)
    expect(result.failed.map(({ path }) => path)).toContain('broken')
    expect(await errorsOf(await reopen(place))).not.toEqual([])
  })
})

describe('a destination that does not tell upper from lower case', () => {
  const names = { caseSensitive: false }

  it('keeps the first of two names that are the same to it, and reports the other with all below it', async () => {
    const { store } = await stored({
      'Dir/a': 'a',
      'Dir/b': 'b',
      'dir/a': 'other a',
      'dir/c/d': 'd',
      FILE: 'upper',
      file: 'lower',
      ünï: 'one form',
      ['ünï'.normalize('NFD')]: 'another form',
    })
    const to = memoryDestination({ capabilities: { names } })
    const { failed } = await store.restore('latest', to)
    expect(failed.map(({ path }) => path)).toEqual(['dir', 'dir/a', 'dir/c', 'dir/c/d', 'file', expect.any(String)])
    for (const { error } of failed) expect(error).toMatchObject({ code: 'KLOSET_EXISTS' })
    expect(Object.keys(texts(to))).toHaveLength(4)
    expect(texts(to)).toMatchObject({ 'Dir/a': 'a', 'Dir/b': 'b', FILE: 'upper' })
  })

  it('has each name it does not allow reported', async () => {
    const { store } = await stored({ 'a:b': '1', fine: '2', ['é'.repeat(10)]: '3', 'nine char': '4' })
    const accepts = (segment: string): boolean => !segment.includes(':')
    const to = memoryDestination({ capabilities: { names: { caseSensitive: true, accepts, maxBytes: 15 } } })
    const { failed } = await store.restore('latest', to)
    expect(failed.map(({ path }) => path)).toEqual(['a:b', 'é'.repeat(10)])
    for (const { error } of failed) expect(error).toMatchObject({ code: 'KLOSET_UNSUPPORTED' })
    expect(Object.keys(texts(to)).sort()).toEqual(['fine', 'nine char'])
  })
})
