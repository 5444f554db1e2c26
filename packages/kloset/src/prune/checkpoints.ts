import type { Call } from '../connector/index.js'
import { positionOf } from '../log/index.js'
import type { OpenedStore } from '../store/opened.js'

/** After so many entries a prune leaves a checkpoint: it is the one to tidy up. */
const worthIt = 16

/**
 * Writes a checkpoint where that saves reading, and deletes old ones. The newest two stay: should one be damaged, the other serves. What
 * was pruned is not undone where this fails.
 */
export async function tidyCheckpoints({ storage, log }: OpenedStore, call: Call): Promise<void> {
  if (log.sinceCheckpoint >= worthIt) await log.checkpoint(call).catch(() => undefined)
  const names: string[] = []
  for await (const batch of storage.list('checkpoints/', { ...call, after: undefined })) {
    for (const { name } of batch) if (positionOf(name) !== undefined) names.push(name)
  }
  // Their names sort as their positions do.
  const old = names.sort().slice(0, -kept)
  if (old.length > 0) await storage.remove(old, call).catch(() => undefined)
}

const kept = 2
