import { postedError } from './posted.js'

/** Work that lives in a worker: one object a worker and call of `start`, asked again and again. */
export interface Job {
  /** Answers one message. Mostly synchronous: a worker does one thing at a time. */
  handle(message: unknown): JobReply | Promise<JobReply>
  /** Gives back what it holds. */
  end?(): void
}

/** An answer and the buffers in it that move instead of being copied. */
export interface JobReply {
  readonly value: unknown
  readonly transfer?: readonly ArrayBuffer[]
}

/** Makes a job of a kind; `init` is plain data. */
export type JobFactory = (kind: string, init: unknown) => Promise<Job>

/** What is posted to a worker. */
export type WorkerRequest =
  | { readonly op: 'start'; readonly call: number; readonly job: number; readonly kind: string; readonly init: unknown }
  | { readonly op: 'handle'; readonly call: number; readonly job: number; readonly message: unknown }
  | { readonly op: 'end'; readonly call: number; readonly job: number }

/** What a worker posts back. */
export type WorkerResponse =
  | { readonly call: number; readonly value: unknown }
  | { readonly call: number; readonly error: PostedError }

/** An error in a form that can be posted without losing what ours carry. */
export interface PostedError {
  readonly name: string
  readonly message: string
  readonly stack: string | undefined
  readonly kloset:
    | {
        readonly code: string
        readonly retry: 'never' | 'later'
        readonly hint: string | undefined
        readonly context: Readonly<Record<string, string | number>>
      }
    | undefined
  readonly cause: PostedError | undefined
}

/** Serves requests with jobs of a factory: the whole of a worker, whatever carries its messages. */
export function serveJobs(
  create: JobFactory,
  post: (response: WorkerResponse, transfer: readonly ArrayBuffer[]) => void,
): (request: WorkerRequest) => Promise<void> {
  const jobs = new Map<number, Job>()
  return async (request) => {
    try {
      if (request.op === 'start') {
        jobs.set(request.job, await create(request.kind, request.init))
        post({ call: request.call, value: undefined }, [])
        return
      }
      const job = jobs.get(request.job)
      if (job === undefined) throw new Error('the job has ended')
      if (request.op === 'end') {
        jobs.delete(request.job)
        job.end?.()
        post({ call: request.call, value: undefined }, [])
        return
      }
      const answer = job.handle(request.message)
      const reply = answer instanceof Promise ? await answer : answer
      post({ call: request.call, value: reply.value }, reply.transfer ?? [])
    } catch (error) {
      post({ call: request.call, error: postedError(error) }, [])
    }
  }
}

/** A connector's worker module in a form that can be posted. */
export interface PostedModule {
  readonly url: string
  readonly data: unknown
}

/** The form of a module that can be posted. */
export function postedModule({ url, data }: { readonly url: URL; readonly data?: unknown }): PostedModule {
  return { url: url.href, data }
}
