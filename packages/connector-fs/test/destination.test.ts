import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Content, Destination, Entry, WorkerSide } from 'kloset/connector'
import { describe, expect, test } from 'vitest'
import { fsDestination } from '../src/destination.js'
import { native } from '../src/native.js'
import { workerSide } from '../src/sides.js'
import { fsSource } from '../src/source.js'
import { asNobody, call, contentOf, isRoot, places, scanned, signal } from './places.js'

const place = places()
const exact = native()

/** The same operations of a destination, through a worker's side and through the plain methods. */
interface Writer {
  make(entry: Entry): Promise<void>
  write(entry: Entry, text: string): Promise<void>
  finish(folder: Entry): Promise<void>
}

const writers: Record<string, (folder: string) => Promise<Writer>> = {
  'worker side': async (folder) => {
    const side = sideOf(folder)
    return {
      make: async (entry) => side.make(entry),
      finish: async (entry) => side.finish(entry),
      async write(entry, text) {
        const output = side.create({ ...entry, size: text.length })
        output.write(Buffer.from(text.slice(0, 3)), 0)
        output.write(Buffer.from(text.slice(3)), 3)
        output.commit()
      },
    }
  },
  'plain methods': async (folder) => {
    const destination = await fsDestination(folder)
    return {
      make: (entry) => destination.create(entry, call),
      finish: async (entry) => destination.finish?.(entry, call),
      write: (entry, text) => destination.write(entry, contentOf(text), call),
    }
  },
}

function sideOf(root: string): Required<Pick<WorkerSide, 'create' | 'make' | 'finish'>> {
  const { create, make, finish } = workerSide({ role: 'destination', root })
  if (!create || !make || !finish) throw new Error('the side of a destination writes, makes and finishes')
  return { create, make, finish }
}

function aFile(path: string, more: Partial<Entry> = {}): Entry {
  return { path, type: 'file', ...more }
}

