import type { PruneOptions, PruneResult } from '../api.js'
import type { Call } from '../connector/index.js'
import type { OpenedStore } from '../store/opened.js'
import { makingRoom } from './room.js'
import { PruneRun } from './run.js'
import { manySegments } from './swap.js'

export { forget } from './forget.js'
export { forgottenRecords, undelete } from './undelete.js'

const hour = 3_600_000

/** Condemns what no snapshot needs, and deletes what was condemned long enough ago. */
export function prune(store: OpenedStore, options: PruneOptions, call: Call): Promise<PruneResult> {
  const { delay = 24 * hour, grace = 7 * 24 * hour } = options
  for (const [name, value] of Object.entries({ delay, grace })) {
    if (!(value >= 0)) throw new RangeError(`the ${name} of a prune is a number of milliseconds`)
  }
  const run = (): Promise<PruneResult> =>
    new PruneRun(store, { ...options, delay, grace, many: manySegments }, call).run()
  return options.dryRun === true ? run() : makingRoom(store.storage, call, run)
}
