// Creating a store again after a creation that failed at any of its objects ends in a whole store that checks clean.
import { expect, test } from 'vitest'
import { createStore, KlosetError, memoryStorage } from '../../src/index.js'
import { files, sourceWith } from '../support/samples.js'
import { findingsOf, openAt, placeOf, rawKey, tiny } from '../support/stores.js'

test.each([1, 2, 3, 4, 5, 6])('after the put number %i was refused', async (failing) => {
  const place = placeOf()
  const storage = memoryStorage({ place })
  let puts = 0
  const refusing: typeof storage = {
    ...storage,
    async put(name, body, how) {
      if (++puts >= failing) throw new KlosetError('KLOSET_FULL', 'the disk is full')
      return storage.put(name, body, how)
    },
  }
  await expect(createStore(refusing, { ...tiny, unlock: rawKey })).rejects.toMatchObject({ code: 'KLOSET_FULL' })
  const store = await createStore(memoryStorage({ place }), { ...tiny, unlock: rawKey })
  await store.backup(sourceWith(files({ a: 'content' })))
  await store.close()
  const again = await openAt(place, rawKey)
  expect(await findingsOf(again)).toEqual([])
  expect(await again.select()).toHaveLength(1)
})
