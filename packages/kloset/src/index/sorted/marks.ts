/** {@link Marks} on their way to another thread. */
export interface SharedMarks {
  readonly state: SharedArrayBuffer
  readonly barred: SharedArrayBuffer
  readonly relied: SharedArrayBuffer
}

/** What the threads that use a sorted file tell each other of it: whether it is damaged, which packs are barred, which were relied on. */
export class Marks {
  readonly #shared: SharedMarks
  readonly #state: Int32Array
  // A bit for each pack.
  readonly #barred: Int32Array
  readonly #relied: Int32Array

  constructor(shared: SharedMarks) {
    this.#shared = shared
    this.#state = new Int32Array(shared.state)
    this.#barred = new Int32Array(shared.barred)
    this.#relied = new Int32Array(shared.relied)
  }

  /** None yet, for so many packs. */
  static none(packs: number): SharedMarks {
    const bits = (): SharedArrayBuffer => new SharedArrayBuffer(4 * Math.ceil(packs / 32))
    return { state: new SharedArrayBuffer(8), barred: bits(), relied: bits() }
  }

  share(): SharedMarks {
    return this.#shared
  }

  get damaged(): boolean {
    return Atomics.load(this.#state, damage) !== 0
  }

  noteDamage(): void {
    Atomics.store(this.#state, damage, 1)
  }

  bar(pack: number): void {
    set(this.#barred, pack)
    Atomics.compareExchange(this.#state, barring, none, some)
  }

  barAll(): void {
    Atomics.store(this.#state, barring, all)
  }

  isBarred(pack: number): boolean {
    const barred = this.#state[barring]!
    return barred === some ? isSet(this.#barred, pack) : barred === all
  }

  rely(pack: number): void {
    if (!isSet(this.#relied, pack)) set(this.#relied, pack)
  }

  relies(pack: number): boolean {
    return isSet(this.#relied, pack)
  }
}

// The words of the state, and how many packs are barred.
const damage = 0
const barring = 1
const none = 0
const some = 1
const all = 2

function set(bits: Int32Array, number: number): void {
  Atomics.or(bits, number >>> 5, 1 << (number & 31))
}

function isSet(bits: Int32Array, number: number): boolean {
  return ((bits[number >>> 5]! >>> (number & 31)) & 1) === 1
}
