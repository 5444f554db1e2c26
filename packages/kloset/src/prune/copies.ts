import { toHex } from '../bytes/index.js'
import type { Call } from '../connector/index.js'
import { IdMap } from '../index/id-map.js'
import { recordLength, type Segment } from '../index/index.js'
import { recordFrame } from '../index/record.js'
import type { OpenedStore } from '../store/opened.js'
import { eachSegment, type PackFacts, type SegmentFacts, type Survey } from './survey.js'

/** What follows from where else blobs are. */
export interface Copies {
  /** Usable packs without which every needed blob is still in a usable pack. */
  readonly redundant: ReadonlySet<string>
  /** Condemned packs that have the last copy of something needed. */
  readonly needed: ReadonlySet<string>
  /** Condemned packs that were not looked into: too much is in question at once. */
  readonly undecided: ReadonlySet<string>
}

/** At most so many blobs are in question at once: some 100 MB. The rest is left to the next prune. */
const mostInQuestion = 1 << 20

/**
 * Decides about packs whose needed blobs may all be in other packs too: with whole ids and counting each pack. Packs are taken in the
 * order of their names, so that two prunes that see the same decide the same.
 */
export async function settleCopies(
  store: OpenedStore,
  survey: Survey,
  packs: { readonly usable: ReadonlySet<string>; readonly condemned: ReadonlySet<string> },
  call: Call,
): Promise<Copies> {
  const inQuestion = [...survey.packs.values()]
    .filter(({ name, live, unique }) =>
      packs.usable.has(name) ? live > 0 && unique <= 0 : packs.condemned.has(name) && live > 0,
    )
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  const { chosen, left } = atMost(inQuestion, mostInQuestion)
  const undecided = new Set(left.map(({ name }) => name).filter((name) => packs.condemned.has(name)))
  if (chosen.length === 0) return { redundant: new Set(), needed: new Set(), undecided }
  const question = new Question(new Set(chosen.map(({ name }) => name)), survey, packs.usable)
  await eachSegment(store, question.segmentsInQuestion, call, (_, segment) => question.gather(segment))
  await eachSegment(store, [...survey.segments.keys()], call, (_, segment) => question.count(segment))
  const gone = new Set<string>()
  const kept = new Set<string>()
  for (const { name } of chosen.filter((pack) => packs.usable.has(pack.name))) {
    if (
      question.blobsOf(name).every((blob) => question.packsWith(blob).some((pack) => pack !== name && !gone.has(pack)))
    ) {
      gone.add(name)
    }
  }
  for (const { name } of chosen.filter((pack) => packs.condemned.has(pack.name))) {
    const isLast = (blob: number): boolean =>
      question.packsWith(blob).every((pack) => gone.has(pack)) &&
      !question.condemnedWith(blob).some((pack) => kept.has(pack))
    if (question.blobsOf(name).some(isLast)) kept.add(name)
  }
  return { redundant: gone, needed: kept, undecided }
}

function atMost(
  packs: readonly PackFacts[],
  most: number,
): { chosen: readonly PackFacts[]; left: readonly PackFacts[] } {
  let blobs = 0
  let end = 0
  for (; end < packs.length; end++) {
    blobs += packs[end]!.live
    if (blobs > most) break
  }
  return { chosen: packs.slice(0, end), left: packs.slice(end) }
}

/** Which packs have the blobs of some packs. */
class Question {
  readonly #packs: ReadonlySet<string>
  readonly #survey: Survey
  readonly #usable: ReadonlySet<string>
  // The number of each blob, from 1 on; by that number, the packs it is in.
  readonly #blobs = new IdMap({ exact: true })
  readonly #usablePacks: string[][] = [[]]
  readonly #condemnedPacks: string[][] = [[]]
  readonly #blobsOf = new Map<string, number[]>()

  constructor(packs: ReadonlySet<string>, survey: Survey, usable: ReadonlySet<string>) {
    this.#packs = packs
    this.#survey = survey
    this.#usable = usable
  }

  get segmentsInQuestion(): string[] {
    const concerned = ({ packs }: SegmentFacts): boolean => packs.some(({ name }) => this.#packs.has(name))
    return [...this.#survey.segments.values()].filter(concerned).map(({ name }) => name)
  }

  /** Takes the needed blobs of packs in question. */
  gather(segment: Segment): void {
    for (const { pack, at } of recordsOf(segment, (name) => this.#packs.has(name))) {
      if (this.#survey.live.get(segment.records, at) === 0) continue
      let blob = this.#blobs.get(segment.records, at)
      if (blob === 0) {
        blob = this.#usablePacks.length
        this.#blobs.set(segment.records, at, blob)
        this.#usablePacks.push([])
        this.#condemnedPacks.push([])
      }
      const blobs = this.#blobsOf.get(pack) ?? []
      this.#blobsOf.set(pack, blobs)
      blobs.push(blob)
      if (!this.#usable.has(pack)) addOnce(this.#condemnedPacks[blob]!, pack)
    }
  }

  /** Takes the packs that have these blobs too. */
  count(segment: Segment): void {
    for (const { pack, at } of recordsOf(segment, (name) => this.#usable.has(name))) {
      const blob = this.#blobs.get(segment.records, at)
      if (blob !== 0) addOnce(this.#usablePacks[blob]!, pack)
    }
  }

  blobsOf(pack: string): readonly number[] {
    return this.#blobsOf.get(pack) ?? []
  }

  /** The usable packs that have a blob. */
  packsWith(blob: number): readonly string[] {
    return this.#usablePacks[blob]!
  }

  /** The condemned packs that have it. */
  condemnedWith(blob: number): readonly string[] {
    return this.#condemnedPacks[blob]!
  }
}

function* recordsOf(
  { packs, records }: Segment,
  wanted: (pack: string) => boolean,
): Generator<{ pack: string; at: number }> {
  const names = packs.flatMap(({ name, frames }) => {
    const pack = toHex(name)
    return new Array<string | undefined>(frames.length / 3).fill(wanted(pack) ? pack : undefined)
  })
  const view = new DataView(records.buffer, records.byteOffset, records.length)
  for (let at = 0; at < records.length; at += recordLength) {
    const pack = names[view.getUint32(at + recordFrame, true)]
    if (pack !== undefined) yield { pack, at }
  }
}

function addOnce(names: string[], name: string): void {
  if (!names.includes(name)) names.push(name)
}
