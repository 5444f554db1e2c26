import { type Bytes, utf8 } from '../bytes/index.js'
import { KlosetError } from '../errors.js'
import { hasArgon2 } from '../kernels/argon2.js'
import { type Argon2Input, runtime } from '../runtime/index.js'
import { argon2id, argon2idMemory, argon2idPart } from './argon2.js'

/** What trying one passphrase costs (Argon2id, RFC 9106). */
export interface Argon2Costs {
  readonly memoryKiB: number
  readonly passes: number
  readonly lanes: number
}

/** What writers use unless told otherwise: the second recommendation of RFC 9106, §4. A lane takes 0.08 s on the machines of 2024. */
export const defaultCosts: Argon2Costs = { memoryKiB: 65_536, passes: 3, lanes: 4 }

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
 * however a keyboard composes its accents. Blocks the thread while it computes, unless {@link derivesElsewhere}.
 * @throws RangeError for costs that {@link refusedCosts} refuses; KLOSET_LIMIT where there is not enough memory
 */
export async function passphraseKey(passphrase: string, salt: Uint8Array, costs: Argon2Costs): Promise<Bytes> {
  refuse(costs)
  const input = inputOf(passphrase, salt, costs)
  // Whatever went wrong there: a runtime may say that it has it, and be told by its system that it must not.
  const native = await runtime.argon2id?.(input).catch(() => undefined)
  return native ?? withinMemory(costs, () => (hasArgon2() ? argon2id(input) : portableArgon2id(input)))
}

/** Whether the runtime computes {@link passphraseKey} on threads of its own. */
export const derivesElsewhere: boolean = runtime.argon2id !== undefined

/**
 * Memory in which threads compute one key together: all call {@link passphraseKeyPart} with it. Undefined where the kernel does not run,
 * so that one thread does it by itself.
 * @throws as {@link passphraseKey}
 */
export async function passphraseMemory(costs: Argon2Costs): Promise<WebAssembly.Memory | undefined> {
  refuse(costs)
  return hasArgon2() ? withinMemory(costs, () => argon2idMemory(costs)) : undefined
}

/** A thread's part of {@link passphraseKey}: of those that take part, one gets the key. See {@link argon2idPart}. */
export function passphraseKeyPart(
  passphrase: string,
  salt: Uint8Array,
  costs: Argon2Costs,
  memory: WebAssembly.Memory,
  counters: Int32Array,
): Bytes | undefined {
  return argon2idPart(inputOf(passphrase, salt, costs), memory, counters)
}

/** The same where the kernel does not run, in about one and a half times the time. */
export async function portableArgon2id({ password, salt, memoryKiB, passes, lanes }: Argon2Input): Promise<Bytes> {
  const { argon2id } = await import('hash-wasm')
  const costs = { memorySize: memoryKiB, iterations: passes, parallelism: lanes, hashLength: 32 }
  return new Uint8Array(await argon2id({ password, salt, ...costs, outputType: 'binary' }))
}

function refuse(costs: Argon2Costs): void {
  const refused = refusedCosts(costs)
  if (refused !== undefined) throw new RangeError(`Argon2id with ${refused}`)
}

function inputOf(passphrase: string, salt: Uint8Array, costs: Argon2Costs): Argon2Input {
  return { password: utf8(passphrase.normalize('NFC')), salt, ...costs }
}

async function withinMemory<T>({ memoryKiB }: Argon2Costs, compute: () => T | Promise<T>): Promise<T> {
  try {
    return await compute()
  } catch (cause) {
    if (!(cause instanceof RangeError) && !(cause instanceof WebAssembly.RuntimeError)) throw cause
    throw new KlosetError('KLOSET_LIMIT', `Not enough memory for the ${memoryKiB} KiB this passphrase needs`, {
      hint: 'Free some memory, or unlock with a slot of lower costs.',
      cause,
    })
  }
}

function isBetween(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most
}
