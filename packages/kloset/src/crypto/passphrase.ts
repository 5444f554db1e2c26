import { type Bytes, utf8 } from '../bytes/index.js'
import { KlosetError } from '../errors.js'
import { hasSimd } from '../kernels/module.js'
import { type Argon2Input, argon2id } from './argon2.js'

/** What trying one passphrase costs (Argon2id, RFC 9106). */
export interface Argon2Costs {
  readonly memoryKiB: number
  readonly passes: number
  readonly lanes: number
}

/** What writers use unless told otherwise: 0.3 s on the machines of 2024. */
export const defaultCosts: Argon2Costs = { memoryKiB: 65_536, passes: 3, lanes: 1 }

/**
 * Why `costs` are refused, or undefined. A hostile slot must not exhaust memory or time, and a weak one must not make
 * guessing cheap; so this is asked before anything is computed.
 */
export function refusedCosts({ memoryKiB, passes, lanes }: Argon2Costs): string | undefined {
  if (!isBetween(memoryKiB, 8 * 1024, 1024 * 1024))
    return `${memoryKiB} KiB of memory, where 8 MiB to 1 GiB are allowed`
  if (!isBetween(passes, 1, 16)) return `${passes} passes, where 1 to 16 are allowed`
  if (!isBetween(lanes, 1, 16)) return `${lanes} lanes, where 1 to 16 are allowed`
  if (memoryKiB * passes > 4 * 1024 * 1024)
    return `${memoryKiB} KiB × ${passes} passes, where 4 GiB together are allowed`
  return undefined
}

/**
 * The key of 32 bytes that follows from a passphrase: Argon2id of its UTF-8 in Unicode normalization form C, so that it is the same
 * however a keyboard composes its accents. Blocks the thread while it computes.
 * @throws RangeError for costs that {@link refusedCosts} refuses; KLOSET_LIMIT where there is not enough memory
 */
export async function passphraseKey(passphrase: string, salt: Uint8Array, costs: Argon2Costs): Promise<Bytes> {
  const refused = refusedCosts(costs)
  if (refused !== undefined) throw new RangeError(`Argon2id with ${refused}`)
  const input = { password: utf8(passphrase.normalize('NFC')), salt, ...costs }
  try {
    return hasSimd() ? argon2id(input) : await portableArgon2id(input)
  } catch (cause) {
    if (!(cause instanceof RangeError) && !(cause instanceof WebAssembly.RuntimeError)) throw cause
    throw new KlosetError('KLOSET_LIMIT', `Not enough memory for the ${costs.memoryKiB} KiB this passphrase needs`, {
      hint: 'Free some memory, or unlock with a slot of lower costs.',
      cause,
    })
  }
}

/** The same without SIMD, in about one and a half times the time. */
export async function portableArgon2id({ password, salt, memoryKiB, passes, lanes }: Argon2Input): Promise<Bytes> {
  const { argon2id } = await import('hash-wasm')
  const costs = { memorySize: memoryKiB, iterations: passes, parallelism: lanes, hashLength: 32 }
  return new Uint8Array(await argon2id({ password, salt, ...costs, outputType: 'binary' }))
}

function isBetween(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most
}
