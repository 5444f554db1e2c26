import { base64 } from './argon2.generated.js'
import { instantiate } from './module.js'

/** The blocks of one Argon2 computation, in memory of their own, which is given back when nothing refers to this any more. */
export interface Argon2Blocks {
  /** The block of 1 KiB in a column of a lane. Ask for it anew where it is needed. */
  block(lane: number, column: number): Uint8Array<ArrayBuffer>
  /** Fills a quarter of a lane, the `slice`-th, in one of `passes` passes (RFC 9106, §3.2, of type Argon2id). */
  fill(pass: number, lane: number, slice: number, passes: number): void
}

/**
 * Room for `lanes` lanes of `columns` blocks each; `columns` is a multiple of four. Needs SIMD.
 * @throws RangeError where there is not enough memory
 */
export function argon2Blocks(lanes: number, columns: number): Argon2Blocks {
  const memory = new WebAssembly.Memory({ initial: 1 + Math.ceil((lanes * columns) / blocksOfPage) })
  const { fillSegment } = instantiate<Argon2Exports>(base64, memory)
  return {
    block: (lane, column) => new Uint8Array(memory.buffer, pageSize + (lane * columns + column) * blockSize, blockSize),
    fill: (pass, lane, slice, passes) => fillSegment(pass, lane, slice, lanes, columns, passes),
  }
}

const pageSize = 65_536
const blockSize = 1024
const blocksOfPage = pageSize / blockSize

interface Argon2Exports {
  fillSegment(pass: number, lane: number, slice: number, lanes: number, columns: number, passes: number): void
}
