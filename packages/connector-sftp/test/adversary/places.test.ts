import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createStore, openStore, retrying } from 'kloset'
import { sourceOf } from 'kloset/connector'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { missingForSsh, type StartedSshServer, startSsh } from '../../../../testing/servers/sshd.js'
import { sftp } from '../../src/index.js'
import {
  ifAbsent,
  locationOf,
  namesIn,
  newFolder,
  open,
  openOn,
  optionsFor,
  pattern,
  replacing,
  signal,
} from '../opening.js'

// Places on a server where a store cannot be, is not, or has no room left: the first call that failed says why, and nothing is left behind.

const isRoot = process.geteuid?.() === 0

describe.skipIf(missingForSsh() !== undefined)('on a server', () => {
  let server: StartedSshServer
  const mounted: string[] = []
  beforeAll(async () => {
    server = await startSsh()
  })
  afterEach(() => {
    for (const folder of mounted.splice(0)) execFileSync('umount', ['-l', folder])
    vi.useRealTimers()
  })
  afterAll(() => server?.stop())

  test('a key file that is missing is what is reported, and not that there is no store', async () => {
    const folder = newFolder(server)
    const options = optionsFor(server)
    const at = locationOf(server, folder)
    const how = { connectors: [sftp], unlock: { plaintext: true } } as const
    await (await createStore(at, { ...how, options })).close()
    const opening = openStore(at, { ...how, options: { ...options, identity: '/no/such/key' } })
    await expect(opening).rejects.toMatchObject({
      code: 'KLOSET_NOT_FOUND',
      message: 'cannot read the key /no/such/key',
      hint: expect.stringContaining('identity'),
    })
    const absent = openStore(`${at}-absent`, { ...how, options })
    await expect(absent).rejects.toMatchObject({ code: 'KLOSET_NO_STORE' })
  })

  test('a folder that is no store is left as it was', async () => {
    const folder = newFolder(server)
    const storage = await openOn(server, folder, { mode: 'write' })
    expect(readdirSync(folder)).toEqual([])
    await storage.put('a/b', pattern(10), ifAbsent)
    expect(await namesIn(storage)).toEqual(['a/b'])
    await storage.close()
  })

  test.skipIf(!isRoot)('making a store where the server does not let us says that permission is denied', async () => {
    const readOnly = await startSsh({ subsystem: 'internal-sftp -R' })
    try {
      for (const path of ['store', 'deep/er/store'])
        await expect(openOn(readOnly, join(readOnly.folder, path))).rejects.toMatchObject({ code: 'KLOSET_DENIED' })
    } finally {
      await readOnly.stop()
    }
  })

  test.skipIf(!isRoot)('making a store on a full disk says that it is full', async () => {
    const folder = newFolder(server)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,nr_inodes=2', 'tmpfs', folder])
    mounted.push(folder)
    writeFileSync(join(folder, 'a'), '')
    for (const path of ['store', 'deep/er/store'])
      await expect(openOn(server, join(folder, path))).rejects.toMatchObject({ code: 'KLOSET_FULL' })
  })

  test.skipIf(!isRoot)('a full disk lets forget and prune make room, and room is set aside again', async () => {
    const folder = newFolder(server)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m,nr_inodes=256', 'tmpfs', folder])
    mounted.push(folder)
    const at = locationOf(server, join(folder, 'store'))
    const how = { connectors: [sftp], unlock: { plaintext: true }, options: optionsFor(server) } as const
    const made = await createStore(at, how)
    const source = (seed: number) =>
      sourceOf({ type: 'noise', origin: 'test' }, () => [{ path: 'noise', content: pattern(500_000, seed) }])
    const { snapshot } = await made.backup(source(1))
    await made.backup(source(2))
    await made.close()
    mkdirSync(join(folder, 'ballast'))
    expect(() => {
      for (let count = 0; ; count++) writeFileSync(join(folder, 'ballast', String(count)), new Uint8Array(64 * 1024))
    }).toThrow(/ENOSPC/)
    expect(() => {
      for (let count = 0; ; count++) writeFileSync(join(folder, 'ballast', `empty-${count}`), '')
    }).toThrow(/ENOSPC/)

    const store = await openStore(at, how)
    await store.forget([snapshot!.id])
    expect((await store.prune({ delay: 0, grace: 0 })).purged.packs).toBeGreaterThan(0)
    await store.close()
    const reserve = join(folder, 'store', 'reserve~')
    // As far as there is room: what was forgotten gave back few files.
    const sizes = readdirSync(reserve).map((piece) => statSync(join(reserve, piece)).size)
    expect(sizes.length).toBeGreaterThan(4)
    expect(new Set(sizes)).toEqual(new Set([32 * 1024]))
  })

  test('a client whose clock is two days off leaves the temporary files of others alone', async () => {
    const folder = newFolder(server)
    await (await openOn(server, folder)).close()
    for (const name of ['live', 'old']) writeFileSync(join(folder, 'tmp~', name), 'half')
    const yesterday = Date.now() / 1000 - 25 * 60 * 60
    utimesSync(join(folder, 'tmp~', 'old'), yesterday, yesterday)
    for (const days of [2, -2]) {
      vi.useFakeTimers({ now: Date.now() + days * 24 * 60 * 60 * 1000, toFake: ['Date'] })
      const storage = await openOn(server, folder, { mode: 'write' })
      await vi.waitFor(() => expect(readdirSync(join(folder, 'tmp~'))).toEqual(['live']))
      await storage.close()
    }
  })

  test('a temporary file that is removed under its writer is written again', async () => {
    const folder = newFolder(server)
    const storage = retrying(await openOn(server, folder), { firstDelay: 1 })
    let removed = 0
    const remove = setInterval(() => {
      for (const name of readdirSync(join(folder, 'tmp~'))) {
        if (removed === 0) execFileSync('rm', ['-f', join(folder, 'tmp~', name)])
        removed++
      }
    }, 5)
    expect(await storage.put('a/b', pattern(60_000_000), replacing)).toBe('stored')
    clearInterval(remove)
    expect(removed).toBeGreaterThan(0)
    expect(await storage.stat('a/b', { signal })).toEqual({ size: 60_000_000 })
    await storage.close()
  })

  test('a port that is out of range is said to be that', async () => {
    await expect(open('sftp://nas:99999/x')).rejects.toMatchObject({ message: expect.stringContaining('port') })
  })
})
