import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { fsDestination } from '../src/destination.js'
import { fsSource } from '../src/source.js'
import { call, contentOf, places } from './places.js'

// As where the optional package was not installed.
vi.mock('../src/native.js', () => ({ native: () => undefined, hasNative: () => false }))

const place = places()
const mtime = 1_700_000_000_123_456_789n

test('times are exact to the microsecond without the optional package', async () => {
  const folder = place()
  const to = await fsDestination(folder)
  await to.write({ path: 'file', type: 'file', mtime }, contentOf('content'), call)
  await to.create({ path: 'link', type: 'symlink', target: 'x', mtime }, call)
  await to.create({ path: 'folder', type: 'directory', mtime }, call)
  await to.finish?.({ path: 'folder', type: 'directory', mtime }, call)
  for (const path of ['file', 'link', 'folder']) {
    const restored = lstatSync(join(folder, path), { bigint: true }).mtimeNs
    const off = restored > mtime ? restored - mtime : mtime - restored
    expect(off).toBeLessThan(1000n)
  }
})

test('what cannot be made without the optional package is said to be left out', async () => {
  const to = await fsDestination(place())
  expect(to.capabilities.keeps).not.toContain('special')
  for (const type of ['fifo', 'socket', 'block', 'character'] as const) {
    const make = to.create({ path: 'x', type, device: { major: 1, minor: 3 } }, call)
    await expect(make).rejects.toMatchObject({ code: 'KLOSET_UNSUPPORTED', hint: expect.stringContaining('koffi') })
  }
})

test('a backup says that it lacks extended attributes, once for each source', async () => {
  const folder = place()
  expect((await fsSource(folder)).lacks).toEqual([expect.stringContaining('ACLs')])
  expect((await fsSource(folder, { xattrs: false })).lacks).toEqual([])
  expect((await fsDestination(folder)).capabilities.keeps).not.toContain('xattrs')
})
