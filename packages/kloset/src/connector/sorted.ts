import type { Batches, Call, Entry, Failure } from './contract.js'
import { comparePaths } from './paths.js'
import { readRun, writeRun } from './runs.js'

/** A place for what does not fit into memory. What is in it are paths and metadata: it is as private as the source. */
export interface SpillStore {
  /** Keeps bytes until they are removed. */
  write(chunks: AsyncIterable<Uint8Array>): Promise<SpilledBytes>
}

/** What a {@link SpillStore} keeps. */
export interface SpilledBytes {
  /** The bytes in pieces of any size; called once. */
  read(): AsyncIterable<Uint8Array>
  remove(): Promise<void>
}

/** What {@link sorted} needs. */
export interface SortOptions extends Call {
  readonly spill: SpillStore
  /** About how many bytes of memory entries may take before they are spilled; default 64 MiB. */
  readonly memory?: number | undefined
}

/**
 * The entries of a scan that comes in any order, in path order; an entry and its failure stay in the order they came in. What fits into
 * memory is sorted there; else sorted runs of it are spilled and merged. Everything spilled is removed at the end, also when the
 * reader stops early.
 */
export async function* sorted(
  batches: Batches<Entry | Failure>,
  options: SortOptions,
): AsyncGenerator<readonly (Entry | Failure)[], void, undefined> {
  const { spill, signal, memory = defaultMemory } = options
  const runs: SpilledBytes[] = []
  let held: (Entry | Failure)[] = []
  let size = 0
  try {
    for await (const batch of batches) {
      signal.throwIfAborted()
      for (const one of batch) {
        held.push(one)
        size += sizeOf(one)
      }
      if (size < memory) continue
      runs.push(await spill.write(writeRun(held.sort(byPath))))
      held = []
      size = 0
    }
    held.sort(byPath)
    if (runs.length === 0) yield* inBatches(held)
    // The run in memory came last, so of equal paths its entries do too.
    else yield* merged([...runs.map((run) => readRun(run.read())), inBatches(held)], signal)
  } finally {
    // Whatever became of the scan matters more than what is left behind here.
    await Promise.allSettled(runs.map((run) => run.remove()))
  }
}

const defaultMemory = 64 * 1024 * 1024
const batchSize = 500

type Item = Entry | Failure
type Run = AsyncIterable<readonly Item[]> | Iterable<readonly Item[]>

function byPath(a: Item, b: Item): number {
  return comparePaths(a.path, b.path)
}

// What an entry takes in V8, about.
function sizeOf(one: Item): number {
  let size = 400 + 2 * one.path.length
  if (!('type' in one)) return size
  for (const value of Object.values(one.xattrs ?? {})) size += 200 + value.length
  for (const value of Object.values(one.attributes ?? {})) size += 100 + 2 * value.length
  return size + 2 * ((one.target?.length ?? 0) + (one.ref?.length ?? 0) + (one.version?.length ?? 0))
}

function* inBatches(items: readonly Item[]): Generator<readonly Item[], void, undefined> {
  for (let i = 0; i < items.length; i += batchSize) yield items.slice(i, i + batchSize)
}

async function* merged(runs: readonly Run[], signal: AbortSignal): AsyncGenerator<readonly Item[], void, undefined> {
  const heads = runs.map((run, order) => new Head(run, order))
  try {
    const heap = new Heap()
    for (const head of heads) if (await head.load()) heap.push(head)
    let batch: Item[] = []
    for (let least = heap.least; least !== undefined; least = heap.least) {
      batch.push(least.item)
      // One promise for each batch of a run, not for each entry.
      if (least.step() || (await least.load())) heap.sink()
      else heap.pop()
      if (batch.length < batchSize) continue
      signal.throwIfAborted()
      yield batch
      batch = []
    }
    if (batch.length > 0) yield batch
  } finally {
    await Promise.all(heads.map((head) => head.close()))
  }
}

// The place in one run.
class Head {
  readonly order: number
  readonly #batches: AsyncIterator<readonly Item[]> | Iterator<readonly Item[]>
  #batch: readonly Item[] = []
  #at = 0

  constructor(run: Run, order: number) {
    this.#batches = Symbol.asyncIterator in run ? run[Symbol.asyncIterator]() : run[Symbol.iterator]()
    this.order = order
  }

  get item(): Item {
    return this.#batch[this.#at]!
  }

  // Goes to the next item of the batch; false where there is none.
  step(): boolean {
    return ++this.#at < this.#batch.length
  }

  // Goes to the first item of the next batch; false where there is none.
  async load(): Promise<boolean> {
    const next = await this.#batches.next()
    if (next.done) return false
    this.#batch = next.value
    this.#at = 0
    return true
  }

  async close(): Promise<void> {
    await this.#batches.return?.()
  }
}

// A binary heap, the run with the least item on top; of equal paths, the earlier run.
class Heap {
  readonly #heads: Head[] = []

  get least(): Head | undefined {
    return this.#heads[0]
  }

  push(head: Head): void {
    const heads = this.#heads
    let at = heads.push(head) - 1
    while (at > 0 && before(head, heads[(at - 1) >> 1]!)) {
      heads[at] = heads[(at - 1) >> 1]!
      at = (at - 1) >> 1
    }
    heads[at] = head
  }

  pop(): void {
    const last = this.#heads.pop()!
    if (this.#heads.length === 0) return
    this.#heads[0] = last
    this.sink()
  }

  // Puts the top where it belongs after its item changed.
  sink(): void {
    const heads = this.#heads
    const head = heads[0]!
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heads.length) break
      if (child + 1 < heads.length && before(heads[child + 1]!, heads[child]!)) child++
      if (!before(heads[child]!, head)) break
      heads[at] = heads[child]!
      at = child
    }
    heads[at] = head
  }
}

function before(a: Head, b: Head): boolean {
  const order = byPath(a.item, b.item)
  return order < 0 || (order === 0 && a.order < b.order)
}
