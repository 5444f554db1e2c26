// The same holds where the optional package is not installed, and the kernel's own check cannot be had.
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { Entry } from 'kloset/connector'
import { describe, expect, test, vi } from 'vitest'
import { sourceRoot } from '../../src/roots.js'
import { workerSide } from '../../src/sides.js'
import { fsListSources } from '../../src/source.js'
import { all, everything, scanned } from '../places.js'
import { changed, drain, home, swaps } from './swaps.js'

vi.mock('../../src/native.js', () => ({ native: () => undefined, hasNative: () => false }))

describe.skipIf(process.platform !== 'linux').each(Object.keys(swaps))('%s', (what) => {
  test('is a failure of the entry', () => {
    const { folder, elsewhere } = home()
    const side = workerSide({ role: 'source', root: sourceRoot(folder) })
    const entry = all(side.scan!(everything, '')).find(({ path }) => path === 'd/file') as Entry
    side.open!(entry).close()
    swaps[what]!(folder, elsewhere)
    expect(() => side.open!(entry)).toThrow(expect.objectContaining(changed))
  })
})

test('a listed file behind a link is read', async () => {
  const { folder } = home()
  symlinkSync('d', join(folder, 'way'))
  const [source] = await fsListSources(['way/file'], folder)
  const entry = (await scanned(source!)).find(({ path }) => path === 'way/file') as Entry
  expect(await drain(source!, entry)).toBe('innocent')
})
