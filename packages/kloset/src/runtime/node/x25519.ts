import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from 'node:crypto'
import type { Bytes } from '../../bytes/index.js'
import type { X25519 } from '../types.js'
import { owned } from './buffers.js'

// What comes before the 32 bytes of a key in DER (RFC 8410 §7, §4).
const privatePrefix = Buffer.from('302e020100300506032b656e04220420', 'hex')
const publicPrefix = Buffer.from('302a300506032b656e032100', 'hex')

/** X25519 by OpenSSL: 0.1 ms, where the first use of the portable one costs 100 ms. */
export const x25519: X25519 = {
  publicKeyOf(privateKey: Uint8Array): Bytes {
    const der = createPublicKey(privateKeyOf(privateKey)).export({ format: 'der', type: 'spki' })
    return owned(der.subarray(publicPrefix.length))
  },
  sharedSecret(privateKey: Uint8Array, publicKey: Uint8Array): Bytes {
    const key = Buffer.concat([publicPrefix, publicKey])
    return owned(
      diffieHellman({
        privateKey: privateKeyOf(privateKey),
        publicKey: createPublicKey({ key, format: 'der', type: 'spki' }),
      }),
    )
  },
}

function privateKeyOf(bytes: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([privatePrefix, bytes]), format: 'der', type: 'pkcs8' })
}
