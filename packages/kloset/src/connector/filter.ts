import type { Filter, WorkerHost } from './contract.js'

/** Takes every entry. */
export const everything: Filter = { takes: () => true }

/** Of a source, of which nothing is left out. */
export const noHost: WorkerHost = { leftOut: () => undefined }
