import { type Bytes, concatBytes } from '../bytes/index.js'
import { chunkLength } from './content.js'
import type { StoredReply } from './messages.js'

/** Chunks, one after the other. */
export interface Cut {
  readonly bytes: Bytes
  readonly lengths: Uint32Array
}

interface Waiting extends Cut {
  resolve(chunks: Uint8Array | Promise<Uint8Array>): void
}

/** Small files go to a worker many at a time: a message costs as much as reading one of them. */
export class Bundle {
  readonly #store: (cut: Cut) => Promise<StoredReply>
  #waiting: Waiting[] = []
  #bytes = 0

  constructor(store: (cut: Cut) => Promise<StoredReply>) {
    this.#store = store
  }

  /** Whether it is time to send it. */
  get isFull(): boolean {
    return this.#bytes >= mostBytes
  }

  /** Takes the chunks of a file. Resolves to what was stored of them, once the bundle was sent. */
  add(cut: Cut): Promise<Uint8Array> {
    this.#bytes += cut.bytes.length
    return new Promise((resolve) => this.#waiting.push({ ...cut, resolve }))
  }

  send(): void {
    const waiting = this.#waiting
    if (waiting.length === 0) return
    this.#waiting = []
    this.#bytes = 0
    const bytes = concatBytes(...waiting.map((each) => each.bytes))
    const lengths = Uint32Array.from(waiting.flatMap((each) => [...each.lengths]))
    const stored = this.#store({ bytes, lengths })
    let count = 0
    for (const { lengths, resolve } of waiting) {
      const from = count
      count += lengths.length
      const to = count
      resolve(stored.then(({ chunks }) => chunks.subarray(from * chunkLength, to * chunkLength)))
    }
  }
}

const mostBytes = 512 * 1024
