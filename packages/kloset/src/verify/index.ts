import type { CheckOptions, Finding } from '../api.js'
import type { Call } from '../connector/index.js'
import { StoredSnapshot } from '../snapshot/index.js'
import type { OpenedStore } from '../store/opened.js'
import { checkFoundation } from './foundation.js'
import { finding } from './findings.js'
import { checkLog } from './log.js'
import { Lost } from './lost.js'
import { checkPacks } from './packs.js'
import { CheckReport } from './report.js'
import { TreeCheck } from './trees.js'

export type { CheckOptions, Finding } from '../api.js'

/**
 * Verifies a store and yields what is wrong with it, as it is found. Config, keys and log come first, then the index and the packs,
 * and last the trees, which tell which files of which snapshots are concerned.
 */
export async function* check(
  store: OpenedStore,
  snapshots: readonly StoredSnapshot[],
  options: CheckOptions,
  call: Call,
): AsyncGenerator<Finding> {
  const report = new CheckReport(options)
  for await (const found of steps(store, snapshots, options, report, call)) {
    if (found.level === 'error') report.findings++
    yield found
  }
  report.phase = 'done'
  report.tell(true)
}

async function* steps(
  store: OpenedStore,
  snapshots: readonly StoredSnapshot[],
  options: CheckOptions,
  report: CheckReport,
  call: Call,
): AsyncGenerator<Finding> {
  yield* checkFoundation(store, call)
  yield* checkLog(store, call)
  const { table, blobs, bad } = await store.loaded()
  for (const { name, error } of bad) {
    const object = `index/${name}`
    const missing = error.code === 'KLOSET_NOT_FOUND'
    yield finding(missing ? 'segment-missing' : 'segment-corrupt', object, missing ? `${object} is missing` : error.message)
  }
  const lost = new Lost(table)
  yield* checkPacks(store, table, lost, options.read ?? 'structure', report, call)
  report.phase = 'check'
  report.entries = 0
  report.total = undefined
  const trees = new TreeCheck(blobs, lost, report, call)
  for (const snapshot of snapshots) yield* trees.check(snapshot)
}
