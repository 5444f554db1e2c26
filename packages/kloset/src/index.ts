/**
 * The kloset engine: backups that are deduplicated, compressed, encrypted and verified, in stores that live anywhere.
 *
 * @packageDocumentation
 */
export type {
  ArchiveFormatName,
  ArchiveOptions,
  ArchiveResult,
  BackupEvent,
  BackupOptions,
  BackupResult,
  BlobStats,
  CacheOptions,
  CheckOptions,
  CreateOptions,
  Difference,
  DiffOptions,
  EditOptions,
  EditResult,
  Engine,
  EngineOptions,
  EntryFilter,
  FileVersion,
  Finding,
  FindOptions,
  ForgetOptions,
  FoundEntry,
  ImportEvent,
  ImportOptions,
  ImportResult,
  Limits,
  Notice,
  OpenOptions,
  Overwrite,
  PackCount,
  PlannedDeletions,
  PruneOptions,
  PruneResult,
  Requests,
  RestoreEvent,
  RestoreOptions,
  RestoreResult,
  ScanOptions,
  Snapshot,
  SnapshotCopies,
  SnapshotEdit,
  SnapshotEntry,
  SnapshotFile,
  SnapshotFilter,
  SnapshotSelection,
  SnapshotSource,
  SnapshotStats,
  StatsOptions,
  Store,
  StoreInfo,
  StoreStats,
  SyncEvent,
  SyncOptions,
  SyncResult,
  TagEdit,
  Totals,
  Unlock,
} from './api.js'
export { copiesOf } from './copies.js'
export { createStore } from './create.js'
export { faultOfName, faultOfTag } from './edit/index.js'
export { createEngine } from './engine.js'
export { isKlosetError, KlosetError, type KlosetErrorCode, type KlosetErrorDetails } from './errors.js'
export {
  compileFilter,
  compilePatterns,
  type ExclusionReason,
  type FilterContext,
  type FilterRules,
  type PatternLinesOptions,
  type PatternRule,
  patternLines,
  type TagRule,
  type Verdict,
} from './filter/index.js'
export { openSource, openStorage, openStore } from './open.js'
export type { FailedEntry, Progress, Run } from './run.js'
export {
  type Bandwidth,
  limited,
  type MemoryStorageOptions,
  type Meter,
  type MeteredStorage,
  memoryStorage,
  metered,
  type RetryPolicy,
  retrying,
  throttled,
} from './storage/index.js'
export { version } from './version.js'
