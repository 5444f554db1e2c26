import { toHex } from '../bytes/index.js'
import type { IndexTable } from '../index/index.js'

/** What cannot be read: frames, and single blobs of frames that otherwise can. */
export class Lost {
  readonly #index: IndexTable
  readonly #frames = new Set<string>()
  readonly #packs = new Set<string>()
  readonly #blobs = new Set<string>()
  readonly #purged = new Set<string>()

  constructor(index: IndexTable) {
    this.#index = index
  }

  /** How much is lost. */
  get count(): number {
    return this.#frames.size + this.#packs.size + this.#blobs.size + this.#purged.size
  }

  /** The log says that this pack is gone: no snapshot may need it. */
  purged(name: Uint8Array): void {
    this.#purged.add(toHex(name))
  }

  /** Whether a blob is in nothing but purged packs: even if it can still be read. */
  isPurged(id: Uint8Array): boolean {
    if (this.#purged.size === 0) return false
    const places = this.#index.locateAll(id)
    return places.length > 0 && places.every(({ frame }) => this.#purged.has(toHex(frame.pack)))
  }

  pack(name: Uint8Array): void {
    this.#packs.add(toHex(name))
  }

  frame(pack: Uint8Array, ordinal: number): void {
    this.#frames.add(`${toHex(pack)} ${ordinal}`)
  }

  blob(pack: Uint8Array, id: Uint8Array): void {
    this.#blobs.add(`${toHex(pack)} ${toHex(id)}`)
  }

  /**
   * How long the blob with this id is where it can still be read; undefined where no place of it is left. Unknown ids count as lost.
   */
  lengthOf(id: Uint8Array): number | undefined {
    if (this.count === 0) return this.#index.locate(id)?.length
    for (const { frame, length } of this.#index.locateAll(id)) {
      const pack = toHex(frame.pack)
      if (this.#packs.has(pack) || this.#purged.has(pack) || this.#frames.has(`${pack} ${frame.ordinal}`)) continue
      if (!this.#blobs.has(`${pack} ${toHex(id)}`)) return length
    }
    return undefined
  }

  /** Whether the store ever had it: then it was lost, otherwise it was never there. */
  knows(id: Uint8Array): boolean {
    return this.#index.locate(id) !== undefined
  }
}
