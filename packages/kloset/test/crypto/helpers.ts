import type { Bytes } from '../../src/bytes/index.js'
import { createKeyring, type Encryption, type Keyring, plaintextMaterial } from '../../src/crypto/index.js'
import { isKlosetError, type KlosetErrorCode } from '../../src/errors.js'

/** Bytes that count up from `first`: fixed, and different for each use. */
export function counted(length: number, first = 0): Bytes {
  return new Uint8Array(length).map((_, i) => first + i)
}

/** A keyring with fixed keys of three epochs. */
export function fixedKeyring(encryption: Encryption = 'aes-256-gcm'): Keyring {
  const storeId = counted(16, 0x10)
  if (encryption === 'none') return createKeyring(plaintextMaterial(storeId))
  const epochs = [counted(32, 0x60), counted(32, 0x80), counted(32, 0xa0)]
  return createKeyring({ encryption, storeId, secret: counted(32, 0x30), auth: counted(32, 0xc0), epochs })
}

/** A source of "random" bytes that gives the same ones each time. */
export function fixedRandom(first = 1): (length: number) => Bytes {
  let next = first
  return (length) => new Uint8Array(length).map(() => next++)
}

/** The code `act` fails with, or what it gives. */
export function codeOf(act: () => unknown): KlosetErrorCode | unknown {
  try {
    return act()
  } catch (error) {
    return isKlosetError(error) ? error.code : error
  }
}

/** As {@link codeOf}, of a promise. */
export async function codeOfAsync(act: () => Promise<unknown>): Promise<KlosetErrorCode | unknown> {
  try {
    return await act()
  } catch (error) {
    return isKlosetError(error) ? error.code : error
  }
}

/** Every array that differs from `bytes` in one byte. */
export function* mutations(bytes: Uint8Array, step = 1): Generator<Bytes> {
  for (let at = 0; at < bytes.length; at += step) {
    const changed = new Uint8Array(bytes)
    changed[at]! ^= 1 << (at & 7)
    yield changed
  }
}

/** The cheapest Argon2id that readers accept. */
export const cheap = { memoryKiB: 8_192, passes: 1, lanes: 1 }
