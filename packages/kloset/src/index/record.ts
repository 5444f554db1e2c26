/** Length of a record in bytes: id (32), frame number, offset in the raw frame, length; little-endian numbers of four bytes each. */
export const recordLength = 44

/** Length of an id in bytes. */
export const idLength = 32

/** Where in a record its numbers are. */
export const recordFrame = 32
export const recordOffset = 36
export const recordSize = 40

/** How many records are sealed together. */
export const blockRecords = 256

/** The most records a segment has. */
export const mostRecords: number = 1024 * 1024

/** The largest segment, in bytes. */
export const mostBytes: number = 256 * 1024 * 1024
