import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes, free, fromHex, MalformedError, toHex, utf8 } from '../../src/bytes/index.js'
import { argon2id } from '../../src/crypto/argon2.js'
import { type AeadName, type Runtime, runtime } from '../../src/runtime/index.js'
import { owned } from '../../src/runtime/node/buffers.js'
import { portableRuntime } from '../../src/runtime/portable/index.js'

const runtimes: readonly (readonly [string, Runtime])[] = [
  ['native', runtime],
  ['portable', portableRuntime],
]
const ciphers: readonly AeadName[] = ['aes-256-gcm', 'chacha20-poly1305']
const bytes = (length: number): fc.Arbitrary<Uint8Array<ArrayBuffer>> =>
  fc.uint8Array({ minLength: length, maxLength: length }) as fc.Arbitrary<Uint8Array<ArrayBuffer>>

describe.each(ciphers)('%s', (name) => {
  const native = runtime.aead(name)
  const portable = portableRuntime.aead(name)

  it('gives the same bytes natively and in JavaScript, both ways', () => {
    const lengths = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.constantFrom(65_535, 65_536, 65_537, 200_000))
    fc.assert(
      fc.property(bytes(32), bytes(12), fc.uint8Array(), lengths, (key, nonce, ad, length) => {
        const plaintext = new Uint8Array(length).map((_, i) => (i * 31) ^ key[i & 31]!)
        const sealed = native.seal(key, nonce, ad, plaintext)
        expect(toHex(portable.seal(key, nonce, ad, plaintext))).toBe(toHex(sealed))
        expect(toHex(native.open(key, nonce, ad, sealed))).toBe(toHex(plaintext))
        expect(toHex(portable.open(key, nonce, ad, sealed))).toBe(toHex(plaintext))
      }),
      { numRuns: 60 },
    )
  })

  it.each([native, portable])('writes into given memory the same bytes, and nothing beside them', (aead) => {
    const key = new Uint8Array(32).fill(1)
    const nonce = new Uint8Array(12).fill(2)
    const ad = utf8('header')
    const plaintext = new Uint8Array(100_000).map((_, i) => i % 251)
    const memory = new Uint8Array(plaintext.length + 16 + 20).fill(0xee)
    const out = memory.subarray(10)
    expect(aead.sealInto(key, nonce, ad, plaintext, out)).toBe(plaintext.length + 16)
    const sealed = memory.slice(10, 10 + plaintext.length + 16)
    expect(toHex(sealed)).toBe(toHex(native.seal(key, nonce, ad, plaintext)))
    expect([...memory.subarray(0, 10), ...memory.subarray(-10)]).toEqual(new Array(20).fill(0xee))
    expect(aead.openInto(key, nonce, ad, sealed, out)).toBe(plaintext.length)
    expect(toHex(out.subarray(0, plaintext.length))).toBe(toHex(plaintext))
  })

  it.each([native, portable])('works in place', (aead) => {
    const key = new Uint8Array(32).fill(1)
    const nonce = new Uint8Array(12).fill(2)
    const plaintext = new Uint8Array(200_000).map((_, i) => i % 251)
    const memory = new Uint8Array(plaintext.length + 16)
    memory.set(plaintext)
    aead.sealInto(key, nonce, key, memory.subarray(0, plaintext.length), memory)
    expect(toHex(memory)).toBe(toHex(native.seal(key, nonce, key, plaintext)))
    aead.openInto(key, nonce, key, memory, memory)
    expect(toHex(memory.subarray(0, plaintext.length))).toBe(toHex(plaintext))
  })

  it.each([native, portable])('refuses whatever was changed, with a MalformedError', (aead) => {
    const key = new Uint8Array(32).fill(1)
    const nonce = new Uint8Array(12).fill(2)
    const ad = utf8('header')
    const sealed = aead.seal(key, nonce, ad, utf8('a message'))
    for (let i = 0; i < sealed.length; i++) {
      const changed = sealed.slice()
      changed[i]! ^= 1
      expect(() => aead.open(key, nonce, ad, changed)).toThrow(MalformedError)
    }
    expect(() => aead.open(key, nonce, utf8('other'), sealed)).toThrow(MalformedError)
    expect(() => aead.open(key, new Uint8Array(12), ad, sealed)).toThrow(MalformedError)
    expect(() => aead.open(new Uint8Array(32), nonce, ad, sealed)).toThrow(MalformedError)
    for (const length of [0, 15, 16]) {
      expect(() => aead.open(key, nonce, ad, sealed.subarray(0, length))).toThrow(MalformedError)
    }
  })
})

