import type { Call, Destination, Entry } from '../connector/index.js'
import { KlosetError } from '../errors.js'
import type { OpenedStore } from '../store/opened.js'
import { type Comparer, startComparing } from './comparing.js'
import { Current } from './current.js'
import type { Refused, Target } from './entries.js'
import type { Overwriting } from './overwrite.js'
import type { RestoreReport } from './report.js'

/** So many entries at most are gathered before the files among them are read. */
const mostAtOnce = 4_096

/**
 * Reads back what a restore wrote or took for right, and reports what is not as the snapshot has it: bytes of files, types, link targets, and
 * what the destination keeps of metadata.
 */
export async function readBack(
  store: OpenedStore,
  targets: AsyncIterable<Target | Refused>,
  destination: Destination,
  { overwriting, report }: { readonly overwriting: Overwriting; readonly report: RestoreReport },
  call: Call,
): Promise<void> {
  const { current } = destination
  if (current === undefined) throw cannotReadBack()
  const there = new Current(current, call)
  try {
    const comparer = await startComparing(store, current, call)
    try {
      let files: Target[] = []
      for await (const target of targets) {
        call.signal.throwIfAborted()
        if ('error' in target || !report.keepsKindOf(target.stat) || report.isSettled(target.path)) continue
        const differs = differences(await there.at(target.path), target, overwriting)
        if (differs !== undefined) report.differs(target.path, differs)
        else if (target.stat.type === 'file') files.push(target)
        else report.verify(target.stat)
        if (files.length < mostAtOnce) continue
        await readFiles(files, comparer, report)
        files = []
      }
      await readFiles(files, comparer, report)
    } finally {
      await comparer.close()
    }
  } finally {
    await there.close()
  }
}

/** What would be needed to read back is not there. */
export function cannotReadBack(): KlosetError {
  return new KlosetError('KLOSET_UNSUPPORTED', 'what is at this destination cannot be read', {
    hint: 'Leave out --verify and --overwrite if-different, or restore somewhere else.',
  })
}

async function readFiles(files: readonly Target[], comparer: Comparer, report: RestoreReport): Promise<void> {
  const unlike = await comparer.unlike(files)
  for (const file of files) {
    const why = unlike.get(file)
    if (why === undefined) report.verify(file.stat)
    else report.differs(file.path, 'content', why.error)
  }
}

/** What of an entry is not as it should be, without looking into files; undefined where all is right. */
function differences(there: Entry | undefined, { stat }: Target, overwriting: Overwriting): string | undefined {
  if (there === undefined) return 'it is not there'
  if (there.type !== stat.type) return `type: it is a ${there.type}`
  const differs: string[] = []
  if (stat.type === 'file' && there.size !== stat.size) differs.push('size')
  if (stat.type === 'symlink' && there.target !== stat.target) differs.push('target')
  const { major, minor } = stat.device ?? {}
  if (stat.device !== undefined && (there.device?.major !== major || there.device?.minor !== minor))
    differs.push('device')
  differs.push(...overwriting.metadataThatDiffers(there, stat))
  return differs.length === 0 ? undefined : differs.join(', ')
}
