import type { Bytes } from '../bytes/index.js'
import { KlosetError } from '../errors.js'
import { base64 as blake3 } from './blake3.generated.js'
import { base64 as blake3Scalar } from './blake3-scalar.generated.js'
import { base64 as gear } from './gear.generated.js'
import { base64 as lz4 } from './lz4.generated.js'
import { hasSimd, instantiate } from './module.js'
import { workspaceEnd } from './workspace.js'

/**
 * The fast paths of one thread, over one memory that they share: bytes can be cut, hashed and compressed where they are.
 * Addresses are byte offsets into {@link Kernels.memory}; of regions from `reserve`, except where a line says otherwise.
 * Each has a slow, readable twin in `*.reference.ts`.
 */
export interface Kernels {
  readonly memory: WebAssembly.Memory

  /** The whole memory. Ask again after `reserve`: growth detaches views that were made before. */
  heap(): Bytes

  /** The address of `bytes` zero bytes, a multiple of 64. It is never freed; may grow the memory. @throws KLOSET_LIMIT */
  reserve(bytes: number): number

  /**
   * Length of the first chunk of the `length` bytes at `from` (docs/format.md, "Chunks"); `length` where they hold no cut
   * point, so that result does not tell whether a chunk ends there. `gear` is the address of 256 u64 values.
   */
  cut(gear: number, from: number, length: number, min: number, normal: number, max: number): number

  /**
   * As `cut`, where the first `scanned` bytes are known to hold no cut point. Only the last 64 of those are read, so the ones
   * before need not be there: `from` may even be an address that would be negative.
   */
  cutAfter(
    gear: number,
    from: number,
    length: number,
    scanned: number,
    min: number,
    normal: number,
    max: number,
  ): number

  /** BLAKE3 of `length` bytes at `from`: 32 bytes at `out`. `key` is the address of 32 bytes, or 0 for the unkeyed hash. */
  hash(key: number, from: number, length: number, out: number): void

  /** Starts an incremental hash in the `hashStateSize` bytes at `state`. States may be copied and moved. */
  hashStart(state: number, key: number): void
  hashUpdate(state: number, from: number, length: number): void
  /** Writes the digest of what was added so far; more may be added after. */
  hashFinish(state: number, out: number): void
  readonly hashStateSize: number

  /** Most bytes that `length` bytes can become as an LZ4 block. */
  lz4Bound(length: number): number

  /**
   * Compresses to an LZ4 block of at most `capacity` bytes at `to`; gives its size, 0 where it does not fit. `table` is the
   * address of `lz4TableSize` bytes of scratch.
   */
  lz4Compress(from: number, length: number, to: number, capacity: number, table: number): number
  readonly lz4TableSize: number

  /**
   * Decompresses an LZ4 block; gives `rawLength`, or -1 where the block is malformed or does not give exactly that many bytes.
   * Whatever the block holds, nothing is read or written outside the two regions.
   */
  lz4Decompress(from: number, length: number, to: number, rawLength: number): number
}

/** The kernels of this thread, made when first asked for. @throws KLOSET_UNSUPPORTED where there is no WebAssembly. */
export function kernels(): Kernels {
  instance ??= createKernels(hasWebAssembly() && hasSimd())
  return instance
}

let instance: Kernels | undefined

/** Kernels over a memory of their own. `simd`: whether to use SIMD instructions, which the runtime must then have. */
export function createKernels(simd: boolean): Kernels {
  if (!hasWebAssembly()) {
    throw new KlosetError('KLOSET_UNSUPPORTED', 'this runtime has no WebAssembly, which chunking and hashing run on', {
      hint: 'Use Node 20 or later, or allow WebAssembly (in browsers, the content security policy needs wasm-unsafe-eval).',
    })
  }
  const memory = new WebAssembly.Memory({ initial: workspaceEnd / pageSize, maximum: mostPages })
  const { cut } = instantiate<GearExports>(gear, memory)
  const hashing = instantiate<Blake3Exports>(simd ? blake3 : blake3Scalar, memory)
  const { bound, compress, decompress, tableSize } = instantiate<Lz4Exports>(lz4, memory)

  let view: Bytes = new Uint8Array(memory.buffer)
  let next = workspaceEnd

  return {
    memory,

    heap() {
      // Growth replaces the buffer and leaves the old one without bytes.
      if (view.length === 0) view = new Uint8Array(memory.buffer)
      return view
    },

    reserve(bytes) {
      const address = next
      const end = address + Math.ceil(bytes / 64) * 64
      const missing = Math.ceil((end - memory.buffer.byteLength) / pageSize)
      if (missing > 0) grow(memory, missing)
      next = end
      return address
    },

    cut: (table, from, length, min, normal, max) => cut(table, from, length, min, normal, max, 0),
    cutAfter: (table, from, length, scanned, min, normal, max) => cut(table, from, length, min, normal, max, scanned),

    hash: hashing.hash,
    hashStart: hashing.hashStart,
    hashUpdate: hashing.hashUpdate,
    hashFinish: hashing.hashFinish,
    hashStateSize: hashing.stateSize(),

    lz4Bound: bound,
    lz4Compress: compress,
    lz4TableSize: tableSize(),
    lz4Decompress: decompress,
  }
}

const pageSize = 65_536
// A page less than there can be, so that the kernels may add small numbers to addresses.
const mostPages = 65_535

interface GearExports {
  cut(gear: number, from: number, length: number, min: number, normal: number, max: number, scanned: number): number
}

interface Blake3Exports {
  hash(key: number, from: number, length: number, out: number): void
  hashStart(state: number, key: number): void
  hashUpdate(state: number, from: number, length: number): void
  hashFinish(state: number, out: number): void
  stateSize(): number
}

interface Lz4Exports {
  bound(length: number): number
  compress(from: number, length: number, to: number, capacity: number, table: number): number
  decompress(from: number, length: number, to: number, rawLength: number): number
  tableSize(): number
}

function hasWebAssembly(): boolean {
  return typeof WebAssembly === 'object'
}

function grow(memory: WebAssembly.Memory, pages: number): void {
  try {
    memory.grow(pages)
  } catch (cause) {
    throw new KlosetError('KLOSET_LIMIT', `WebAssembly memory cannot grow by ${pages * pageSize} bytes`, {
      context: { used: memory.buffer.byteLength, wanted: pages * pageSize },
      hint: 'Use fewer or smaller buffers at a time, or a machine with more memory.',
      cause,
    })
  }
}
