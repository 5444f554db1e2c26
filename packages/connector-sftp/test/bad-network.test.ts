import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { givenSsh } from '../../../testing/given.js'
import { startProxy, type TcpProxy, type Weather } from '../../../testing/proxy.js'
import { type SshServer, startSsh } from '../../../testing/servers/sshd.js'
import {
  backUp,
  differences,
  expectSound,
  inStore,
  makeStore,
  restored,
  someFiles,
  type Way,
} from '../../../testing/story.js'
import { sftp } from '../src/index.js'
import { locationOf, newFolder, optionsFor } from './opening.js'

const server = givenSsh()

describe.skipIf(server === undefined)('a bad network (SFTP)', () => {
  let proxy: TcpProxy
  let direct: Way
  let far: Way

  beforeAll(async () => {
    proxy = await startProxy({ port: server!.port })
  })

  beforeEach(async () => {
    proxy.weather = {}
    const folder = newFolder(server!)
    direct = way(server!, folder)
    far = through(proxy, direct)
    await makeStore(direct)
  })

  afterAll(() => proxy?.stop())

  // Enough that the connection is there, and too little for all that is sent over it.
  const midway = 900_000
  const weathers: [string, Weather[]][] = [
    ['connections that are reset', [reset('up', midway), reset('up', midway), reset('up', 10_000)]],
    ['connections that end', [ending('up', midway), ending('down', 20_000)]],
    ['connections over which nothing passes any more', [stalled('up', midway), stalled('down', 12_000)]],
    ['connections that are refused', [{ refuse: true }, { refuse: true }]],
    ['wrong bytes', [{ up: { flip: midway } }, { down: { flip: 9000 } }]],
  ]

  describe('a backup gets through', () => {
    test.each(weathers)('%s', async (_, weather) => {
      const files = someFiles(1)
      const before = proxy.connections
      proxy.next(...weather)
      const { snapshot, failed } = await backUp(far, files)
      expect(failed).toEqual([])
      expect(proxy.connections - before).toBeGreaterThan(1)
      await expectSound(direct, 1)
      expect(differences(await restored(direct, snapshot!.id), files)).toEqual([])
    })

    test('a trickle, from far away', async () => {
      proxy.weather = { up: { rate: 2_000_000, latency: 40 }, down: { rate: 500_000, latency: 40 } }
      await backUp(far, someFiles(2))
      await expectSound(direct, 1)
    })

    test('a server that is gone for a while', async () => {
      proxy.weather = { up: { rate: 4_000_000 } }
      setTimeout(() => void proxy.down(), 500)
      setTimeout(() => void proxy.up(), 2500)
      await backUp(far, someFiles(3))
      await expectSound(direct, 1)
    })
  })

  describe('a restore gets through', () => {
    test.each<[string, Weather[]]>([
      ['connections that are reset', [reset('down', midway), reset('down', midway)]],
      ['connections that end', [ending('down', midway), ending('down', midway)]],
      ['connections over which nothing passes any more', [stalled('down', midway)]],
      ['wrong bytes', [{ down: { flip: midway } }, { down: { flip: midway } }]],
    ])('%s', async (_, weather) => {
      const files = someFiles(4)
      const { snapshot } = await backUp(direct, files)
      proxy.next(...weather)
      expect(differences(await restored(far, snapshot!.id), files)).toEqual([])
    })
  })

  describe('stops cleanly', () => {
    test('where the host is not known', async () => {
      const nowhere = { ...direct, location: 'sftp://me@no-such-host.invalid/store' }
      await expect(inStore(nowhere, async () => undefined)).rejects.toMatchObject({
        code: 'KLOSET_OFFLINE',
        message: expect.stringContaining('no-such-host.invalid'),
        hint: expect.stringMatching(/\w/),
      })
    })

    test('where nothing listens', async () => {
      await proxy.down()
      try {
        await expect(inStore(far, async () => undefined)).rejects.toMatchObject({
          code: 'KLOSET_OFFLINE',
          message: expect.stringContaining('refuses connections'),
        })
      } finally {
        await proxy.up()
      }
    })

    test('where the key is no longer accepted, midway', async () => {
      const own = await startSsh()
      const behind = await startProxy({ port: own.port })
      try {
        const place = way(own, newFolder(own))
        await makeStore(place)
        const { snapshot } = await backUp(place, someFiles(5))
        behind.next(reset('up', midway))
        const running = backUp(through(behind, place), someFiles(6))
        setTimeout(() => writeFileSync(join(own.place, 'authorized_keys'), ''), 100)
        await expect(running).rejects.toMatchObject({ code: 'KLOSET_DENIED', hint: expect.stringMatching(/\w/) })
        writeFileSync(join(own.place, 'authorized_keys'), readFileSync(`${own.keyFile}.pub`))
        await expectSound(place, 1)
        expect(differences(await restored(place, snapshot!.id), someFiles(5))).toEqual([])
        await backUp(place, someFiles(6))
        await expectSound(place, 2)
      } finally {
        await behind.stop()
        await own.stop()
      }
    })
  })

  describe.skipIf(!mayMount())('on a disk that is full (needs the right to mount)', () => {
    let mounted: string

    beforeEach(() => {
      mounted = join(server!.folder, `tmpfs-${Math.random().toString(36).slice(2)}`)
      mkdirSync(mounted)
      mount(mounted)
    })

    afterEach(() => {
      spawnSync('umount', [mounted])
      rmSync(mounted, { recursive: true, force: true })
    })

    test('stops cleanly, and what was there before is whole', async () => {
      const place = way(server!, join(mounted, 'store'))
      await makeStore(place)
      const { snapshot } = await backUp(place, someFiles(7))
      await expect(backUp(place, someFiles(8))).rejects.toMatchObject({
        code: 'KLOSET_FULL',
        hint: expect.stringMatching(/space/),
      })
      await expectSound(place, 1)
      expect(differences(await restored(place, snapshot!.id), someFiles(7))).toEqual([])
    })
  })
})

function way(to: SshServer, folder: string): Way {
  return {
    location: locationOf(to, folder),
    connector: sftp,
    options: { ...optionsFor(to), 'idle-timeout': 1, 'connect-timeout': 3 },
  }
}

/** The same place by way of a proxy, which the server's keys are known by, too. */
function through({ host, port }: TcpProxy, to: Way): Way {
  const known = String(to.options['known-hosts'])
  const file = `${known}-${port}`
  writeFileSync(file, readFileSync(known, 'utf8').replace(/^\[(.*?)\]:\d+/gm, `[${host}]:${port}`))
  const { pathname, username } = new URL(to.location)
  return {
    ...to,
    location: `sftp://${username}@${host}:${port}${pathname}`,
    options: { ...to.options, 'known-hosts': file },
  }
}

function reset(way: 'up' | 'down', bytes: number): Weather {
  return { [way]: { after: { bytes, what: 'reset' } } }
}

function ending(way: 'up' | 'down', bytes: number): Weather {
  return { [way]: { after: { bytes, what: 'end' } } }
}

function stalled(way: 'up' | 'down', bytes: number): Weather {
  return { [way]: { after: { bytes, what: 'stall' } } }
}

function mount(folder: string): boolean {
  return spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', folder]).status === 0
}

function mayMount(): boolean {
  if (server === undefined || process.getuid?.() !== 0) return false
  const folder = newFolder(server)
  const can = mount(folder)
  if (can) spawnSync('umount', [folder])
  rmSync(folder, { recursive: true, force: true })
  return can
}
