import { gcm } from '@noble/ciphers/aes.js'
import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { type Bytes, MalformedError } from '../../bytes/index.js'
import { type Aead, type AeadName, tagLength } from '../types.js'

/** Authenticated encryption in JavaScript: correct everywhere, tens of MiB/s. */
export function aead(name: AeadName): Aead {
  return aeads[name]
}

const aeads: Readonly<Record<AeadName, Aead>> = {
  'aes-256-gcm': createAead(gcm),
  'chacha20-poly1305': createAead(chacha20poly1305),
}

function createAead(cipher: typeof gcm | typeof chacha20poly1305): Aead {
  function seal(key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, plaintext: Uint8Array): Bytes {
    return cipher(key, nonce, ad).encrypt(plaintext)
  }

  function open(key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, sealed: Uint8Array): Bytes {
    if (sealed.length < tagLength) throw new MalformedError('sealed bytes are shorter than their tag')
    try {
      return cipher(key, nonce, ad).decrypt(sealed)
    } catch (cause) {
      throw new MalformedError('sealed bytes fail authentication', { cause })
    }
  }

  return {
    seal,
    open,

    sealInto(key, nonce, ad, plaintext, out) {
      const sealed = seal(key, nonce, ad, plaintext)
      out.set(sealed)
      return sealed.length
    },

    openInto(key, nonce, ad, sealed, out) {
      const plaintext = open(key, nonce, ad, sealed)
      out.set(plaintext)
      return plaintext.length
    },
  }
}
