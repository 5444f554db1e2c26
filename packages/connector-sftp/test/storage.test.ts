import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { chmod, mkdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { isKlosetError, type Storage } from 'kloset/connector'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { givenSsh } from '../../../testing/given.js'
import { startSsh } from '../../../testing/servers/sshd.js'
import {
  ifAbsent,
  locationOf,
  namesIn,
  newFolder,
  type Opening,
  open,
  openOn,
  optionsFor,
  pattern,
  replacing,
  signal,
  whole,
} from './opening.js'

const server = givenSsh()!
const body = Uint8Array.of(1, 2, 3)
const isRoot = process.geteuid?.() === 0

describe.skipIf(!server)('sftp storage', () => {
  let folder = ''
  const opened: Storage[] = []
  beforeEach(() => {
    folder = newFolder(server)
  })
  afterEach(async () => {
    for (const storage of opened.splice(0)) await storage.close()
  })

  async function storageAt(path = folder, how: Opening = {}): Promise<Storage> {
    const storage = await openOn(server, path, how)
    opened.push(storage)
    return storage
  }

  test('makes folders that only their owner reads, and only when told to create', async () => {
    const deeper = join(folder, 'made', 'deeper')
    const missing = { code: 'KLOSET_NOT_FOUND', hint: expect.any(String) }
    for (const mode of ['read', 'write'] as const)
      await expect(storageAt(deeper, { mode })).rejects.toMatchObject(missing)
    expect(existsSync(join(folder, 'made'))).toBe(false)
    const storage = await storageAt(deeper)
    await storage.put('packs/ab/abcd', body, ifAbsent)
    for (const [path, mode] of [
      ['made', 0o700],
      ['made/deeper', 0o700],
      ['made/deeper/packs', 0o700],
      ['made/deeper/packs/ab', 0o700],
      ['made/deeper/packs/ab/abcd', 0o600],
    ] as const)
      expect(statSync(join(folder, path)).mode & 0o777).toBe(mode)
  })

  test('is below the home folder with a tilde', async () => {
    // The server of the tests logs in the user who runs them.
    const home = mkdtempSync(join(homedir(), 'kloset-test-'))
    try {
      const at = locationOf(server, `/~${home.slice(homedir().length)}/store`)
      const storage = await open(at, { options: optionsFor(server) })
      opened.push(storage)
      await storage.put('a/b', body, ifAbsent)
      expect(await readFile(join(home, 'store', 'a', 'b'))).toHaveLength(3)
      expect(await namesIn(storage)).toEqual(['a/b'])
      expect(storage.location).toBe(at)
    } finally {
      rmSync(home, { recursive: true })
    }
    const own = await startSsh({ subsystem: `internal-sftp -d ${folder}` })
    const itself = await open(locationOf(own, '/~'), { options: optionsFor(own) })
    await itself.put('a/b', body, ifAbsent)
    expect(await namesIn(itself)).toEqual(['a/b'])
    await itself.close()
    await own.stop()
    expect(readdirSync(folder).sort()).toEqual(['a', 'tmp~'])
    const bare = open(`sftp://${server.host}:${server.port}`, { options: optionsFor(server) })
    await expect(bare).rejects.toMatchObject({ code: 'KLOSET_CONNECTOR', hint: expect.stringContaining('/~/') })
  })

  test('refuses a file in the place of the folder', async () => {
    await writeFile(join(folder, 'file'), 'a file')
    await expect(storageAt(join(folder, 'file'), { mode: 'write' })).rejects.toMatchObject({ code: 'KLOSET_NOT_FOUND' })
    await expect(storageAt(join(folder, 'file'))).rejects.toMatchObject({ code: expect.stringMatching(/^KLOSET_/) })
  })

  test('writes nothing when it was opened for reading', async () => {
    await (await storageAt()).put('a', body, replacing)
    await rm(join(folder, 'tmp~'), { recursive: true })
    const storage = await storageAt(folder, { mode: 'read' })
    expect(storage.capabilities).toMatchObject({ write: false, list: true })
    await expect(storage.put('b', body, replacing)).rejects.toMatchObject({ code: 'KLOSET_READ_ONLY' })
    await expect(storage.remove(['a'], { signal })).rejects.toMatchObject({ code: 'KLOSET_READ_ONLY' })
    expect(await storage.get('a', whole)).toEqual(body)
    expect(readdirSync(folder)).toEqual(['a'])
  })

  test('never leaves its folder, whatever the name', async () => {
    const storage = await storageAt()
    const names = ['../outside', 'a/../../x', '/etc/passwd', '', '.', '..', 'a//b', 'a/', 'A', 'a\0b', 'tmp~/x', 'ü']
    for (const name of names) {
      const unsafe = { code: 'KLOSET_PATH_UNSAFE' }
      await expect(storage.put(name, body, replacing)).rejects.toMatchObject(unsafe)
      await expect(storage.get(name, whole)).rejects.toMatchObject(unsafe)
      await expect(storage.stat(name, { signal })).rejects.toMatchObject(unsafe)
      await expect(storage.remove([name], { signal })).rejects.toMatchObject(unsafe)
    }
  })

  test('lists objects only: no foreign files, folders, temporary files or dangling links', async () => {
    const storage = await storageAt()
    await storage.put('packs/ab/one', body, replacing)
    await mkdir(join(folder, 'lost+found'))
    await mkdir(join(folder, 'packs', 'empty'))
    for (const name of ['README.TXT', '.DS_Store', 'packs/ab/one~', 'packs/ab/Two', 'tmp~/half'])
      await writeFile(join(folder, name), 'foreign')
    await symlink('nowhere', join(folder, 'dangling'))
    await symlink('.', join(folder, 'packs', 'circle'))
    expect(await namesIn(storage)).toEqual(['packs/ab/one'])
  })

  test('lists and reads through a top folder that was moved and linked', async () => {
    const storage = await storageAt()
    const moved = newFolder(server)
    await symlink(moved, join(folder, 'packs'))
    await storage.put('packs/ab/one', body, ifAbsent)
    expect(await readFile(join(moved, 'ab', 'one'))).toHaveLength(3)
    expect(await namesIn(storage, 'packs/')).toEqual(['packs/ab/one'])
  })

  test('removes what crashed writers left a day ago by the clock of the server, and leaves what others are writing', async () => {
    await (await openOn(server, folder)).close()
    const [old, young] = [join(folder, 'tmp~', 'old'), join(folder, 'tmp~', 'young')]
    for (const path of [old, young]) await writeFile(path, 'half')
    const yesterday = Date.now() / 1000 - 25 * 60 * 60
    await utimes(old, yesterday, yesterday)
    // A client whose clock is a year ahead.
    vi.useFakeTimers({ now: Date.now() + 365 * 24 * 60 * 60 * 1000, toFake: ['Date'] })
    try {
      await (await openOn(server, folder, { mode: 'read' })).close()
      expect(readdirSync(join(folder, 'tmp~')).sort()).toEqual(['old', 'young'])
      await (await openOn(server, folder, { mode: 'write' })).close()
      expect(readdirSync(join(folder, 'tmp~'))).toEqual(['young'])
    } finally {
      vi.useRealTimers()
    }
  })

  test('makes folders again that someone removed, but never the one of the store', async () => {
    const storage = await storageAt()
    await storage.put('packs/ab/one', body, ifAbsent)
    await rm(join(folder, 'packs'), { recursive: true })
    expect(await storage.put('packs/ab/two', body, ifAbsent)).toBe('stored')
    await rm(join(folder, 'packs', 'ab'), { recursive: true })
    await rm(join(folder, 'tmp~'), { recursive: true })
    expect(await storage.put('packs/ab/three', body, replacing)).toBe('stored')
    await rm(folder, { recursive: true })
    for (const how of [ifAbsent, replacing])
      await expect(storage.put('packs/ab/four', body, how)).rejects.toMatchObject({
        code: 'KLOSET_NOT_FOUND',
        hint: expect.stringContaining('mounted'),
      })
    expect(existsSync(folder)).toBe(false)
  })

  test('replaces what is larger than a window, and reads it while that happens', async () => {
    const storage = await storageAt()
    const bodies = [pattern(5_000_000, 1), pattern(300_001, 2)]
    await storage.put('a', bodies[0]!, replacing)
    let busy = true
    const reading = (async () => {
      while (busy) {
        const bytes = await storage.get('a', whole).catch((error) => {
          // It was replaced twice between two answers.
          if (isKlosetError(error, 'KLOSET_BUSY')) return undefined
          throw error
        })
        if (bytes) expect(bodies.some((one) => Buffer.compare(one, bytes) === 0)).toBe(true)
      }
    })()
    for (let round = 0; round < 20; round++) await storage.put('a', bodies[round % 2]!, replacing)
    busy = false
    await reading
  })

  test('says what is in the way', async () => {
    const storage = await storageAt()
    await mkdir(join(folder, 'config', 'inside'), { recursive: true })
    for (const how of [replacing, ifAbsent]) {
      const error = await storage.put('config', body, how).catch((thrown) => thrown)
      expect(error).toMatchObject({
        code: expect.stringMatching(/KLOSET_(EXISTS|CONNECTOR)/),
        context: { status: expect.any(Number) },
      })
      expect(error.message).toContain(join(folder, 'config'))
      expect(error.cause).toBeInstanceOf(Error)
    }
  })

  test('lets no size that a server tells exhaust the memory', async () => {
    const storage = await storageAt()
    await storage.put('a', body, replacing)
    execFileSync('truncate', ['-s', '1T', join(folder, 'a')])
    await expect(storage.get('a', whole)).rejects.toMatchObject({ code: 'KLOSET_LIMIT' })
    const range = { offset: 2 ** 39, length: 4 }
    expect(await storage.get('a', { signal, range })).toEqual(new Uint8Array(4))
  })

  test('tells how much room there is', async () => {
    const { used, free } = (await (await storageAt()).usage?.({ signal })) ?? {}
    expect(used).toBeGreaterThan(0)
    expect(free).toBeGreaterThan(0)
  })

  test('refuses options that make no sense', async () => {
    for (const name of ['concurrency', 'channels', 'connections', 'pipeline', 'idle-timeout', 'connect-timeout'])
      await expect(storageAt(folder, { options: { [name]: 0 } })).rejects.toMatchObject({ code: 'KLOSET_CONNECTOR' })
    const storage = await storageAt(folder, { options: { concurrency: 3, channels: 1, pipeline: 1 } })
    expect(storage.capabilities.concurrency).toBe(3)
    await storage.put('a', pattern(2_000_000), replacing)
    expect(await storage.get('a', whole)).toEqual(pattern(2_000_000))
  })

  test.skipIf(!isRoot)('says that a folder may not be written to', async () => {
    // Root may do everything, so the server has to be told not to.
    const own = await startSsh({ subsystem: 'internal-sftp -R' })
    try {
      await expect(openOn(own, own.folder, { mode: 'write' })).rejects.toMatchObject({
        code: 'KLOSET_DENIED',
        hint: expect.any(String),
      })
      await writeFile(join(own.folder, 'a'), body)
      const storage = await openOn(own, own.folder, { mode: 'read' })
      expect(await storage.get('a', whole)).toEqual(body)
      await storage.close()
    } finally {
      await own.stop()
    }
  })

  test.skipIf(isRoot)('says that permission is denied', async () => {
    const storage = await storageAt()
    await storage.put('a/b', body, replacing)
    await chmod(join(folder, 'a'), 0o000)
    await expect(storage.get('a/b', whole)).rejects.toMatchObject({ code: 'KLOSET_DENIED' })
    await chmod(join(folder, 'a'), 0o700)
  })

  test.skipIf(!isRoot)('works where the server shows nothing but its folder', async () => {
    const own = await startSsh({ chroot: true })
    try {
      const storage = await openOn(own, '/')
      await storage.put('packs/ab/one', body, ifAbsent)
      expect(await namesIn(storage)).toEqual(['packs/ab/one'])
      expect(await readFile(join(own.folder, 'packs', 'ab', 'one'))).toHaveLength(3)
      await storage.close()
    } finally {
      await own.stop()
    }
  })

  describe.skipIf(!mayMount())('on another disk (needs the right to mount)', () => {
    let disk = ''
    const mount = (...options: string[]): void => {
      execFileSync('mount', ['-t', 'tmpfs', '-o', ['size=4m', ...options].join(','), 'tmpfs', disk])
    }
    beforeEach(() => {
      disk = join(folder, 'disk')
      mkdirSync(disk)
    })
    afterEach(() => void spawnSync('umount', ['-l', disk]))

    test('says that it is full, leaves no part, and goes on when there is room', async () => {
      mount()
      const storage = await storageAt(disk)
      await storage.put('first', pattern(3_000_000), ifAbsent)
      for (const how of [ifAbsent, replacing])
        await expect(storage.put('packs/second', pattern(3_000_000), how)).rejects.toMatchObject({
          code: 'KLOSET_FULL',
          hint: expect.stringMatching(/space/),
        })
      expect(await namesIn(storage)).toEqual(['first'])
      await vi.waitFor(() => expect(readdirSync(join(disk, 'tmp~'))).toEqual([]))
      await storage.remove(['first'], { signal })
      expect(await storage.put('packs/second', pattern(3_000_000), ifAbsent)).toBe('stored')
    })

    test('says that it takes no more files', async () => {
      mount('nr_inodes=6')
      const storage = await storageAt(disk)
      const filling = async (): Promise<void> => {
        for (let at = 0; at < 9; at++) await storage.put(`object-${at}`, body, ifAbsent)
      }
      await expect(filling()).rejects.toMatchObject({ code: 'KLOSET_FULL' })
      // To remove something, one must be able to open it.
      const again = await storageAt(disk, { mode: 'write' })
      expect(again.capabilities.putIfAbsent).toBe(true)
      await again.remove(['object-0'], { signal })
      expect(await again.put('object-9', body, ifAbsent)).toBe('stored')
    })

    test('says that it is read-only', async () => {
      mount()
      const storage = await storageAt(disk)
      execFileSync('mount', ['-o', 'remount,ro', disk])
      await expect(storage.put('a', body, ifAbsent)).rejects.toMatchObject({ code: 'KLOSET_READ_ONLY' })
    })
  })
})

function mayMount(): boolean {
  if (!server || !isRoot) return false
  const folder = newFolder(server)
  const can = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder]).status === 0
  if (can) spawnSync('umount', [folder])
  return can
}
