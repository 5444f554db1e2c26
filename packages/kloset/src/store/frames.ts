import { type Bytes, toHex } from '../bytes/index.js'
import type { Call, Storage } from '../connector/index.js'
import type { Keyring } from '../crypto/index.js'
import { isKlosetError } from '../errors.js'
import type { FrameRef } from '../index/index.js'
import { PackOpener, packObject } from '../pack/index.js'
import { packHeaderLength } from '../pack/reader.js'
import { readSoundly } from '../storage/index.js'
import type { StoreCache } from './cache/index.js'

/** A frame that starts within so many bytes is read together with its pack's header. */
const nearStart = 256 * 1024

/** The longest header that a pack can have. */
const mostHeader = 1_024

/** The raw bytes of a frame, and whether they come from this machine's cache. */
export interface OpenFrame {
  readonly raw: Bytes
  readonly kept: boolean
}

/** Reads and opens single frames of packs, those of metadata through the cache. */
export class FrameReader {
  readonly #storage: Storage
  readonly #keyring: Keyring
  readonly #cache: StoreCache | undefined
  readonly #distrusted = new Set<string>()
  readonly #packs = new Map<string, { readonly opener: PackOpener; readonly header: Bytes }>()

  constructor(storage: Storage, keyring: Keyring, cache: StoreCache | undefined) {
    this.#storage = storage
    this.#keyring = keyring
    this.#cache = cache
  }

  /** A frame from the storage. @throws KLOSET_PACK_CORRUPT, and what the storage throws */
  async read(ref: FrameRef, how: Call): Promise<OpenFrame> {
    return { raw: (await this.#read(ref, how)).raw, kept: false }
  }

  /** A frame of metadata: from the cache, or else from the storage into the cache. Throws as `read`. */
  async readKept(ref: FrameRef, how: Call): Promise<OpenFrame> {
    const cache = this.#cache
    if (cache === undefined || this.#distrusted.has(frameName(ref))) return this.read(ref, how)
    const raw = this.#tryKept(cache, ref)
    if (raw !== undefined) return { raw, kept: true }
    const { raw: read, sealed } = await this.#read(ref, how)
    cache.keep(frameName(ref), this.#packs.get(packObject(ref.pack))!.header, sealed)
    return { raw: read, kept: false }
  }

  /** Lets go of what the cache has of a frame: it turned out to be something else. */
  dropKept(ref: FrameRef): void {
    const name = packObject(ref.pack)
    this.#packs.delete(name)
    // Where the cache can be read and not written to, it would be found there again.
    this.#distrusted.add(frameName(ref))
    this.#cache?.drop(frameName(ref))
    this.#cache?.drop(name)
  }

  #tryKept(cache: StoreCache, ref: FrameRef): Bytes | undefined {
    try {
      const found = keptInPack(cache, ref) ?? keptAlone(cache, ref)
      return found === undefined ? undefined : this.#open(ref, found)
    } catch (error) {
      if (!isKlosetError(error)) throw error
      this.dropKept(ref)
      return undefined
    }
  }

  #read(ref: FrameRef, how: Call): Promise<{ readonly raw: Bytes; readonly sealed: Uint8Array }> {
    return readSoundly(
      () => this.#fetch(ref, how),
      (fetched) => {
        try {
          return { raw: this.#open(ref, fetched), sealed: fetched.sealed }
        } catch (error) {
          // It may be the header that is wrong.
          this.#packs.delete(packObject(ref.pack))
          throw error
        }
      },
    )
  }

  async #fetch(ref: FrameRef, how: Call): Promise<SealedFrame> {
    const name = packObject(ref.pack)
    const end = ref.offset + ref.sealedLength
    const get = (offset: number, length: number): Promise<Uint8Array> =>
      this.#storage.get(name, { ...how, range: { offset, length } })
    const known = this.#packs.get(name)?.header
    if (known === undefined && ref.offset < nearStart) {
      const start = await get(0, end)
      return { start, sealed: start.subarray(ref.offset) }
    }
    const [start, sealed] = await Promise.all([known ?? get(0, packHeaderLength), get(ref.offset, ref.sealedLength)])
    return { start, sealed }
  }

  #open(ref: FrameRef, { start, sealed }: SealedFrame): Bytes {
    const name = packObject(ref.pack)
    let pack = this.#packs.get(name)
    if (pack === undefined) {
      const opener = new PackOpener(this.#keyring, ref.pack, start)
      pack = { opener, header: start.slice(0, opener.headerLength) as Bytes }
      this.#packs.set(name, pack)
    }
    return pack.opener.frameBytes(ref.ordinal, sealed, ref.rawLength)
  }
}

/** A frame as it is stored, and the beginning of its pack, of which only the header counts. */
interface SealedFrame {
  readonly start: Uint8Array
  readonly sealed: Uint8Array
}

/** Packs that this machine wrote are kept whole. */
function keptInPack(cache: StoreCache, ref: FrameRef): SealedFrame | undefined {
  const file = cache.open(packObject(ref.pack))
  if (file === undefined) return undefined
  try {
    const start = new Uint8Array(Math.min(ref.offset, mostHeader))
    const sealed = new Uint8Array(ref.sealedLength)
    file.read(start, 0)
    file.read(sealed, ref.offset)
    return { start, sealed }
  } finally {
    file.close()
  }
}

/** Of other packs the frames that were needed: the header of the pack, and after it the frame. */
function keptAlone(cache: StoreCache, ref: FrameRef): SealedFrame | undefined {
  const bytes = cache.read(frameName(ref))
  if (bytes === undefined) return undefined
  const from = Math.max(0, bytes.length - ref.sealedLength)
  return { start: bytes.subarray(0, from), sealed: bytes.subarray(from) }
}

function frameName(ref: FrameRef): string {
  return `frames/${toHex(ref.pack)}/${ref.ordinal}`
}
