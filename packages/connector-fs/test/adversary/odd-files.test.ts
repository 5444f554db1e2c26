// What a system gives that is not as usual is saved, or fails by name: absurd times and sizes, sizes of 0 that tell nothing, links, pipes and devices as sources.
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { BackupEvent } from 'kloset'
import type { Entry, Failure } from 'kloset/connector'
import { afterAll, describe, expect, test } from 'vitest'
import { unsigned } from '../../src/entries.js'
import { native } from '../../src/native.js'
import { fsListSources, fsSource } from '../../src/source.js'
import { fsSource as builtSource, create, threads } from '../engine/tools.js'
import { places, scanned } from '../places.js'

const place = places()
const engine = threads()

/** A folder on tmpfs, which holds every time and size that the system has. */
function inMemory(): string {
  const folder = mkdtempSync('/dev/shm/kloset-')
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function told(items: readonly (Entry | Failure)[]): string[] {
  return items.map((item) => ('error' in item ? `failed ${item.path}` : `${item.type} ${item.path}`))
}

describe.skipIf(!existsSync('/dev/shm') || native() === undefined)('on a file system that holds them', () => {
  test('times after 2262 cost nothing but their exactness, whether a file is small or large', async () => {
    const folder = inMemory()
    writeFileSync(join(folder, 'small'), 'content')
    writeFileSync(join(folder, 'large'), Buffer.alloc(26 << 20, 7))
    writeFileSync(join(folder, 'good'), 'good')
    for (const name of ['small', 'large']) utimesSync(join(folder, name), 0, 10_413_792_000)
    spawnSync('touch', ['-d', '1336-01-01', folder])
    const store = await create(place(), engine)
    const heard: BackupEvent[] = []
    const result = await store.backup(await builtSource(folder), { onEvent: (event) => heard.push(event) })
    expect(result.failedCount).toBe(0)
    expect(heard.filter(({ type }) => type === 'notice')).toEqual([
      expect.objectContaining({ code: 'time-moved', message: expect.stringMatching(/of \., large, small$/) }),
    ])
    expect(await result.snapshot!.stat('large')).toMatchObject({ mtime: 2n ** 63n - 1n, contentSize: 26 << 20 })
    expect(await (await result.snapshot!.open('small')).text()).toBe('content')
    await store.close()
  })

  test('a size from 2^53 on fails alone', async () => {
    const folder = inMemory()
    spawnSync('truncate', ['-s', String(2 ** 53), join(folder, 'huge')])
    writeFileSync(join(folder, 'good'), 'good')
    const store = await create(place(), engine)
    const { failed, totals } = await store.backup(await builtSource(folder))
    expect(failed).toMatchObject([{ path: 'huge', error: { code: 'KLOSET_LIMIT' } }])
    expect(totals).toMatchObject({ files: 2, errors: 1, bytes: 4 })
    await store.close()
  })
})

test('numbers that the system gives with a sign are those without', () => {
  expect(unsigned(-2n)).toBe(2n ** 64n - 2n)
  expect(unsigned(2n ** 63n - 1n)).toBe(2n ** 63n - 1n)
})

test.skipIf(!existsSync('/proc/version'))('files of size 0 that have content are read to their end', async () => {
  const store = await create(place(), engine)
  const { snapshot, failedCount } = await store.backup(await builtSource('/proc/version'))
  expect(failedCount).toBe(0)
  expect(await (await snapshot!.open('version')).text()).toBe(readFileSync('/proc/version', 'utf8'))
  await store.close()
})

describe('a list', () => {
  test.each([[['pics', 'pics/photo', 'pics/missing']], [['pics/missing', 'pics/photo', 'pics']]])(
    'that names a link and what is behind it saves that, and misses what is not there: %j',
    async (list) => {
      const folder = place()
      const real = place()
      writeFileSync(join(real, 'photo'), 'precious')
      writeFileSync(join(real, 'not listed'), '')
      symlinkSync(real, join(folder, 'pics'))
      const [source] = await fsListSources(list, folder)
      expect(told(await scanned(source!))).toEqual([
        'directory ',
        'directory pics',
        'failed pics/missing',
        'file pics/photo',
      ])
    },
  )

  test('that names something below a file, or below a link to nothing, keeps those and misses the rest', async () => {
    const folder = place()
    writeFileSync(join(folder, 'file'), '')
    symlinkSync('nowhere', join(folder, 'link'))
    const [source] = await fsListSources(['file', 'file/a/b', 'file/c', 'link', 'link/x'], folder)
    expect(told(await scanned(source!))).toEqual([
      'directory ',
      'file file',
      'failed file/a/b',
      'failed file/c',
      'symlink link',
      'failed link/x',
    ])
  })
})

describe('a source', () => {
  test('that is a link to a file, or to a link to one, is the content of that file under its own name', async () => {
    const folder = place()
    mkdirSync(join(folder, 'real'))
    writeFileSync(join(folder, 'real', 'db'), 'content')
    symlinkSync('real/db', join(folder, 'one'))
    symlinkSync('one', join(folder, 'two'))
    const store = await create(place(), engine)
    for (const name of ['one', 'two']) {
      const { snapshot } = await store.backup(await builtSource(join(folder, name)))
      expect(snapshot!.sources[0]!.root).toBe(join(folder, name))
      expect(await snapshot!.stat(name)).toMatchObject({ type: 'file', size: 7 })
      expect(await (await snapshot!.open(name)).text()).toBe('content')
    }
    await store.close()
  })

  test('that is what a shell opened is the content of that file', async () => {
    const path = join(place(), 'file')
    writeFileSync(path, 'content')
    const file = openSync(path, 'r')
    const source = await fsSource(`/dev/fd/${file}`)
    expect(await scanned(source)).toMatchObject([{ path: String(file), type: 'file', size: 7 }])
  })

  test('that is a pipe or a device, also behind a link, is refused with what to do instead', async () => {
    const folder = place()
    spawnSync('mkfifo', [join(folder, 'pipe')])
    symlinkSync('pipe', join(folder, 'to-pipe'))
    symlinkSync('/dev/null', join(folder, 'to-device'))
    for (const path of [join(folder, 'pipe'), join(folder, 'to-pipe'), join(folder, 'to-device'), '/dev/null'])
      await expect(fsSource(path)).rejects.toMatchObject({
        code: 'KLOSET_UNSUPPORTED',
        hint: expect.stringContaining('standard input'),
      })
  })
})
