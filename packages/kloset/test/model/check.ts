/**
 * An explicit-state model checker: it visits every state that a model can get into, breadth first, so that the story it tells of a
 * violation is a shortest one.
 *
 * A state is a list of parts (the store, the log, each client, …) of which a step changes few. Equal parts are kept once and a state is
 * known by the numbers of its parts, as SPIN's collapse mode does it (Holzmann, "State compression in SPIN", 1997): exact, not a
 * bet on hashes, and small enough for millions of states.
 */

/** Something that can happen in a state. */
export interface Step<S> {
  /** One sentence for the story. */
  readonly tells: string
  readonly to: S
}

/** What must stay possible: from every state that is not excused, some path leads to one where it is reached. */
export interface Goal<S> {
  readonly name: string
  reached(state: S): boolean
  excused(state: S): boolean
}

export interface Model<S> {
  readonly start: S
  steps(state: S): readonly Step<S>[]
  /** What is wrong with a state; undefined where nothing is. Asked once of each. */
  wrong(state: S): string | undefined
  readonly goals: readonly Goal<S>[]
  /** Plain data, always as many, whose JSON is equal exactly where they are. */
  parts(state: S): readonly object[]
  whole(parts: readonly object[]): S
}

export interface Explored {
  readonly states: number
  readonly steps: number
  readonly seconds: number
  /** What was found first, and the shortest story of how it comes about. */
  readonly found: { readonly what: string; readonly story: readonly string[] } | undefined
  /** Whether every state was visited: not where something was found, or there were too many. */
  readonly complete: boolean
}

/** Visits every state, or at most `most`. */
export function explore<S>(model: Model<S>, most: number = 20_000_000): Explored {
  return new Exploration(model, most).run()
}

class Exploration<S> {
  readonly #model: Model<S>
  readonly #most: number
  readonly #parts: readonly Interned[]
  readonly #numbers = new Map<string, number>()
  readonly #keys: string[] = []
  readonly #cameFrom = new Numbers()
  // Every step as a pair of states, for walking backwards from the goals.
  readonly #from = new Numbers()
  readonly #to = new Numbers()
  readonly #reached = new Numbers()
  readonly #excused = new Numbers()
  readonly #started = performance.now()

  constructor(model: Model<S>, most: number) {
    this.#model = model
    this.#most = most
    this.#parts = model.parts(model.start).map(() => new Interned())
  }

  run(): Explored {
    const what = this.#visit(this.#model.start, -1)
    if (what !== undefined) return this.#end({ what, last: 0 })
    for (let number = 0; number < this.#keys.length; number++) {
      if (number >= this.#most) return this.#end(undefined, false)
      for (const { to } of this.#model.steps(this.#state(number))) {
        const before = this.#keys.length
        const what = this.#visit(to, number)
        if (what !== undefined) return this.#end({ what, last: before })
      }
    }
    return this.#end(this.#hopeless())
  }

  /** Notes a step into a state; what is wrong with the state, if it is new. */
  #visit(state: S, from: number): string | undefined {
    const key = this.#key(state)
    const known = this.#numbers.get(key)
    const number = known ?? this.#keys.length
    if (from >= 0) {
      this.#from.push(from)
      this.#to.push(number)
    }
    if (known !== undefined) return undefined
    this.#numbers.set(key, number)
    this.#keys.push(key)
    this.#cameFrom.push(from)
    let reached = 0
    let excused = 0
    for (const [bit, goal] of this.#model.goals.entries()) {
      if (goal.reached(state)) reached |= 1 << bit
      if (goal.excused(state)) excused |= 1 << bit
    }
    this.#reached.push(reached)
    this.#excused.push(excused)
    return this.#model.wrong(state)
  }

