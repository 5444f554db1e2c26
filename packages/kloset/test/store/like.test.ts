import { hkdfSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { fromHex, text, toHex, utf8 } from '../../src/bytes/index.js'
import { createKeyMaterial, createKeyring, plaintextMaterial } from '../../src/crypto/index.js'
import { openedStore } from '../../src/facade.js'
import { decodeConfig, encodeConfig } from '../../src/store/config.js'
import { counted } from '../crypto/helpers.js'
import { createAt, openAt, placeOf, plaintext, rawKey } from '../support/stores.js'

const id = counted(16, 1)
const other = counted(16, 40)

function native(ikm: Uint8Array, salt: Uint8Array, label: string, length = 32): string {
  return toHex(new Uint8Array(hkdfSync('sha256', ikm, salt, utf8(`kloset/v1/${label}`), length)))
}

describe('the keys of a store that is like another', () => {
  it('name and cut blobs by the family, and protect everything else by the store', () => {
    const like = createKeyMaterial('aes-256-gcm', id)
    const material = createKeyMaterial('chacha20-poly1305', other, like)
    expect(material.secret).toEqual(like.secret)
    expect(material.family).toEqual(id)
    expect(material.epochs).not.toEqual(like.epochs)
    expect(material.auth).not.toEqual(like.auth)
    const keyring = createKeyring(material)
    expect(toHex(keyring.chunkKey)).toBe(native(like.secret, id, 'chunks'))
    expect(toHex(keyring.nodeKey)).toBe(native(like.secret, id, 'nodes'))
    expect(toHex(keyring.splitKey)).toBe(native(like.secret, id, 'split'))
    expect(toHex(keyring.gear)).toBe(native(like.secret, id, 'gear', 2_048))
    expect(toHex(keyring.configKey)).toBe(native(material.auth, other, 'config'))
    expect(toHex(keyring.slotsKey)).toBe(native(material.auth, other, 'slots'))
    expect(toHex(keyring.masterKey(0, 'packs'))).toBe(native(material.epochs[0]!, other, 'packs'))
    // A third one joins the same family, whichever of the two it is made like.
    expect(createKeyMaterial('aes-256-gcm', counted(16, 80), material).family).toEqual(id)
  })

  it('of a plaintext store follow from the ids alone', () => {
    const material = createKeyMaterial('none', other, plaintextMaterial(id))
    expect(material).toEqual(plaintextMaterial(other, id))
    const secretOf = (store: Uint8Array): string => native(store, new Uint8Array(0), 'plaintext')
    expect(toHex(material.secret)).toBe(secretOf(id))
    expect([material.auth, ...material.epochs].map(toHex)).toEqual([secretOf(other), secretOf(other)])
    expect(plaintextMaterial(id)).toEqual({ ...plaintextMaterial(id, id), family: undefined })
  })

  it('need a family of the right length', () => {
    expect(() => createKeyring({ ...plaintextMaterial(id), family: counted(15) })).toThrow(RangeError)
  })
})

describe('a config', () => {
  const config = {
    store: toHex(other),
    created: '2026-01-31T12:00:00.000Z',
    requires: [],
    encryption: 'none' as const,
    chunker: { min: 64, normal: 128, max: 192 },
    frame: 4096,
    pack: 4096,
    codec: 'none' as const,
  }

  it('has a family only where the store has', () => {
    const key = counted(32)
    expect(decodeConfig(encodeConfig({ ...config, family: toHex(id) }, key))).toEqual({ ...config, family: toHex(id) })
    expect(text(encodeConfig(config, key))).not.toContain('family')
    for (const family of ['', 'x', toHex(id).toUpperCase(), 7]) {
      // What readers refuse, no writer gives.
      expect(() => encodeConfig({ ...config, family: family as string }, key)).toThrow(
        expect.objectContaining({ code: 'KLOSET_CONFIG_CORRUPT' }),
      )
    }
  })
})

describe.each([
  { name: 'encrypted', unlock: rawKey },
  { name: 'plaintext', unlock: plaintext },
])('a store like one that is $name', ({ unlock }) => {
  it('opens again with its own keys, and cuts and names alike', async () => {
    const one = await createAt(placeOf(), unlock)
    const place = placeOf()
    const own = 'key' in unlock ? { key: counted(32, 99) } : unlock
    const two = await createAt(place, own, { like: one, chunker: { min: 64, normal: 128, max: 192 } })
    await two.close()
    const again = await openAt(place, own)
    const [a, b] = [openedStore(one), openedStore(again)]
    expect(b.config.family).toBe(a.config.store)
    expect(b.keyring.chunkKey).toEqual(a.keyring.chunkKey)
    expect(b.keyring.gear).toEqual(a.keyring.gear)
    expect(b.keyring.configKey).not.toEqual(a.keyring.configKey)
    expect(b.keyring.material.epochs).not.toEqual(a.keyring.material.epochs)
    expect(b.keyring.material.storeId).toEqual(fromHex(again.id))
    const third = openedStore(await createAt(placeOf(), own, { like: again }))
    expect(third.config.family).toBe(a.config.store)
    expect(third.keyring.nodeKey).toEqual(a.keyring.nodeKey)
  })

  it('takes its chunk sizes, and no others', async () => {
    const one = await createAt(placeOf(), unlock)
    const chunker = { min: 64, normal: 128, max: 256 }
    const place = placeOf()
    await expect(createAt(place, unlock, { like: one, chunker })).rejects.toThrow('64, 128 and 192')
    expect(place.size).toBe(0)
  })

  it('is that too', async () => {
    const one = await createAt(placeOf(), unlock)
    const place = placeOf()
    const opposite = 'key' in unlock ? plaintext : rawKey
    await expect(createAt(place, opposite, { like: one })).rejects.toThrow(TypeError)
    expect(place.size).toBe(0)
  })
})

it('a store that is like another is one of this library', async () => {
  const one = await createAt(placeOf(), plaintext)
  await expect(createAt(placeOf(), plaintext, { like: { ...one } as typeof one })).rejects.toThrow(TypeError)
})
