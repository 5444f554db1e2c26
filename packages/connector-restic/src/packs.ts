import type { Storage } from 'kloset/connector'
import type { BlobIndex, BlobPlace } from './blob-index.js'
import type { Layout } from './layout.js'
import { Recent } from './recent.js'

/** What is read of a pack at first, and at most at a time. */
const firstRead = 512 * 1024
const mostRead = 8 * 1024 * 1024

/** Packs of restic have 4 or 16 MiB, and a little more; those that are told to be larger are not read whole. */
const mostWhole = 32 * 1024 * 1024

/** Parts of packs that are kept. */
const mostKept = 96 * 1024 * 1024

/** A part of a pack, or what will be one. */
interface Part {
  readonly offset: number
  readonly end: number
  readonly bytes: Promise<Uint8Array>
}

/**
 * Reads parts of packs, more than is asked for: restic puts files one after the other, as they are asked for here. Who goes on where the last part
 * of a pack ended gets twice as much the next time.
 */
export class Packs {
  readonly #storage: Storage
  readonly #layout: Layout
  readonly #index: BlobIndex
  // The part of each pack that was read last.
  readonly #parts = new Recent<string, Part>(mostKept)

  constructor(storage: Storage, layout: Layout, index: BlobIndex) {
    this.#storage = storage
    this.#layout = layout
    this.#index = index
  }

  /** The sealed bytes of a blob. With `whole`, the rest of the pack is likely to be asked for too. */
  async sealed(place: BlobPlace, whole: boolean, signal: AbortSignal): Promise<Uint8Array> {
    signal.throwIfAborted()
    const { pack, offset, length } = place
    let part = this.#parts.get(pack)
    if (part === undefined || offset < part.offset || offset + length > part.end) {
      part = this.#read(place, whole, part, signal)
      this.#parts.set(pack, part, part.end - part.offset)
      part.bytes.catch(() => this.#parts.delete(pack))
    }
    const bytes = await part.bytes
    return bytes.subarray(offset - part.offset, offset - part.offset + length)
  }

  #read(place: BlobPlace, whole: boolean, last: Part | undefined, signal: AbortSignal): Part {
    const { pack, offset, length } = place
    const end = this.#index.endOf(pack)
    const goesOn = last !== undefined && offset >= last.offset && offset <= last.end + firstRead
    const wanted = goesOn ? Math.min(mostRead, 2 * (last.end - last.offset)) : firstRead
    const part =
      whole && end <= mostWhole ? { offset: 0, end } : { offset, end: Math.min(end, offset + Math.max(length, wanted)) }
    const range = { offset: part.offset, length: part.end - part.offset }
    return { ...part, bytes: this.#storage.get(this.#layout.pack(pack), { signal, range }) }
  }
}
