import type { Bytes } from '../../src/bytes/index.js'
import type { Storage } from '../../src/connector/contract.js'
import { KlosetError } from '../../src/errors.js'
import { type Around, listingThrough, type RequestKind, throughEach } from '../../src/storage/around.js'
import { type MemoryPlace, memoryStorage } from '../../src/storage/index.js'

/**
 * What becomes of a put of a log entry. `lost-answer`: it is applied, and fails. `lost`: it fails. `late`: it fails, and is applied at
 * some later step if its place is still free.
 */
export type Fate = 'fine' | 'lost-answer' | 'lost' | 'late'

/** Decides a run. */
export interface Decisions {
  /** Which of the clients that could go on does, by its place in the list. */
  next(clients: readonly string[], step: number): number
  fate(client: string): Fate
  /** Whether a client stops for ever instead of making its next call. */
  crashes(client: string, step: number): boolean
  /** Whether a put that is late arrives now. */
  arrives(step: number): boolean
}

/** A step that was made: who called what. */
export interface Step {
  readonly client: string
  readonly call: string
}

interface Held {
  readonly call: string
  release(): void
}

interface Client {
  readonly name: string
  readonly held: Held[]
  done: boolean
  crashed: boolean
}

/**
 * Runs clients of one place in a chosen order: every storage call is held until it is the client's turn, and only one client moves at a
 * time. A client's calls are released in the order in which it made them.
 */
export class Scheduler {
  readonly steps: Step[] = []
  readonly #place: MemoryPlace
  readonly #decisions: Decisions
  readonly #clients: Client[] = []
  readonly #late: { readonly name: string; readonly body: Bytes }[] = []

  constructor(place: MemoryPlace, decisions: Decisions) {
    this.#place = place
    this.#decisions = decisions
  }

  /** Adds a client; `work` starts when the schedule does. Resolves to what came of it; never, where it crashed. */
  add<T>(name: string, work: (storage: Storage) => Promise<T>): { readonly outcome: () => Outcome<T> } {
    const client: Client = { name, held: [], done: false, crashed: false }
    this.#clients.push(client)
    let outcome: Outcome<T> = { state: 'crashed' }
    const run = async (): Promise<void> => {
      try {
        await this.#turn(client, 'start')
        outcome = { state: 'done', value: await work(this.#storage(client)) }
      } catch (error) {
        outcome = { state: 'failed', error }
      } finally {
        client.done = true
      }
    }
    void run()
    return { outcome: () => outcome }
  }

  /** Runs until every client is done or crashed; then what is late arrives. */
  async run(): Promise<void> {
    for (let step = 0; ; step++) {
      await this.#settle()
      const ready = this.#clients.filter((client) => !client.done && !client.crashed)
      if (ready.length === 0) break
      if (step > mostSteps) throw new Error('the schedule has no end')
      if (this.#late.length > 0 && this.#decisions.arrives(step)) this.#arrive()
      const client =
        ready[
          this.#decisions.next(
            ready.map(({ name }) => name),
            step,
          )
        ]!
      if (this.#decisions.crashes(client.name, step)) {
        client.crashed = true
        this.steps.push({ client: client.name, call: 'crash' })
        continue
      }
      const held = client.held.shift()!
      this.steps.push({ client: client.name, call: held.call })
      held.release()
    }
    while (this.#late.length > 0) this.#arrive()
  }

  #storage(client: Client): Storage {
    const storage = memoryStorage({ place: this.#place })
    const around: Around = async (_kind: RequestKind, _signal, call) => {
      await this.#turn(client, 'list')
      return call()
    }
    const wrapped = throughEach(storage, (_kind, _signal, call) => call(), listingThrough(storage, around))
    return {
      ...wrapped,
      put: async (name, body, how) => {
        await this.#turn(client, `put ${name}`)
        const fate = name.startsWith('log/') ? this.#decisions.fate(client.name) : 'fine'
        if (fate === 'late') this.#late.push({ name, body: body.slice() })
        const outcome = fate === 'fine' || fate === 'lost-answer' ? await storage.put(name, body, how) : undefined
        if (fate === 'fine') return outcome!
        this.steps.push({ client: client.name, call: fate })
        throw new KlosetError('KLOSET_OFFLINE', 'the connection was lost', { retry: 'later' })
      },
      get: async (name, how) => {
        await this.#turn(client, `get ${name}`)
        return storage.get(name, how)
      },
      stat: async (name, how) => {
        await this.#turn(client, `stat ${name}`)
        return storage.stat(name, how)
      },
      remove: async (names, how) => {
        await this.#turn(client, `remove ${names.join(' ')}`)
        return storage.remove(names, how)
      },
    }
  }

  #turn(client: Client, call: string): Promise<void> {
    return new Promise((resolve) => client.held.push({ call, release: resolve }))
  }

  #arrive(): void {
    const { name, body } = this.#late.shift()!
    const applied = !this.#place.has(name)
    if (applied) this.#place.set(name, body)
    this.steps.push({ client: 'network', call: `${applied ? 'late' : 'too late'} ${name}` })
  }

  /** Waits until each client has called the storage, or is done. */
  async #settle(): Promise<void> {
    const isMoving = ({ done, crashed, held }: Client): boolean => !done && !crashed && held.length === 0
    // A turn more: what it does besides may lead to more calls, and their order must not depend on when others are released.
    for (let turns = 0, still = 0; still < 2; turns++) {
      await new Promise<void>((resolve) => void setImmediate(resolve))
      still = this.#clients.some(isMoving) ? 0 : still + 1
      if (turns > 100_000) throw new Error('a client neither calls the storage nor ends')
    }
  }
}

/** What came of a client. */
export type Outcome<T> =
  | { readonly state: 'done'; readonly value: T }
  | { readonly state: 'failed'; readonly error: unknown }
  | { readonly state: 'crashed' }

const mostSteps = 20_000
