import { createCipheriv } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes, fromHex, toHex, utf8 } from '../../src/bytes/index.js'
import { type Encryption, newHeader, type ObjectKind, readHeader, sealer } from '../../src/crypto/index.js'
import { hkdf } from '../../src/crypto/kdf.js'
import { keyedBlake3 } from '../../src/hash/index.js'
import { codeOf, counted, fixedKeyring, mutations } from './helpers.js'

const kinds: readonly (readonly [ObjectKind, number, number])[] = [
  ['pack', 1, 0],
  ['index', 2, 4],
  ['log', 3, 12],
  ['checkpoint', 4, 0],
]
const encryptions: readonly Encryption[] = ['aes-256-gcm', 'chacha20-poly1305', 'none']

describe('header', () => {
  it.each(kinds)('of a %s is as the format says', (kind, number, extension) => {
    const header = newHeader(kind, 0x01020304, counted(extension, 0xf0), counted(32))
    const length = (46 + extension).toString(16)
    expect(toHex(header.bytes)).toBe(
      `4b4c53540${number}01040302010000${length}00${toHex(counted(32))}${toHex(counted(extension, 0xf0))}`,
    )
    const read = readHeader(kind, concatBytes(header.bytes, utf8('what follows')))
    expect(read).toEqual(header)
  })

  it('has a salt of its own each time', () => {
    expect(toHex(newHeader('pack', 0).salt)).not.toBe(toHex(newHeader('pack', 0).salt))
  })

  it('survives any change and truncation with a typed error, or names the change', () => {
    const header = newHeader('log', 7, counted(12), counted(32))
    const outcomes = [...mutations(header.bytes)].map((changed) => {
      const result = codeOf(() => toHex(readHeader('log', changed).bytes))
      return result === toHex(changed) ? 'read' : result
    })
    // Magic, kind; version; epoch may be any; keying 1 is reserved; reserved byte; length; salt and extension may be any.
    expect(outcomes.slice(0, 14)).toEqual([
      ...new Array(5).fill('KLOSET_OBJECT_CORRUPT'),
      'KLOSET_VERSION',
      ...new Array(4).fill('read'),
      ...new Array(4).fill('KLOSET_OBJECT_CORRUPT'),
    ])
    expect(new Set(outcomes.slice(14))).toEqual(new Set(['read']))
    for (let end = 0; end < header.bytes.length; end++) {
      expect(codeOf(() => readHeader('log', header.bytes.subarray(0, end)))).toBe('KLOSET_OBJECT_CORRUPT')
    }
  })

  it('refuses other kinds, a key sealed to a public key, and lengths beyond the cap', () => {
    const { bytes } = newHeader('pack', 0)
    expect(codeOf(() => readHeader('index', bytes))).toBe('KLOSET_OBJECT_CORRUPT')
    const sealedToPublicKey = new Uint8Array(bytes)
    sealedToPublicKey[10] = 1
    expect(codeOf(() => readHeader('pack', sealedToPublicKey))).toBe('KLOSET_VERSION')
    const long = concatBytes(bytes, new Uint8Array(2_000))
    new DataView(long.buffer).setUint16(12, 1_025, true)
    expect(codeOf(() => readHeader('pack', long))).toBe('KLOSET_OBJECT_CORRUPT')
    new DataView(long.buffer).setUint16(12, 1_024, true)
    expect(readHeader('pack', long).extension.length).toBe(1_024 - 46)
  })

  it('refuses to be made wrong', () => {
    expect(() => newHeader('index', 0)).toThrow(RangeError)
    expect(() => newHeader('pack', 0, undefined, counted(31))).toThrow(RangeError)
  })
})

