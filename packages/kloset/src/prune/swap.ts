import type { Call } from '../connector/index.js'
import { isKlosetError } from '../errors.js'
import { encodeSegment, type Segment } from '../index/index.js'
import type { EntryDraft, LogState } from '../log/index.js'
import { readSegment } from '../store/load-index.js'
import type { OpenedStore } from '../store/opened.js'
import { appendWhile } from './entries.js'
import { mergeSegments } from './merge.js'
import type { SegmentFacts, Survey } from './survey.js'

/** Which segments are not as they should be. */
export interface Swap {
  /** Nothing that they name is there any more. */
  readonly drop: readonly SegmentFacts[]
  /** Groups that become one segment each: too much of what they say is of no use, or they are small and many. */
  readonly rewrite: readonly (readonly SegmentFacts[])[]
}

/** So many records make a segment that is read in one go, so few a small one. */
const fullSegment = 262_144
const smallSegment = 16_384

/** From so many small segments on, it pays to make larger ones of them. */
export const manySegments = 64

/** Of the segments of a state, all surveyed, finds those to swap; `many` small ones are merged. */
export function swapOf(
  survey: Survey,
  segments: Iterable<string>,
  isDead: (pack: string) => boolean,
  many: number,
): Swap {
  const facts = [...segments].map((name) => survey.segments.get(name)!)
  const drop = facts.filter(({ packs }) => packs.every((pack) => isDead(pack.name)))
  const rewrite = (['data', 'metadata'] as const).flatMap((wanted) => {
    const left = facts.filter((segment) => segment.class === wanted && !drop.includes(segment))
    const small = left.filter((segment) => liveRecords(segment, isDead) < smallSegment)
    const isWasteful = (segment: SegmentFacts): boolean => liveRecords(segment, isDead) * 3 < allRecords(segment) * 2
    const chosen = left.filter((segment) => isWasteful(segment) || (small.length >= many && small.includes(segment)))
    return groupsUpTo(chosen, isDead).filter((group) => group.length > 1 || isWasteful(group[0]!))
  })
  return { drop, rewrite }
}

/**
 * Swaps segments (protocol rule 10): each entry fits the one head of the log that it was made from, and where another entry was first
 * it is made anew. Only what is about purged packs is left out. The old segments are deleted after the entry. Resolves to how many.
 */
export async function swapSegments(store: OpenedStore, survey: Survey, many: number, call: Call): Promise<number> {
  const builder = new Builder(store, call)
  let removed = 0
  for (let losses = 0; losses < mostLosses; ) {
    const now = store.log.state
    const draft = await builder.draft(survey, now, many)
    if (draft === 'nothing') break
    const entry =
      draft === 'outdated'
        ? undefined
        : await appendWhile(store.log, ({ position }) => (position === now.position ? draft : undefined), call)
    if (entry === undefined) {
      losses++
      continue
    }
    const names = entry.segmentsRemoved.map((name) => `index/${name}`)
    await store.storage.remove(names, call)
    removed += names.length
  }
  return removed
}

/** Where others write so often, the next prune will do. */
const mostLosses = 20

/** An entry names so many segments at most, those that go and those that come. */
const mostSegments = 1_000

/** As much of a swap as an entry can name. */
function oneEntry({ drop, rewrite }: Swap): Swap {
  let left = mostSegments
  const dropped = drop.slice(0, left)
  left -= dropped.length
  const rewritten: (readonly SegmentFacts[])[] = []
  for (const group of rewrite) {
    left -= group.length + 1
    if (left < 0) break
    rewritten.push(group)
  }
  return { drop: dropped, rewrite: rewritten }
}

/** Writes segments anew. What was written for an entry that then had to be made anew serves again where it still fits. */
class Builder {
  readonly #store: OpenedStore
  readonly #call: Call
  readonly #built = new Map<string, readonly string[]>()

  constructor(store: OpenedStore, call: Call) {
    this.#store = store
    this.#call = call
  }

  /** What to swap in a state. What is to be read of it may have been swapped by others meanwhile: then it is outdated. */
  async draft(survey: Survey, now: LogState, many: number): Promise<EntryDraft | 'nothing' | 'outdated'> {
    const isDead = (pack: string): boolean => now.packs.get(pack)?.fate === 'dead'
    try {
      await survey.follow(this.#store, now.segments, this.#call)
      const { drop, rewrite } = oneEntry(swapOf(survey, now.segments, isDead, many))
      const segmentsRemoved = [...drop, ...rewrite.flat()].map(({ name }) => name)
      if (segmentsRemoved.length === 0) return 'nothing'
      const segmentsAdded: string[] = []
      for (const group of rewrite) segmentsAdded.push(...(await this.#build(group, isDead)))
      return { content: { kind: 'index-swap' }, segmentsRemoved, segmentsAdded }
    } catch (error) {
      if (!isKlosetError(error, 'KLOSET_NOT_FOUND')) throw error
      await this.#store.log.refresh(this.#call)
      if (this.#store.log.state.position === now.position) throw error
      return 'outdated'
    }
  }

  /** The name of a segment with all that is left of a group; none where that is nothing. */
  async #build(group: readonly SegmentFacts[], isDead: (pack: string) => boolean): Promise<readonly string[]> {
    const left = new Set(group.flatMap(({ packs }) => packs.map(({ name }) => name)).filter((name) => !isDead(name)))
    const key = [...group.map(({ name }) => name), ...left].join()
    const before = this.#built.get(key)
    if (before !== undefined) return before
    const { storage, keyring } = this.#store
    const segments: Segment[] = []
    for (const { name } of group) segments.push(await readSegment(storage, keyring, name, this.#call))
    const merged = mergeSegments(segments, (name) => left.has(name))
    const names: string[] = []
    if (merged !== undefined) {
      const { name, bytes } = encodeSegment(keyring, merged)
      await storage.put(`index/${name}`, bytes, { ...this.#call, ifAbsent: false, tier: 'hot' })
      names.push(name)
    }
    this.#built.set(key, names)
    return names
  }
}

function liveRecords({ packs, records }: SegmentFacts, isDead: (pack: string) => boolean): number {
  return records.reduce((sum, count, i) => sum + (isDead(packs[i]!.name) ? 0 : count), 0)
}

function allRecords({ records }: SegmentFacts): number {
  return records.reduce((sum, count) => sum + count, 0)
}

/** Groups of segments that together make a full one. */
function groupsUpTo(segments: readonly SegmentFacts[], isDead: (pack: string) => boolean): SegmentFacts[][] {
  const groups: SegmentFacts[][] = []
  let records = fullSegment
  for (const segment of segments) {
    records += liveRecords(segment, isDead)
    if (records > fullSegment || groups.at(-1)!.length === mostSegments / 2) {
      groups.push([])
      records = liveRecords(segment, isDead)
    }
    groups.at(-1)!.push(segment)
  }
  return groups
}
