import { hkdfSync } from 'node:crypto'
import { expect, it } from 'vitest'
import { fromHex, toHex, utf8 } from '../../src/bytes/index.js'
import { createKeyMaterial, createKeyring, hkdf, plaintextMaterial } from '../../src/crypto/index.js'
import { codeOf, counted, fixedKeyring } from './helpers.js'

it('HKDF agrees with RFC 5869, test cases 1 and 3, and with OpenSSL', () => {
  const ikm = new Uint8Array(22).fill(0x0b)
  const info = String.fromCharCode(...fromHex('7071727374'))
  expect(toHex(hkdf(ikm, new Uint8Array(0), '', 42))).toBe(
    '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8',
  )
  for (const [salt, length] of [
    [new Uint8Array(0), 32],
    [counted(13), 42],
    [counted(80), 2_048],
  ] as const) {
    const native = new Uint8Array(hkdfSync('sha256', ikm, salt, utf8(info), length))
    expect(toHex(hkdf(ikm, salt, info, length))).toBe(toHex(native))
  }
})

it('derives the keys of a store as the format says', () => {
  const keyring = fixedKeyring()
  const { storeId, secret, auth, epochs } = keyring.material
  const native = (ikm: Uint8Array, label: string, length = 32): string =>
    toHex(new Uint8Array(hkdfSync('sha256', ikm, storeId, utf8(`kloset/v1/${label}`), length)))
  expect(toHex(keyring.chunkKey)).toBe(native(secret, 'chunks'))
  expect(toHex(keyring.nodeKey)).toBe(native(secret, 'nodes'))
  expect(toHex(keyring.splitKey)).toBe(native(secret, 'split'))
  expect(toHex(keyring.configKey)).toBe(native(auth, 'config'))
  expect(toHex(keyring.slotsKey)).toBe(native(auth, 'slots'))
  expect(toHex(keyring.localKey)).toBe(native(auth, 'local'))
  expect(toHex(keyring.gear)).toBe(native(secret, 'gear', 2_048))
  for (const label of ['packs', 'index', 'log', 'read', 'checkpoints'] as const) {
    for (const [epoch, master] of epochs.entries()) {
      expect(toHex(keyring.masterKey(epoch, label))).toBe(native(master, label))
    }
  }
  expect(keyring.epoch).toBe(2)
  expect(keyring.fingerprints(1)).toEqual({
    auth: native(auth, 'fingerprint', 16),
    master: native(epochs[1]!, 'fingerprint', 16),
  })
  expect(keyring.chunkKey).toBe(keyring.chunkKey)
  expect(codeOf(() => keyring.masterKey(3, 'packs'))).toBe('KLOSET_OBJECT_CORRUPT')
  expect(codeOf(() => keyring.fingerprints(3))).toBe('KLOSET_OBJECT_CORRUPT')
})

it('pins the keys', () => {
  const keyring = fixedKeyring()
  expect(toHex(keyring.chunkKey)).toBe('760f321a3a175ba74de8c39631def5d91482913a1332a7a5f104cee7d175ea99')
  expect(toHex(keyring.gear.subarray(0, 16))).toBe('5d0b7b78158ff12e20b2fd3e553ffc67')
  expect(toHex(plaintextMaterial(counted(16)).secret)).toBe(
    'b6425b7e948f9abcf7b99d22eb249c8b79e8ee9bdb71a8927baa49e86a038056',
  )
})

it('gives plaintext stores keys that follow from the store id, others random ones', () => {
  const storeId = counted(16)
  const plain = createKeyMaterial('none', storeId)
  expect(plain).toEqual(plaintextMaterial(storeId))
  expect(toHex(plain.secret)).toBe(
    toHex(new Uint8Array(hkdfSync('sha256', storeId, new Uint8Array(0), utf8('kloset/v1/plaintext'), 32))),
  )
  expect(plain.epochs).toEqual([plain.secret])
  expect(plain.auth).toEqual(plain.secret)
  const one = createKeyMaterial('aes-256-gcm', storeId)
  const other = createKeyMaterial('aes-256-gcm', storeId)
  const keys = [one, other].flatMap(({ secret, auth, epochs }) => [secret, auth, ...epochs]).map(toHex)
  expect(new Set(keys).size).toBe(6)
  expect(keys.every((key) => key.length === 64)).toBe(true)
})

it('refuses key material of wrong sizes', () => {
  const { material } = fixedKeyring()
  expect(() => createKeyring({ ...material, epochs: [] })).toThrow(RangeError)
  expect(() => createKeyring({ ...material, secret: counted(31) })).toThrow(RangeError)
  expect(() => createKeyring({ ...material, auth: counted(31) })).toThrow(RangeError)
  expect(() => createKeyring({ ...material, epochs: [counted(33)] })).toThrow(RangeError)
  expect(() => createKeyring({ ...material, storeId: counted(32) })).toThrow(RangeError)
})
