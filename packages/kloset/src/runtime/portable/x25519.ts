import { x25519 as curve } from '@noble/curves/ed25519.js'
import type { X25519 } from '../types.js'

/** X25519 in plain JavaScript. */
export const x25519: X25519 = {
  publicKeyOf: (privateKey) => curve.getPublicKey(privateKey),
  sharedSecret: (privateKey, publicKey) => curve.getSharedSecret(privateKey, publicKey),
}
