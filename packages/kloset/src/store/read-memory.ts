import type { Bytes } from '../bytes/index.js'
import type { Storage } from '../connector/index.js'

/**
 * Memory for what is read, given to a worker, and then forgotten. It is shared with the workers and used again and again: otherwise each
 * object read would take new pages from the system, which have to be cleared, and have V8 look for garbage on both threads.
 */
export class ReadMemory {
  readonly #size: number
  readonly #made = new WeakSet<ArrayBufferLike>()
  readonly #free: ArrayBufferLike[] = []

  /** Pieces of `size` bytes; of each only what is written to takes room. */
  constructor(size: number) {
    this.#size = size
  }

  /**
   * Reads `length` bytes. What is longer than a piece gets memory of its own.
   * @throws what the storage throws
   */
  async get(storage: Storage, name: string, length: number, how: Parameters<Storage['get']>[1]): Promise<Uint8Array> {
    const memory = this.#take(length)
    let bytes: Uint8Array | undefined
    try {
      bytes = await storage.get(name, { ...how, memory })
      return bytes
    } finally {
      if (memory !== undefined && bytes?.buffer !== memory) this.#free.push(memory)
    }
  }

  /** Takes back what nobody looks at any more; what is not from here stays with whoever made it. */
  give({ buffer }: Uint8Array): void {
    if (this.#made.has(buffer)) this.#free.push(buffer)
  }

  #take(length: number): ArrayBufferLike | undefined {
    if (length > this.#size || typeof SharedArrayBuffer === 'undefined') return undefined
    const free = this.#free.pop()
    if (free !== undefined) return free
    const memory = new SharedArrayBuffer(this.#size)
    this.#made.add(memory)
    return memory
  }
}

/** The bytes with what of them has to be moved to a worker: memory of their own, unless it is shared. */
export function movable(bytes: Uint8Array): { readonly bytes: Uint8Array; readonly moved: readonly ArrayBuffer[] } {
  if (isShared(bytes.buffer)) return { bytes, moved: [] }
  const { buffer } = alone(bytes)
  return { bytes: new Uint8Array(buffer), moved: [buffer] }
}

/** The bytes, in memory that holds nothing else: buffers of some sizes are slices of a pool. */
export function alone(bytes: Uint8Array): Bytes {
  return bytes.buffer instanceof ArrayBuffer && bytes.byteLength === bytes.buffer.byteLength
    ? (bytes as Bytes)
    : new Uint8Array(bytes)
}

function isShared(buffer: ArrayBufferLike): buffer is SharedArrayBuffer {
  return typeof SharedArrayBuffer !== 'undefined' && buffer instanceof SharedArrayBuffer
}
