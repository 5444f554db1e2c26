import { type Bytes, equalBytes, toHex } from '../bytes/index.js'
import type { Call, Storage } from '../connector/index.js'
import type { Keyring } from '../crypto/index.js'
import { isKlosetError, KlosetError, type KlosetErrorCode } from '../errors.js'
import { keyedBlake3 } from '../hash/index.js'
import type { FrameRef, IndexTable, Location } from '../index/index.js'
import { packObject } from '../pack/index.js'
import type { StoreCache } from './cache/index.js'
import { FrameReader, type OpenFrame } from './frames.js'

/** How many bytes of opened frames are kept in memory. */
const cacheSize = 48 * 1024 * 1024

/** What helps a {@link BlobReader}. */
export interface BlobHelp {
  /** Frames of tree nodes are kept in it. */
  readonly cache?: StoreCache | undefined
  /** Gives the index as it is by now: asked before something is reported missing, since a prune may have moved it. */
  readonly catchUp?: (() => Promise<IndexTable>) | undefined
}

/**
 * Reads single blobs out of packs. Frames hold neighbours, so an opened frame is kept for the next read; two readers of one frame
 * share one request.
 */
export class BlobReader {
  readonly #keyring: Keyring
  #index: IndexTable
  readonly #reader: FrameReader
  readonly #catchUp: (() => Promise<IndexTable>) | undefined
  readonly #frames = new Map<string, { readonly frame: Promise<OpenFrame>; readonly size: number }>()
  #cached = 0

  constructor(storage: Storage, keyring: Keyring, index: IndexTable, { cache, catchUp }: BlobHelp = {}) {
    this.#keyring = keyring
    this.#index = index
    this.#reader = new FrameReader(storage, keyring, cache)
    this.#catchUp = catchUp
  }

  /** The chunk with this id. @throws KLOSET_CHUNK_MISSING, KLOSET_PACK_CORRUPT */
  chunk(id: Uint8Array, how: Call): Promise<Bytes> {
    return this.#blob(id, this.#keyring.chunkKey, (ref) => this.#reader.read(ref, how))
  }

  /** The tree or list node with this id. @throws KLOSET_CHUNK_MISSING, KLOSET_PACK_CORRUPT */
  node(id: Uint8Array, how: Call): Promise<Bytes> {
    return this.#blob(id, this.#keyring.nodeKey, (ref) => this.#reader.readKept(ref, how))
  }

  /**
   * Several locations of one id are legal: one that is damaged does no harm while another is whole. Where there is none, the log is read
   * again before that is told: what is there may have moved (protocol rule 14).
   */
  async #blob(id: Uint8Array, idKey: Uint8Array, read: ReadFrame): Promise<Bytes> {
    const tried = new Set<string>()
    let failure: unknown
    let asked = false
    for (;;) {
      for (const place of this.#places(id, !asked)) {
        const key = keyOf(place.frame)
        if (tried.has(key)) continue
        tried.add(key)
        try {
          return await this.#blobAt(place, id, idKey, read)
        } catch (error) {
          if (!isKlosetError(error) || !unusable.includes(error.code)) throw error
          failure ??= error
        }
      }
      if (asked || this.#catchUp === undefined) break
      asked = true
      this.#index = await this.#catchUp()
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

  /** What this machine keeps of the index may turn out damaged: catching up makes it anew. */
  #places(id: Uint8Array, first: boolean): readonly Location[] {
    try {
      return this.#index.locateAll(id)
    } catch (error) {
      if (!first || this.#catchUp === undefined || !isKlosetError(error, 'KLOSET_INDEX_CORRUPT')) throw error
      return []
    }
  }

  async #blobAt(
    { frame: ref, offset, length }: Location,
    id: Uint8Array,
    idKey: Uint8Array,
    read: ReadFrame,
  ): Promise<Bytes> {
    for (;;) {
      const { raw, kept } = await this.#frame(ref, read)
      const blob = raw.subarray(offset, offset + length)
      if (equalBytes(keyedBlake3(idKey, blob), id)) return blob as Bytes
      if (!kept) break
      // A whole frame of another pack, in the place of this one: the storage knows better than the cache.
      this.#reader.dropKept(ref)
      this.#drop(keyOf(ref))
    }
    const object = packObject(ref.pack)
    throw new KlosetError('KLOSET_PACK_CORRUPT', `${object} holds other bytes than its index says`, {
      context: { object, id: toHex(id) },
    })
  }

  #frame(ref: FrameRef, read: ReadFrame): Promise<OpenFrame> {
    const key = keyOf(ref)
    const found = this.#frames.get(key)
    if (found !== undefined) {
      this.#frames.delete(key)
      this.#frames.set(key, found)
      return found.frame
    }
    const frame = read(ref)
    this.#frames.set(key, { frame, size: ref.rawLength })
    this.#cached += ref.rawLength
    frame.catch(() => this.#drop(key))
    for (const oldest of this.#frames.keys()) {
      if (this.#cached <= cacheSize || oldest === key) break
      this.#drop(oldest)
    }
    return frame
  }

  #drop(key: string): void {
    const frame = this.#frames.get(key)
    if (frame === undefined) return
    this.#cached -= frame.size
    this.#frames.delete(key)
  }
}

type ReadFrame = (ref: FrameRef) => Promise<OpenFrame>

function keyOf({ pack, ordinal }: FrameRef): string {
  return `${toHex(pack)}/${ordinal}`
}

/** What a pack fails with that is damaged or gone; a version that is not known may be damage as well. */
const unusable: readonly KlosetErrorCode[] = ['KLOSET_PACK_CORRUPT', 'KLOSET_NOT_FOUND', 'KLOSET_VERSION']
