import type { Unlock } from '../../src/api.js'
import type { MemoryPlace } from '../../src/storage/index.js'
import { checkpoint, type KnownStore, knownStore } from '../support/damage.js'
import { files, noise, sourceWith } from '../support/samples.js'
import { createAt, placeOf } from '../support/stores.js'

/**
 * A store of a few kilobytes with everything in it: two snapshots of two sources, files of one chunk, of several and of a list of chunks,
 * several packs and frames, and a checkpoint between the two.
 */
export async function smallStore(unlock: Unlock): Promise<KnownStore> {
  const place: MemoryPlace = placeOf()
  const store = await createAt(place, unlock)
  const steady = sourceWith(files({ s: 'steady' }), 't')
  const common = [{ path: 'd', type: 'directory' } as const, { path: 'l', type: 'symlink', target: 'a' } as const]
  // One chunk that comes 17 times: more than an entry holds, so the file has a list.
  const list = new Uint8Array(17 * 192)
  const before = sourceWith([...common, ...files({ a: 'first', b: noise(400, 1), 'd/list': list, e: '' })], 'r')
  await store.backup([before, steady], { host: 'h', user: 'u' })
  await checkpoint(place)
  const after = sourceWith(
    [...common, ...files({ a: 'second', b: noise(400, 1), 'd/list': list, n: noise(90, 2) })],
    'r',
  )
  await store.backup([after, steady], { host: 'h', user: 'u' })
  await store.close()
  return knownStore(place, unlock)
}
