import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { limited, metered, retrying, throttled } from 'kloset'
import { storageConformance } from 'kloset/conformance'
import type { Storage } from 'kloset/connector'
import { describe, expect, test } from 'vitest'
import { givenSsh } from '../../../testing/given.js'
import { newFolder, openOn } from './opening.js'

const server = givenSsh()!

describe.skipIf(!server)('sftp storage', () => {
  const folder = server && newFolder(server)
  const place = () => openOn(server, folder)
  for (const c of storageConformance({ place, expect: { paces: true } })) test(c.name, c.run, c.timeout)

  test('leaves no temporary files', () => {
    expect(readdirSync(join(folder, 'tmp~'))).toEqual([])
  })
})

describe.skipIf(!server)('sftp storage in a stack of wrappers', () => {
  const folder = server && newFolder(server)
  const wrap = (storage: Storage) =>
    metered(retrying(limited(throttled(storage, { upload: 1e12, download: 1e12 }), 3), { firstDelay: 1 }))
  const place = async () => wrap(await openOn(server, folder))
  for (const c of storageConformance({ place, expect: { paces: true } })) test(c.name, c.run, c.timeout)
})
