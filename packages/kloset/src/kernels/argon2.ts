import { base64 } from './argon2.generated.js'
import { instantiate, isRunnable } from './module.js'

/** The blocks of one Argon2 computation, as one thread sees them. */
export interface Argon2Blocks {
  /** The block of 1 KiB in a column of a lane. */
  block(lane: number, column: number): Uint8Array
  /** Fills a quarter of a lane, the `slice`-th, in one of `passes` passes (RFC 9106, §3.2, of type Argon2id). */
  fill(pass: number, lane: number, slice: number, passes: number): void
}

/** Whether this runtime runs the kernel: it needs SIMD, and memory that threads can share. */
export function hasArgon2(): boolean {
  return isRunnable(base64)
}

/**
 * Memory for `lanes` lanes, at most 16, of `columns` blocks each; `columns` is a multiple of four. It can be posted to other threads, and is
 * given back when nothing in any of them refers to it any more.
 * @throws RangeError where there is not enough memory
 */
export function argon2Memory(lanes: number, columns: number): WebAssembly.Memory {
  const pages = 1 + Math.ceil((lanes * columns) / blocksOfPage)
  if (pages > mostPages) throw new RangeError(`${pages} pages of memory, where ${mostPages} can be addressed`)
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
}

/** The blocks in memory from {@link argon2Memory}, for the thread that calls this: threads may fill segments of different lanes at once. */
export function argon2Blocks(memory: WebAssembly.Memory, lanes: number, columns: number): Argon2Blocks {
  const { fillSegment } = instantiate<Argon2Exports>(base64, memory)
  return {
    block: (lane, column) => new Uint8Array(memory.buffer, pageSize + (lane * columns + column) * blockSize, blockSize),
    fill: (pass, lane, slice, passes) => fillSegment(pass, lane, slice, lanes, columns, passes),
  }
}

const pageSize = 65_536
const mostPages = 65_536
const blockSize = 1024
const blocksOfPage = pageSize / blockSize

interface Argon2Exports {
  fillSegment(pass: number, lane: number, slice: number, lanes: number, columns: number, passes: number): void
}
