import { createCipheriv, createDecipheriv } from 'node:crypto'
import { type Bytes, free, MalformedError } from '../../bytes/index.js'
import { type Aead, type AeadName, tagLength } from '../types.js'
import { owned } from './buffers.js'

/** Authenticated encryption by OpenSSL: several GiB/s with AES instructions. */
export function aead(name: AeadName): Aead {
  return aeads[name]
}

const aeads: Readonly<Record<AeadName, Aead>> = {
  'aes-256-gcm': createAead('aes-256-gcm'),
  'chacha20-poly1305': createAead('chacha20-poly1305'),
}

// OpenSSL's output always comes in a Buffer of its own. Pieces of this size stay in the processor's cache until they are copied.
const piece = 64 * 1024

/** Copies a piece of output to where it belongs. Its memory is for the next piece. */
function take(output: Uint8Array, out: Uint8Array, at: number): void {
  out.set(output, at)
  free(owned(output))
}

function createAead(name: AeadName): Aead {
  // Node types the two ciphers apart, though they are used in the same way.
  const cipher = name as 'aes-256-gcm'
  const options = { authTagLength: tagLength }

  function sealInto(
    key: Uint8Array,
    nonce: Uint8Array,
    ad: Uint8Array,
    plaintext: Uint8Array,
    out: Uint8Array,
  ): number {
    const length = plaintext.length
    const sealing = createCipheriv(cipher, key, nonce, options)
    sealing.setAAD(ad, { plaintextLength: length })
    for (let at = 0; at < length; at += piece) take(sealing.update(plaintext.subarray(at, at + piece)), out, at)
    sealing.final()
    out.set(sealing.getAuthTag(), length)
    return length + tagLength
  }

  function openInto(key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, sealed: Uint8Array, out: Uint8Array): number {
    const length = sealed.length - tagLength
    if (length < 0) throw new MalformedError('sealed bytes are shorter than their tag')
    const opening = createDecipheriv(cipher, key, nonce, options)
    opening.setAAD(ad, { plaintextLength: length })
    opening.setAuthTag(sealed.subarray(length))
    for (let at = 0; at < length; at += piece) {
      take(opening.update(sealed.subarray(at, Math.min(at + piece, length))), out, at)
    }
    try {
      opening.final()
    } catch (cause) {
      throw new MalformedError('sealed bytes fail authentication', { cause })
    }
    return length
  }

  return {
    seal(key, nonce, ad, plaintext) {
      const out: Bytes = new Uint8Array(plaintext.length + tagLength)
      sealInto(key, nonce, ad, plaintext, out)
      return out
    },

    open(key, nonce, ad, sealed) {
      const out: Bytes = new Uint8Array(Math.max(0, sealed.length - tagLength))
      openInto(key, nonce, ad, sealed, out)
      return out
    },

    sealInto,
    openInto,
  }
}
