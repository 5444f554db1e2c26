import { type Bytes, equalBytes, toHex } from '../bytes/index.js'
import type { Call, Storage } from '../connector/index.js'
import type { Keyring } from '../crypto/index.js'
import { isKlosetError, KlosetError, type KlosetErrorCode } from '../errors.js'
import { keyedBlake3 } from '../hash/index.js'
import type { FrameRef, IndexTable } from '../index/index.js'
import { PackOpener, packObject } from '../pack/index.js'

/** How many bytes of opened frames are kept. */
const cacheSize = 48 * 1024 * 1024

/** A frame that starts within so many bytes is read together with its pack's header. */
const nearStart = 256 * 1024

/**
 * Reads single blobs out of packs. Frames hold neighbours, so an opened frame is kept for the next read; two readers of one frame
 * share one request.
 */
export class BlobReader {
  readonly #storage: Storage
  readonly #keyring: Keyring
  readonly #index: IndexTable
  readonly #frames = new Map<string, { bytes: Promise<Bytes>; size: number }>()
  readonly #openers = new Map<string, PackOpener>()
  #cached = 0

  constructor(storage: Storage, keyring: Keyring, index: IndexTable) {
    this.#storage = storage
    this.#keyring = keyring
    this.#index = index
  }

  /** The chunk with this id. @throws KLOSET_CHUNK_MISSING, KLOSET_PACK_CORRUPT */
  chunk(id: Uint8Array, how: Call): Promise<Bytes> {
    return this.#blob(id, this.#keyring.chunkKey, how)
  }

  /** The tree or list node with this id. @throws KLOSET_CHUNK_MISSING, KLOSET_PACK_CORRUPT */
  node(id: Uint8Array, how: Call): Promise<Bytes> {
    return this.#blob(id, this.#keyring.nodeKey, how)
  }

  /** Several locations of one id are legal: one that is damaged does no harm while another is whole. */
  async #blob(id: Uint8Array, idKey: Uint8Array, how: Call): Promise<Bytes> {
    let failure: unknown
    for (const place of this.#index.locateAll(id)) {
      try {
        const frame = await this.#frame(place.frame, how)
        const blob = frame.subarray(place.offset, place.offset + place.length)
        if (equalBytes(keyedBlake3(idKey, blob), id)) return blob as Bytes
        failure ??= new KlosetError(
          'KLOSET_PACK_CORRUPT',
          `${packObject(place.frame.pack)} holds other bytes than its index says`,
          {
            context: { object: packObject(place.frame.pack), id: toHex(id) },
          },
        )
      } catch (error) {
        if (!isKlosetError(error) || !unusable.includes(error.code)) throw error
        failure ??= error
      }
    }
    if (failure !== undefined) throw failure
    throw new KlosetError(
      'KLOSET_CHUNK_MISSING',
      `the store has no ${toHex(id).slice(0, 16)}… that a snapshot refers to`,
      {
        context: { id: toHex(id) },
        hint: 'Check the store to learn which files are concerned; another copy of the store may still have it.',
      },
    )
  }

  #frame(ref: FrameRef, how: Call): Promise<Bytes> {
    const key = `${toHex(ref.pack)}/${ref.ordinal}`
    const kept = this.#frames.get(key)
    if (kept !== undefined) {
      this.#frames.delete(key)
      this.#frames.set(key, kept)
      return kept.bytes
    }
    const bytes = this.#open(ref, how)
    this.#frames.set(key, { bytes, size: ref.rawLength })
    this.#cached += ref.rawLength
    bytes.catch(() => this.#drop(key))
    for (const oldest of this.#frames.keys()) {
      if (this.#cached <= cacheSize || oldest === key) break
      this.#drop(oldest)
    }
    return bytes
  }

  #drop(key: string): void {
    const frame = this.#frames.get(key)
    if (frame === undefined) return
    this.#cached -= frame.size
    this.#frames.delete(key)
  }

  async #open(ref: FrameRef, how: Call): Promise<Bytes> {
    const name = packObject(ref.pack)
    let opener = this.#openers.get(name)
    const end = ref.offset + ref.sealedLength
    if (opener === undefined && ref.offset < nearStart) {
      const start = await this.#storage.get(name, { ...how, range: { offset: 0, length: end } })
      opener = new PackOpener(this.#keyring, ref.pack, start)
      this.#openers.set(name, opener)
      return opener.frameBytes(ref.ordinal, start.subarray(ref.offset, end), ref.rawLength)
    }
    if (opener === undefined) {
      const header = await this.#storage.get(name, { ...how, range: { offset: 0, length: headerBytes } })
      opener = new PackOpener(this.#keyring, ref.pack, header)
      this.#openers.set(name, opener)
    }
    const sealed = await this.#storage.get(name, { ...how, range: { offset: ref.offset, length: ref.sealedLength } })
    return opener.frameBytes(ref.ordinal, sealed, ref.rawLength)
  }
}

/** What a pack fails with that is damaged or gone; a version that is not known may be damage as well. */
const unusable: readonly KlosetErrorCode[] = ['KLOSET_PACK_CORRUPT', 'KLOSET_NOT_FOUND', 'KLOSET_VERSION']

/** The header of every pack this format version makes. */
const headerBytes = 46
