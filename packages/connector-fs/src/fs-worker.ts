import type { WorkerHost, WorkerSide } from 'kloset/connector'
import { type WorkerData, workerSide } from './sides.js'

/** Loaded in the engine's workers; `data` is what {@link WorkerData} describes. */
export default function fsWorker(data: unknown, host: WorkerHost): WorkerSide {
  return workerSide(data as WorkerData, host)
}
