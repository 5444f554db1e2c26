import type { Engine, EngineOptions, ScanOptions } from './api.js'
import { scanRules } from './backup/filtering.js'
import { rootsOf } from './backup/recorded.js'
import { scanAhead } from './backup/scan-ahead.js'
import type { Source } from './connector/index.js'
import { checkRules } from './filter/index.js'
import { Pool } from './runtime/pool.js'
import { parallelism, startThread } from './runtime/system.js'
import { createJob } from './worker.js'

/** More threads than this mostly wait for each other: the storage is the limit by then. */
const mostWorkers = 8

/** A pool as the public API shows it. */
class PoolEngine implements Engine {
  readonly pool: Pool

  constructor(pool: Pool) {
    this.pool = pool
  }

  get workers(): number {
    return this.pool.size
  }

  scanAhead(source: Source, options: ScanOptions = {}): void {
    checkRules(options.filter ?? {})
    scanAhead(this.pool, source, scanRules(source, options, rootsOf(options)[0]))
  }

  close(): Promise<void> {
    return this.pool.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/**
 * Makes a pool of workers for stores to share. The threads start when they are first needed. Where none can be started, everything runs
 * on the calling thread, and a notice says so.
 */
export function createEngine(options: EngineOptions = {}): Engine {
  const workers = options.workers ?? Math.min(parallelism, mostWorkers)
  if (!Number.isInteger(workers) || workers < 0)
    throw new RangeError('the number of workers must be a whole number, at least 0')
  const url = options.worker ?? new URL('./kloset-worker.js', import.meta.url)
  const start = workers === 0 ? undefined : (hear: Parameters<typeof startThread>[1]) => startThread(url, hear)
  return new PoolEngine(new Pool(workers, start, createJob))
}

let shared: Engine | undefined

/** The pool of an engine; of the one that stores share where none is given. */
export function poolOf(engine: Engine | undefined): Pool {
  shared ??= engine === undefined ? createEngine() : undefined
  const used = engine ?? shared
  if (!(used instanceof PoolEngine)) throw new TypeError('an engine comes from createEngine')
  return used.pool
}
