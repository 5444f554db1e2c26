import { createHash } from 'node:crypto'
import type { KlosetErrorCode, Storage } from 'kloset/connector'
import { damaged } from './errors.js'
import { type Fields, jsonOf } from './json.js'
import { openSealed, type SealKeys } from './sealed.js'
import type { Zstd } from './zstd.js'

/** Reads the objects that are one sealed JSON each: the config, snapshots, indexes and locks. */
export class Objects {
  readonly storage: Storage
  readonly keys: SealKeys
  readonly zstd: Zstd

  constructor(storage: Storage, keys: SealKeys, zstd: Zstd) {
    this.storage = storage
    this.keys = keys
    this.zstd = zstd
  }

  /** The config, which is the only object that has no id. */
  config(signal: AbortSignal): Promise<Fields> {
    return this.#read('config', undefined, 'KLOSET_CONFIG_CORRUPT', signal)
  }

  /** @throws KlosetError of `code` where it is damaged, and what the storage throws */
  json(folder: string, id: string, code: KlosetErrorCode, signal: AbortSignal): Promise<Fields> {
    return this.#read(folder + id, id, code, signal)
  }

  async #read(object: string, id: string | undefined, code: KlosetErrorCode, signal: AbortSignal): Promise<Fields> {
    const stored = await this.storage.get(object, { signal, range: undefined })
    // The MAC does not tell which object it belongs to.
    if (id !== undefined && sha256(stored) !== id) throw damaged(code, object, 'it is not what its name says')
    const opened = openSealed(this.keys, stored)
    if (opened === undefined) throw damaged(code, object, 'it does not authenticate')
    return jsonOf(code, object, this.#unpacked(code, object, opened))
  }

  /** From version 2 on, the first byte may say that the rest is compressed; JSON itself starts with a brace or bracket. */
  #unpacked(code: KlosetErrorCode, object: string, opened: Uint8Array): Uint8Array {
    if (opened[0] !== compressed) return opened
    const raw = this.zstd.decodeUnknown(opened.subarray(1), mostBytes)
    if (raw === undefined) throw damaged(code, object, 'it does not decompress')
    return raw
  }
}

/** The digest of some bytes, in hexadecimal. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

const compressed = 2

// An index of restic's has some 10 MB; the longest text of JavaScript half a gigabyte.
const mostBytes = 512 * 1024 * 1024
