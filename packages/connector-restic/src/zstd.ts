import * as zlib from 'node:zlib'
import { ZSTDDecoder } from 'zstddec'

/** Decodes zstd; undefined for bytes that are damaged, or that give another length. */
export interface Zstd {
  /** What gives exactly `length` bytes. */
  decode(stored: Uint8Array, length: number): Uint8Array | undefined
  /** What gives at most `most` bytes. */
  decodeUnknown(stored: Uint8Array, most: number): Uint8Array | undefined
}

/** Node's own zstd where it has one, from version 22.15 on; else one in WASM, which is several times faster than any in plain JavaScript. */
export async function zstd(): Promise<Zstd> {
  const { zstdDecompressSync } = zlib as unknown as Partial<ZstdOfNode>
  return zstdDecompressSync === undefined ? inWasm() : natively(zstdDecompressSync)
}

// As in Node 24; the types of Node 20 do not have it.
interface ZstdOfNode {
  zstdDecompressSync(stored: Uint8Array, options: { maxOutputLength: number }): Uint8Array
}

function natively(decompress: ZstdOfNode['zstdDecompressSync']): Zstd {
  const decodeUnknown = (stored: Uint8Array, most: number): Uint8Array | undefined => {
    try {
      return decompress(stored, { maxOutputLength: Math.max(1, most) })
    } catch {
      return undefined
    }
  }
  return { decode: (stored, length) => ofLength(decodeUnknown(stored, length), length), decodeUnknown }
}

async function inWasm(): Promise<Zstd> {
  const decoder = new ZSTDDecoder()
  await decoder.init()
  // Where it fails, what it gives has another length: it takes the number of the error for that.
  const decode = (stored: Uint8Array, room: number): Uint8Array => decoder.decode(stored, Math.max(1, room))
  return {
    decode: (stored, length) => ofLength(decode(stored, length), length),
    decodeUnknown(stored, most) {
      for (let room = Math.min(most, 8 * stored.length); ; room = Math.min(most, room * 4)) {
        const raw = decode(stored, room)
        if (raw.length > 0) return raw
        if (room === most) return undefined
      }
    },
  }
}

function ofLength(raw: Uint8Array | undefined, length: number): Uint8Array | undefined {
  return raw?.length === length ? raw : undefined
}
