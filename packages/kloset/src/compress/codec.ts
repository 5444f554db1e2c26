import { type Bytes, MalformedError } from '../bytes/index.js'
import { KlosetError } from '../errors.js'
import { runtime } from '../runtime/index.js'
import { lz4Compress, lz4Decompress } from './lz4.js'

/** How the bytes of a frame are stored (docs/format.md, "Packs"). */
export type Codec = 'none' | 'lz4' | 'zstd' | 'deflate'

/** The number that says `codec` in a frame. */
export function codecNumber(codec: Codec): number {
  return codecs.indexOf(codec)
}

/** The codec of a frame's number. @throws MalformedError for a number that no codec has. */
export function codecOfNumber(number: number): Codec {
  const codec = codecs[number]
  if (codec === undefined) throw new MalformedError(`there is no codec ${number}`)
  return codec
}

/** The codec for writers that were not told one: zstd where the runtime has it natively, LZ4 elsewhere. */
export function bestCodec(): Codec {
  return runtime.zstd === undefined ? 'lz4' : 'zstd'
}

/**
 * `raw` compressed, `undefined` where that saves less than 3 %: storing it as it is then costs less to read.
 * @throws KLOSET_UNSUPPORTED for zstd where the runtime cannot make it.
 */
export function compress(codec: Codec, raw: Uint8Array): Bytes | undefined {
  const most = Math.floor(raw.length * worthwhile)
  if (codec === 'none' || most === 0) return undefined
  if (codec === 'lz4') return lz4Compress(raw, most)
  const stored = codec === 'zstd' ? zstd(raw) : runtime.deflate(raw, deflateLevel)
  return stored.length > most ? undefined : stored
}

/**
 * The `rawLength` bytes that `stored` was made of. The caller checks that `rawLength` is a size it allows; no more than that
 * is allocated, whatever `stored` claims. @throws MalformedError unless `stored` gives exactly so many bytes.
 */
export function decompress(codec: Codec, stored: Uint8Array, rawLength: number): Bytes {
  // What no input of that length can become is refused before memory is taken for it.
  if (rawLength > stored.length * mostExpansion[codec]) {
    throw new MalformedError(`${stored.length} bytes of ${codec} cannot become ${rawLength}`)
  }
  switch (codec) {
    case 'none':
      if (stored.length !== rawLength) throw new MalformedError(`${stored.length} bytes instead of ${rawLength}`)
      return new Uint8Array(stored)
    case 'lz4':
      return lz4Decompress(stored, rawLength)
    case 'zstd':
      return runtime.zstd?.decompress(stored, rawLength) ?? runtime.unzstd(stored, rawLength)
    case 'deflate':
      return runtime.inflate(stored, rawLength)
  }
  throw new TypeError(`unknown codec ${codec satisfies never}`)
}

// The place of each is its number in frames.
const codecs: readonly Codec[] = ['none', 'lz4', 'zstd', 'deflate']

const worthwhile = 0.97
// Source code in frames of 1 MiB: level 1 makes it 4.4 times smaller at 540 MB/s, level 3 4.8 times at 380.
const zstdLevel = 3
const deflateLevel = 6

/**
 * Most raw bytes that one stored byte can stand for: a byte of 255 in an LZ4 length; a repeated match of 258 bytes in two bits of
 * deflate; a zstd block of 128 KiB in the 4 bytes that say it repeats one byte.
 */
const mostExpansion: Readonly<Record<Codec, number>> = { none: 1, lz4: 255, zstd: 32_768, deflate: 1032 }

function zstd(raw: Uint8Array): Bytes {
  if (runtime.zstd === undefined) {
    throw new KlosetError('KLOSET_UNSUPPORTED', 'this runtime cannot compress with zstd', {
      hint: 'Use Node 22.15 or later, or the codec "auto", which takes LZ4 where there is no zstd.',
    })
  }
  return runtime.zstd.compress(raw, zstdLevel)
}
