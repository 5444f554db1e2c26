import type { BackupEvent, BackupOptions, ImportOptions, ImportResult, Snapshot } from '../api.js'
import { backup, type Past } from '../backup/index.js'
import type { Call, History, PastSnapshot } from '../connector/index.js'
import { tagsLike } from '../edit/labels.js'
import { isDamage } from '../snapshot/readable.js'
import type { OpenedStore } from '../store/opened.js'
import { guarded } from './guarded.js'
import { ImportReport } from './report.js'
import { selectForImport } from './select.js'

/** Brings the snapshots of another program over, oldest first: each is a backup of what it holds, at its own time. */
export async function importHistory(
  store: OpenedStore,
  history: History,
  options: ImportOptions,
  call: Call,
): Promise<ImportResult> {
  const report = new ImportReport(options)
  await store.log.refresh(call)
  if (options.dryRun !== true) store.requireWritable()
  const snapshots: PastSnapshot[] = []
  for await (const batch of history.snapshots(call)) {
    for (const each of batch) {
      if ('error' in each) report.lost(each)
      else snapshots.push(each)
    }
  }
  const { wanted, present, forgotten } = selectForImport(history.type, snapshots, store.log.state, options)
  for (const original of [...present, ...forgotten]) report.event({ type: 'skipped', original })
  const imported: { original: PastSnapshot; snapshot: Snapshot | undefined }[] = []
  for (const [index, original] of wanted.entries()) {
    report.event({ type: 'importing', original, number: index + 1, count: wanted.length })
    if (options.dryRun === true) {
      imported.push({ original, snapshot: undefined })
      continue
    }
    const snapshot = await importSnapshot(store, history, original, { options, report, call })
    if (snapshot === undefined) continue
    imported.push({ original, snapshot })
    report.event({ type: 'imported', original, snapshot })
  }
  report.done()
  return report.result({ imported, present: present.length, forgotten: forgotten.length })
}

interface Importing {
  readonly options: ImportOptions
  readonly report: ImportReport
  readonly call: Call
}

/** Imports one snapshot; undefined where nothing of it can be read. */
async function importSnapshot(
  store: OpenedStore,
  history: History,
  original: PastSnapshot,
  importing: Importing,
): Promise<Snapshot | undefined> {
  const { report, call } = importing
  const stopping = new AbortController()
  const own = { signal: AbortSignal.any([call.signal, stopping.signal]) }
  const stop = (error: unknown): void => stopping.abort(error)
  let sources: Awaited<ReturnType<History['open']>>
  try {
    sources = await history.open(original, own)
  } catch (error) {
    if (!isDamage(error)) throw error
    report.lost({ path: original.id, error }, original)
    return undefined
  }
  try {
    const safely = sources.map((source) => guarded(source, isDamage, stop))
    const result = await backup(
      store,
      safely,
      backupOptions(history, original, importing),
      own,
      pastOf(history, original),
    )
    report.finished(result)
    return result.snapshot
  } finally {
    await Promise.allSettled(sources.map((source) => source.close()))
  }
}

function backupOptions({ type }: History, original: PastSnapshot, { options, report }: Importing): BackupOptions {
  const { id, host, user, tags } = original
  return {
    name: `${type}:${id.slice(0, 8)}`,
    host,
    user,
    tags: tagsLike(tags),
    ...(options.codec && { codec: options.codec }),
    onProgress: (now) => report.progress(now),
    onEvent: (event: BackupEvent) => {
      if (event.type === 'notice') report.event(event)
      else if (event.type === 'failed') report.fail({ path: event.path, error: event.error }, original)
    },
  }
}

function pastOf({ type }: History, { id, content, time, tool }: PastSnapshot): Past {
  return { time, tool, imported: { from: type, id, content } }
}
