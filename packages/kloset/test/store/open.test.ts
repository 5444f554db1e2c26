import { beforeEach, describe, expect, it } from 'vitest'
import type { Notice, OpenOptions, Unlock } from '../../src/api.js'
import { isKlosetError, memoryStorage, openStore } from '../../src/index.js'
import type { MemoryPlace } from '../../src/storage/index.js'
import { counted } from '../crypto/helpers.js'
import { files, sourceWith } from '../support/samples.js'
import {
  allOf,
  createAt,
  engine,
  findingsOf,
  flipped,
  openAt,
  outcome,
  placeOf,
  plaintext,
  rawKey,
  restored,
} from '../support/stores.js'

const passphrase: Unlock = { passphrase: 'correct horse' }
const cheap = { argon2: { memoryKiB: 8192, passes: 1 } }

async function storeWith(unlock: Unlock): Promise<MemoryPlace> {
  const place = placeOf()
  const store = await createAt(place, unlock, cheap)
  await store.backup(sourceWith(files({ a: 'content' })), {})
  return place
}

/** Opens and gives the codes of the notices on the way. */
async function noticesOf(place: MemoryPlace, unlock: Unlock, more: Partial<OpenOptions> = {}): Promise<string[]> {
  const notices: Notice[] = []
  const store = await openAt(place, unlock, { ...more, onNotice: (notice) => notices.push(notice) })
  const { found } = await restored(store, 'latest')
  expect(new TextDecoder().decode(found.get('a')?.bytes)).toBe('content')
  return notices.map(({ code }) => code)
}

