import { MalformedError } from '../bytes/index.js'

/**
 * Steps over an encoding and tells where things are, where `ByteReader` would make a view of each: a tree of a million entries is
 * gone through with it. Every step is checked against the end.
 */
export class Scanner {
  readonly bytes: Uint8Array
  /** Where the next step starts. */
  at: number
  /** Where the steps have to end. */
  end: number

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.at = 0
    this.end = bytes.length
  }

  u8(): number {
    if (this.at >= this.end) throw new MalformedError('the bytes end too early')
    return this.bytes[this.at++]!
  }

  /** As `ByteReader.varint`: at most 2^53 − 1 and in its shortest form. */
  varint(): number {
    const first = this.u8()
    if (first < 0x80) return first
    let value = first & 0x7f
    let scale = 128
    for (let length = 2; length <= 8; length++) {
      const byte = this.u8()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (byte === 0) throw new MalformedError('a number has a longer form than it needs')
        if (!Number.isSafeInteger(value)) throw new MalformedError('a number is too large')
        return value
      }
      scale *= 128
    }
    throw new MalformedError('a number is too long')
  }

  /** Steps over `length` bytes; returns where they start. */
  skip(length: number): number {
    const at = this.at
    if (length > this.end - at) throw new MalformedError('the bytes end too early')
    this.at = at + length
    return at
  }
}
