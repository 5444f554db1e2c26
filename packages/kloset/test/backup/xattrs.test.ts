import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../src/bytes/index.js'
import { type Destination, type Entry, sourceOf } from '../../src/connector/index.js'
import { openedStore } from '../../src/facade.js'
import { createEngine } from '../../src/index.js'
import { recorder, workerRecorder } from '../support/recorder.js'
import { allOf, createAt, placeOf, rawKey } from '../support/stores.js'
import { errorsOf, noise } from './support.js'

type Xattrs = NonNullable<Entry['xattrs']>

const engine = createEngine({ workers: 0 })
const small = { chunker: { min: 2048, normal: 8192, max: 32_768 }, frame: 16_384, pack: 65_536, engine }
const other = { ...small, chunker: { min: 1024, normal: 2048, max: 4096 } }

/** A value of noise; two of the same seed and length are the same. */
const value = fc
  .tuple(fc.oneof({ weight: 3, arbitrary: fc.nat(1_100) }, fc.nat(200 * 1024)), fc.nat(2))
  .map(([length, seed]) => noise(length, seed + 1))
// Any bytes but NUL may be a name; those that are not UTF-8 come as escapes.
const name = fc.oneof(
  fc.string({ minLength: 1, unit: 'grapheme' }),
  fc.constantFrom('user.a', '__proto__', 'user.\udcff'),
)
const xattrs = fc
  .uniqueArray(fc.tuple(name, value), { selector: ([key]) => key, maxLength: 4 })
  .map((pairs): Xattrs => Object.fromEntries(pairs))
const tree = fc.record({ file: xattrs, empty: xattrs, folder: xattrs, link: xattrs })

function source(all: Record<string, Xattrs>, version = '1') {
  return sourceOf({ type: 'rows', origin: 'here', order: 'path' }, () => [
    { path: 'empty', version, xattrs: all.empty },
    { path: 'file', content: noise(700, 9), version, xattrs: all.file },
    { path: 'folder', type: 'directory', xattrs: all.folder },
    { path: 'link', type: 'symlink', target: 'x', xattrs: all.link },
  ])
}

const hex = (all: Xattrs = {}): Record<string, string> =>
  Object.fromEntries(Object.entries(all).map(([key, bytes]) => [key, toHex(bytes)]))

async function restored(store: Awaited<ReturnType<typeof createAt>>, to: Destination & ReturnType<typeof recorder>) {
  const result = await store.restore('latest', to)
  expect(result).toMatchObject({ failed: [], leftOut: {} })
  return Object.fromEntries([...to.found].map(([path, { entry }]) => [path, hex(entry.xattrs)]))
}

describe('extended attributes', () => {
  it('of any names and sizes come back, through both ways that a restore has, and through other stores', async () => {
    await fc.assert(
      fc.asyncProperty(tree, async (all) => {
        const store = await createAt(placeOf(), rawKey, small)
        const { failed } = await store.backup(source(all))
        expect(failed).toEqual([])
        expect(await errorsOf(store)).toEqual([])
        const expected = { '': {}, ...Object.fromEntries(Object.entries(all).map(([path, each]) => [path, hex(each)])) }
        expect(await restored(store, recorder())).toEqual(expected)
        expect(await restored(store, workerRecorder())).toEqual(expected)
        for (const options of [{ like: store, chunker: undefined }, other]) {
          const peer = await createAt(placeOf(), rawKey, options as object)
          await store.syncTo(peer)
          expect(await errorsOf(peer)).toEqual([])
          expect(await restored(peer, recorder())).toEqual(expected)
          await peer.close()
        }
        await store.close()
      }),
      { numRuns: 6 },
    )
  })

  it('that alone have changed come into the next snapshot, and nothing is read for it', async () => {
    const store = await createAt(placeOf(), rawKey, small)
    await store.backup(source({ file: { 'user.a': noise(5_000, 1) } }))
    const { changes, added } = await store.backup(source({ file: { 'user.a': noise(5_000, 2) } }))
    expect(changes).toMatchObject({ changed: 0 })
    expect(added.bytes).toBe(5_000)
    expect((await restored(store, recorder())).file).toEqual({ 'user.a': toHex(noise(5_000, 2)) })
    // The same again is stored once.
    expect((await store.backup(source({ file: { 'user.a': noise(5_000, 2) } }))).added.bytes).toBe(0)
    await store.close()
  })

  it('keep their chunks from being pruned', async () => {
    const store = await createAt(placeOf(), rawKey, small)
    await store.backup(source({ folder: { 'user.a': noise(5_000, 1) } }))
    await store.backup(source({ folder: { 'user.a': noise(5_000, 2) } }))
    const [first] = await allOf(store.snapshots())
    await store.forget([first!.id])
    await store.prune({ delay: 0, grace: 0 })
    expect(await errorsOf(store)).toEqual([])
    expect((await restored(store, recorder())).folder).toEqual({ 'user.a': toHex(noise(5_000, 2)) })
    await store.close()
  })

  it('whose chunks are lost are reported, and the file comes back without them', async () => {
    const place = placeOf()
    const store = await createAt(place, rawKey, small)
    await store.backup(source({ file: { 'user.a': noise(100, 1), 'user.b': noise(6_000, 1) } }))
    const blobs = await openedStore(store).blobs()
    const read = blobs.chunk.bind(blobs)
    blobs.chunk = async (id, call) => {
      const chunk = await read(id, call)
      if (chunk.every((byte, i) => byte === noise(6_000, 1)[i])) throw new Error('lost')
      return chunk
    }
    for (const to of [recorder(), workerRecorder()]) {
      const result = await store.restore('latest', to)
      expect(result.failed.map(({ path }) => path)).toEqual(['file'])
      expect(hex(to.found.get('file')?.entry.xattrs)).toEqual({ 'user.a': toHex(noise(100, 1)) })
      expect(to.found.get('file')?.bytes).toEqual(noise(700, 9))
    }
    await store.close()
  })

  it('of more than can be kept are reported, and what they are of is kept', async () => {
    const store = await createAt(placeOf(), rawKey, small)
    const result = await store.backup(source({ file: { 'user.a': new Uint8Array(64 * 1024 * 1024 + 1) } }))
    expect(result.failed).toMatchObject([{ path: 'file', error: { code: 'KLOSET_LIMIT' } }])
    const many = Object.fromEntries(
      Array.from({ length: 9_000 }, (_, i) => [`user.${i}.${'x'.repeat(20)}`, noise(1, i)]),
    )
    const names = await store.backup(source({ folder: many }))
    expect(names.failed).toMatchObject([{ path: 'folder', error: { code: 'KLOSET_LIMIT' } }])
    await store.close()
  })
})
