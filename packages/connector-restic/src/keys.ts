import { scrypt } from 'node:crypto'
import { abortable, type Storage } from 'kloset/connector'
import { damaged, isDamage, wrongPassword } from './errors.js'
import { type Fields, fieldsOf, jsonOf } from './json.js'
import type { Layout } from './layout.js'
import { openSealed, type SealKeys } from './sealed.js'

/** The keys of the whole repository, which each of its key files holds, sealed with a password. */
export async function masterKeys(
  storage: Storage,
  layout: Layout,
  ids: readonly string[],
  password: string,
  signal: AbortSignal,
): Promise<SealKeys> {
  let broken: unknown
  let work = 0
  for (const id of ids) {
    try {
      const object = layout.keys + id
      const file = keyFile(object, await storage.get(object, { signal, range: undefined }))
      work += file.N * file.r * file.p
      if (work > mostWork) throw damaged('KLOSET_KEY_CORRUPT', object, 'trying it would cost too much')
      const keys = await abortable(signal, derived(password, file))
      const opened = openSealed(keys, file.data)
      if (opened !== undefined) return masterKey(object, opened)
    } catch (error) {
      if (!isDamage(error)) throw error
      broken = error
    }
  }
  // What is left to blame: the password, unless every key is damaged.
  if (broken !== undefined && ids.length === 1) throw broken
  throw wrongPassword(storage.location, ids.length)
}

interface KeyFile {
  readonly N: number
  readonly r: number
  readonly p: number
  readonly salt: Uint8Array
  readonly data: Uint8Array
}

// Restic asks for 32 MiB; a forged file must not take all the memory there is.
const mostMemory = 1024 * 1024 * 1024

/**
 * N × r × p of all key files that are tried, about fifteen seconds: restic's own has 1 to 3 million. Anybody who can write to the repository can
 * add key files, and choose their costs.
 */
const mostWork = 2 ** 26

function keyFile(object: string, bytes: Uint8Array): KeyFile {
  const fields = jsonOf('KLOSET_KEY_CORRUPT', object, bytes)
  const { kdf, N, r, p } = fields
  if (kdf !== 'scrypt') throw damaged('KLOSET_KEY_CORRUPT', object, 'it is not made with scrypt')
  const small = [N, r, p].every((cost) => Number.isSafeInteger(cost) && (cost as number) > 0)
  if (!small || 128 * (N as number) * (r as number) > mostMemory || (p as number) > 1024)
    throw damaged('KLOSET_KEY_CORRUPT', object, 'its costs are out of bounds')
  const salt = bytesIn(fields, 'salt')
  const data = bytesIn(fields, 'data')
  return { N: N as number, r: r as number, p: p as number, salt, data }
}

function derived(password: string, { N, r, p, salt }: KeyFile): Promise<SealKeys> {
  return new Promise((resolve, reject) => {
    scrypt(password, salt, 64, { N, r, p, maxmem: 2 * mostMemory }, (error, bytes) => {
      if (error) reject(error)
      else resolve({ encrypt: bytes.subarray(0, 32), k: bytes.subarray(32, 48), r: bytes.subarray(48, 64) })
    })
  })
}

function masterKey(object: string, opened: Uint8Array): SealKeys {
  const fields = jsonOf('KLOSET_KEY_CORRUPT', object, opened)
  const mac = fieldsOf(fields.mac)
  const keys = { encrypt: bytesIn(fields, 'encrypt'), k: bytesIn(mac, 'k'), r: bytesIn(mac, 'r') }
  if (keys.encrypt.length === 32 && keys.k.length === 16 && keys.r.length === 16) return keys
  throw damaged('KLOSET_KEY_CORRUPT', object, 'its keys are of other lengths')
}

function bytesIn(fields: Fields, name: string): Uint8Array {
  const value = fields[name]
  return typeof value === 'string' ? Buffer.from(value, 'base64') : new Uint8Array()
}