for (const [name, open] of Object.entries(writers))
  describe(name, () => {
    test('restores what a source says, exactly', async () => {
      const [from, to] = [place(), place()]
      buildTree(from)
      const entries = (await scanned(await fsSource(from))) as Entry[]
      const writer = await open(to)
      for (const entry of entries)
        if (entry.type === 'file') await writer.write(entry, readFileSync(pathOf(from, entry), 'latin1'))
        else await writer.make(entry)
      for (const entry of entries.reverse()) if (entry.type === 'directory') await writer.finish(entry)
      const restored = (await scanned(await fsSource(to))) as Entry[]
      expect(restored.map(comparable)).toEqual(entries.reverse().map(comparable))
      for (const entry of restored)
        if (entry.type === 'file') expect(readFileSync(pathOf(to, entry))).toEqual(readFileSync(pathOf(from, entry)))
    })

    test('refuses paths that lead out, and those that nothing can have', async () => {
      const folder = place()
      const root = join(folder, 'root')
      const writer = await open(mkdir(root))
      const unsafe = { code: 'KLOSET_PATH_UNSAFE' }
      for (const path of [
        '..',
        '../x',
        'a/..',
        'a/../../x',
        '/x',
        'a//x',
        '.',
        './x',
        'a/./x',
        'a/',
        'x\0y',
        'a\0/x',
        'x\ud800',
        '',
      ]) {
        await expect(writer.write(aFile(path), 'evil'), path).rejects.toMatchObject(unsafe)
        await expect(writer.make({ path, type: 'symlink', target: 'x' }), path).rejects.toMatchObject(unsafe)
        if (path === '') continue
        await expect(writer.make({ path, type: 'directory' }), path).rejects.toMatchObject(unsafe)
        await expect(writer.finish({ path, type: 'directory', mode: 0o777 }), path).rejects.toMatchObject(unsafe)
      }
      expect(readdirSync(folder)).toEqual(['root'])
      expect(readdirSync(root).filter((name) => name !== 'a')).toEqual([])
    })

    test('never writes through a link, whether it was there or the snapshot made it', async () => {
      const [folder, outside] = [place(), place()]
      chmodSync(outside, 0o755)
      symlinkSync(outside, join(folder, 'old'))
      const writer = await open(folder)
      await writer.make({ path: 'new', type: 'symlink', target: outside })
      await writer.make({ path: 'real', type: 'directory' })
      await writer.make({ path: 'real/up', type: 'symlink', target: '../..' })
      for (const path of ['old/x', 'new/x', 'new/deeper/x', 'real/up/x']) {
        const unsafe = { code: 'KLOSET_PATH_UNSAFE' }
        await expect(writer.write(aFile(path), 'evil')).rejects.toMatchObject(unsafe)
        await expect(writer.make({ path, type: 'directory' })).rejects.toMatchObject(unsafe)
        await expect(writer.make({ path, type: 'symlink', target: 'x' })).rejects.toMatchObject(unsafe)
        await expect(writer.finish({ path, type: 'directory', mode: 0o777 })).rejects.toMatchObject(unsafe)
      }
      for (const path of ['old', 'new'])
        await expect(writer.finish({ path, type: 'directory', mode: 0o777 })).rejects.toMatchObject({
          code: 'KLOSET_NOT_FOUND',
        })
      expect(readdirSync(outside)).toEqual([])
      expect(statSync(outside).mode & 0o777).toBe(0o755)
    })

    test('replaces a link in the way, and leaves what it leads to', async () => {
      const [folder, outside] = [place(), place()]
      const victim = join(outside, 'victim')
      writeFileSync(victim, 'untouched', { mode: 0o600 })
      for (const path of ['file', 'folder', 'link']) symlinkSync(victim, join(folder, path))
      const writer = await open(folder)
      await writer.write(aFile('file', { mode: 0o644, mtime: 5n }), 'new')
      await writer.make({ path: 'folder', type: 'directory', mode: 0o755 })
      await writer.make({ path: 'link', type: 'symlink', target: 'elsewhere', mtime: 7_000_000_000n })
      expect(readFileSync(victim, 'utf8')).toBe('untouched')
      expect(lstatSync(victim).mode & 0o777).toBe(0o600)
      expect(lstatSync(join(folder, 'file')).isFile()).toBe(true)
      expect(lstatSync(join(folder, 'folder')).isDirectory()).toBe(true)
      expect(readlinkSync(join(folder, 'link'))).toBe('elsewhere')
      expect(lstatSync(join(folder, 'link')).mtimeMs).toBe(7000)
    })

    test('does not replace a folder by anything else, and leaves no trace of the attempt', async () => {
      const folder = place()
      for (const path of ['full', 'full/inside', 'empty']) mkdir(join(folder, path))
      const writer = await open(folder)
      for (const path of ['full', 'empty']) {
        const exists = { code: 'KLOSET_EXISTS', hint: expect.any(String) }
        await expect(writer.write(aFile(path), 'content')).rejects.toMatchObject(exists)
        await expect(writer.make({ path, type: 'symlink', target: 'x' })).rejects.toMatchObject(exists)
      }
      expect(readdirSync(folder).sort()).toEqual(['empty', 'full'])
    })

    test('makes folders that no entry told about, and keeps those that are there', async () => {
      const folder = place()
      mkdir(join(folder, 'there'))
      writeFileSync(join(folder, 'there', 'kept'), '')
      const writer = await open(folder)
      await writer.make({ path: 'there', type: 'directory', mode: 0o750 })
      await writer.write(aFile('there/deeper/file'), 'content')
      await writer.finish({ path: 'there', type: 'directory', mode: 0o750 })
      expect(readdirSync(join(folder, 'there')).sort()).toEqual(['deeper', 'kept'])
      expect(statSync(join(folder, 'there')).mode & 0o777).toBe(0o750)
    })

    test.runIf(isRoot)('gives setuid only after the owner', async () => {
      const folder = place()
      const writer = await open(folder)
      await writer.write(aFile('tool', { mode: 0o6755, owner: { uid: 1234, gid: 4321 } }), '#!')
      await writer.write(aFile('half', { mode: 0o640, owner: { gid: 4321 } }), '')
      const { uid, gid, mode } = lstatSync(join(folder, 'tool'))
      expect([uid, gid, mode & 0o7777]).toEqual([1234, 4321, 0o6755])
      const half = lstatSync(join(folder, 'half'))
      expect([half.uid, half.gid]).toEqual([0, 4321])
    })

    test.runIf(isRoot)('fills folders that keep their owner out until they are finished', async () => {
      const folder = place()
      chmodSync(join(folder, '..'), 0o755)
      mkdir(join(folder, 'closed'))
      for (const path of [folder, join(folder, 'closed')]) chownSync(path, 65_534, 65_534)
      chmodSync(join(folder, 'closed'), 0o500)
      const side = sideOf(folder)
      asNobody(() => {
        for (const path of ['closed', 'new']) {
          side.make({ path, type: 'directory', mode: 0o500 })
          side.create(aFile(`${path}/file`, { size: 0, mode: 0o400, owner: { uid: 0, gid: 0 } })).commit()
          side.finish({ path, type: 'directory', mode: 0o500, owner: { uid: 0, gid: 0 } })
        }
      })
      for (const path of ['closed', 'new']) {
        expect(statSync(join(folder, path)).mode & 0o777).toBe(0o500)
        expect(statSync(join(folder, path, 'file')).mode & 0o777).toBe(0o400)
      }
    })
  })