describe('opening a store', () => {
  it.each<[string, Unlock, Unlock, string]>([
    ['that is encrypted, as plaintext', passphrase, plaintext, 'KLOSET_LOCKED'],
    ['that is plaintext, with a passphrase', plaintext, passphrase, 'KLOSET_NOT_ENCRYPTED'],
    ['that is plaintext, with a key', plaintext, rawKey, 'KLOSET_NOT_ENCRYPTED'],
    ['with another passphrase', passphrase, { passphrase: 'correct house' }, 'KLOSET_WRONG_PASSPHRASE'],
    ['with an empty passphrase', passphrase, { passphrase: '' }, 'KLOSET_WRONG_PASSPHRASE'],
    ['with a key where it has a passphrase', passphrase, rawKey, 'KLOSET_WRONG_PASSPHRASE'],
    ['with a passphrase where it has a key', rawKey, passphrase, 'KLOSET_WRONG_PASSPHRASE'],
    ['with another key', rawKey, { key: counted(32, 8) }, 'KLOSET_WRONG_PASSPHRASE'],
    ['with a key that is too short', rawKey, { key: counted(31, 7) }, 'KLOSET_WRONG_PASSPHRASE'],
  ])('%s fails', async (_, made, opened, code) => {
    const place = await storeWith(made)
    const error = await openAt(place, opened).catch((thrown: unknown) => thrown)
    expect(isKlosetError(error) && error.code).toBe(code)
    expect(isKlosetError(error) && error.hint).toBeTruthy()
  })

  it('where there is none, or only objects of something else', async () => {
    expect(await outcome(openAt(placeOf(), rawKey))).toBe('KLOSET_NO_STORE')
    expect(await outcome(openAt(new Map([['readme.txt', counted(3)]]), plaintext))).toBe('KLOSET_NO_STORE')
  })

  it('is silent where all is well', async () => {
    for (const unlock of [passphrase, rawKey, plaintext])
      expect(await noticesOf(await storeWith(unlock), unlock)).toEqual([])
  })

  describe.each<[string, Unlock]>([
    ['encrypted', rawKey],
    ['plaintext', plaintext],
  ])('whose config is damaged (%s)', (_, unlock) => {
    let place: MemoryPlace
    beforeEach(async () => {
      place = await storeWith(unlock)
    })

    it('uses the copy, says so, and check tells', async () => {
      const config = place.get('config')!
      const text = new TextDecoder().decode(config)
      // Where a flipped byte is still a config: of another store, of another version, with other sizes.
      const spots = [
        text.indexOf('"store":"') + 9,
        text.indexOf('"version":') + 10,
        text.indexOf('"pack":') + 7,
        5,
        config.length - 3,
      ]
      for (const at of spots) {
        const changed = config.slice()
        changed[at]! ^= 2
        place.set('config', changed)
        expect(await noticesOf(place, unlock), `byte ${at}`).toEqual(['copy-used'])
        expect((await findingsOf(await openAt(place, unlock))).map(({ code }) => code)).toEqual(['config-corrupt'])
      }
      place.delete('config')
      expect(await noticesOf(place, unlock)).toEqual(['copy-used'])
    })

    it('needs no copy where the config is whole', async () => {
      place.delete('config.copy')
      expect(await noticesOf(place, unlock)).toEqual([])
      expect((await findingsOf(await openAt(place, unlock))).map(({ code }) => code)).toEqual(['copy-damaged'])
    })

    it('fails where both are', async () => {
      for (const name of ['config', 'config.copy']) place.set(name, flipped(place.get(name)!, 4))
      expect(await outcome(openAt(place, unlock))).toBe('KLOSET_CONFIG_CORRUPT')
    })
  })

  it('whose config was exchanged for that of another store fails, or uses the copy', async () => {
    const [place, other] = [await storeWith(rawKey), await storeWith(rawKey)]
    place.set('config', other.get('config')!)
    expect(await noticesOf(place, rawKey)).toEqual(['copy-used'])
    place.set('config.copy', other.get('config')!)
    expect(isKlosetError(await openAt(place, rawKey).catch((error: unknown) => error))).toBe(true)
  })

  it('whose config was exchanged for a plaintext one is refused', async () => {
    const [place, other] = [await storeWith(rawKey), await storeWith(plaintext)]
    for (const [name, bytes] of other) place.set(name, bytes)
    expect(await outcome(openAt(place, rawKey))).toBe('KLOSET_NOT_ENCRYPTED')
  })

  it('whose key slot or sealed key is damaged uses the copy of it', async () => {
    const place = await storeWith(rawKey)
    for (const name of [...place.keys()].filter((each) => /^(keys|epochs)\//.test(each) && !each.endsWith('.copy'))) {
      const bytes = place.get(name)!
      for (const at of [10, Math.floor(bytes.length / 2), bytes.length - 40]) {
        place.set(name, flipped(bytes, at))
        expect(await outcome(openAt(place, rawKey))).toBe('done')
        expect((await findingsOf(await openAt(place, rawKey))).map(({ object }) => object)).toEqual([name])
      }
      place.delete(name)
      expect(await outcome(openAt(place, rawKey))).toBe('done')
      place.delete(`${name}.copy`)
      expect(isKlosetError(await openAt(place, rawKey).catch((error: unknown) => error))).toBe(true)
      place.set(name, bytes)
      place.set(`${name}.copy`, bytes)
    }
  })

  it('tells that the log is damaged, and reads what came before', async () => {
    const place = await storeWith(rawKey)
    await (await openAt(place, rawKey)).backup(sourceWith(files({ a: 'changed' })), {})
    const newest = [...place.keys()].filter((name) => name.startsWith('log/')).at(-1)!
    place.set(newest, flipped(place.get(newest)!, 200))
    expect(await noticesOf(place, rawKey, { damagedLog: true })).toEqual(['log-damaged'])
  })
})

describe('an open store', () => {
  let place: MemoryPlace
  beforeEach(async () => {
    place = await storeWith(plaintext)
  })

  it('that was opened for reading does not write', async () => {
    const store = await openAt(place, plaintext, { mode: 'read' })
    expect(await outcome(store.backup(sourceWith(files({ b: '2' })), {}))).toBe('KLOSET_READ_ONLY')
    expect((await restored(store, 'latest')).result.failed).toEqual([])
    const dry = await store.backup(sourceWith(files({ b: '2' })), { dryRun: true })
    expect(dry.snapshot).toBeUndefined()
  })

  it('on a storage that cannot be written to reads', async () => {
    const storage = memoryStorage({ place, capabilities: { write: false } })
    const store = await openStore(storage, { unlock: plaintext, engine })
    expect(await outcome(store.backup(sourceWith(files({ b: '2' })), {}))).toBe('KLOSET_READ_ONLY')
    expect((await restored(store, 'latest')).result.failed).toEqual([])
  })

  it('does nothing more once it is closed, and closes once', async () => {
    let closed = 0
    const storage = { ...memoryStorage({ place }), close: async () => void closed++ }
    const store = await openStore(storage, { unlock: plaintext, engine })
    const snapshot = await store.snapshot('latest')
    await store.close()
    await store.close()
    await store[Symbol.asyncDispose]()
    expect(closed).toBe(1)
    const closedError = /is closed/
    await expect(store.snapshot('latest')).rejects.toThrow(closedError)
    await expect(store.info()).rejects.toThrow(closedError)
    await expect(store.backup(sourceWith([]), {})).rejects.toThrow(closedError)
    await expect(restored(store, 'latest')).rejects.toThrow(closedError)
    await expect(findingsOf(store)).rejects.toThrow(closedError)
    await expect(allOf(store.snapshots())).rejects.toThrow(closedError)
    await expect(snapshot.stat('a')).rejects.toThrow(closedError)
    // What needs no reading is still there.
    expect(snapshot.totals.files).toBe(1)
  })

  it('closes a storage that holds no store', async () => {
    let closed = 0
    const storage = { ...memoryStorage(), close: async () => void closed++ }
    expect(await outcome(openStore(storage, { unlock: plaintext, engine }))).toBe('KLOSET_NO_STORE')
    expect(closed).toBe(1)
  })

  it('sees what others wrote since it was opened', async () => {
    const [one, other] = [await openAt(place, plaintext), await openAt(place, plaintext)]
    const { snapshot } = await one.backup(sourceWith(files({ a: 'newer' })), {})
    expect((await other.snapshot('latest')).id).toBe(snapshot!.id)
    expect((await restored(other, 'latest')).found.get('a')?.bytes).toHaveLength(5)
    expect((await other.info()).snapshots).toBe(2)
    expect(await findingsOf(other)).toEqual([])
  })
})
