import {
  appendFileSync,
  chmodSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { comparePaths, type Entry, type Failure, type Filter, type WorkerFile } from 'kloset/connector'
import { describe, expect, test } from 'vitest'
import { native } from '../src/native.js'
import { sourceRoot } from '../src/roots.js'
import { workerSide } from '../src/sides.js'
import { fsSource } from '../src/source.js'
import { all, asNobody, everything, isRoot, places, readText, scanned, signal } from './places.js'

const place = places()

function sideOf(folder: string) {
  const { scan, open } = workerSide({ role: 'source', root: sourceRoot(folder) })
  if (!scan || !open) throw new Error('the side of a source scans and opens')
  return { scan, open }
}

function entryAt(folder: string, path: string): Entry {
  const [entry] = all(sideOf(folder).scan(everything, path))
  if (!entry || 'error' in entry) throw new Error(`no entry at ${path}`)
  return entry
}

const pathsOf = (found: readonly (Entry | Failure)[]): string[] => found.map(({ path }) => path)

describe('scan', () => {
  test('yields in path order, a folder before what it holds', async () => {
    const folder = place()
    for (const path of ['a', 'a/x', 'a/x/deep', 'a-b', 'b', 'B']) mkdirSync(join(folder, path))
    // U+FF41 comes before an emoji in UTF-8 and after it in UTF-16.
    const files = [
      'a/y',
      'a/x.txt',
      'a.b',
      'a0',
      'ａ',
      '😀',
      'é',
      'a/x/deep/z',
      'new\nline',
      ' ',
      '\\',
      '*',
      '-rf',
      '\ufffd',
    ]
    for (const path of files) writeFileSync(join(folder, path), path)
    const found = all(sideOf(folder).scan(everything, ''))
    const paths = pathsOf(found)
    expect(paths[0]).toBe('')
    expect(paths).toEqual([...paths].sort(comparePaths))
    expect(paths).toHaveLength(1 + 6 + files.length)
    expect(new Set(paths)).toEqual(new Set(['', 'a', 'a/x', 'a/x/deep', 'a-b', 'b', 'B', ...files]))
    expect(await scanned(await fsSource(folder))).toEqual(found)
  })

  test('tells what lstat tells', () => {
    const folder = place()
    const path = join(folder, 'file')
    writeFileSync(path, 'content')
    chmodSync(path, 0o4751)
    utimesSync(path, 1_600_000_000.25, 1_600_000_000.25)
    linkSync(path, join(folder, 'same'))
    symlinkSync('no/where', join(folder, 'link'))
    const [root, file, link, same] = all(sideOf(folder).scan(everything, '')) as Entry[]
    expect(root).toMatchObject({ path: '', type: 'directory', size: undefined })
    expect(file).toMatchObject({ path: 'file', type: 'file', size: 7, mode: 0o4751, mtime: 1_600_000_000_250_000_000n })
    expect(file?.owner).toMatchObject({ uid: process.getuid?.(), gid: process.getgid?.() })
    if (isRoot) expect(file?.owner).toMatchObject({ user: 'root', group: 'root' })
    expect(file?.inode).toMatchObject({ links: 2 })
    expect(same?.inode).toEqual(file?.inode)
    expect(link).toMatchObject({ path: 'link', type: 'symlink', target: 'no/where', size: undefined })
  })

  test.runIf(process.platform === 'linux' && statSync('/dev').dev !== statSync('/dev/shm').dev)(
    'gives devices only where they tell hard links apart, since they are others after a restart',
    () => {
      const folder = mkdtempSync('/dev/shm/kloset-')
      try {
        writeFileSync(join(folder, 'one'), '')
        linkSync(join(folder, 'one'), join(folder, 'two'))
        writeFileSync(join(folder, 'single'), '')
        mkdirSync(join(folder, 'sub'))
        const devicesBelow = (root: string): unknown[] => {
          const below = folder.slice(root.length + 1)
          const found = all(sideOf(root).scan(everything, below)) as Entry[]
          return found.map(({ path, inode }) => [path.slice(below.length), inode?.device])
        }
        const { dev } = statSync(folder, { bigint: true })
        expect(devicesBelow('/dev')).toEqual([
          ...[
            ['', 0n],
            ['/one', dev],
            ['/single', 0n],
            ['/sub', 0n],
            ['/two', dev],
          ],
        ])
        expect(devicesBelow(folder).map((each) => (each as unknown[])[1])).toEqual([0n, 0n, 0n, 0n, 0n])
      } finally {
        rmSync(folder, { recursive: true })
      }
    },
  )

  test('keeps names and targets that are not UTF-8', async () => {
    const folder = place()
    const odd = Buffer.concat([Buffer.from(folder), Buffer.from([0x2f, 0x61, 0xff, 0xc3])])
    mkdirSync(odd)
    writeFileSync(Buffer.concat([odd, Buffer.from([0x2f, 0xe9, 0x2e, 0x74])]), 'inside')
    symlinkSync(Buffer.from([0x66, 0xfe]), Buffer.concat([odd, Buffer.from('/link')]))
    // A true U+FFFD looks the same to Node at first.
    writeFileSync(join(folder, 'a\ufffd'), 'replacement')
    const found = all(sideOf(folder).scan(everything, '')) as Entry[]
    expect(pathsOf(found)).toEqual(['', 'a\ufffd', 'a\udcff\udcc3', 'a\udcff\udcc3/link', 'a\udcff\udcc3/\udce9.t'])
    expect(found[3]?.target).toBe('f\udcfe')
    const file = sideOf(folder).open(found[4]!)
    expect(readAll(file)).toBe('inside')
    file.close()
    const source = await fsSource(folder)
    expect(await scanned(source)).toEqual(found)
    expect(await readText(source, 'a\udcff\udcc3/\udce9.t')).toBe('inside')
    expect(pathsOf(await scanned(source, 'a\udcff\udcc3'))).toHaveLength(3)
  })

  test('asks the filter before it goes into a folder, and never about where it starts', () => {
    const folder = place()
    for (const path of ['a', 'a/b', 'skip', 'skip/inside']) mkdirSync(join(folder, path))
    for (const path of ['a/b/file', 'a/other', 'skip/inside/file']) writeFileSync(join(folder, path), '')
    const asked: string[] = []
    const filter: Filter = {
      takes(path, type) {
        asked.push(`${path} ${type}`)
        return path !== 'skip' && path !== 'a/other'
      },
    }
    expect(pathsOf(all(sideOf(folder).scan(filter, '')))).toEqual(['', 'a', 'a/b', 'a/b/file'])
    expect(asked).toEqual(['a directory', 'a/b directory', 'a/b/file file', 'a/other file', 'skip directory'])
    expect(pathsOf(all(sideOf(folder).scan({ takes: () => false }, 'a')))).toEqual(['a'])
  })

  test('starts anywhere', async () => {
    const folder = place()
    for (const path of ['a', 'a/b', 'a/b/c', 'ab']) mkdirSync(join(folder, path))
    writeFileSync(join(folder, 'a/b/file'), '')
    symlinkSync('a', join(folder, 'link'))
    const side = sideOf(folder)
    expect(pathsOf(all(side.scan(everything, 'a/b')))).toEqual(['a/b', 'a/b/c', 'a/b/file'])
    expect(pathsOf(all(side.scan(everything, 'a/b/file')))).toEqual(['a/b/file'])
    expect(all(side.scan(everything, 'link'))).toMatchObject([{ path: 'link', type: 'symlink' }])
    expect(all(side.scan(everything, 'gone'))).toEqual([])
    expect(await scanned(await fsSource(folder), 'a')).toEqual(all(side.scan(everything, 'a')))
  })

  test('goes through 100,000 names in one folder in batches', () => {
    const folder = place()
    const names = Array.from({ length: 100_000 }, (_, at) => `n${at}`)
    // Links to a few files are made faster than files.
    for (const [at, name] of names.entries())
      if (at % 50_000 === 0) writeFileSync(join(folder, name), 'one of two')
      else linkSync(join(folder, `n${at - (at % 50_000)}`), join(folder, name))
    let count = 0
    let last = ''
    for (const batch of sideOf(folder).scan(everything, '')) {
      expect(batch.length).toBeGreaterThan(0)
      expect(batch.length).toBeLessThanOrEqual(1000)
      for (const { path } of batch) {
        if (count++ > 0 && comparePaths(last, path) >= 0) throw new Error(`${path} after ${last}`)
        last = path
      }
    }
    expect(count).toBe(100_001)
  })

  test('leaves out what vanishes while it scans', () => {
    const folder = place()
    for (const path of ['dir', 'gone-dir', 'dir/x']) mkdirSync(join(folder, path))
    for (const path of ['a', 'b', 'c', 'dir/x/y']) writeFileSync(join(folder, path), '')
    const filter: Filter = {
      takes(path) {
        if (path === 'a') unlinkSync(join(folder, 'b'))
        if (path === 'dir/x') rmSync(join(folder, 'dir/x'), { recursive: true })
        if (path === 'dir') rmSync(join(folder, 'gone-dir'), { recursive: true })
        return true
      },
    }
    expect(pathsOf(all(sideOf(folder).scan(filter, '')))).toEqual(['', 'a', 'c', 'dir', 'dir/x'])
  })

  test.runIf(isRoot)('reports what cannot be read, and goes on', () => {
    const folder = place()
    chmodSync(join(folder, '..'), 0o755)
    for (const path of ['closed', 'names-only']) mkdirSync(join(folder, path))
    for (const path of ['closed/x', 'names-only/y', 'open', 'secret']) writeFileSync(join(folder, path), '')
    chmodSync(join(folder, 'closed'), 0o711)
    chmodSync(join(folder, 'names-only'), 0o744)
    chmodSync(join(folder, 'secret'), 0o600)
    const denied = { error: { code: 'KLOSET_DENIED', hint: expect.any(String) } }
    const [found, opening] = asNobody(() => {
      const side = sideOf(folder)
      const entries = all(side.scan(everything, ''))
      return [entries, errorOf(() => side.open(entries.at(-1) as Entry))]
    })
    expect(found).toMatchObject([
      { path: '' },
      { path: 'closed', type: 'directory' },
      { path: 'closed', ...denied },
      { path: 'names-only', type: 'directory' },
      { path: 'names-only/y', ...denied },
      { path: 'open', type: 'file' },
      { path: 'secret', type: 'file' },
    ])
    expect(opening).toMatchObject({ code: 'KLOSET_DENIED' })
    chmodSync(folder, 0o000)
    expect(asNobody(() => errorOf(() => all(sideOf(folder).scan(everything, ''))))).toMatchObject({
      code: 'KLOSET_DENIED',
    })
  })

  test.runIf(process.platform === 'linux')('knows devices by their numbers', () => {
    const filter: Filter = { takes: (path) => path === 'null' }
    expect(all(sideOf('/dev').scan(filter, ''))[1]).toMatchObject({
      path: 'null',
      type: 'character',
      device: { major: 1, minor: 3 },
    })
  })
})

describe('root', () => {
  test('may be a single file, whose path is its name', async () => {
    const folder = place()
    writeFileSync(join(folder, 'one'), 'content of one')
    writeFileSync(join(folder, 'two'), '')
    const source = await fsSource(join(folder, 'one'))
    expect(source.root).toBe(join(folder, 'one'))
    const found = await scanned(source)
    expect(found).toMatchObject([{ path: 'one', type: 'file', size: 14 }])
    expect(await scanned(source, 'two')).toEqual([])
    expect(await readText(source, 'one')).toBe('content of one')
    const side = workerSide(source.worker?.data as Parameters<typeof workerSide>[0])
    expect(all(side.scan!(everything, ''))).toEqual(found)
    expect(readAll(side.open!(found[0] as Entry))).toBe('content of one')
  })

  test('may be a link: it stands for the folder or file behind it', async () => {
    const folder = place()
    mkdirSync(join(folder, 'real'))
    writeFileSync(join(folder, 'real', 'file'), '')
    symlinkSync('real', join(folder, 'to-folder'))
    symlinkSync('nowhere', join(folder, 'dangling'))
    const followed = await scanned(await fsSource(join(folder, 'to-folder')))
    expect(followed).toMatchObject([{ path: '', type: 'directory' }, { path: 'file' }])
    await expect(fsSource(join(folder, 'dangling'))).rejects.toMatchObject({ code: 'KLOSET_NOT_FOUND' })
  })

  test('that is not there is an error that says what to do', async () => {
    const folder = place()
    const missing = { code: 'KLOSET_NOT_FOUND', hint: expect.any(String) }
    await expect(fsSource(join(folder, 'nothing'))).rejects.toMatchObject(missing)
    const source = await fsSource(folder)
    rmSync(folder, { recursive: true })
    await expect(scanned(source)).rejects.toMatchObject(missing)
    expect(errorOf(() => all(sideOf(folder).scan(everything, '')))).toMatchObject(missing)
  })
})

describe('open', () => {
  test('reads all of what it is asked for, and less only at the end', () => {
    const folder = place()
    writeFileSync(join(folder, 'file'), '0123456789')
    const file = sideOf(folder).open(entryAt(folder, 'file'))
    const into = new Uint8Array(4)
    expect([file.read(into, 0), text(into)]).toEqual([4, '0123'])
    expect([file.read(into, 5), text(into)]).toEqual([4, '5678'])
    expect([file.read(into, 8), text(into.subarray(0, 2))]).toEqual([2, '89'])
    expect(file.read(into, 10)).toBe(0)
    expect(file.read(into, 99)).toBe(0)
    const shared = new Uint8Array(new SharedArrayBuffer(10))
    expect([file.read(shared, 0), text(shared)]).toEqual([10, '0123456789'])
    file.close()
  })

  test('tells whether the file changed before or since it was opened', () => {
    const folder = place()
    const path = join(folder, 'file')
    writeFileSync(path, 'content')
    const entry = entryAt(folder, 'file')
    const same = sideOf(folder).open(entry)
    expect(same.changed()).toBe(false)
    appendFileSync(path, ' and more')
    expect(same.changed()).toBe('now')
    same.close()
    const late = sideOf(folder).open(entry)
    expect(late.changed()).toBe('earlier')
    utimesSync(path, 1, 1)
    expect(late.changed()).toBe('now')
    late.close()
    const unknown = sideOf(folder).open({ path: 'file', type: 'file' })
    expect(unknown.changed()).toBe(false)
    unknown.close()
  })

  test('refuses what is no longer a file, without waiting for it', () => {
    const folder = place()
    const path = join(folder, 'file')
    writeFileSync(path, 'content')
    writeFileSync(join(folder, 'elsewhere'), 'secret')
    const entry = entryAt(folder, 'file')
    const { open } = sideOf(folder)
    unlinkSync(path)
    expect(errorOf(() => open(entry))).toMatchObject({ code: 'KLOSET_NOT_FOUND' })
    symlinkSync('elsewhere', path)
    expect(errorOf(() => open(entry))).toMatchObject({ code: 'KLOSET_FILE_CHANGED' })
    unlinkSync(path)
    mkdirSync(path)
    expect(errorOf(() => open(entry))).toMatchObject({ code: 'KLOSET_FILE_CHANGED' })
    rmSync(path, { recursive: true })
    const calls = native()
    if (!calls) return
    calls.makeNode(path, 0o010600, 0n)
    expect(errorOf(() => open(entry))).toMatchObject({ code: 'KLOSET_FILE_CHANGED' })
  })

  test.runIf(native())('finds the data between holes', () => {
    const folder = place()
    const path = join(folder, 'sparse')
    const mebibyte = 1024 * 1024
    const file = openSync(path, 'w')
    writeSync(file, Buffer.alloc(4096, 1), 0, 4096, 4 * mebibyte)
    ftruncateSync(file, 9 * mebibyte)
    const sparse = sideOf(folder).open(entryAt(folder, 'sparse'))
    expect(sparse.nextData?.(0)).toEqual({ offset: 4 * mebibyte, length: 4096 })
    expect(sparse.nextData?.(4 * mebibyte + 4096)).toBeUndefined()
    sparse.close()
    writeFileSync(join(folder, 'dense'), Buffer.alloc(2 * mebibyte, 1))
    const dense = sideOf(folder).open(entryAt(folder, 'dense'))
    expect(dense.nextData).toBeUndefined()
    dense.close()
  })
})

describe('read', () => {
  test('gives the content, or any range of it, each time the same', async () => {
    const folder = place()
    const content = Array.from({ length: 700_000 }, (_, at) => String(at % 10_000).padStart(4, '0')).join('')
    writeFileSync(join(folder, 'file'), content, 'latin1')
    writeFileSync(join(folder, 'empty'), '')
    const source = await fsSource(folder)
    for (let round = 0; round < 2; round++) expect((await readText(source, 'file')) === content).toBe(true)
    const end = content.length
    for (const [offset, length] of [
      [0, 0],
      [0, 10],
      [1_048_570, 20],
      [end - 5, 5],
      [end - 5, 50],
      [end, 1],
      [end + 9, 9],
      [100, 2_500_000],
    ] as const) {
      const range = { offset, length }
      expect((await readText(source, 'file', range)) === content.slice(offset, offset + length)).toBe(true)
    }
    expect(await readText(source, 'empty')).toBe('')
    for await (const piece of source.read({ path: 'file', type: 'file', size: end }, { signal, range: undefined }))
      expect(piece.length).toBeLessThanOrEqual(1_048_576)
  })

  test('fails as opening in a worker does', async () => {
    const folder = place()
    writeFileSync(join(folder, 'file'), '')
    symlinkSync('file', join(folder, 'link'))
    mkdirSync(join(folder, 'folder'))
    const source = await fsSource(folder)
    await expect(readText(source, 'gone')).rejects.toMatchObject({ code: 'KLOSET_NOT_FOUND' })
    for (const path of ['link', 'folder'])
      await expect(readText(source, path)).rejects.toMatchObject({ code: 'KLOSET_FILE_CHANGED' })
  })

  test('stops when it is aborted', async () => {
    const folder = place()
    writeFileSync(join(folder, 'file'), Buffer.alloc(3_000_000))
    const source = await fsSource(folder)
    const controller = new AbortController()
    const reason = new Error('enough')
    const read = async () => {
      for await (const _ of source.read(
        { path: 'file', type: 'file' },
        { signal: controller.signal, range: undefined },
      ))
        controller.abort(reason)
    }
    await expect(read()).rejects.toBe(reason)
    const scan = source.scan({ signal: controller.signal, filter: everything, under: '' })
    await expect(scan[Symbol.asyncIterator]().next()).rejects.toBe(reason)
  })

  test('reads the file that was opened, when another takes its name', async () => {
    const folder = place()
    writeFileSync(join(folder, 'file'), Buffer.alloc(3_000_000, 'a'))
    writeFileSync(join(folder, 'other'), Buffer.alloc(3_000_000, 'b'))
    const source = await fsSource(folder)
    const letters = new Set<number>()
    for await (const piece of source.read({ path: 'file', type: 'file' }, { signal, range: undefined })) {
      for (const letter of piece) letters.add(letter)
      if (letters.size === 1 && piece.length === 1_048_576) renameOnce(join(folder, 'other'), join(folder, 'file'))
    }
    expect([...letters]).toEqual([97])
  })
})

let renamed = false
function renameOnce(from: string, to: string): void {
  if (!renamed) renameSync(from, to)
  renamed = true
}

function readAll(file: WorkerFile): string {
  const into = new Uint8Array(1000)
  return text(into.subarray(0, file.read(into, 0)))
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}

function errorOf(work: () => unknown): unknown {
  try {
    work()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}
