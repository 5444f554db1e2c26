import type { Bytes } from './bytes.js'
import { utf8 } from './bytes.js'

/** Writes little-endian numbers, varints and bytes into memory that grows. */
export class ByteWriter {
  #bytes: Bytes
  #view: DataView
  #length = 0

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity)
    this.#view = new DataView(this.#bytes.buffer)
  }

  /** How many bytes were written. */
  get length(): number {
    return this.#length
  }

  /** Forgets what was written and keeps the memory. */
  clear(): void {
    this.#length = 0
  }

  /** Forgets what was written after the first `length` bytes. */
  truncate(length: number): void {
    this.#length = length
  }

  u8(value: number): void {
    const at = this.#grow(1)
    this.#bytes[at] = value
  }

  u16(value: number): void {
    const at = this.#grow(2)
    this.#view.setUint16(at, value, true)
  }

  u32(value: number): void {
    const at = this.#grow(4)
    this.#view.setUint32(at, value, true)
  }

  /** An unsigned 64-bit number, given as a safe integer. */
  u64(value: number): void {
    const at = this.#grow(8)
    this.#view.setUint32(at, value % 0x1_0000_0000, true)
    this.#view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true)
  }

  i64(value: bigint): void {
    const at = this.#grow(8)
    this.#view.setBigInt64(at, value, true)
  }

  /** LEB128 of a non-negative safe integer: seven bits a byte, lowest first. */
  varint(value: number): void {
    const at = this.#grow(8)
    let next = at
    let rest = value
    while (rest >= 0x80) {
      this.#bytes[next++] = (rest & 0x7f) | 0x80
      // Shifts work on 32 bits only, so larger values are divided.
      rest = rest < 0x8000_0000 ? rest >>> 7 : Math.floor(rest / 128)
    }
    this.#bytes[next++] = rest
    this.#length = next
  }

  bytes(value: Uint8Array): void {
    const at = this.#grow(value.length)
    this.#bytes.set(value, at)
  }

  /** The bytes after their length as a varint. */
  sized(value: Uint8Array): void {
    this.varint(value.length)
    this.bytes(value)
  }

  /** UTF-8 text after its length in bytes as a varint. */
  text(value: string): void {
    this.sized(utf8(value))
  }

  /** What was written, without a copy: valid until the next write. */
  view(): Bytes {
    return this.#bytes.subarray(0, this.#length)
  }

  /** A copy of what was written. */
  finish(): Bytes {
    return this.#bytes.slice(0, this.#length)
  }

  #grow(by: number): number {
    const at = this.#length
    const needed = at + by
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length))
      larger.set(this.#bytes.subarray(0, at))
      this.#bytes = larger
      this.#view = new DataView(larger.buffer)
    }
    this.#length = needed
    return at
  }
}
