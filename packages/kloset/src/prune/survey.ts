import { toHex } from '../bytes/index.js'
import type { Call } from '../connector/index.js'
import type { IdMap } from '../index/id-map.js'
import type { Segment } from '../index/index.js'
import { decodeSegment, recordLength } from '../index/index.js'
import { recordFrame, recordSize } from '../index/record.js'
import type { PackClass } from '../pack/index.js'
import { SegmentReader } from '../store/load-index.js'
import type { OpenedStore } from '../store/opened.js'

/** What is known of a pack that the log's index names. */
export interface PackFacts {
  /** 64 hexadecimal digits. */
  readonly name: string
  /** Its place among the packs of the survey. */
  readonly number: number
  /** Bytes of the file. */
  readonly size: number
  /** Bytes of its sealed frames. */
  readonly sealed: number
  /** How many of its blobs are needed, and their share of the sealed bytes. */
  live: number
  liveSealed: number
  /** How many needed blobs no other usable pack has, as far as 64 bits of an id tell: never more than there are. */
  unique: number
}

/** What is known of a segment. */
export interface SegmentFacts {
  readonly name: string
  readonly class: PackClass
  readonly packs: readonly PackFacts[]
  /** How many records it has of each of its packs. */
  readonly records: readonly number[]
}

/** What a {@link Survey} goes by. */
export interface SurveyOptions {
  /** What is needed: see {@link Marking.live}. The survey keeps in it which pack has an id. */
  readonly live: IdMap
  /** Whether a blob in a pack of this name and size counts as kept. */
  readonly usable: (name: string, size: number) => boolean
}

/** What is in the packs that the index names, and how much of it is needed. The index is read segment by segment. */
export class Survey {
  readonly packs: Map<string, PackFacts> = new Map()
  readonly segments: Map<string, SegmentFacts> = new Map()
  readonly #options: SurveyOptions
  readonly #byNumber: PackFacts[] = []

  constructor(options: SurveyOptions) {
    this.#options = options
  }

  /** What is needed. */
  get live(): IdMap {
    return this.#options.live
  }

  /** Reads the segments that were not read yet. @throws where one cannot be used: then it is not known what the log names */
  async follow(store: OpenedStore, names: Iterable<string>, call: Call): Promise<void> {
    const fresh = [...names].filter((name) => !this.segments.has(name))
    await eachSegment(store, fresh, call, (name, segment) => this.#add(name, segment))
  }

  /** The pack that an entry of the live map stands for. */
  #add(name: string, { class: ofClass, packs, records }: Segment): void {
    const { live, usable } = this.#options
    const facts = packs.map(({ name: pack, size, frames }) => this.#facts(toHex(pack), size, sealedLength(frames)))
    const frames = framesOf(packs)
    const counts = new Array<number>(packs.length).fill(0)
    const counted = facts.map(({ isNew }) => isNew)
    const kept = facts.map(({ pack }) => usable(pack.name, pack.size))
    const view = new DataView(records.buffer, records.byteOffset, records.length)
    for (let at = 0; at < records.length; at += recordLength) {
      const frame = view.getUint32(at + recordFrame, true)
      const place = frames.pack[frame]!
      counts[place]!++
      if (!counted[place]) continue
      const owner = live.get(records, at)
      if (owner === 0) continue
      const { pack } = facts[place]!
      pack.live++
      pack.liveSealed += view.getUint32(at + recordSize, true) * frames.ratio[frame]!
      if (kept[place]) this.#own(records, at, owner, pack)
    }
    this.segments.set(name, { name, class: ofClass, packs: facts.map(({ pack }) => pack), records: counts })
  }

  /** Keeps which pack has a blob, or that several have it. */
  #own(records: Uint8Array, at: number, owner: number, pack: PackFacts): void {
    const own = pack.number + firstOwner
    if (owner === several || owner === own) return
    if (owner === notOwned) pack.unique++
    else this.#byNumber[owner - firstOwner]!.unique--
    this.#options.live.set(records, at, owner === notOwned ? own : several)
  }

  #facts(name: string, size: number, sealed: number): { pack: PackFacts; isNew: boolean } {
    const known = this.packs.get(name)
    // Segments that disagree about a pack are counted both: so much the more is needed.
    if (known !== undefined) return { pack: known, isNew: known.size !== size || known.sealed !== sealed }
    const pack = { name, number: this.#byNumber.length, size, sealed, live: 0, liveSealed: 0, unique: 0 }
    this.packs.set(name, pack)
    this.#byNumber.push(pack)
    return { pack, isNew: true }
  }
}

/** Reads segments that the log names, some of which may be kept on this machine; `use` is also told how many bytes each has. @throws KLOSET_INDEX_CORRUPT, KLOSET_NOT_FOUND */
export async function eachSegment(
  { storage, keyring, cache }: OpenedStore,
  names: readonly string[],
  call: Call,
  use: (name: string, segment: Segment, size: number) => void,
): Promise<void> {
  const take = (name: string, bytes: Uint8Array): true => {
    use(name, decodeSegment(keyring, name, bytes), bytes.length)
    return true
  }
  const { bad } = await new SegmentReader(storage, cache).each(names, take, call)
  for (const { error } of bad) throw error
}

/** What an entry of the live map says besides numbers of packs: live, and found in no pack yet; found in several. */
const notOwned = 1
const several = -1
const firstOwner = 2

function sealedLength(frames: Uint32Array): number {
  let sealed = 0
  for (let i = 1; i < frames.length; i += 3) sealed += frames[i]!
  return sealed
}

/** For each frame of a segment: the place of its pack, and how many sealed bytes a raw byte has. */
export function framesOf(packs: Segment['packs']): { pack: Uint32Array; ratio: Float64Array } {
  const count = packs.reduce((sum, { frames }) => sum + frames.length / 3, 0)
  const pack = new Uint32Array(count)
  const ratio = new Float64Array(count)
  let frame = 0
  for (const [place, { frames }] of packs.entries()) {
    for (let i = 0; i < frames.length; i += 3) {
      pack[frame] = place
      ratio[frame++] = frames[i + 1]! / Math.max(1, frames[i + 2]!)
    }
  }
  return { pack, ratio }
}
