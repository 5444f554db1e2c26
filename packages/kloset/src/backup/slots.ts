import type { BuiltTree, TreeBuilder } from '../tree/index.js'

/** An entry on its way into the tree. */
export interface Slot {
  readonly key: Uint8Array
  stat: Uint8Array
  /** Undefined until its content is stored. */
  content: Uint8Array | undefined
}

/** Entries in path order: they wait until their content is known and go into the tree from the head of the queue. */
export class SlotQueue {
  readonly #builder: TreeBuilder
  readonly #moved: (entries: number) => void
  #slots: Slot[] = []
  #head = 0
  #failure: { error: unknown } | undefined
  #wake: (() => void) | undefined
  readonly #under = new Set<Promise<void>>()
  /** Whether nothing was ever added. */
  isEmpty = true

  constructor(builder: TreeBuilder, moved: (entries: number) => void) {
    this.#builder = builder
    this.#moved = moved
  }

  /** How many entries wait. */
  get length(): number {
    return this.#slots.length - this.#head
  }

  add(slot: Slot): void {
    this.isEmpty = false
    this.#slots.push(slot)
    if (slot.content !== undefined) this.drain()
  }

  /** Moves what is ready into the tree: to be called when a slot got its content. */
  drain(): void {
    let moved = 0
    while (this.#head < this.#slots.length) {
      const slot = this.#slots[this.#head]!
      if (slot.content === undefined) break
      // Nodes go to a pack writer, which never makes the builder wait.
      void this.#builder.add(slot.key, slot.stat, slot.content)
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

  /** Follows work that will fill slots; its failure is thrown by the next wait. */
  track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => {
        this.#failure ??= { error }
        this.#wake?.()
      })
      .finally(() => this.#under.delete(tracked))
    this.#under.add(tracked)
  }

  /** Resolves when at most so many entries wait. */
  async shrink(most: number): Promise<void> {
    while (this.length > most) {
      this.check()
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    this.check()
  }

  /** Ends the tree, when all entries have their content. */
  async finish(): Promise<BuiltTree> {
    await this.shrink(0)
    return this.#builder.finish()
  }

  /** Waits until no work is under way, whatever became of it. */
  async abandon(): Promise<void> {
    await Promise.all(this.#under)
  }

  check(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }
}
