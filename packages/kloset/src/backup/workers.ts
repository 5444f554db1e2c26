import type { SharedSession } from '../index/index.js'
import type { JobSet } from '../runtime/pool.js'
import type { BackupRequest, StoredReply } from './messages.js'

/** How many requests a worker has waiting, besides the one at hand: enough that it never waits for the main thread. */
const depth = 2

/** Hands work to the workers of a backup or synchronization, first come, first served. */
export class Workers<Request extends object = BackupRequest> {
  readonly #start: () => Promise<JobSet>
  #jobs: Promise<JobSet> | undefined
  readonly size: number
  readonly #load: number[]
  readonly #waiting: ((worker: number) => void)[] = []
  readonly #stored: (reply: StoredReply) => void
  readonly #spare: ArrayBuffer[] = []

  /**
   * `start` is called when there is something to do for the first time: often there is nothing. `stored` is told everything that
   * workers stored, also where nobody waits for the answer.
   */
  constructor(start: () => Promise<JobSet>, size: number, stored: (reply: StoredReply) => void) {
    this.#start = start
    this.size = size
    this.#load = new Array<number>(size).fill(0)
    this.#stored = stored
  }

  /** Takes memory that packs were in, for the next ones. */
  recycle(memory: ArrayBuffer): void {
    this.#spare.push(memory)
  }

  /** Asks what stores nothing, such as where to cut a large file, of the worker that is free first. */
  async ask<Reply>(request: Request, transfer: readonly ArrayBuffer[] = []): Promise<Reply> {
    return (await this.#call(request, transfer)) as Reply
  }

  /** Stores what a message says, on the worker that is free first. */
  async store<Reply extends StoredReply = StoredReply>(
    request: Request,
    transfer: readonly ArrayBuffer[],
  ): Promise<Reply> {
    const reply = (await this.#call(request, transfer)) as Reply
    this.#stored(reply)
    return reply
  }

  /** Tells every worker that the session's table has grown. */
  async grow(session: SharedSession): Promise<void> {
    await Promise.all(this.#load.map((_, worker) => this.#ask(worker, { op: 'session', session })))
  }

  /** Seals what is open in every worker. */
  async flush(): Promise<void> {
    if (this.#jobs === undefined) return
    await Promise.all(
      this.#load.map(async (_, worker) => {
        this.#stored((await this.#ask(worker, { op: 'flush' })) as StoredReply)
      }),
    )
  }

  /** Ends the jobs. */
  async end(): Promise<void> {
    await this.#jobs?.then(
      (jobs) => jobs.end(),
      () => undefined,
    )
  }

  /** Resolves when a worker could start on something at once. */
  async idle(): Promise<void> {
    this.#release(await this.#reserve())
  }

  async #call(request: Request, transfer: readonly ArrayBuffer[]): Promise<unknown> {
    const worker = await this.#reserve()
    try {
      const spare = this.#spare.pop()
      if (spare === undefined) return await this.#ask(worker, request, transfer)
      return await this.#ask(worker, { ...request, spare }, [...transfer, spare])
    } finally {
      this.#release(worker)
    }
  }

  async #ask(worker: number, message: object, transfer: readonly ArrayBuffer[] = []): Promise<unknown> {
    this.#jobs ??= this.#start()
    return (await this.#jobs).call(worker, message, transfer)
  }

  #reserve(): Promise<number> {
    const least = this.#load.indexOf(Math.min(...this.#load))
    if (this.#load[least]! < depth) {
      this.#load[least]!++
      return Promise.resolve(least)
    }
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #release(worker: number): void {
    const next = this.#waiting.shift()
    if (next !== undefined) next(worker)
    else this.#load[worker]!--
  }
}