  /** A state from which some goal cannot be reached any more, though it should. */
  #hopeless(): { readonly what: string; readonly last: number } | undefined {
    const states = this.#keys.length
    const hopeful = new Uint32Array(states)
    const queue: number[] = []
    const add = (state: number, goals: number): void => {
      if ((hopeful[state]! | goals) === hopeful[state]) return
      hopeful[state]! |= goals
      queue.push(state)
    }
    const { first, origins } = this.#backwards()
    for (let state = 0; state < states; state++) add(state, this.#reached.at(state))
    for (let state = queue.pop(); state !== undefined; state = queue.pop()) {
      for (let i = first[state]!; i < first[state + 1]!; i++) add(origins[i]!, hopeful[state]!)
    }
    for (let state = 0; state < states; state++) {
      const missing = this.#model.goals.findIndex(
        (_, bit) => (((hopeful[state]! | this.#excused.at(state)) >>> bit) & 1) === 0,
      )
      if (missing >= 0) return { what: `${this.#model.goals[missing]!.name} cannot come any more`, last: state }
    }
    return undefined
  }

  /** The states from which a step leads into each: those of `s` are `origins[first[s]]` up to `origins[first[s + 1]]`. */
  #backwards(): { readonly first: Uint32Array; readonly origins: Uint32Array } {
    const states = this.#keys.length
    const first = new Uint32Array(states + 2)
    const origins = new Uint32Array(this.#to.length)
    for (let i = 0; i < this.#to.length; i++) first[this.#to.at(i) + 2]!++
    for (let state = 0; state < states; state++) first[state + 2]! += first[state + 1]!
    for (let i = 0; i < this.#to.length; i++) origins[first[this.#to.at(i) + 1]!++] = this.#from.at(i)
    return { first, origins }
  }

  #end(found: { readonly what: string; readonly last: number } | undefined, all = found === undefined): Explored {
    return {
      states: this.#keys.length,
      steps: this.#to.length,
      seconds: (performance.now() - this.#started) / 1000,
      found: found && { what: found.what, story: this.#story(found.last) },
      complete: all,
    }
  }

  /** How a state comes about: the steps are taken again, for their sentences. */
  #story(last: number): readonly string[] {
    const path = [last]
    for (let from = this.#cameFrom.at(last); from >= 0; from = this.#cameFrom.at(from)) path.unshift(from)
    return path.slice(1).map((number, i) => {
      const steps = this.#model.steps(this.#state(path[i]!))
      return steps.find(({ to }) => this.#key(to) === this.#keys[number])!.tells
    })
  }

  #key(state: S): string {
    let key = ''
    const parts = this.#model.parts(state)
    for (let i = 0; i < parts.length; i++) {
      const id = this.#parts[i]!.idOf(parts[i]!)
      key += String.fromCharCode(id & 0xffff, id >>> 16)
    }
    return key
  }

  #state(number: number): S {
    const key = this.#keys[number]!
    return this.#model.whole(
      this.#parts.map((part, i) => part.of(key.charCodeAt(2 * i) + key.charCodeAt(2 * i + 1) * 0x10000)),
    )
  }
}

/** Equal parts have one number. */
class Interned {
  readonly #ids = new Map<string, number>()
  readonly #objects: object[] = []
  readonly #known = new WeakMap<object, number>()

  idOf(part: object): number {
    const known = this.#known.get(part)
    if (known !== undefined) return known
    const text = JSON.stringify(part)
    let id = this.#ids.get(text)
    if (id === undefined) {
      id = this.#objects.length
      this.#ids.set(text, id)
      this.#objects.push(part)
      this.#known.set(part, id)
    }
    return id
  }

  of(id: number): object {
    return this.#objects[id]!
  }
}

/** A list of 32-bit numbers that grows. */
class Numbers {
  length = 0
  #items = new Int32Array(1 << 12)

  push(item: number): void {
    if (this.length === this.#items.length) {
      const grown = new Int32Array(2 * this.length)
      grown.set(this.#items)
      this.#items = grown
    }
    this.#items[this.length++] = item
  }

  at(place: number): number {
    return this.#items[place]!
  }
}