it('AES-256-GCM agrees with the vectors of its specification (McGrew and Viega, test cases 13, 14 and 16)', () => {
  const aead = runtime.aead('aes-256-gcm')
  const zero = new Uint8Array(32)
  const nonce = new Uint8Array(12)
  const none = new Uint8Array(0)
  expect(toHex(aead.seal(zero, nonce, none, none))).toBe('530f8afbc74536b9a963b4f1c4cb738b')
  expect(toHex(aead.seal(zero, nonce, none, new Uint8Array(16)))).toBe(
    'cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919',
  )
  expect(
    toHex(
      aead.seal(
        fromHex('feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308'),
        fromHex('cafebabefacedbaddecaf888'),
        fromHex('feedfacedeadbeeffeedfacedeadbeefabaddad2'),
        fromHex(
          'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
        ),
      ),
    ),
  ).toBe(
    '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662' +
      '76fc6ece0f4e1768cddf8853bb2d551b',
  )
})

describe.each(runtimes)('%s', (_, own) => {
  it('deflates what either inflates', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5_000 }), fc.integer({ min: 1, max: 9 }), (raw, level) => {
        const stored = own.deflate(raw, level)
        for (const [, other] of runtimes) expect(toHex(other.inflate(stored, raw.length))).toBe(toHex(raw))
      }),
      { numRuns: 40 },
    )
  })

  it('deflates what comes in parts, to what either inflates', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 2_000 }), { maxLength: 5 }), (parts) => {
        const deflater = own.deflater(6)
        const stored = concatBytes(...parts.map((part) => deflater.push(part)), deflater.end())
        const raw = concatBytes(...parts)
        for (const [, other] of runtimes) expect(toHex(other.inflate(stored, raw.length))).toBe(toHex(raw))
      }),
      { numRuns: 40 },
    )
  })

  it('inflates to exactly the length asked for, or not at all', () => {
    const bomb = own.deflate(new Uint8Array(10_000_000), 9)
    expect(own.inflate(bomb, 10_000_000).length).toBe(10_000_000)
    for (const length of [0, 1, 1_000, 9_999_999, 10_000_001]) {
      expect(() => own.inflate(bomb, length)).toThrow(MalformedError)
    }
    for (const length of [0, 1, bomb.length - 1]) {
      expect(() => own.inflate(bomb.subarray(0, length), 10_000_000)).toThrow(MalformedError)
    }
  })

  it('decodes zstd to exactly the length asked for, or not at all', () => {
    expect(own.unzstd(zstdOfText, 400)).toEqual(utf8('kloset '.repeat(58).slice(0, 400)))
    for (const length of [0, 399, 401, 1_000_000]) expect(() => own.unzstd(zstdOfText, length)).toThrow(MalformedError)
    for (let end = 0; end < zstdOfText.length; end++) {
      expect(() => own.unzstd(zstdOfText.subarray(0, end), 400)).toThrow(MalformedError)
    }
  })

  it('survives damaged zstd', () => {
    fc.assert(
      fc.property(fc.nat(zstdOfText.length - 1), fc.nat(255), (at, value) => {
        const changed = zstdOfText.slice()
        changed[at] = value
        try {
          expect(own.unzstd(changed, 400).length).toBe(400)
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedError)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('refuses a zstd frame that asks for a huge window, or that another follows', () => {
    const window2GiB = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa0, 0x01, 0x00, 0x00)
    expect(() => own.unzstd(window2GiB, 0)).toThrow(MalformedError)
    expect(() => portableRuntime.unzstd(new Uint8Array([...zstdOfText, ...zstdOfText]), 400)).toThrow(MalformedError)
  })

  it('gives random bytes over memory of their own', () => {
    const drawn = [16, 16, 70_000].map((length) => own.randomBytes(length))
    expect(drawn.map((one) => one.length)).toEqual([16, 16, 70_000])
    expect(drawn.map((one) => one.buffer.byteLength)).toEqual([16, 16, 70_000])
    expect(toHex(drawn[0]!)).not.toBe(toHex(drawn[1]!))
    expect(new Set(drawn[2]!.subarray(-1_000)).size).toBeGreaterThan(200)
    expect(own.randomBytes(0).length).toBe(0)
  })

  it('compares in constant time, and lengths too', () => {
    const a = own.randomBytes(32)
    expect(own.timingSafeEqual(a, a.slice())).toBe(true)
    expect(own.timingSafeEqual(a, a.subarray(1))).toBe(false)
    for (let i = 0; i < 32; i++) {
      const b = a.slice()
      b[i]! ^= 0x80
      expect(own.timingSafeEqual(a, b)).toBe(false)
    }
  })
})

describe.runIf(runtime.zstd)('native zstd', () => {
  it('gives what both decoders read', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3_000 }), fc.nat(300), (unit, times) => {
        const raw = new Uint8Array(unit.length * times).map((_, i) => unit[i % unit.length]!)
        const stored = runtime.zstd!.compress(raw, 1)
        for (const [, own] of runtimes) expect(own.unzstd(stored, raw.length)).toEqual(raw)
      }),
      { numRuns: 40 },
    )
  })
})

