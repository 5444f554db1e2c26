import type { Bytes } from '../bytes/index.js'
import { addressOf, kernels, pieceSize, workspace } from '../kernels/index.js'
import { defaultGear, gearLength } from './gear.js'

/** Sizes of chunks in bytes. `normal`, a power of two, is about the mean; 64 ≤ min < normal < max ≤ 16 MiB. */
export interface ChunkSizes {
  readonly min: number
  readonly normal: number
  readonly max: number
}

/** The sizes that stores have unless told otherwise: 256 KiB, 1 MiB, 4 MiB. */
export const defaultSizes: ChunkSizes = { min: 262_144, normal: 1_048_576, max: 4_194_304 }

export interface ChunkerOptions {
  readonly sizes?: ChunkSizes
  /** 2,048 bytes: 256 values of 64 bits, little-endian, that should look random. Default `defaultGear()`. */
  readonly gear?: Uint8Array
}

/** Finds where chunks end (FastCDC, Xia et al., 2016; docs/format.md, "Chunks"). Holds no bytes: one serves any number of streams. */
export interface Chunker {
  readonly sizes: ChunkSizes
  /**
   * Length of the first chunk of `bytes`, which start where a chunk starts. `final`: whether the stream ends with them. 0 where that
   * depends on what follows, never with `max` bytes or more; or where `bytes` are empty. Each call looks at its bytes
   * anew: collect `max` bytes before asking, as {@link chunks} does, and each byte is looked at once.
   */
  cut(bytes: Uint8Array, final: boolean): number
}

/** @throws RangeError for sizes against the rule in {@link ChunkSizes}, or a gear table that has not 2,048 bytes. */
export function createChunker(options: ChunkerOptions = {}): Chunker {
  const sizes = checkSizes(options.sizes ?? defaultSizes)
  const gear = checkGear(options.gear ?? defaultGear())
  const { min, normal, max } = sizes

  return {
    sizes,

    cut(bytes, final) {
      const length = Math.min(bytes.length, max)
      const found = length <= min ? length : scan(gear, bytes.subarray(0, length), min, normal, max)
      // At the last byte the scan ends with or without a cut point; with more bytes the same one is found again.
      return found < length || length === max || final ? found : 0
    },
  }
}

// How far back a hash reaches: a byte is shifted out after 64 more.
const reach = 64

let resident: Uint8Array | undefined

/** As the kernel's `cut`, over bytes that are brought to its memory piece by piece, and no further than the cut. */
function scan(gear: Uint8Array, bytes: Uint8Array, min: number, normal: number, max: number): number {
  const { cut, cutAfter, heap } = kernels()
  putGear(gear)
  const address = addressOf(bytes)
  if (address !== undefined) return cut(workspace.gear, address, bytes.length, min, normal, max)

  const at = workspace.piece
  let scanned = min
  while (true) {
    const from = Math.max(min, scanned - reach)
    const end = Math.min(from + pieceSize, bytes.length)
    heap().set(bytes.subarray(from, end), at)
    // `at - from` is where the first byte would be; those before `from` are not read.
    const found = cutAfter(workspace.gear, at - from, end, scanned, min, normal, max)
    if (found < end || end === bytes.length) return found
    // Whether the last byte ends a chunk is not known from `found`, so it is looked at again.
    scanned = end - 1
  }
}

function putGear(gear: Uint8Array): void {
  if (resident !== gear) kernels().heap().set(gear, workspace.gear)
  resident = gear
}

function checkSizes({ min, normal, max }: ChunkSizes): ChunkSizes {
  const whole = [min, normal, max].every(Number.isSafeInteger)
  const powerOfTwo = Number.isInteger(Math.log2(normal))
  if (!whole || !powerOfTwo || min < 64 || min >= normal || normal >= max || max > 16 * 1024 * 1024) {
    throw new RangeError(
      `chunk sizes must be 64 ≤ min < normal < max ≤ 16 MiB with normal a power of two, not ${min}, ${normal}, ${max}`,
    )
  }
  return { min, normal, max }
}

function checkGear(gear: Uint8Array): Bytes {
  if (gear.length !== gearLength) throw new RangeError(`a gear table has ${gearLength} bytes, not ${gear.length}`)
  return new Uint8Array(gear)
}
