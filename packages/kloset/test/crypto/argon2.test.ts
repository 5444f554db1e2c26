import { argon2id as noble } from '@noble/hashes/argon2.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../src/bytes/index.js'
import { argon2id } from '../../src/crypto/argon2.js'
import { portableArgon2id } from '../../src/crypto/passphrase.js'

const inputs = fc.record({
  password: fc.uint8Array({ minLength: 1, maxLength: 200 }),
  // Where one implementation refuses shorter ones, the other two are not asked.
  salt: fc.uint8Array({ minLength: 8, maxLength: 64 }),
  // Down to two blocks a segment, and odd sizes that do not divide into lanes.
  memoryKiB: fc.integer({ min: 32, max: 700 }),
  passes: fc.integer({ min: 1, max: 4 }),
  lanes: fc.integer({ min: 1, max: 4 }),
})

describe('Argon2id kernel', () => {
  it('agrees with two other implementations', async () => {
    await fc.assert(
      fc.asyncProperty(inputs, async (input) => {
        const { password, salt, memoryKiB, passes, lanes } = input
        const expected = toHex(noble(password, salt, { m: memoryKiB, t: passes, p: lanes, dkLen: 32 }))
        expect(toHex(argon2id(input))).toBe(expected)
        expect(toHex(await portableArgon2id(input))).toBe(expected)
      }),
      { numRuns: 60 },
    )
  })

  it('agrees with the portable one at the costs of a store', async () => {
    const input = { password: Uint8Array.of(1, 2, 3), salt: new Uint8Array(16).fill(7), memoryKiB: 65_536, passes: 3 }
    // More than 128 blocks a segment, so that its addresses come in several blocks.
    const ours = argon2id({ ...input, lanes: 1 })
    expect(toHex(ours)).toBe(toHex(await portableArgon2id({ ...input, lanes: 1 })))
  })

  it('tells of too little memory as a RangeError', () => {
    const input = { password: new Uint8Array(1), salt: new Uint8Array(16), passes: 1, lanes: 1 }
    expect(() => argon2id({ ...input, memoryKiB: 5 * 1024 * 1024 })).toThrow(RangeError)
  })
})
