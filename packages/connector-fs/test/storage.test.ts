import { existsSync, mkdtempSync, readdirSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { limited, metered, retrying, throttled } from 'kloset'
import { storageConformance } from 'kloset/conformance'
import type { Storage } from 'kloset/connector'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { fsStorage } from '../src/storage.js'

const { signal } = new AbortController()
const replacing = { signal, ifAbsent: false, tier: 'hot' } as const
const ifAbsent = { signal, ifAbsent: true, tier: 'hot' } as const
const whole = { signal, range: undefined }
const body = Uint8Array.of(1, 2, 3)

let base = ''
let folder = ''
let count = 0
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'kloset-fs-'))
})
beforeEach(() => {
  folder = join(base, `store-${count++}`)
})
afterAll(() => rm(base, { recursive: true }))

describe('fs storage', () => {
  const place = () => fsStorage(join(base, 'conformance'), { mode: 'create' })
  for (const c of storageConformance({ place })) test(c.name, c.run, c.timeout)

  test('leaves no temporary files', () => {
    expect(readdirSync(join(base, 'conformance', 'tmp~'))).toEqual([])
  })
})

describe('fs storage in a stack of wrappers', () => {
  const wrap = (storage: Storage) =>
    metered(retrying(limited(throttled(storage, { upload: 1e12, download: 1e12 }), 3), { firstDelay: 1 }))
  // In memory where there is such a place: on a disk the suite waits for its syncs once already.
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'kloset-fs-'))
  afterAll(() => rm(folder, { recursive: true }))
  const place = async () => wrap(await fsStorage(folder, { mode: 'create' }))
  for (const c of storageConformance({ place })) test(c.name, c.run, c.timeout)
})

