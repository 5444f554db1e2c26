import { serveThread } from './runtime/node/threads.js'
import { createJob } from './worker.js'

// The file that an engine's threads run.
serveThread(createJob)
