export type {
  Difference,
  Snapshot,
  SnapshotEntry,
  SnapshotFile,
  SnapshotFilter,
  SnapshotSource,
  Totals,
} from '../api.js'
export {
  type BuiltTree,
  decodeEntry,
  diff,
  encodeContent,
  encodeStat,
  entriesUnder,
  keyOf,
  lookup,
  pathOfKey,
  type RawEntry,
  type StoredContent,
  type StoredEntry,
  TreeBuilder,
  type TreeChange,
  TreeCursor,
  totalsUnder,
} from '../tree/index.js'
export { StoredFile } from './content.js'
export { find, versions } from './find.js'
export { below, type Place, placeOf, placesOf, treeOf } from './places.js'
export { matches, type Selectable, selectSnapshot, selectSnapshots } from './select.js'
export { type SnapshotContext, StoredSnapshot } from './view.js'