describe('fs storage', () => {
  test('makes folders that only their owner reads, and only when told to create', async () => {
    await expect(fsStorage(folder)).rejects.toMatchObject({ code: 'KLOSET_NOT_FOUND', hint: expect.any(String) })
    const storage = await fsStorage(join(folder, 'deeper'), { mode: 'create' })
    await storage.put('packs/ab/abcd', body, ifAbsent)
    for (const [path, mode] of [
      ['deeper', 0o700],
      ['deeper/packs', 0o700],
      ['deeper/packs/ab', 0o700],
      ['deeper/packs/ab/abcd', 0o600],
    ] as const)
      expect((await stat(join(folder, path))).mode & 0o777).toBe(mode)
  })

  test('refuses a file in the place of the folder', async () => {
    await writeFile(folder, 'a file')
    await expect(fsStorage(folder)).rejects.toMatchObject({ code: 'KLOSET_NOT_FOUND' })
    await expect(fsStorage(folder, { mode: 'create' })).rejects.toMatchObject({ code: 'KLOSET_EXISTS' })
  })

  test('writes nothing when it was opened for reading', async () => {
    await (await fsStorage(folder, { mode: 'create' })).put('a', body, replacing)
    const storage = await fsStorage(folder, { mode: 'read' })
    expect(storage.capabilities).toMatchObject({ write: false, list: true })
    await expect(storage.put('b', body, replacing)).rejects.toMatchObject({ code: 'KLOSET_READ_ONLY' })
    await expect(storage.remove(['a'], { signal })).rejects.toMatchObject({ code: 'KLOSET_READ_ONLY' })
    expect(await storage.get('a', whole)).toEqual(body)
  })

  test('never leaves its folder, whatever the name', async () => {
    const storage = await fsStorage(folder, { mode: 'create' })
    await writeFile(join(base, 'outside'), 'not ours')
    const names = [
      '../outside',
      'a/../../outside',
      '/etc/passwd',
      '',
      '.',
      '..',
      'a//b',
      'a/',
      '/a',
      'A',
      'a\0b',
      'a b',
      'tmp~/x',
      'ü',
      'a\\b',
      'x'.repeat(129),
    ]
    for (const name of names) {
      const unsafe = { code: 'KLOSET_PATH_UNSAFE' }
      await expect(storage.put(name, body, replacing)).rejects.toMatchObject(unsafe)
      await expect(storage.get(name, whole)).rejects.toMatchObject(unsafe)
      await expect(storage.stat(name, { signal })).rejects.toMatchObject(unsafe)
      await expect(storage.remove([name], { signal })).rejects.toMatchObject(unsafe)
    }
    expect(await readFile(join(base, 'outside'), 'utf8')).toBe('not ours')
  })

  test('lists objects only: no foreign files, folders, temporary files or dangling links', async () => {
    const storage = await fsStorage(folder, { mode: 'create' })
    await storage.put('packs/ab/one', body, replacing)
    await mkdir(join(folder, 'lost+found'))
    await mkdir(join(folder, 'packs', 'empty'))
    for (const name of ['README.TXT', '.DS_Store', 'packs/ab/one~', 'packs/ab/Two', 'tmp~/half'])
      await writeFile(join(folder, name), 'foreign')
    await symlink('nowhere', join(folder, 'dangling'))
    await symlink('.', join(folder, 'packs', 'circle'))
    const found = []
    for await (const batch of storage.list('', { signal, after: undefined })) found.push(...batch)
    expect(found).toEqual([{ name: 'packs/ab/one', size: 3 }])
  })

  test('lists and reads through a top folder that was moved and linked', async () => {
    const storage = await fsStorage(folder, { mode: 'create' })
    const moved = `${folder}-moved`
    await mkdir(moved)
    await symlink(moved, join(folder, 'packs'))
    await storage.put('packs/ab/one', body, ifAbsent)
    expect(await readFile(join(moved, 'ab', 'one'))).toHaveLength(3)
    const found = []
    for await (const batch of storage.list('packs/', { signal, after: undefined })) found.push(...batch)
    expect(found).toEqual([{ name: 'packs/ab/one', size: 3 }])
  })

  test('removes what crashed writers left a day ago, and leaves what others are writing', async () => {
    await fsStorage(folder, { mode: 'create' })
    const [old, young] = [join(folder, 'tmp~', 'old'), join(folder, 'tmp~', 'young')]
    await writeFile(old, 'half')
    await writeFile(young, 'half')
    const yesterday = Date.now() / 1000 - 25 * 60 * 60
    await utimes(old, yesterday, yesterday)
    await fsStorage(folder, { mode: 'read' })
    expect(readdirSync(join(folder, 'tmp~')).sort()).toEqual(['old', 'young'])
    await fsStorage(folder)
    expect(readdirSync(join(folder, 'tmp~'))).toEqual(['young'])
  })

  test('makes a folder again that someone removed', async () => {
    const storage = await fsStorage(folder, { mode: 'create' })
    await storage.put('packs/ab/one', body, ifAbsent)
    await rm(join(folder, 'packs'), { recursive: true })
    expect(await storage.put('packs/ab/two', body, ifAbsent)).toBe('stored')
    expect(await storage.put('packs/ab/three', body, replacing)).toBe('stored')
  })

  test('says what is wrong and what to do, with the cause', async () => {
    const storage = await fsStorage(folder, { mode: 'create' })
    await mkdir(join(folder, 'config'))
    await mkdir(join(folder, 'config', 'inside'))
    const error = await storage.put('config', body, replacing).catch((e) => e)
    expect(error).toMatchObject({ code: 'KLOSET_EXISTS', hint: expect.any(String), context: { system: 'EISDIR' } })
    expect(error.message).toContain(join(folder, 'config'))
    expect(error.cause).toBeInstanceOf(Error)
  })

  test.skipIf(process.geteuid?.() === 0)('says that permission is denied', async () => {
    const storage = await fsStorage(folder, { mode: 'create' })
    await storage.put('a/b', body, replacing)
    await chmod(join(folder, 'a'), 0o000)
    await expect(storage.get('a/b', whole)).rejects.toMatchObject({ code: 'KLOSET_DENIED' })
  })

  test('tells how much room there is', async () => {
    const storage = await fsStorage(folder, { mode: 'create' })
    const { used, free } = (await storage.usage?.({ signal })) ?? {}
    expect(used).toBeGreaterThan(0)
    expect(free).toBeGreaterThan(0)
  })
})
