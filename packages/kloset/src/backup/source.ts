import { compareBytes } from '../bytes/index.js'
import { compareKeys, type Entry, type Source } from '../connector/index.js'
import { errorOfPosted } from '../runtime/posted.js'
import { isDamage } from '../snapshot/readable.js'
import { type BuiltTree, type FetchNode, hasError, noContent, TreeCursor } from '../tree/index.js'
import { type Comparison, isUnchanged } from './changed.js'
import type { Files } from './files.js'
import { type EntryView, entryOf } from './records.js'
import type { BackupReport } from './report.js'
import type { Scanned } from './scan.js'
import type { Slot, Slots } from './slots.js'

/** How many entries may wait for the content of one before them. */
const mostWaiting = 40_000

/** What walking along one source needs. */
export interface SourceBackup {
  readonly source: Source
  readonly scan: AsyncIterable<Scanned>
  readonly files: Files
  readonly slots: Slots
  readonly report: BackupReport
  readonly signal: AbortSignal
  /** Told when the scan is at its end. */
  readonly scanned: () => void
  /** The tree of the same source in the parent snapshot, and what of its files counts. */
  readonly parent: { readonly tree: Uint8Array; readonly comparison: Comparison } | undefined
  readonly fetch: FetchNode
}

/**
 * Backs up one source and returns its new tree. The scan and the parent's tree come in the same order, so one walk along both finds
 * what changed, with constant memory.
 */
export async function backupSource(options: SourceBackup): Promise<BuiltTree> {
  const { scan, files, slots, report, signal } = options
  const inOrder = options.source.capabilities.order === 'path'
  const parent = options.parent === undefined ? undefined : new TreeCursor(options.parent.tree, options.fetch)
  if (parent !== undefined) await ofParent(parent.first())
  for await (const reply of scan) {
    for (const { path, error } of reply.failures) {
      if (options.source.capabilities.atomic) throw errorOfPosted(error)
      report.fail(path, errorOfPosted(error))
    }
    report.move(reply.moved)
    report.exclude(reply.excluded)
    let index = 0
    for (const view of reply.views) {
      const entry = reply.entries?.[index++]
      report.found.entries++
      if (parent !== undefined) {
        const wait = inOrder ? seek(parent, view.key) : parent.seek(view.key)
        if (wait !== undefined) await ofParent(wait)
      }
      const wait = add(options, parent, view, entry)
      if (wait !== undefined) await wait
      // Values are held until a worker takes them.
      if (view.values !== undefined) await files.flow()
    }
    if (reply.done) {
      report.tellMoved()
      options.scanned()
    }
    if (slots.length > mostWaiting) files.send()
    await slots.shrink(mostWaiting)
    signal.throwIfAborted()
  }
  files.send()
  return slots.finish()
}

/** The tree of the parent cannot be read: then nothing of it is relied on. */
export class ParentDamaged extends Error {
  override readonly name = 'ParentDamaged'
}

async function ofParent(reading: Promise<void>): Promise<void> {
  try {
    await reading
  } catch (error) {
    throw isDamage(error) ? new ParentDamaged((error as Error).message, { cause: error }) : error
  }
}

/** Moves along the parent to this key, or to the first after it. */
function seek(parent: TreeCursor, key: Uint8Array): void | Promise<void> {
  while (!parent.done) {
    const at = parent.key
    if (compareKeys(at, 0, at.length, key, 0, key.length) >= 0) return
    const wait = parent.advance()
    if (wait !== undefined) return wait.then(() => seek(parent, key))
  }
}

function add(
  options: SourceBackup,
  parent: TreeCursor | undefined,
  view: EntryView,
  entry: Entry | undefined,
): void | Promise<void> {
  const { files, slots, report } = options
  const slot: Slot = { key: view.key, stat: view.stat, content: undefined }
  if (view.values !== undefined) files.addXattrs(slot, view.values)
  const before = parent !== undefined && !parent.done && compareBytes(parent.key, view.key) === 0 ? parent : undefined
  if (view.stat[0] !== fileType || hasError(view.stat)) {
    if (report.wantsEntries && !hasError(view.stat)) tell(report, view, changeOf(before, view))
    slot.content = noContent
    slots.add(slot)
    return
  }
  const change =
    before === undefined
      ? 'new'
      : isUnchanged(before.stat, view.stat, options.parent!.comparison)
        ? 'unchanged'
        : 'changed'
  report[change]++
  if (report.wantsEntries) tell(report, view, change)
  if (change === 'unchanged') {
    slot.content = before!.content
    report.files++
    slots.add(slot)
    return
  }
  const wait = files.add(slot, view, entry)
  slots.add(slot)
  return wait
}

type Change = 'new' | 'changed' | 'unchanged'

/** Of what has no content all counts. */
function changeOf(before: TreeCursor | undefined, view: EntryView): Change {
  if (before === undefined) return 'new'
  return compareBytes(before.stat, view.stat) === 0 ? 'unchanged' : 'changed'
}

function tell(report: BackupReport, view: EntryView, type: Change): void {
  const entry = entryOf(view)
  report.event({ type, path: entry.path, entry })
}

const fileType = 0
