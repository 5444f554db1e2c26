import { idWords, sameId, wordAt } from './words.js'

/** A {@link SessionTable} on its way to another thread: nothing in it is copied. */
export interface SharedSession {
  readonly tables: readonly SharedArrayBuffer[]
}

/**
 * The ids that one backup has stored so far, shared by its threads without locks. Each table has a fixed size; where the last one is
 * crowded its owner adds another and shares again.
 */
export class SessionTable {
  readonly #tables: Int32Array[]

  /** A table with `capacity` slots, 36 bytes each: a power of two, at least 1,024. */
  constructor(capacity: number = leastCapacity) {
    this.#tables = [newTable(capacity)]
  }

  /** The table of another thread. */
  static join(shared: SharedSession): SessionTable {
    const table = new SessionTable()
    table.refresh(shared)
    return table
  }

  /** What another thread joins with. */
  share(): SharedSession {
    return { tables: this.#tables.map((table) => table.buffer as SharedArrayBuffer) }
  }

  /** Takes over the tables that the owner added since. */
  refresh(shared: SharedSession): void {
    this.#tables.splice(0, this.#tables.length, ...shared.tables.map((buffer) => new Int32Array(buffer)))
  }

  /** How many ids were claimed. */
  get size(): number {
    return this.#tables.reduce((sum, table) => sum + Atomics.load(table, count), 0)
  }

  /** Whether it is time to {@link grow}: a full table gives every further claim to everybody. */
  get crowded(): boolean {
    const table = this.#tables.at(-1)!
    return Atomics.load(table, count) > 0.7 * capacityOf(table)
  }

  /** Adds a table, by default twice as large as the last. Then {@link share} it. */
  grow(capacity: number = 2 * capacityOf(this.#tables.at(-1)!)): void {
    this.#tables.push(newTable(capacity))
  }

  /**
   * Claims the id in `bytes` at `offset`. True: the caller stores the blob; false: another claimed it before. Of all claims of one id
   * exactly one is given, except that a blob is stored twice rather than not at all: when the tables are full, and when the other
   * thread was stopped in the middle of claiming.
   */
  claim(bytes: Uint8Array, offset = 0): boolean {
    const last = this.#tables.length - 1
    for (let i = 0; i < last; i++) if (holds(this.#tables[i]!, bytes, offset)) return false
    return claimIn(this.#tables[last]!, bytes, offset)
  }
}

const leastCapacity = 1_024

// A table's words: how many ids it has, unused words up to the end of the cache line, and the slots: state and id.
const count = 0
const firstSlot = 16
const slotWords = 1 + idWords

// The states of a slot. A busy one is being written: its id is not known yet.
const empty = 0
const busy = 1
const ready = 2

/** How often to look again at a busy slot: some microseconds, far more than writing an id takes. */
const patience = 1_000

function newTable(capacity: number): Int32Array {
  if (capacity < leastCapacity || !Number.isInteger(Math.log2(capacity))) {
    throw new RangeError(`a session table has a power of two of slots, at least ${leastCapacity}`)
  }
  return new Int32Array(new SharedArrayBuffer(4 * (firstSlot + capacity * slotWords)))
}

function capacityOf(table: Int32Array): number {
  return (table.length - firstSlot) / slotWords
}

function holds(table: Int32Array, bytes: Uint8Array, offset: number): boolean {
  const mask = capacityOf(table) - 1
  for (let slot = wordAt(bytes, offset) & mask; ; slot = (slot + 1) & mask) {
    const at = firstSlot + slot * slotWords
    const state = settledState(table, at)
    if (state === empty) return false
    if (state === ready && sameId(table, at + 1, bytes, offset)) return true
  }
}

function claimIn(table: Int32Array, bytes: Uint8Array, offset: number): boolean {
  const capacity = capacityOf(table)
  const mask = capacity - 1
  for (let slot = wordAt(bytes, offset) & mask; ; slot = (slot + 1) & mask) {
    const at = firstSlot + slot * slotWords
    let state = settledState(table, at)
    if (state === empty) {
      // A quarter stays empty, so that every search ends, and soon.
      if (Atomics.load(table, count) >= capacity * 0.75) return true
      if (Atomics.compareExchange(table, at, empty, busy) === empty) {
        for (let word = 0; word < idWords; word++) table[at + 1 + word] = wordAt(bytes, offset + 4 * word)
        Atomics.store(table, at, ready)
        Atomics.add(table, count, 1)
        return true
      }
      state = settledState(table, at)
    }
    if (state === ready && sameId(table, at + 1, bytes, offset)) return false
  }
}

/** The state of a slot, after waiting a moment for one that is being written. */
function settledState(table: Int32Array, at: number): number {
  let state = Atomics.load(table, at)
  for (let look = 0; state === busy && look < patience; look++) state = Atomics.load(table, at)
  return state
}