describe.each(encryptions)('sealed parts, %s', (encryption) => {
  const keyring = fixedKeyring(encryption)
  const header = newHeader('index', keyring.epoch, counted(4), counted(32, 100))

  it('open to what was sealed, also in place', () => {
    const ordinals = fc.oneof(fc.nat(), fc.maxSafeNat(), fc.constantFrom(0, 2 ** 32, 2 ** 53 - 1))
    fc.assert(
      fc.property(fc.nat(255), ordinals, fc.uint8Array({ maxLength: 2_000 }), (part, ordinal, plaintext) => {
        const parts = sealer(keyring, header, 'index')
        const sealed = parts.seal(part, ordinal, plaintext)
        expect(sealed.length).toBe(plaintext.length + parts.overhead)
        const reader = sealer(keyring, readHeader('index', header.bytes), 'index')
        expect(toHex(reader.open(part, ordinal, sealed))).toBe(toHex(plaintext))

        const memory = new Uint8Array(sealed.length)
        memory.set(plaintext)
        expect(parts.sealInto(part, ordinal, memory.subarray(0, plaintext.length), memory)).toBe(sealed.length)
        expect(toHex(memory)).toBe(toHex(sealed))
        expect(parts.openInto(part, ordinal, memory, memory)).toBe(plaintext.length)
        expect(toHex(memory.subarray(0, plaintext.length))).toBe(toHex(plaintext))
      }),
      { numRuns: 100 },
    )
  })

  it('open only unchanged, under their own name, in their own object, with their own key', () => {
    const parts = sealer(keyring, header, 'index')
    const sealed = parts.seal(0, 5, utf8('some blocks'))
    for (const changed of mutations(sealed))
      expect(codeOf(() => parts.open(0, 5, changed))).toBe('KLOSET_OBJECT_CORRUPT')
    for (let end = 0; end < sealed.length; end++) {
      expect(codeOf(() => parts.open(0, 5, sealed.subarray(0, end)))).toBe('KLOSET_OBJECT_CORRUPT')
    }
    expect(codeOf(() => parts.open(1, 5, sealed))).toBe('KLOSET_OBJECT_CORRUPT')
    for (const ordinal of [0, 4, 5 + 2 ** 32, 5 * 256]) {
      expect(codeOf(() => parts.open(0, ordinal, sealed))).toBe('KLOSET_OBJECT_CORRUPT')
    }
    const salted = sealer(keyring, newHeader('index', keyring.epoch, counted(4)), 'index')
    const extended = sealer(keyring, newHeader('index', keyring.epoch, counted(4, 1), header.salt), 'index')
    const labelled = sealer(keyring, header, 'log')
    for (const other of [salted, extended, labelled]) {
      expect(codeOf(() => other.open(0, 5, sealed))).toBe('KLOSET_OBJECT_CORRUPT')
    }
  })

  it('of an epoch that is not known have no sealer', () => {
    expect(codeOf(() => sealer(keyring, newHeader('pack', 9), 'packs'))).toBe('KLOSET_OBJECT_CORRUPT')
  })
})

it('seals with the key, nonce and associated data of the format', () => {
  const keyring = fixedKeyring()
  const header = newHeader('pack', 1, undefined, counted(32, 7))
  const key = hkdf(keyring.masterKey(1, 'packs'), header.salt, 'kloset/v1/object')
  const nonce = fromHex('030000000000060504030201')
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(concatBytes(header.bytes, keyring.material.storeId))
  const expected = concatBytes(cipher.update(utf8('frame')), cipher.final(), cipher.getAuthTag())
  expect(toHex(sealer(keyring, header, 'packs').seal(3, 0x060504030201, utf8('frame')))).toBe(toHex(expected))
})

it('seals plaintext stores with the checksum of the format', () => {
  const keyring = fixedKeyring('none')
  const header = newHeader('pack', 0, undefined, counted(32, 7))
  const key = hkdf(keyring.masterKey(0, 'packs'), header.salt, 'kloset/v1/object')
  const ad = concatBytes(header.bytes, keyring.material.storeId)
  const tagged = concatBytes(fromHex('3e000000'), ad, fromHex('010000000000000000000002'), utf8('frame'))
  const expected = concatBytes(utf8('frame'), keyedBlake3(key, tagged).subarray(0, 16))
  expect(toHex(sealer(keyring, header, 'packs').seal(1, 2, utf8('frame')))).toBe(toHex(expected))
})

it.each([
  ['aes-256-gcm', '0e3e852461db4c1754a88a4b3b201e400e126ec86fd570'],
  ['chacha20-poly1305', '27f2c5d605e87ae534742f9cdbcb039f7588a29993ca9e'],
  ['none', '726f7574696e675078788a28c1a0dbb5ed3928b3e5020a'],
] as const)('pins a part sealed with %s', (encryption, expected) => {
  const keyring = fixedKeyring(encryption)
  const header = newHeader('log', 0, counted(12), counted(32, 7))
  expect(toHex(sealer(keyring, header, 'log').seal(0, 0, utf8('routing')))).toBe(expected)
})
