import * as zlib from 'node:zlib'
import { MalformedError } from '../../bytes/index.js'
import type { Zstd } from '../types.js'
import { owned } from './buffers.js'
import { bounds } from './deflate.js'

/** Node's zstd, from version 22.15 on; undefined before. */
export const nativeZstd: Zstd | undefined = createZstd(zlib as unknown as Partial<ZstdOfNode>)

// As in Node 24; the types of Node 20 do not have it.
interface ZstdOfNode {
  zstdCompressSync(raw: Uint8Array, options: { params: Record<number, number>; chunkSize: number }): Uint8Array
  zstdDecompressSync(
    stored: Uint8Array,
    options: { params: Record<number, number>; chunkSize: number; maxOutputLength: number },
  ): Uint8Array
  constants: { ZSTD_c_compressionLevel: number; ZSTD_d_windowLogMax: number }
}

function createZstd(node: Partial<ZstdOfNode>): Zstd | undefined {
  const { zstdCompressSync, zstdDecompressSync, constants } = node
  if (!zstdCompressSync || !zstdDecompressSync || !constants) return undefined

  return {
    compress(raw, level) {
      const params = { [constants.ZSTD_c_compressionLevel]: level }
      return owned(zstdCompressSync(raw, { params, chunkSize: 64 * 1024 }))
    },

    decompress(stored, rawLength) {
      let raw: Uint8Array
      try {
        const params = { [constants.ZSTD_d_windowLogMax]: windowLog(rawLength) }
        raw = zstdDecompressSync(stored, { params, ...bounds(rawLength) })
      } catch (cause) {
        throw new MalformedError('zstd bytes are damaged', { cause })
      }
      if (raw.length !== rawLength) {
        throw new MalformedError(`${raw.length} bytes of zstd where ${rawLength} are expected`)
      }
      return owned(raw)
    },
  }
}

// Without a bound a forged header makes the decoder allocate 128 MiB; RFC 8878 §3.1.1.1.2 asks decoders for 8 MiB at least.
function windowLog(rawLength: number): number {
  return Math.max(23, Math.ceil(Math.log2(rawLength + 1)))
}
