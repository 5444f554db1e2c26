import type { SnapshotFile } from 'kloset'
import { KlosetError } from 'kloset/connector'

/** How far ahead of where a lane is a read may begin and still belong to it, in bytes. */
const mostSkipped = 1024 * 1024

/**
 * Reads of files at any position, as a kernel asks for them: small pieces, mostly one after the other, of several files and by several readers at once. A
 * lane is a stream of verified content that one reader follows; those used last are kept. Without them, each piece would have its whole chunk
 * verified again.
 */
export class Lanes {
  readonly #most: number
  #lanes: Lane[] = []

  /** `most` lanes at once: each holds a chunk or two. */
  constructor(most = 16) {
    this.#most = most
  }

  /**
   * The bytes of a file from `at`, fewer than `length` only at its end. `file` says which it is, and `open` opens it where that is needed.
   * @throws what opening and reading throw
   */
  async read(
    file: number,
    open: () => Promise<SnapshotFile>,
    at: number,
    length: number,
  ): Promise<readonly Uint8Array[]> {
    let lane = this.#lanes.find((lane) => lane.file === file && lane.leadsTo(at))
    this.#lanes = this.#lanes.filter((other) => other !== lane)
    lane ??= new Lane(file, open, at)
    this.#lanes.push(lane)
    for (const oldest of this.#lanes.splice(0, Math.max(0, this.#lanes.length - this.#most))) oldest.end()
    try {
      const pieces = await lane.read(at, length)
      // All is read, and the kernel has it.
      if (lane.ended) this.#drop(lane)
      return pieces
    } catch (error) {
      this.#drop(lane)
      throw error
    }
  }

  /** Lets go of everything. */
  end(): void {
    for (const lane of this.#lanes.splice(0)) lane.end()
  }

  #drop(lane: Lane): void {
    lane.end()
    this.#lanes = this.#lanes.filter((other) => other !== lane)
  }
}

/** One stream of a file's content, read piece by piece in the order in which it was asked. */
class Lane {
  readonly file: number
  /** Where the last read that was asked for ends. */
  #next: number
  readonly #stream: Promise<{ readonly size: number; readonly reader: ReadableStreamDefaultReader<Uint8Array> }>
  #last: Promise<unknown>
  /** What was taken from the stream and not given yet, and where in the file it begins. */
  #piece: Uint8Array = new Uint8Array()
  #position: number
  ended = false

  constructor(file: number, open: () => Promise<SnapshotFile>, at: number) {
    this.file = file
    this.#next = at
    this.#position = at
    this.#stream = open().then((opened) => ({ size: opened.size, reader: opened.stream({ start: at }).getReader() }))
    this.#last = this.#stream
    this.#last.catch(() => undefined)
  }

  leadsTo(at: number): boolean {
    return !this.ended && at >= this.#next && at - this.#next <= mostSkipped
  }

  read(at: number, length: number): Promise<readonly Uint8Array[]> {
    this.#next = at + length
    const read = this.#last.then(() => this.#take(at, at + length))
    this.#last = read
    read.catch(() => undefined)
    return read
  }

  /** Takes no more reads; those that were asked for are done. */
  end(): void {
    this.ended = true
    const done = this.#last.catch(() => undefined)
    done.then(async () => (await this.#stream).reader.cancel()).catch(() => undefined)
  }

  async #take(from: number, to: number): Promise<readonly Uint8Array[]> {
    const { size, reader } = await this.#stream
    const end = Math.min(to, size)
    const taken: Uint8Array[] = []
    while (this.#position < end) {
      if (this.#piece.length === 0) {
        const { done, value } = await reader.read()
        // Fewer bytes than asked for would mean to the kernel that the file ends here, and it would go on with zeros.
        if (done)
          throw new KlosetError('KLOSET_TREE_CORRUPT', `a file ends at ${this.#position} instead of ${size} bytes`)
        this.#piece = value
      }
      const wanted = this.#position < from ? Math.min(from, end) - this.#position : end - this.#position
      const part = this.#piece.subarray(0, wanted)
      if (this.#position >= from) taken.push(part)
      this.#piece = this.#piece.subarray(part.length)
      this.#position += part.length
    }
    if (end === size) this.ended = true
    return taken
  }
}
