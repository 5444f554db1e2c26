import * as crypto from 'node:crypto'
import type { Bytes } from '../../bytes/index.js'
import type { Argon2Input } from '../types.js'

/** HKDF by OpenSSL: in a short command the portable one takes 10 ms until it is compiled. */
export function hkdf(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Bytes {
  return new Uint8Array(crypto.hkdfSync('sha256', ikm, salt, info, length))
}

// Not among the types of Node 20, which does not have it either.
type Argon2 = (
  algorithm: 'argon2id',
  parameters: Readonly<Record<'message' | 'nonce', Uint8Array>> &
    Readonly<Record<'parallelism' | 'tagLength' | 'memory' | 'passes', number>>,
  done: (error: Error | null, key: Buffer) => void,
) => void

const { argon2 } = crypto as { readonly argon2?: Argon2 }

/** Argon2id by OpenSSL from 3.2 on, with Node from 24.7 on: on threads that are there anyway, where ours would have to be started. */
export const argon2id: ((input: Argon2Input) => Promise<Bytes>) | undefined =
  argon2 &&
  (({ password, salt, memoryKiB, passes, lanes }) =>
    new Promise((resolve, reject) => {
      const parameters = {
        message: password,
        nonce: salt,
        parallelism: lanes,
        memory: memoryKiB,
        passes,
        tagLength: 32,
      }
      argon2('argon2id', parameters, (error, key) => (error ? reject(error) : resolve(new Uint8Array(key))))
    }))
