export { type IndexedContents, SegmentBuilder, segmentOf } from './builder.js'
export type { FrameRef, IndexedPack } from './places.js'
export { blockRecords, recordLength } from './record.js'
export {
  decodeSegment,
  type EncodedSegment,
  encodeSegment,
  isSegment,
  type Segment,
  type SegmentPack,
} from './segment.js'
export { SessionTable, type SharedSession } from './session.js'
export { createSortJob, type SortInit, type SortMessage, type WrittenFile } from './sorted/job.js'
export { SortedFile } from './sorted/sorted-file.js'
export { IndexTable, type Location, type SharedIndex } from './table.js'
