// A folder or file that is swapped for something else between scan and reading is not followed: such an entry fails, and nothing of the other file is kept.
import { rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Entry, Source } from 'kloset/connector'
import { describe, expect, test } from 'vitest'
import { sourceRoot } from '../../src/roots.js'
import { workerSide } from '../../src/sides.js'
import { fsListSources, fsSource } from '../../src/source.js'
import { fsSource as builtSource, create, threads } from '../engine/tools.js'
import { all, everything, places, scanned } from '../places.js'
import { changed, drain, home, swaps } from './swaps.js'

const place = places()
const engine = threads()
describe.each(Object.keys(swaps))('%s', (what) => {
  test('is a failure of the entry, both ways that files are read', async () => {
    const { folder, elsewhere } = home()
    const side = workerSide({ role: 'source', root: sourceRoot(folder) })
    const source = await fsSource(folder)
    const entry = all(side.scan!(everything, '')).find(({ path }) => path === 'd/file') as Entry
    expect(await drain(source, entry)).toBe('innocent')
    swaps[what]!(folder, elsewhere)
    expect(() => side.open!(entry)).toThrow(expect.objectContaining(changed))
    await expect(drain(source, entry)).rejects.toMatchObject(changed)
  })

  test('leaves nothing of the other file in a snapshot', async () => {
    const { folder, elsewhere } = home()
    writeFileSync(join(folder, 'other'), 'other')
    const source = await builtSource(folder)
    const swapping: Source = {
      type: source.type,
      origin: source.origin,
      root: source.root,
      // Scanned here, so that all is scanned before anything is read.
      capabilities: { ...source.capabilities, few: true },
      worker: source.worker,
      async *scan(how) {
        yield* source.scan(how)
        swaps[what]!(folder, elsewhere)
      },
      read: (entry, how) => source.read(entry, how),
      close: () => source.close(),
    }
    const store = await create(place(), engine)
    const { snapshot, failed } = await store.backup(swapping)
    expect(failed.map(({ path }) => path)).toContain('d/file')
    const entry = await snapshot!.stat('d/file')
    expect(entry).toMatchObject({ error: changed })
    expect(entry.contentSize).toBeUndefined()
    await store.close()
  })
})

test('a file of more than 24 MiB, which several threads read, leaves nothing of the other one', async () => {
  const { folder, elsewhere } = home()
  writeFileSync(join(folder, 'd', 'large'), Buffer.alloc(26 << 20, 1))
  const side = workerSide({ role: 'source', root: sourceRoot(folder) })
  const entry = all(side.scan!(everything, '')).find(({ path }) => path === 'd/large') as Entry
  writeFileSync(join(elsewhere, 'large'), Buffer.alloc(26 << 20, 2))
  swaps['the folder it is in, for a link to another folder']!(folder, elsewhere)
  expect(() => side.open!(entry)).toThrow(expect.objectContaining(changed))
})

describe('what is no attack', () => {
  test('a file that is appended to is read', async () => {
    const { folder } = home()
    const side = workerSide({ role: 'source', root: sourceRoot(folder) })
    const entry = all(side.scan!(everything, '')).find(({ path }) => path === 'd/file') as Entry
    writeFileSync(join(folder, 'd', 'file'), 'innocent and longer')
    const file = side.open!(entry)
    expect(file.changed()).toBe('earlier')
    file.close()
  })

  test('a source that is reached through links is read', async () => {
    const { folder } = home()
    const link = join(place(), 'link')
    symlinkSync(folder, link)
    for (const path of [link, join(link, 'd'), join(link, 'd', 'file')]) {
      const source = await fsSource(path)
      const entry = (await scanned(source)).find(({ path }) => path.endsWith('file')) as Entry
      expect(await drain(source, entry)).toBe('innocent')
    }
  })

  test('a listed file behind a link is read, and one behind a link that came later is not', async () => {
    const { folder, elsewhere } = home()
    symlinkSync('d', join(folder, 'way'))
    const [source] = await fsListSources(['way/file'], folder)
    const entry = (await scanned(source!)).find(({ path }) => path === 'way/file') as Entry
    expect(await drain(source!, entry)).toBe('innocent')
    unlinkSync(join(folder, 'way'))
    symlinkSync(elsewhere, join(folder, 'way'))
    await expect(drain(source!, entry)).rejects.toMatchObject(changed)
  })

  test('a file that is gone is not there, and that is said', async () => {
    const { folder } = home()
    const side = workerSide({ role: 'source', root: sourceRoot(folder) })
    const entry = all(side.scan!(everything, '')).find(({ path }) => path === 'd/file') as Entry
    rmSync(join(folder, 'd'), { recursive: true })
    expect(() => side.open!(entry)).toThrow(expect.objectContaining({ code: 'KLOSET_NOT_FOUND' }))
  })
})
