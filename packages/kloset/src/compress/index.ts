export type { Codec } from './codec.js'
export { bestCodec, codecNumber, codecOfNumber, compress, decompress } from './codec.js'
export { looksCompressible } from './probe.js'
