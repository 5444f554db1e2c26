import { describe, expect, it } from 'vitest'
import type { CreateOptions } from '../../src/api.js'

import { createStore, KlosetError, memoryStorage, openStore } from '../../src/index.js'
import { faulty } from '../storage/faulty.js'
import { files, sourceWith } from '../support/samples.js'
import { createAt, engine, findingsOf, openAt, outcome, placeOf, plaintext, rawKey, tiny } from '../support/stores.js'

const passphrase = { passphrase: 'correct horse' }
const cheap = { argon2: { memoryKiB: 8192, passes: 1 } }

describe('creating a store', () => {
  it.each([
    ['with a passphrase', passphrase, 'aes-256-gcm', 'passphrase'],
    ['with a key', rawKey, 'chacha20-poly1305', 'raw'],
  ] as const)('%s: an empty store that checks and opens', async (_, unlock, encryption, kind) => {
    const place = placeOf()
    const created = await createAt(place, unlock, { ...cheap, encryption, label: 'mine' })
    expect(await created.info()).toMatchObject({
      encryption,
      version: 1,
      chunker: tiny.chunker,
      frame: 4096,
      pack: 4096,
      codec: 'none',
      snapshots: 0,
      head: 0,
      segments: 0,
      packs: 0,
      chunks: 0,
      stored: 0,
      keys: [{ kind, label: 'mine' }],
    })
    await created.close()
    const store = await openAt(place, unlock)
    expect(store.id).toBe(created.id)
    expect(await findingsOf(store)).toEqual([])
  })

  it('in plaintext has no keys', async () => {
    const place = placeOf()
    const store = await createAt(place, plaintext)
    expect([...place.keys()].sort()).toEqual(['config', 'config.copy'])
    expect(await store.info()).toMatchObject({ encryption: 'none', keys: [] })
  })

  it('stores what is stored twice with the same bytes', async () => {
    const place = placeOf()
    await createAt(place, rawKey)
    const names = [...place.keys()].filter((name) => !name.endsWith('.copy'))
    expect(names).toHaveLength(3)
    for (const name of names) expect(place.get(`${name}.copy`)).toEqual(place.get(name))
  })

  it('does not touch a store that is there', async () => {
    const place = placeOf()
    const store = await createAt(place, plaintext)
    await store.backup(sourceWith(files({ a: '1' })), {})
    const before = new Map(place)
    for (const unlock of [plaintext, rawKey]) expect(await outcome(createAt(place, unlock))).toBe('KLOSET_STORE_EXISTS')
    // Without its config it is damaged, not absent.
    for (const gone of [['config'], ['config', 'config.copy']]) {
      for (const name of gone) place.delete(name)
      expect(await outcome(createAt(place, rawKey))).toBe('KLOSET_STORE_EXISTS')
      for (const name of gone) place.set(name, before.get(name)!)
    }
    expect(new Map(place)).toEqual(before)
  })

  it.each<[string, Partial<CreateOptions>, unknown?]>([
    ['an empty passphrase', {}, { passphrase: '' }],
    ['a key of 16 bytes', {}, { key: new Uint8Array(16) }],
    ['a normal chunk that is no power of two', { chunker: { min: 64, normal: 100, max: 200 } }],
    ['a pack smaller than a frame', { frame: 8192, pack: 4096 }],
    ['a frame beyond the cap', { frame: 5 * 1024 * 1024, pack: 20 * 1024 * 1024 }],
    ['chunks beyond a frame', { chunker: { min: 64, normal: 128, max: 17 * 1024 * 1024 } }],
    ['costs below the floor', { argon2: { memoryKiB: 1024, passes: 1 } }, passphrase],
    ['no size at all', { pack: Number.NaN }],
  ])('refuses %s and writes nothing', async (_, options, unlock = rawKey) => {
    const place = placeOf()
    await expect(createAt(place, unlock as typeof rawKey, options)).rejects.toThrow(RangeError)
    expect(place.size).toBe(0)
  })

  it('refuses encryption for a plaintext store', async () => {
    await expect(createAt(placeOf(), plaintext, { encryption: 'aes-256-gcm' })).rejects.toThrow(TypeError)
  })

  it('of two at once leaves one that is whole, and tells the other', async () => {
    for (const unlock of [rawKey, plaintext]) {
      const place = placeOf()
      const outcomes = await Promise.allSettled([
        createAt(place, unlock),
        createAt(place, unlock),
        createAt(place, unlock),
      ])
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      for (const each of outcomes) {
        if (each.status === 'rejected') expect(each.reason).toMatchObject({ code: 'KLOSET_STORE_EXISTS' })
      }
      const notices: string[] = []
      const store = await openAt(place, unlock, { onNotice: ({ message }) => notices.push(message) })
      expect(notices).toEqual([])
      expect(await findingsOf(store)).toEqual([])
      place.delete('config')
      expect((await openAt(place, unlock)).id).toBe(store.id)
    }
  })

  it('knows its own config again where the answer to the first put was lost', async () => {
    const place = placeOf()
    const lost = new KlosetError('KLOSET_OFFLINE', 'the answer was lost', { retry: 'later' })
    // Epoch, slot and config, each with its copy: the config is the sixth put.
    const storage = faulty(memoryStorage({ place }), (kind, count) =>
      kind === 'put' && count === 5 ? { when: 'after', error: lost } : undefined,
    )
    const store = await createStore(storage, { ...tiny, unlock: rawKey })
    expect(await findingsOf(store)).toEqual([])
    expect((await openAt(place, rawKey)).id).toBe(store.id)
  })

  it('can be tried again after it failed anywhere', async () => {
    for (let failing = 0; failing < 6; failing++) {
      const place = placeOf()
      const full = new KlosetError('KLOSET_FULL', 'no space left')
      const storage = faulty(memoryStorage({ place }), (kind, count) =>
        kind === 'put' && count === failing ? { when: 'before', error: full } : undefined,
      )
      expect(await outcome(createStore(storage, { ...tiny, unlock: rawKey }))).toBe('KLOSET_FULL')
      // From the copy of the config on all is there that opens it.
      if (failing < 5) expect(await outcome(openAt(place, rawKey))).toBe('KLOSET_NO_STORE')
      await createAt(place, rawKey)
      expect(await outcome(openAt(place, rawKey))).toBe('done')
    }
  })

  it('ends with the reason of an abort', async () => {
    const reason = new Error('enough')
    const place = placeOf()
    const signal = AbortSignal.abort(reason)
    await expect(createStore(memoryStorage({ place }), { ...tiny, unlock: rawKey, signal })).rejects.toBe(reason)
    await expect(openStore(memoryStorage({ place }), { unlock: rawKey, engine, signal })).rejects.toBe(reason)
    expect(place.size).toBe(0)
  })
})
