/** The most bytes a key may have. */
export const maxKeyBytes: number = 64 * 1024
/** The most bytes the value of an entry may have. */
export const maxValueBytes: number = 128 * 1024
/** The most bytes of one stat: what a value can hold beside inline content. */
export const maxStatBytes: number = maxValueBytes - 2 * 1024
/** The most bytes of a node, encoded and with its keys written out. */
export const maxNodeBytes: number = 512 * 1024
/** A node is ended before its entries would exceed this. */
export const fullNodeBytes: number = 256 * 1024
/** Nodes of entries of any size have about this many bytes. */
export const targetNodeBytes: number = 32 * 1024
/** The highest level of a node of a tree or list. */
export const maxLevel: number = 15
/** The most extents an entry holds itself; more are a list. */
export const maxInlineExtents: number = 16
/** The most bytes of extended attributes an entry holds itself, together; others are stored as chunks. */
export const maxInlineXattrBytes: number = 1024
/** The longest value an extended attribute may have: far more than any file system gives one. */
export const maxXattrBytes: number = 64 * 1024 * 1024
/** The most items of a list node. */
export const maxListItems: number = 2_048
/** The longest chunk there can be: the chunker's largest maximum. */
export const maxChunkBytes: number = 16 * 1024 * 1024
/** Bytes of an id. */
export const idBytes: number = 32
/** The version of nodes this code writes and reads. */
export const nodeVersion: number = 1
