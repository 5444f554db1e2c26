import { readdirSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import { givenSsh } from '../../../testing/given.js'
import { startSsh } from '../../../testing/servers/sshd.js'
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

const server = givenSsh()!

describe.skipIf(!server)('a store over SFTP', () => {
  const folder = server && newFolder(server)
  const way = (at: string): Way => ({ location: at, connector: sftp, options: optionsFor(server) })

  test('takes backups and gives them back', async () => {
    const place = way(locationOf(server, folder))
    await expect(inStore(place, async () => undefined)).rejects.toMatchObject({ code: 'KLOSET_NO_STORE' })
    await makeStore(place)
    await expect(makeStore(place)).rejects.toMatchObject({ code: 'KLOSET_STORE_EXISTS' })
    const [first, second] = [someFiles(11), someFiles(12)]
    const one = await backUp(place, first)
    const other = await backUp(place, second)
    expect([...one.failed, ...other.failed]).toEqual([])
    await expectSound(place, 2)
    expect(differences(await restored(place, one.snapshot!.id), first)).toEqual([])
    expect(differences(await restored(place, other.snapshot!.id), second)).toEqual([])
    expect(readdirSync(`${folder}/tmp~`)).toEqual([])
  })

  test('takes backups of several clients at once', async () => {
    const place = way(locationOf(server, newFolder(server)))
    await makeStore(place)
    const all = [21, 22, 23, 24].map(someFiles)
    const results = await Promise.all(all.map((files) => backUp(place, files)))
    await expectSound(place, 4)
    for (const [at, { snapshot }] of results.entries())
      expect(differences(await restored(place, snapshot!.id), all[at]!)).toEqual([])
  })

  test('can be read where nothing may be written', async () => {
    const readOnly = await startSsh({ subsystem: 'internal-sftp -R' })
    afterAll(() => readOnly.stop())
    const place: Way = { location: locationOf(readOnly, folder), connector: sftp, options: optionsFor(readOnly) }
    await expectSound(place, 2)
    await expect(backUp(place, someFiles(13))).rejects.toMatchObject({ code: 'KLOSET_DENIED' })
  })
})
