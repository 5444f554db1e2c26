import type { BlobStats, SnapshotStats, StatsOptions, StoreStats } from '../api.js'
import { Telling } from '../backup/telling.js'
import { toHex } from '../bytes/index.js'
import type { Call } from '../connector/index.js'
import { recordLength, type Segment } from '../index/index.js'
import { recordFrame, recordSize } from '../index/record.js'
import { isReliable, type LogState } from '../log/index.js'
import { rootsOf } from '../prune/mark.js'
import { untilStill } from '../prune/still.js'
import { eachSegment, framesOf } from '../prune/survey.js'
import type { Progress } from '../run.js'
import type { StoredSnapshot } from '../snapshot/index.js'
import type { OpenedStore } from '../store/opened.js'
import { addTotals, noTotals } from '../tree/index.js'
import { Owners, shared } from './owners.js'

/** Says how much snapshots hold and take. It reads trees and the index, never content; what it needs in memory is a table of ids. */
export async function stats(
  store: OpenedStore,
  snapshots: readonly StoredSnapshot[],
  options: StatsOptions,
  call: Call,
): Promise<StoreStats> {
  const telling = new Telling(options)
  const tell = (phase: Progress['phase']): void => {
    telling.tell(true, () => ({ ...nothingDone, phase }))
  }
  const found = await untilStill(
    store.log,
    async (state) => {
      tell('read')
      const wanted = snapshots.filter(({ id }) => state.snapshots.has(id))
      const owners = await ownersIn(store, state, wanted, call)
      tell('check')
      const count = new Count(owners, wanted.length, state)
      await count.segments(store, call)
      return { wanted, count, isAll: wanted.length === state.snapshots.size }
    },
    call,
  )
  tell('done')
  const { wanted, count, isAll } = found
  return {
    snapshots: wanted.map((snapshot, index): SnapshotStats => ({ snapshot, ...count.own(index + 1) })),
    totals: wanted.reduce((sum, { totals }) => addTotals(sum, totals), noTotals),
    data: rounded(count.data),
    metadata: rounded(count.metadata),
    missing: count.missing,
    store: isAll ? count.store : undefined,
  }
}

const nothingDone = { entries: 0, files: 0, bytes: 0, total: undefined, failed: 0, stored: 0, current: undefined }

/** The snapshots that are asked for own by their place among them, from 1 on; all others are one more owner. */
async function ownersIn(
  store: OpenedStore,
  state: LogState,
  wanted: readonly StoredSnapshot[],
  call: Call,
): Promise<Owners> {
  const owners = new Owners()
  const blobs = await store.blobs()
  const fetch = (id: Uint8Array): Promise<Uint8Array> => blobs.node(id, call)
  for (const [index, { id }] of wanted.entries()) {
    await owners.give(rootsOf(state.snapshots.get(id)!), index + 1, fetch, { ...call, known: false })
  }
  const ids = new Set(wanted.map(({ id }) => id))
  const others = [...state.snapshots].filter(([id]) => !ids.has(id)).flatMap(([, snapshot]) => rootsOf(snapshot))
  await owners.give(others, wanted.length + 1, fetch, { ...call, known: true })
  return owners
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Counts what the packs of the index have of it. */
class Count {
  readonly data: Mutable<BlobStats> = { count: 0, bytes: 0, stored: 0 }
  readonly metadata: Mutable<BlobStats> = { count: 0, bytes: 0, stored: 0 }
  readonly #owners: Owners
  readonly #state: LogState
  readonly #own: { readonly data: Mutable<BlobStats>; readonly metadata: Mutable<BlobStats> }[]
  readonly #packs = new Map<string, number>()
  #segments = 0
  #indexBytes = 0
  #unneeded = 0

  constructor(owners: Owners, snapshots: number, state: LogState) {
    this.#owners = owners
    this.#state = state
    this.#own = Array.from({ length: snapshots }, () => ({
      data: { count: 0, bytes: 0, stored: 0 },
      metadata: { count: 0, bytes: 0, stored: 0 },
    }))
  }

  /** Goes through all segments; what only condemned packs have comes last, so that copies that stay count before. */
  async segments(store: OpenedStore, call: Call): Promise<void> {
    const again: string[] = []
    await eachSegment(store, [...this.#state.segments], call, (name, segment, size) => {
      this.#segments++
      this.#indexBytes += size
      if (this.#records(segment, (pack) => isReliable(this.#state, pack))) again.push(name)
    })
    await eachSegment(store, again, call, (_, segment) => {
      this.#records(segment, (pack) => this.#state.packs.get(pack)?.fate === 'condemned')
    })
  }

  /** What only this owner needs. */
  own(owner: number): { readonly data: BlobStats; readonly metadata: BlobStats } {
    const { data, metadata } = this.#own[owner - 1]!
    return { data: rounded(data), metadata: rounded(metadata) }
  }

  /** Needed blobs that no pack has. */
  get missing(): number {
    return this.#owners.size - this.data.count - this.metadata.count
  }

  get store(): NonNullable<StoreStats['store']> {
    const bytes = [...this.#packs.values()].reduce((sum, size) => sum + size, 0)
    return {
      packs: { packs: this.#packs.size, bytes },
      index: { segments: this.#segments, bytes: this.#indexBytes },
      unneeded: Math.round(this.#unneeded),
    }
  }

  /** Counts the records of some packs; returns whether the segment has others. */
  #records({ class: ofClass, packs, records }: Segment, counts: (pack: string) => boolean): boolean {
    const names = packs.map(({ name }) => toHex(name))
    const counted = names.map((name) => counts(name) && !this.#packs.has(name))
    for (const [place, name] of names.entries()) if (counted[place]) this.#packs.set(name, packs[place]!.size)
    const frames = framesOf(packs)
    const view = new DataView(records.buffer, records.byteOffset, records.length)
    for (let at = 0; at < records.length; at += recordLength) {
      const frame = view.getUint32(at + recordFrame, true)
      if (!counted[frames.pack[frame]!]) continue
      const size = view.getUint32(at + recordSize, true)
      this.#blob(
        ofClass,
        this.#owners.count(records, at) ? this.#owners.of(records, at) : 0,
        size,
        size * frames.ratio[frame]!,
      )
    }
    return counted.includes(false)
  }

  #blob(ofClass: Segment['class'], owner: number, size: number, stored: number): void {
    if (owner === 0) {
      // Nobody needs it, or there is a copy elsewhere.
      this.#unneeded += stored
      return
    }
    const sums = [this[ofClass], ...(owner === shared ? [] : [this.#own[owner - 1]![ofClass]])]
    for (const sum of sums) {
      sum.count++
      sum.bytes += size
      sum.stored += stored
    }
  }
}

function rounded({ count, bytes, stored }: BlobStats): BlobStats {
  return { count, bytes, stored: Math.round(stored) }
}
