import type { BlobIndex, BlobPlace } from './blob-index.js'
import { blobMissing, damaged, isDamage, noRepository } from './errors.js'
import type { Layout } from './layout.js'
import { loadHeaders } from './load-index.js'
import { type Objects, sha256 } from './objects.js'
import { Packs } from './packs.js'
import { Recent } from './recent.js'
import { decrypt, openSealed, sealedExtra } from './sealed.js'

/** Trees that are kept: snapshots have most of theirs in common. */
const mostTrees = 64 * 1024 * 1024

/** Reads blobs by their ids. Whatever it gives has the digest that it is named by. */
export class Blobs {
  readonly #objects: Objects
  readonly #layout: Layout
  readonly #index: BlobIndex
  readonly #packs: Packs
  readonly #warn: (message: string) => void
  readonly #trees = new Recent<string, Uint8Array>(mostTrees)
  #headers: Promise<void> | undefined

  constructor(objects: Objects, layout: Layout, index: BlobIndex, warn: (message: string) => void) {
    this.#objects = objects
    this.#layout = layout
    this.#index = index
    this.#packs = new Packs(objects.storage, layout, index)
    this.#warn = warn
  }

  /** The JSON of a directory. */
  async tree(id: string, signal: AbortSignal): Promise<Uint8Array> {
    const known = this.#trees.get(id)
    if (known !== undefined) return known
    const tree = await this.#read(id, true, signal)
    this.#trees.set(id, tree, tree.length)
    return tree
  }

  /** A part of a file. */
  data(id: string, signal: AbortSignal): Promise<Uint8Array> {
    return this.#read(id, false, signal)
  }

  /** How many bytes blobs have together; undefined where that is not known of one. */
  sizeOf(ids: readonly string[]): number | undefined {
    let sum = 0
    for (const id of ids) {
      const size = this.#index.sizeOf(id)
      if (size === undefined) return undefined
      sum += size
    }
    return sum
  }

  /** Of a blob that is in several packs, one that is whole is enough. */
  async #read(id: string, isTree: boolean, signal: AbortSignal): Promise<Uint8Array> {
    const failures: unknown[] = []
    const tried = this.#index.places(id)
    for (const place of tried) {
      const blob = await this.#at(place, id, isTree, failures, signal)
      if (blob !== undefined) return blob
    }
    await this.#readHeaders(signal)
    for (const place of this.#index.places(id).slice(tried.length)) {
      const blob = await this.#at(place, id, isTree, failures, signal)
      if (blob !== undefined) return blob
    }
    await this.#requireRepository(signal)
    throw failures[0] ?? blobMissing(id)
  }

  async #at(
    place: BlobPlace,
    id: string,
    isTree: boolean,
    failures: unknown[],
    signal: AbortSignal,
  ): Promise<Uint8Array | undefined> {
    try {
      const sealed = await this.#packs.sealed(place, isTree, signal)
      return this.#open(sealed, place, id)
    } catch (error) {
      if (!isDamage(error)) throw error
      failures.push(error)
      return undefined
    }
  }

  /** A disk that was taken away holds no packs either, which must not be taken for damage. */
  async #requireRepository(signal: AbortSignal): Promise<void> {
    const { storage } = this.#objects
    if ((await storage.stat('config', { signal })) === undefined) throw noRepository(storage.location)
  }

  /**
   * What is not compressed is decrypted and compared with its digest, which proves more than a MAC would, and several times faster. What is compressed is
   * authenticated first, so that nothing unproven gets to be decompressed.
   */
  #open(sealed: Uint8Array, { pack, rawLength }: BlobPlace, id: string): Uint8Array {
    const { keys, zstd } = this.#objects
    const broken = (why: string): Error =>
      damaged('KLOSET_PACK_CORRUPT', this.#layout.pack(pack), `blob ${id.slice(0, 16)}… ${why}`)
    if (sealed.length < sealedExtra) throw broken('is too short')
    const opened = rawLength === 0 ? decrypt(keys, sealed) : openSealed(keys, sealed)
    if (opened === undefined) throw broken('does not authenticate')
    const raw = rawLength === 0 ? opened : zstd.decode(opened, rawLength)
    if (raw === undefined) throw broken('does not decompress')
    if (sha256(raw) !== id) throw broken('is not what its name says')
    return raw
  }

  /** Once: it reads the end of every pack that no index tells of. */
  #readHeaders(signal: AbortSignal): Promise<void> {
    this.#headers ??= loadHeaders(this.#objects, this.#layout, this.#index, signal, this.#warn).catch((error) => {
      this.#headers = undefined
      throw error
    })
    return this.#headers
  }
}
