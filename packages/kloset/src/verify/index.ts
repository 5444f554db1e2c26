import type { CheckOptions, Finding } from '../api.js'
import type { Call } from '../connector/index.js'
import type { StoredSnapshot } from '../snapshot/index.js'
import { packSizes } from '../store/footers.js'
import type { OpenedStore } from '../store/opened.js'
import { finding } from './findings.js'
import { checkFoundation } from './foundation.js'
import { checkLog } from './log.js'
import { Lost } from './lost.js'
import { checkPresence, due, readPacks } from './packs.js'
import { CheckReport } from './report.js'
import { TreeCheck } from './trees.js'

export type { CheckOptions, Finding } from '../api.js'
export { type FindingCode, finding } from './findings.js'
export { type IndexedFrames, type PackFinding, type VerifiedPack, verifyPack } from './pack.js'

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
  checkRead(options.read)
  const report = new CheckReport(options)
  for await (const found of steps(store, snapshots, options, report, call)) {
    if (found.level === 'error') report.findings++
    yield found
  }
  report.phase = 'done'
  report.tell(true)
}

function checkRead(read: CheckOptions['read']): void {
  if (typeof read !== 'object') return
  const { percent, round } = read
  // A part that is never due would be a check that finds nothing.
  if (!(percent > 0 && percent <= 100)) throw new RangeError('a part to read is more than 0 and at most 100 percent')
  if (!Number.isSafeInteger(round) || round < 0) throw new RangeError('a round is a whole number, at least 0')
}

async function* steps(
  store: OpenedStore,
  snapshots: readonly StoredSnapshot[],
  options: CheckOptions,
  report: CheckReport,
  call: Call,
): AsyncGenerator<Finding> {
  // All at once: on a distant storage these are waits, one after the other.
  const [ofFoundation, ofLog, index, sizes] = await Promise.all([
    gather(checkFoundation(store, call)),
    gather(checkLog(store, call)),
    // Anew, not what the store has in memory: the objects may have been damaged since they were read.
    store.loadedAnew((notice) => options.onEvent?.(notice), call),
    packSizes(store.storage, call),
  ])
  yield* ofFoundation
  yield* ofLog
  const { table, blobs, bad } = index
  for (const { name, error } of bad) {
    const object = `index/${name}`
    const missing = error.code === 'KLOSET_NOT_FOUND'
    yield finding(
      missing ? 'segment-missing' : 'segment-corrupt',
      object,
      missing ? `${object} is missing` : error.message,
    )
  }
  const lost = new Lost(table)
  const present = yield* checkPresence(store, table, sizes, lost, call)
  const read = options.read ?? 'structure'
  if (read === 'structure') {
    yield* checkTrees(store, snapshots, new TreeCheck(blobs, lost, report, call), call)
    return
  }
  // The workers read packs; meanwhile this thread walks the trees. Only if something turns out lost, it has to walk them again.
  const quiet = new CheckReport({})
  const before = lost.count
  const reading = readPacks(store, table, lost, due(present, read), report, call)
  const walking = gather(checkTrees(store, snapshots, new TreeCheck(blobs, lost, quiet, call), call))
  const [ofPacks, ofTrees] = await Promise.all([reading, walking])
  yield* ofPacks
  if (lost.count === before) yield* ofTrees
  else yield* checkTrees(store, snapshots, new TreeCheck(blobs, lost, quiet, call), call)
}

async function* checkTrees(
  store: OpenedStore,
  snapshots: readonly StoredSnapshot[],
  trees: TreeCheck,
  call: Call,
): AsyncGenerator<Finding> {
  for (const snapshot of snapshots) {
    const found = await gather(trees.check(snapshot))
    // What was forgotten since the check began may be pruned by now.
    if (found.some(({ level }) => level === 'error')) await store.log.refresh(call)
    if (store.log.state.snapshots.has(snapshot.id)) yield* found
  }
}

async function gather(findings: AsyncIterable<Finding>): Promise<Finding[]> {
  const gathered: Finding[] = []
  for await (const each of findings) gathered.push(each)
  return gathered
}
