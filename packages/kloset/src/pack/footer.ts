import { ByteReader, type Bytes, ByteWriter, MalformedError } from '../bytes/index.js'
import { limits, recordLength } from './limits.js'

/** What a pack holds: chunks of files, or nodes of trees. */
export type PackClass = 'data' | 'metadata'

/** A pack's table of contents. */
export interface Footer {
  readonly class: PackClass
  /** Which id key the ids were made with; 0. */
  readonly domain: number
  /** Bytes of the file before the sealed footer. */
  readonly length: number
  /** Three numbers a frame: sealed length, raw length, record count. */
  readonly frames: Uint32Array
  /** 40 bytes a record, in frame order: id, offset in the raw frame, length. */
  readonly records: Uint8Array
}

/** The plaintext of a footer. */
export function encodeFooter(footer: Footer): Bytes {
  const writer = new ByteWriter(16 + footer.frames.length * 4 + footer.records.length)
  writer.u8(footer.class === 'data' ? 1 : 2)
  writer.u16(footer.domain)
  writer.u32(footer.length)
  writer.u32(footer.frames.length / 3)
  writer.u32(footer.records.length / recordLength)
  for (const number of footer.frames) writer.u32(number)
  writer.bytes(footer.records)
  return writer.finish()
}

/**
 * Reads a footer's plaintext. `headerLength` and `length` are what the file shows: where frames start and the footer begins.
 * @throws MalformedError where it contradicts itself or them
 */
export function decodeFooter(plaintext: Uint8Array, headerLength: number, length: number): Footer {
  const reader = new ByteReader(plaintext)
  const packClass = reader.u8()
  if (packClass !== 1 && packClass !== 2) throw new MalformedError('a footer has an unknown class')
  const domain = reader.u16()
  if (reader.u32() !== length) throw new MalformedError('a footer is of a pack of another length')
  const frameCount = reader.u32()
  const recordCount = reader.u32()
  if (frameCount > limits.frames || frameCount * 12 + recordCount * recordLength !== reader.left) {
    throw new MalformedError('a footer has another length than its counts say')
  }
  const frames = new Uint32Array(frameCount * 3)
  let sealed = headerLength
  let counted = 0
  for (let i = 0; i < frames.length; i += 3) {
    const sealedLength = reader.u32()
    const rawLength = reader.u32()
    const records = reader.u32()
    if (sealedLength > limits.sealedFrame || rawLength > limits.rawFrame)
      throw new MalformedError('a frame is too large')
    frames.set([sealedLength, rawLength, records], i)
    sealed += sealedLength
    counted += records
  }
  if (sealed !== length) throw new MalformedError('the frames of a pack do not fill it')
  if (counted !== recordCount) throw new MalformedError('the frames of a pack do not hold its records')
  const records = reader.bytes(recordCount * recordLength)
  checkRecords(frames, records)
  return { class: packClass === 1 ? 'data' : 'metadata', domain, length, frames, records }
}

function checkRecords(frames: Uint32Array, records: Uint8Array): void {
  const view = new DataView(records.buffer, records.byteOffset, records.length)
  let at = 0
  for (let i = 0; i < frames.length; i += 3) {
    const rawLength = frames[i + 1]!
    for (let left = frames[i + 2]!; left > 0; left--) {
      if (view.getUint32(at + 32, true) + view.getUint32(at + 36, true) > rawLength) {
        throw new MalformedError('a record reaches beyond its frame')
      }
      at += recordLength
    }
  }
}
