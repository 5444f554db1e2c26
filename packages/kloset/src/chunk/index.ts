export type { Chunker, ChunkerOptions, ChunkSizes } from './chunker.js'
export { createChunker, defaultSizes } from './chunker.js'
export { defaultGear } from './gear.js'
export { chunks } from './stream.js'
