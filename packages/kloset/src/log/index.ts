export { type Changes, changesIn, type Standing, standingOf } from './changes.js'
export { decodeCheckpoint, encodeCheckpoint, fitsCheckpoint } from './checkpoint.js'
export type { EntryContent, EntryKind } from './content.js'
export { editedSnapshot } from './edited.js'
export {
  decodeEntry,
  type EntryDraft,
  type EntryNames,
  type EntryPlace,
  encodeEntry,
  type LogEntry,
  mostEntryBytes,
} from './entry.js'
export { type AppendOptions, CommitLog, checkpointEvery, type Following, type LogOptions } from './log.js'
export { checkpointObject, entryObject, positionOf } from './names.js'
export { inOrder, isInFuture } from './order.js'
export { type Replayed, replay } from './replay.js'
export {
  type ImportedFrom,
  importedFrom,
  type SnapshotRecord,
  type SourceRecord,
  type TotalsRecord,
} from './snapshot-record.js'
export { emptyState, isReliable, type LoggedSnapshot, type LogState, type PackFate } from './state.js'
