import { type Bytes, utf8 } from '../bytes/index.js'
import { runtime } from '../runtime/index.js'

/** HKDF-SHA-256 (RFC 5869): `length` bytes from the key `ikm` for one use, which `info` names. */
export function hkdf(ikm: Uint8Array, salt: Uint8Array, info: string, length = 32): Bytes {
  return runtime.hkdf(ikm, salt, utf8(info), length)
}

/** `K(secret, label)` of the format: the key of a store's secret, or of an epoch's master key, for one use. */
export function subkey(secret: Uint8Array, storeId: Uint8Array, label: string, length = 32): Bytes {
  return hkdf(secret, storeId, `kloset/v1/${label}`, length)
}