describe('output', () => {
  test('shows the old file until the new one is whole', () => {
    const folder = place()
    const path = join(folder, 'file')
    writeFileSync(path, 'old')
    const side = sideOf(folder)
    const output = side.create(aFile('file', { size: 7 }))
    output.write(Buffer.from('new'), 0)
    expect(readFileSync(path, 'utf8')).toBe('old')
    output.write(Buffer.from(' one'), 3)
    output.commit()
    expect(readFileSync(path, 'utf8')).toBe('new one')
    const aborted = side.create(aFile('file', { size: 7 }))
    aborted.write(Buffer.from('never'), 0)
    aborted.abort()
    expect(readFileSync(path, 'utf8')).toBe('new one')
    expect(readdirSync(folder)).toEqual(['file'])
  })

  test('is private until it is finished', () => {
    const folder = place()
    const output = sideOf(folder).create(aFile('file', { size: 0, mode: 0o666 }))
    expect(statSync(join(folder, output.handle.split('/')[0]!)).mode & 0o777).toBe(0o600)
    output.commit()
    expect(statSync(join(folder, 'file')).mode & 0o777).toBe(0o666)
  })

  test('can be written by several workers, in any order', () => {
    const folder = place()
    mkdir(join(folder, 'sub'))
    const entry = aFile('sub/file', { size: 12, mode: 0o444 })
    const [one, two] = [sideOf(folder), sideOf(folder)]
    const first = one.create(entry)
    const second = two.create(entry, first.handle)
    expect(second.handle).toBe(first.handle)
    second.write(Buffer.from('second'), 6)
    first.write(Buffer.from('first '), 0)
    first.release()
    second.commit()
    expect(readFileSync(join(folder, 'sub/file'), 'utf8')).toBe('first second')
    expect(readdirSync(join(folder, 'sub'))).toEqual(['file'])
  })

  test('takes no handle that another output did not give', () => {
    const other = '.kloset-0123456789ab-z1-01234567-'
    const folder = place()
    writeFileSync(join(folder, 'victim'), 'untouched')
    const side = sideOf(folder)
    for (const handle of ['victim', '../victim', '.kloset-', `${other}0`, `../${other}0`, '', '.'])
      expect(() => side.create(aFile('file'), handle)).toThrow(/not the handle/)
    expect(() => side.create(aFile('file'), `${other}0/1:2`)).toThrow(/does not exist/)
    symlinkSync('victim', join(folder, `${other}1`))
    expect(() => side.create(aFile('file'), `${other}1/1:2`)).toThrow(/link/)
    writeFileSync(join(folder, `${other}2`), 'of somebody else')
    expect(() => side.create(aFile('file'), `${other}2/1:2`)).toThrow(/not the handle/)
    expect(readFileSync(join(folder, 'victim'), 'utf8')).toBe('untouched')
  })

  test('keeps holes and gives the right length', () => {
    const folder = place()
    const size = 8 * 1024 * 1024
    const output = sideOf(folder).create(aFile('sparse', { size }))
    output.write(Buffer.alloc(4096, 1), size / 2)
    output.commit()
    const info = statSync(join(folder, 'sparse'))
    expect(info.size).toBe(size)
    expect(info.blocks * 512).toBeLessThan(size / 4)
    const shorter = sideOf(folder).create(aFile('cut', { size: 3 }))
    shorter.write(Buffer.from('longer'), 0)
    shorter.commit()
    expect(readFileSync(join(folder, 'cut'), 'utf8')).toBe('lon')
  })

  test.runIf(exact)('gives times to the nanosecond, before 1970 too', () => {
    const folder = place()
    const side = sideOf(folder)
    for (const mtime of [1_700_000_000_123_456_789n, 1n, 0n, -1n, -1_500_000_001n]) {
      side.create(aFile('file', { size: 0, mtime })).commit()
      expect(lstatSync(join(folder, 'file'), { bigint: true }).mtimeNs).toBe(mtime)
      side.make({ path: 'link', type: 'symlink', target: 'x', mtime })
      expect(lstatSync(join(folder, 'link'), { bigint: true }).mtimeNs).toBe(mtime)
      side.make({ path: 'folder', type: 'directory' })
      side.finish({ path: 'folder', type: 'directory', mtime })
      expect(lstatSync(join(folder, 'folder'), { bigint: true }).mtimeNs).toBe(mtime)
    }
  })
})

