import { text } from './bytes.js'

/** Bytes that do not follow the format: caught by whoever knows which object they came from. */
export class MalformedError extends Error {
  override readonly name = 'MalformedError'
}

/**
 * Reads what `ByteWriter` writes from bytes that may be hostile: every read is checked against the end,
 * so nothing is allocated for a length that the input does not have.
 */
export class ByteReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  /** Where the next read starts. */
  get offset(): number {
    return this.#at
  }

  /** How many bytes are left. */
  get left(): number {
    return this.#bytes.length - this.#at
  }

  u8(): number {
    return this.#bytes[this.#take(1)]!
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true)
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true)
  }

  /** @throws MalformedError above 2^53 − 1. */
  u64(): number {
    const at = this.#take(8)
    const value = this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * 0x1_0000_0000
    if (!Number.isSafeInteger(value)) throw new MalformedError('a number is too large')
    return value
  }

  i64(): bigint {
    return this.#view.getBigInt64(this.#take(8), true)
  }

  /** @throws MalformedError above 2^53 − 1, and for a form longer than needed: each number has one encoding. */
  varint(): number {
    let value = 0
    let scale = 1
    for (let length = 1; length <= 8; length++) {
      const byte = this.u8()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (byte === 0 && length > 1) throw new MalformedError('a number has a longer form than it needs')
        if (!Number.isSafeInteger(value)) throw new MalformedError('a number is too large')
        return value
      }
      scale *= 128
    }
    throw new MalformedError('a number is too long')
  }

  /** The next `length` bytes as a view, not a copy. */
  bytes(length: number): Uint8Array {
    const at = this.#take(length)
    return this.#bytes.subarray(at, at + length)
  }

  /** Bytes after their length, at most `most`. A view, not a copy. */
  sized(most: number): Uint8Array {
    const length = this.varint()
    if (length > most) throw new MalformedError(`${length} bytes where at most ${most} are allowed`)
    return this.bytes(length)
  }

  /** Text after its length in bytes, at most `most`. */
  text(most: number): string {
    return textOf(this.sized(most))
  }

  /** A count of things that take at least `each` bytes: refused where that many cannot follow. */
  count(each: number): number {
    const count = this.varint()
    if (count * each > this.left) throw new MalformedError(`a count of ${count} is larger than what follows`)
    return count
  }

  /** @throws MalformedError unless everything was read. */
  end(): void {
    if (this.left !== 0) throw new MalformedError(`${this.left} bytes follow the end`)
  }

  #take(length: number): number {
    const at = this.#at
    if (length > this.#bytes.length - at) throw new MalformedError('the bytes end too early')
    this.#at = at + length
    return at
  }
}

/** The text in bytes. @throws MalformedError */
export function textOf(bytes: Uint8Array): string {
  try {
    return text(bytes)
  } catch (cause) {
    throw new MalformedError('a text is not UTF-8', { cause })
  }
}