// `kloset ` over and over, 400 bytes, by the zstd command at level 1.
const zstdOfText: Uint8Array = fromHex('28b52ffd609000750000386b6c6f73657420010086528b11')

describe('derivation', () => {
  it('by HKDF gives the same bytes natively and in JavaScript', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), fc.uint8Array(), fc.nat(200), (ikm, salt, info, length) => {
        expect(toHex(runtime.hkdf(ikm, salt, info, length + 1))).toBe(
          toHex(portableRuntime.hkdf(ikm, salt, info, length + 1)),
        )
      }),
    )
  })

  it.runIf(runtime.argon2id)('by Argon2id gives the same bytes natively and in our kernel', async () => {
    const password = fc.uint8Array({ maxLength: 100 })
    const salt = fc.uint8Array({ minLength: 8, maxLength: 64 })
    const costs = { memoryKiB: fc.integer({ min: 64, max: 500 }), passes: fc.integer({ min: 1, max: 3 }) }
    await fc.assert(
      fc.asyncProperty(
        fc.record({ password, salt, ...costs, lanes: fc.integer({ min: 1, max: 4 }) }),
        async (input) => {
          expect(toHex(await runtime.argon2id!(input))).toBe(toHex(argon2id(input)))
        },
      ),
      { numRuns: 40 },
    )
  })
})

it('frees memory that nothing else is in, and no other', () => {
  const [one, other] = [Buffer.from('one'), Buffer.from('other')]
  expect(one.buffer).toBe(other.buffer)
  free(owned(one))
  expect(`${one} ${other}`).toBe('one other')
  // As zlib gives it: with a byte of room at its end.
  const large = Buffer.allocUnsafeSlow(100_001).subarray(0, 100_000)
  const bytes = owned(large)
  expect(bytes.buffer).toBe(large.buffer)
  free(bytes)
  expect(bytes.length).toBe('transfer' in ArrayBuffer.prototype ? 0 : 100_000)
})
