import type { JobFactory, WorkerRequest, WorkerResponse } from './jobs.js'
import { serveJobs } from './jobs.js'
import { errorOfPosted } from './posted.js'

/** What moves to a thread instead of being copied. */
export type Moved = ArrayBuffer | MessagePort

/** A thread as a runtime starts it. */
export interface Thread {
  post(request: WorkerRequest, transfer: readonly Moved[]): void
  /** Whether a call is under way: then the process stays alive for it. */
  busy(yes: boolean): void
  stop(): Promise<void>
}

/** Starts a thread that tells what it hears. */
export type StartThread = (hear: { response(response: WorkerResponse): void; failure(error: Error): void }) => Thread

/** Jobs of one kind, one in each worker. */
export interface JobSet {
  readonly size: number
  /** Asks the job in a worker, counted around; the answers of one worker come in the order of the calls. */
  call(worker: number, message: unknown, transfer?: readonly Moved[]): Promise<unknown>
  end(): Promise<void>
}

/** Threads that run jobs; without any, jobs run on the thread that asks. */
export class Pool {
  readonly #start: StartThread | undefined
  readonly #inline: JobFactory
  readonly #size: number
  #workers: PooledWorker[] | undefined
  #nextJob = 1
  #closed = false
  /** Why there are no threads although some were wanted. */
  unavailable: Error | undefined

  constructor(size: number, start: StartThread | undefined, inline: JobFactory) {
    this.#size = start === undefined ? 0 : size
    this.#start = start
    this.#inline = inline
  }

  /** How many threads work; 0 where jobs run on the calling thread. */
  get size(): number {
    return this.unavailable === undefined ? this.#size : 0
  }

  /** Whether there are threads, or will soon be. */
  get isStarted(): boolean {
    return this.#workers !== undefined
  }

  /** Starts a job in each worker. */
  async start(kind: string, init: unknown): Promise<JobSet> {
    if (this.#closed) throw new Error('the engine is closed')
    const job = this.#nextJob++
    const workers = await this.#ready(job, kind, init)
    return {
      size: workers.length,
      call: (worker, message, transfer = []) =>
        workers[worker % workers.length]!.call({ op: 'handle', call: 0, job, message }, transfer),
      async end() {
        await Promise.allSettled(workers.map((worker) => worker.call({ op: 'end', call: 0, job }, [])))
      },
    }
  }

  /** Starts the threads before they are needed. */
  startAhead(): void {
    this.#workers ??= this.#startAll()
  }

  /** At most so many threads of their own, which end when it is closed: what they took of memory is given back. */
  beside(most: number): Pool {
    return new Pool(Math.min(most, this.size), this.#start, this.#inline)
  }

  /** Works with jobs in at most so many threads of their own, which end then. */
  async apart<T>(kind: string, init: unknown, most: number, work: (jobs: JobSet) => Promise<T>): Promise<T> {
    const pool = this.beside(most)
    try {
      return await work(await pool.start(kind, init))
    } finally {
      await pool.close()
    }
  }

  /** Stops the threads; calls under way fail. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all((this.#workers ?? []).map((worker) => worker.stop()))
  }

  async #ready(job: number, kind: string, init: unknown): Promise<readonly PooledWorker[]> {
    const request: WorkerRequest = { op: 'start', call: 0, job, kind, init }
    this.#workers ??= this.#startAll()
    const workers = this.#workers
    try {
      await Promise.all(workers.map((worker) => worker.call(request, [])))
      return workers
    } catch (error) {
      if (this.#closed) throw error
      if (workers === this.#workers) {
        // Only threads that never answered anything may be threads that cannot be had: anything later is a real failure.
        if (this.size === 0 || workers.some((worker) => worker.answered)) throw error
        this.unavailable = error as Error
        this.#workers = [new PooledWorker(inlineThread(this.#inline))]
        await Promise.allSettled(workers.map((worker) => worker.stop()))
      } else if (this.unavailable === undefined) throw error
      return this.#ready(job, kind, init)
    }
  }

  #startAll(): PooledWorker[] {
    const start = this.#start
    if (start === undefined || this.#size === 0) return [new PooledWorker(inlineThread(this.#inline))]
    return Array.from({ length: this.#size }, () => new PooledWorker(start))
  }
}

class PooledWorker {
  readonly #thread: Thread
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  #nextCall = 1
  #failed: Error | undefined
  answered = false

  constructor(start: StartThread) {
    this.#thread = start({
      response: (response) => this.#settle(response),
      failure: (error) => this.#fail(error),
    })
  }

  call(request: WorkerRequest, transfer: readonly Moved[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#failed !== undefined) {
        reject(this.#failed)
        return
      }
      const call = this.#nextCall++
      if (this.#waiting.size === 0) this.#thread.busy(true)
      this.#waiting.set(call, { resolve, reject })
      this.#thread.post({ ...request, call }, transfer)
    })
  }

  async stop(): Promise<void> {
    this.#fail(new Error('the engine was closed'))
    await this.#thread.stop()
  }

  #settle(response: WorkerResponse): void {
    const waiting = this.#waiting.get(response.call)
    if (waiting === undefined) return
    this.#waiting.delete(response.call)
    this.answered = true
    if (this.#waiting.size === 0) this.#thread.busy(false)
    if ('error' in response) waiting.reject(errorOfPosted(response.error))
    else waiting.resolve(response.value)
  }

  #fail(error: Error): void {
    this.#failed ??= error
    for (const waiting of this.#waiting.values()) waiting.reject(error)
    this.#waiting.clear()
    this.#thread.busy(false)
  }
}

/** Runs jobs on the calling thread, each call in a turn of its own, so that the event loop goes on between them. */
function inlineThread(create: JobFactory): StartThread {
  return (hear) => {
    const serve = serveJobs(create, (response) => hear.response(response))
    let last: Promise<void> = Promise.resolve()
    return {
      post: (request) => {
        last = last.then(() => new Promise((resolve) => setTimeout(resolve, 0))).then(() => serve(request))
      },
      busy: () => undefined,
      stop: async () => undefined,
    }
  }
}
