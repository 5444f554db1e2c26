import { availableParallelism } from 'node:os'
import { parentPort, type TransferListItem, Worker } from 'node:worker_threads'
import type { JobFactory, WorkerRequest, WorkerResponse } from '../jobs.js'
import { serveJobs } from '../jobs.js'
import type { Moved, Thread } from '../pool.js'

/** How many threads run at the same time here. */
export const parallelism: number = availableParallelism()

/** Starts a worker thread that runs the module at `url`. */
export function startThread(
  url: URL,
  hear: { response(response: WorkerResponse): void; failure(error: Error): void },
): Thread {
  // What is short-lived in a worker is small; V8's default would let it pile up to 48 MB in each.
  const worker = new Worker(url, { resourceLimits: { maxYoungGenerationSizeMb: 16 } })
  worker.on('message', hear.response)
  worker.on('error', hear.failure)
  worker.on('messageerror', hear.failure)
  worker.on('exit', (code) => hear.failure(new Error(`a worker ended with code ${code}`)))
  // An idle pool keeps no process alive; a call under way does, see `busy`.
  worker.unref()
  return {
    post: (request: WorkerRequest, transfer: readonly Moved[]) =>
      // Node types its ports apart from those of the web, which they are.
      worker.postMessage(request, [...transfer] as TransferListItem[]),
    busy: (yes: boolean) => (yes ? worker.ref() : worker.unref()),
    async stop() {
      worker.removeAllListeners('exit')
      // Who waits for the end must live to see it.
      worker.ref()
      await worker.terminate()
    },
  }
}

/** Makes the thread this is called in a worker of an engine. */
export function serveThread(create: JobFactory): void {
  const port = parentPort
  if (port === null) return
  const serve = serveJobs(create, (response, transfer) => port.postMessage(response, [...transfer]))
  port.on('message', (request: WorkerRequest) => void serve(request))
}