describe('destination', () => {
  async function opened(): Promise<{ folder: string; to: Required<Destination> }> {
    const folder = place()
    return { folder, to: (await fsDestination(folder)) as Required<Destination> }
  }

  test('makes its folder, unless told that it is there', async () => {
    const folder = join(place(), 'deep', 'er')
    await expect(fsDestination(folder, { mode: 'write' })).rejects.toMatchObject({ code: 'KLOSET_NOT_FOUND' })
    const destination = await fsDestination(folder)
    expect(readdirSync(folder)).toEqual([])
    expect(await scanned(destination.current!)).toMatchObject([{ path: '', type: 'directory' }])
    await destination.close({ complete: true })
  })

  test('may be behind a link, which is meant', async () => {
    const folder = place()
    mkdir(join(folder, 'real'))
    symlinkSync('real', join(folder, 'link'))
    const destination = await fsDestination(join(folder, 'link'))
    await destination.write(aFile('file'), contentOf('content'), call)
    await destination.finish?.({ path: '', type: 'directory', mode: 0o711 }, call)
    expect(readFileSync(join(folder, 'real', 'file'), 'utf8')).toBe('content')
    expect(statSync(join(folder, 'real')).mode & 0o777).toBe(0o711)
  })

  test('leaves the old file when the content fails, ends early or is aborted', async () => {
    const { folder, to } = await opened()
    writeFileSync(join(folder, 'file'), 'old')
    const broken: Content = {
      ...contentOf('new content'),
      async *[Symbol.asyncIterator]() {
        yield new Uint8Array(3)
        throw new Error('the pack is gone')
      },
    }
    await expect(to.write(aFile('file'), broken, call)).rejects.toThrow('the pack is gone')
    await expect(to.write(aFile('file'), { ...contentOf('short'), size: 99 }, call)).rejects.toMatchObject({
      code: 'KLOSET_CONNECTOR',
    })
    const controller = new AbortController()
    const reason = new Error('enough')
    const aborting: Content = {
      ...contentOf('new content'),
      async *[Symbol.asyncIterator]() {
        yield new Uint8Array(3)
        controller.abort(reason)
        yield new Uint8Array(8)
      },
    }
    await expect(to.write(aFile('file'), aborting, { signal: controller.signal })).rejects.toBe(reason)
    expect(readFileSync(join(folder, 'file'), 'utf8')).toBe('old')
    expect(readdirSync(folder)).toEqual(['file'])
  })

  test('links hard, over what is there, and leaves no second name behind', async () => {
    const { folder, to } = await opened()
    const outside = place()
    writeFileSync(join(outside, 'secret'), 'secret')
    await to.write(aFile('file'), contentOf('content'), call)
    writeFileSync(join(folder, 'b'), 'in the way')
    for (const path of ['sub/a', 'b', 'b']) await to.link(path, 'file', call)
    expect(lstatSync(join(folder, 'file')).nlink).toBe(3)
    expect(readFileSync(join(folder, 'b'), 'utf8')).toBe('content')
    expect(readdirSync(folder).sort()).toEqual(['b', 'file', 'sub'])
    symlinkSync(join(outside, 'secret'), join(folder, 'link'))
    symlinkSync(outside, join(folder, 'out'))
    for (const original of ['gone', 'sub', 'gone/deeper'])
      await expect(to.link('c', original, call)).rejects.toMatchObject({ code: 'KLOSET_NOT_FOUND' })
    for (const original of ['out/secret', '../x', '/etc/passwd'])
      await expect(to.link('c', original, call)).rejects.toMatchObject({ code: 'KLOSET_PATH_UNSAFE' })
    expect(existsSync(join(folder, 'c'))).toBe(false)
    // Of a link it makes another name; it does not follow it.
    if (process.platform === 'linux') {
      await to.link('c', 'link', call)
      expect(lstatSync(join(folder, 'c'))).toMatchObject({ nlink: 2, ino: lstatSync(join(folder, 'link')).ino })
    }
    expect(lstatSync(join(outside, 'secret')).nlink).toBe(1)
  })

  test('removes inside its root only, and never follows', async () => {
    const { folder, to } = await opened()
    const outside = place()
    writeFileSync(join(outside, 'kept'), '')
    for (const path of ['full', 'full/deep']) mkdir(join(folder, path))
    writeFileSync(join(folder, 'full/deep/file'), '')
    symlinkSync(outside, join(folder, 'full/out'))
    symlinkSync(outside, join(folder, 'link'))
    await expect(to.remove(['full'], call)).rejects.toMatchObject({ code: 'KLOSET_EXISTS' })
    expect(readdirSync(join(folder, 'full'))).toEqual(['deep', 'out'])
    await to.remove(['full/out', 'full/deep/file', 'full/deep', 'full', 'link', 'gone', 'gone/deeper'], call)
    expect(readdirSync(folder)).toEqual([])
    expect(readdirSync(outside)).toEqual(['kept'])
    symlinkSync(outside, join(folder, 'link'))
    for (const path of ['', '..', 'link/kept', '/etc'])
      await expect(to.remove([path], call)).rejects.toMatchObject({ code: 'KLOSET_PATH_UNSAFE' })
    expect(readdirSync(outside)).toEqual(['kept'])
  })

  test('renames inside its root only', async () => {
    const { folder, to } = await opened()
    await to.write(aFile('a'), contentOf('content'), call)
    await to.rename('a', 'sub/b', call)
    expect(readFileSync(join(folder, 'sub/b'), 'utf8')).toBe('content')
    await expect(to.rename('a', 'c', call)).rejects.toMatchObject({ code: 'KLOSET_NOT_FOUND' })
    await expect(to.rename('gone/a', 'c', call)).rejects.toMatchObject({ code: 'KLOSET_NOT_FOUND' })
    for (const [from, onto] of [
      ['sub/b', '../b'],
      ['../b', 'c'],
      ['', 'c'],
    ] as const)
      await expect(to.rename(from, onto, call)).rejects.toMatchObject({ code: 'KLOSET_PATH_UNSAFE' })
  })

  test('looks again at folders after something was removed or renamed', async () => {
    const { folder, to } = await opened()
    const outside = place()
    for (const path of ['removed', 'renamed']) await to.write(aFile(`${path}/file`), contentOf('content'), call)
    await to.remove(['removed/file', 'removed'], call)
    await to.rename('renamed', 'away', call)
    for (const path of ['removed', 'renamed']) {
      await to.create({ path, type: 'symlink', target: outside }, call)
      const write = to.write(aFile(`${path}/file`), contentOf('evil'), call)
      await expect(write).rejects.toMatchObject({ code: 'KLOSET_PATH_UNSAFE' })
    }
    expect(readdirSync(outside)).toEqual([])
    expect(readFileSync(join(folder, 'away/file'), 'utf8')).toBe('content')
  })

  test('refuses links without a target and devices without a number', async () => {
    const { to } = await opened()
    for (const target of [undefined, '', 'a\0b'])
      await expect(to.create({ path: 'x', type: 'symlink', target }, call)).rejects.toMatchObject({
        code: 'KLOSET_PATH_UNSAFE',
      })
    if (exact)
      await expect(to.create({ path: 'x', type: 'block' }, call)).rejects.toMatchObject({ code: 'KLOSET_UNSUPPORTED' })
    await expect(to.create(aFile('x'), call)).rejects.toThrow(TypeError)
  })

  test('does nothing when already aborted', async () => {
    const { folder, to } = await opened()
    writeFileSync(join(folder, 'kept'), '')
    const reason = new Error('enough')
    const aborted = { signal: AbortSignal.abort(reason) }
    await expect(to.create({ path: 'a', type: 'directory' }, aborted)).rejects.toBe(reason)
    await expect(to.write(aFile('a'), contentOf('x'), aborted)).rejects.toBe(reason)
    await expect(to.link('a', 'kept', aborted)).rejects.toBe(reason)
    await expect(to.remove(['kept'], aborted)).rejects.toBe(reason)
    await expect(to.rename('kept', 'a', aborted)).rejects.toBe(reason)
    expect(readdirSync(folder)).toEqual(['kept'])
    expect(signal.aborted).toBe(false)
  })
})

