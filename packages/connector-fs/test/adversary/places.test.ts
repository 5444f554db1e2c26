import { execFileSync } from 'node:child_process'
import { chownSync, readdirSync, rmdirSync, statSync, writeFileSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import { fsStorage } from '../../src/storage.js'
import { asNobody, isRoot, places, signal } from '../places.js'

// Places where a store cannot be, or belongs to somebody else: nothing is left in them, and the first call that failed says why.

const place = places()
const how = { signal, ifAbsent: true, tier: 'hot' } as const
const mounted: string[] = []
afterAll(() => {
  for (const folder of mounted) execFileSync('umount', ['-l', folder])
})

describe('a folder that is no store', () => {
  test('is left as it was by whoever opens it for writing', async () => {
    const at = place()
    await fsStorage(at)
    expect(readdirSync(at)).toEqual([])
  })

  test('takes many writers at the same time all the same', async () => {
    const at = place()
    const open = Array.from({ length: 20 }, () => fsStorage(at))
    const storages = await Promise.all(open)
    await Promise.all(storages.map((storage, index) => storage.put(`a/${index}`, new Uint8Array(1), how)))
    expect(readdirSync(`${at}/a`)).toHaveLength(20)
  })
})

describe('making a store', () => {
  test('where no folder can be made ends with what is wrong, not in a loop', async () => {
    const unsupported = { code: 'KLOSET_UNSUPPORTED', hint: expect.any(String) }
    if (process.platform === 'linux')
      await expect(fsStorage('/proc/no/store', { mode: 'create' })).rejects.toMatchObject(unsupported)
  })

  test.skipIf(!isRoot)('in a folder that was removed below a mount says so', async () => {
    const folder = place()
    const bind = place()
    execFileSync('mount', ['--bind', folder, bind])
    mounted.push(bind)
    rmdirSync(folder)
    await expect(fsStorage(`${bind}/store`, { mode: 'create' })).rejects.toMatchObject({ code: 'KLOSET_UNSUPPORTED' })
  })

  test.skipIf(!isRoot)('on a full disk says that it is full', async () => {
    const folder = place()
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,nr_inodes=3', 'tmpfs', folder])
    mounted.push(folder)
    for (const name of ['a', 'b']) writeFileSync(`${folder}/${name}`, '')
    for (const at of [`${folder}/store`, `${folder}/deep/er/store`])
      await expect(fsStorage(at, { mode: 'create' })).rejects.toMatchObject({ code: 'KLOSET_FULL' })
  })

  test.skipIf(!isRoot)('where one may not says that permission is denied', async () => {
    const folder = place()
    for (const at of [`${folder}/store`, `${folder}/deep/er`]) {
      const made = asNobody(() => fsStorage(at, { mode: 'create' }).catch((error) => error))
      process.seteuid?.(65_534)
      expect(await made.finally(() => process.seteuid?.(0))).toMatchObject({ code: 'KLOSET_DENIED' })
    }
  })
})

describe.skipIf(!isRoot)('root in the store of somebody else', () => {
  test('leaves all that it writes to them, so that they can go on', async () => {
    const at = place()
    chownSync(at, 65_534, 65_534)
    const storage = await fsStorage(at, { mode: 'create' })
    await storage.reserve!.keep({ signal })
    await storage.put('packs/ab/one', new Uint8Array(3), how)
    await storage.put('config', new Uint8Array(3), { ...how, ifAbsent: false })
    const below = readdirSync(at, { recursive: true }).map(String)
    expect(below).toEqual(expect.arrayContaining(['packs/ab/one', 'config', 'tmp~', 'reserve~/7']))
    for (const path of below) expect([path, statSync(`${at}/${path}`).uid]).toEqual([path, 65_534])
  })
})
