import { compareKeys } from '../connector/index.js'
import { type BuiltTree, encodeStat, noContent, type TreeBuilder } from '../tree/index.js'

/** An entry on its way into the tree: it waits for its content, and for values of its extended attributes that are stored as chunks. */
export interface Slot {
  readonly key: Uint8Array
  stat: Uint8Array
  /** Undefined until its content is stored. */
  content: Uint8Array | undefined
  /** Whether its stat is yet to name the chunks of extended attributes. */
  waits?: boolean
}

/** Takes entries, waits for their content, and makes a tree of them. */
export interface Slots {
  /** How many entries wait for the content of one before them. */
  readonly length: number
  add(slot: Slot): void
  /** To be called when slots got their content. */
  drain(): void
  /** Follows work that will fill slots; its failure is thrown by the next wait. */
  track(work: Promise<void>): void
  /** Resolves when at most so many entries wait. */
  shrink(most: number): Promise<void>
  /** Ends the tree, when all entries have their content. */
  finish(): Promise<BuiltTree>
  /** Waits until no work is under way, whatever became of it. */
  abandon(): Promise<void>
  check(): void
}

/** Entries that come in path order: they go into the tree from the head of a queue. */
export class SlotQueue implements Slots {
  readonly #tree: Growing
  readonly #moved: (entries: number) => void
  #slots: Slot[] = []
  #head = 0
  #failure: { error: unknown } | undefined
  #wake: (() => void) | undefined
  readonly #under = new Set<Promise<void>>()

  constructor(builder: TreeBuilder, moved: (entries: number) => void) {
    this.#tree = new Growing(builder)
    this.#moved = moved
  }

  get length(): number {
    return this.#slots.length - this.#head
  }

  add(slot: Slot): void {
    this.#slots.push(slot)
    if (slot.content !== undefined) this.drain()
  }

  drain(): void {
    let moved = 0
    while (this.#head < this.#slots.length) {
      const slot = this.#slots[this.#head]!
      if (slot.content === undefined || slot.waits === true) break
      this.#tree.add(slot)
      this.#head++
      moved++
    }
    if (this.#head > 4096 || this.#head === this.#slots.length) {
      this.#slots = this.#slots.slice(this.#head)
      this.#head = 0
    }
    if (moved > 0) this.#moved(moved)
    this.#wake?.()
  }

  track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => {
        this.#failure ??= { error }
        this.#wake?.()
      })
      .finally(() => this.#under.delete(tracked))
    this.#under.add(tracked)
  }

  async shrink(most: number): Promise<void> {
    while (this.length > most) {
      this.check()
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    this.check()
  }

  async finish(): Promise<BuiltTree> {
    await this.shrink(0)
    return this.#tree.finish()
  }

  async abandon(): Promise<void> {
    // Work that is under way may begin more.
    while (this.#under.size > 0) await Promise.all(this.#under)
  }

  check(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }
}

/** Entries that come in any order: they are sorted when all are there. */
export class UnorderedSlots implements Slots {
  readonly #queue: SlotQueue
  readonly #all: Slot[] = []

  constructor(builder: TreeBuilder, moved: (entries: number) => void) {
    this.#queue = new SlotQueue(builder, moved)
  }

  /** None waits for another: what is under way is bounded by who reads. */
  get length(): number {
    return 0
  }

  add(slot: Slot): void {
    this.#all.push(slot)
  }

  drain(): void {}

  track(work: Promise<void>): void {
    this.#queue.track(work)
  }

  async shrink(): Promise<void> {
    this.#queue.check()
  }

  async finish(): Promise<BuiltTree> {
    await this.#queue.abandon()
    this.#queue.check()
    this.#all.sort((a, b) => compareKeys(a.key, 0, a.key.length, b.key, 0, b.key.length))
    for (const slot of this.#all.splice(0)) this.#queue.add(slot)
    return this.#queue.finish()
  }

  abandon(): Promise<void> {
    return this.#queue.abandon()
  }

  check(): void {
    this.#queue.check()
  }
}

/** A tree being built, with the directories that the source left out. */
class Growing {
  readonly #builder: TreeBuilder
  // The entry before and those above it.
  readonly #above: Uint8Array[] = []

  constructor(builder: TreeBuilder) {
    this.#builder = builder
  }

  add({ key, stat, content }: Slot): void {
    if (this.#above.length === 0 && key.length > 0) this.#directory(new Uint8Array(0))
    while (this.#above.length > 1 && !isBelow(key, this.#above.at(-1)!)) this.#above.pop()
    const from = this.#above.length <= 1 ? 0 : this.#above.at(-1)!.length + 1
    for (let at = key.indexOf(slash, from); at >= 0; at = key.indexOf(slash, at + 1)) this.#directory(key.slice(0, at))
    this.#push(key, stat, content!)
  }

  finish(): Promise<BuiltTree> {
    if (this.#above.length === 0) this.#directory(new Uint8Array(0))
    return this.#builder.finish()
  }

  #directory(key: Uint8Array): void {
    this.#push(key, directory, noContent)
  }

  #push(key: Uint8Array, stat: Uint8Array, content: Uint8Array): void {
    // Nodes go to a pack writer, which never makes the builder wait.
    void this.#builder.add(key, stat, content)
    this.#above.push(key)
  }
}

const directory = encodeStat({ type: 'directory' })
const slash = 0x2f

function isBelow(key: Uint8Array, folder: Uint8Array): boolean {
  if (key.length <= folder.length || key[folder.length] !== slash) return false
  for (let i = folder.length - 1; i >= 0; i--) if (key[i] !== folder[i]) return false
  return true
}