function buildTree(folder: string): void {
  for (const path of ['a', 'a/empty', 'a/closed', 'sticky']) mkdir(join(folder, path))
  for (const [path, content, mode] of [
    ['a/file', 'some content', 0o640],
    ['a/nothing', '', 0o000],
    ['a/closed/run', '#!/bin/sh\n', 0o4755],
    ['new\nline', 'x'.repeat(100_000), 0o444],
    ['ünï😀', 'name', 0o600],
    ['.kloset-0123456789abcdef-0', 'not a leftover', 0o644],
  ] as const) {
    writeFileSync(join(folder, path), content)
    if (isRoot && path === 'a/file') chownSync(join(folder, path), 1000, 2000)
    chmodSync(join(folder, path), mode)
    utimesSync(join(folder, path), 1_500_000_000, 1_500_000_000.5)
  }
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/a/`), Buffer.from([0xff, 0x2e])]), 'odd name')
  symlinkSync('../a/file', join(folder, 'a/link'))
  symlinkSync(Buffer.from([0x78, 0xfe]), join(folder, 'odd-link'))
  linkSync(join(folder, 'a/file'), join(folder, 'a/same'))
  if (exact) {
    exact.makeNode(join(folder, 'fifo'), 0o010600, 0n)
    exact.makeNode(join(folder, 'socket'), 0o140600, 0n)
    if (isRoot) exact.makeNode(join(folder, 'device'), 0o020600, 0x103n)
    for (const path of ['a/file', 'a/link', 'a', 'fifo']) exact.setTime(join(folder, path), 1_650_000_000_123_456_789n)
  }
  chmodSync(join(folder, 'a/closed'), 0o500)
  chmodSync(join(folder, 'sticky'), 0o1777)
  utimesSync(join(folder, 'sticky'), 1_400_000_000, 1_400_000_000)
}

/** What a restore keeps; hard links are made by the engine. */
function comparable({ ctime: _, inode: __, birthtime: ___, mtime, mode, type, ...kept }: Entry): unknown {
  const time = exact || mtime === undefined ? mtime : mtime / 1000n
  return { ...kept, type, mtime: time, ...(type !== 'symlink' && { mode }) }
}

function pathOf(folder: string, { path }: Entry): Buffer {
  return Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(path.replace('\udcff', '\0')).map((b) => b || 0xff)])
}

function mkdir(path: string): string {
  mkdirSync(path)
  return path
}
