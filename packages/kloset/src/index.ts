/**
 * The kloset engine: backups that are deduplicated, compressed, encrypted and verified, in stores that live anywhere.
 *
 * @packageDocumentation
 */
export type {
  BackupEvent,
  BackupOptions,
  BackupResult,
  CheckOptions,
  CreateOptions,
  Difference,
  Engine,
  EngineOptions,
  Finding,
  Notice,
  OpenOptions,
  Overwrite,
  RestoreEvent,
  RestoreOptions,
  RestoreResult,
  Snapshot,
  SnapshotEntry,
  SnapshotFile,
  SnapshotFilter,
  SnapshotSource,
  Store,
  StoreInfo,
  Totals,
  Unlock,
} from './api.js'
export { createEngine } from './engine.js'
export { isKlosetError, KlosetError, type KlosetErrorCode, type KlosetErrorDetails } from './errors.js'
export { createStore, openSource, openStore } from './open.js'
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
