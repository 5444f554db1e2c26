import { serveThread } from './runtime/node/threads.js'
import { createDeriveJob } from './store/derive-job.js'

// The file that an engine's threads run. Most of the engine is loaded only for a job that needs it: threads that derive a key, for which every
// command waits, start in half the time without.
serveThread(async (kind, init) => {
  if (kind === 'derive') return createDeriveJob()
  const { createJob } = await import('./worker.js')
  return createJob(kind, init)
})
