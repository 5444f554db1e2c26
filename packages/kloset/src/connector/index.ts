export { isKlosetError, KlosetError, type KlosetErrorCode, type KlosetErrorDetails } from '../errors.js'
export { abortable, onAbort } from './aborted.js'
export type {
  Batches,
  Bytes,
  Call,
  Connector,
  Content,
  Context,
  Destination,
  Entry,
  EntryType,
  Failure,
  Filter,
  History,
  Inspector,
  Kept,
  LeftOut,
  Lent,
  Location,
  Making,
  Option,
  OptionSchema,
  Options,
  Paced,
  PastSnapshot,
  Range,
  Source,
  Storage,
  StorageCapabilities,
  StoredObject,
  WantedFile,
  WorkerEntry,
  WorkerFile,
  WorkerHost,
  WorkerModule,
  WorkerOutput,
  WorkerSide,
} from './contract.js'
export { type Environment, withoutOwnSecrets, withoutSecrets } from './environment.js'
export { everything, noHost } from './filter.js'
export { lentRoom } from './lent.js'
export type { ListDirectory } from './listing.js'
export { type ParsedLocation, parseLocation, withQuery } from './location.js'
export type { OptionValue } from './options.js'
export {
  checkPath,
  compareKeys,
  comparePaths,
  maxPathBytes,
  nanoseconds,
  pathFromBytes,
  pathToBytes,
  safeSegment,
  writePath,
} from './paths.js'
export { isPlaceAbsent, placeAbsent } from './place.js'
export {
  type ConnectOptions,
  type ConnectorListing,
  contractVersion,
  Registry,
  type ResolvedLocation,
  type ResolveOptions,
} from './registry.js'
export { type SortOptions, type SpilledBytes, type SpillStore, sorted } from './sorted.js'
export { sourceOf, type VirtualContent, type VirtualFile, type VirtualSource } from './source-of.js'
export { type StreamSource, streamSource } from './stream-source.js'
export { nearestTime } from './times.js'
export { type WalkOptions, walk } from './walk.js'
