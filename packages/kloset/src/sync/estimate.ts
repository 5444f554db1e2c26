import { fromHex, toHex } from '../bytes/index.js'
import type { Call } from '../connector/index.js'
import { type IndexTable, SessionTable } from '../index/index.js'
import { isReliable, type SourceRecord } from '../log/index.js'
import { nextTurn } from '../runtime/system.js'
import type { OpenedStore } from '../store/opened.js'
import { decodeContent, diff, type Extent, extents, type FetchNode } from '../tree/index.js'
import type { Base } from './bases.js'
import { xattrChunks } from './damage.js'

/** A store that may have some of it. */
type Known = { readonly index: IndexTable } & Pick<OpenedStore, 'log'>

/** After how many entries the event loop has a turn. */
const turnEvery = 256

/**
 * Guesses what bringing over sources of snapshots would move, without reading any content. Of a store that names chunks alike it tells
 * exactly what is lacking; any other turns out to have more than can be known beforehand.
 */
export class Estimate {
  /** Of content. */
  bytes = 0
  /** About so many bytes of packs. */
  stored = 0
  readonly #index: IndexTable
  readonly #there: Known | undefined
  readonly #fetch: FetchNode
  readonly #call: Call
  readonly #seen = new SessionTable(1 << 16)

  private constructor(index: IndexTable, there: Known | undefined, fetch: FetchNode, call: Call) {
    this.#index = index
    this.#there = there
    this.#fetch = fetch
    this.#call = call
  }

  /** `alike`: the other store, if it names chunks alike. */
  static async start(from: OpenedStore, alike: OpenedStore | undefined, call: Call): Promise<Estimate> {
    const [index, blobs, there] = await Promise.all([from.index(), from.blobs(), alike?.index()])
    const known = there && { index: there, log: alike!.log }
    return new Estimate(index, known, (id) => blobs.node(id, call), call)
  }

  /** @throws what reading its tree throws */
  async add(source: SourceRecord, base: Base | undefined): Promise<void> {
    let count = 0
    for await (const change of diff(base?.here, fromHex(source.tree), this.#fetch)) {
      if (++count % turnEvery === 0) await nextTurn()
      this.#call.signal.throwIfAborted()
      if (change.kind === 'removed') continue
      for (const extent of xattrChunks(change.after.stat)) this.#chunk(extent)
      if (change.kind === 'metadata') continue
      for await (const extent of extents(decodeContent(change.after.content), this.#fetch)) this.#chunk(extent)
    }
  }

  #chunk({ id, length }: Extent): void {
    if (id === undefined || this.#isThere(id) || !this.#seen.claim(id)) return
    if (this.#seen.crowded) this.#seen.grow()
    this.bytes += length
    const frame = this.#index.locate(id)?.frame
    if (frame !== undefined) this.stored += (frame.sealedLength * length) / frame.rawLength
  }

  /** Not asked of the index in the way that makes it remember who relies on what. */
  #isThere(id: Uint8Array): boolean {
    if (this.#there === undefined) return false
    const { index, log } = this.#there
    return index.locateAll(id).some(({ frame }) => isReliable(log.state, toHex(frame.pack)))
  }
}
