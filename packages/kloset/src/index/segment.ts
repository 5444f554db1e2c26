import {
  ByteReader,
  type Bytes,
  ByteWriter,
  compareBytes,
  equalBytes,
  fromHex,
  MalformedError,
  toHex,
} from '../bytes/index.js'
import { headerLength, type Keyring, newHeader, readHeader, type Sealer, sealer } from '../crypto/index.js'
import { isKlosetError, KlosetError } from '../errors.js'
import { blake3 } from '../hash/index.js'
import type { PackClass } from '../pack/footer.js'
import { limits } from '../pack/limits.js'
import { runtime } from '../runtime/index.js'
import {
  blockRecords,
  idLength,
  mostBytes,
  mostRecords,
  recordFrame,
  recordLength,
  recordOffset,
  recordSize,
} from './record.js'
import { compareIds, sortedOrder } from './sort.js'

/** A pack as an index segment tells of it. */
export interface SegmentPack {
  /** BLAKE3 of the file, 32 bytes. */
  readonly name: Bytes
  /** Bytes of the file. */
  readonly size: number
  /** Three numbers a frame, in the order of the pack: offset in the file, sealed length, raw length. */
  readonly frames: Uint32Array
}

/** What an index segment says: where the blobs of some packs are. */
export interface Segment {
  readonly class: PackClass
  /** Which id key the ids were made with; 0. */
  readonly domain: number
  readonly packs: readonly SegmentPack[]
  /** 44 bytes a record: id, number of the frame (of the first pack, of the second, …), offset in the raw frame, length. */
  readonly records: Uint8Array
}

/** A segment as an object: `index/<name>`. */
export interface EncodedSegment {
  /** BLAKE3 of the bytes, 64 hexadecimal digits. */
  readonly name: string
  readonly bytes: Bytes
}

/**
 * Seals a segment; its records may be in any order. `salt` is for tests that make the same segment again.
 * @throws KLOSET_LIMIT beyond 1 Mi records or 256 MiB
 */
export function encodeSegment(
  keyring: Keyring,
  segment: Segment,
  salt: Bytes = runtime.randomBytes(32),
): EncodedSegment {
  const { records } = segment
  const count = records.length / recordLength
  const order = sortedOrder(records)
  const table = encodeTable(segment, order)
  const blocks = Math.ceil(count / blockRecords)
  const size = headerLength + 4 + table.length + overhead + records.length + blocks * overhead
  if (count > mostRecords || size > mostBytes) {
    throw new KlosetError('KLOSET_LIMIT', `An index segment of ${count} records and ${size} bytes is too large`)
  }
  const extension = new ByteWriter(4)
  extension.u32(table.length + overhead)
  const header = newHeader('index', keyring.epoch, extension.view(), salt)
  const parts = sealer(keyring, header, 'index')
  const bytes = new Uint8Array(size)
  bytes.set(header.bytes)
  let at = header.bytes.length
  at += parts.sealInto(tablePart, 0, table, bytes.subarray(at))
  for (let block = 0; block < blocks; block++) {
    // The block is put together where it is then sealed.
    const length = gather(records, order.subarray(block * blockRecords, (block + 1) * blockRecords), bytes.subarray(at))
    at += parts.sealInto(blockPart, block, bytes.subarray(at, at + length), bytes.subarray(at))
  }
  const name = toHex(blake3(bytes))
  // One that readers refuse would cost what it locates.
  decodeSegment(keyring, name, bytes)
  return { name, bytes }
}

/**
 * Opens the segment that is stored as `index/<name>`, and checks everything in it; its records are sorted by id.
 * @throws KLOSET_INDEX_CORRUPT where it is not that segment, or contradicts itself; KLOSET_VERSION
 */
export function decodeSegment(keyring: Keyring, name: string, bytes: Uint8Array): Segment {
  try {
    if (bytes.length > mostBytes) throw new MalformedError(`it has ${bytes.length} bytes`)
    if (!isSegment(name, bytes)) throw new MalformedError('its bytes do not have the hash that is its name')
    const header = readHeader('index', bytes)
    const parts = sealer(keyring, header, 'index')
    const reader = new ByteReader(bytes)
    reader.bytes(header.bytes.length)
    const table = decodeTable(parts.open(tablePart, 0, reader.bytes(new ByteReader(header.extension).u32())))
    const records = openBlocks(parts, reader, table.fences)
    checkRecords(records, table.rawLengths)
    return { class: table.class, domain: table.domain, packs: table.packs, records }
  } catch (cause) {
    if (
      !(cause instanceof MalformedError || cause instanceof RangeError) &&
      !isKlosetError(cause, 'KLOSET_OBJECT_CORRUPT')
    ) {
      throw cause
    }
    throw new KlosetError('KLOSET_INDEX_CORRUPT', `The index segment index/${name} is damaged: ${cause.message}`, {
      hint: 'Check the store: an index can be made again from the packs it names.',
      context: { object: `index/${name}` },
      cause,
    })
  }
}

/** Whether these bytes are the segment `index/<name>`, as far as a hash tells. */
export function isSegment(name: string, bytes: Uint8Array): boolean {
  return equalBytes(blake3(bytes), fromHex(name))
}

const blockPart = 0
const tablePart = 1
const overhead = 16
const packRow = 40
const frameRow = 12

function encodeTable({ class: packClass, domain, packs, records }: Segment, order: Uint32Array): Bytes {
  const writer = new ByteWriter(15 + packs.length * packRow + order.length)
  const frames = packs.reduce((sum, pack) => sum + pack.frames.length / 3, 0)
  writer.u8(packClass === 'data' ? 1 : 2)
  writer.u16(domain)
  writer.u32(order.length)
  writer.u32(packs.length)
  writer.u32(frames)
  for (const pack of packs) {
    writer.bytes(pack.name)
    writer.u32(pack.size)
    writer.u32(pack.frames.length / 3)
  }
  for (const pack of packs) for (const number of pack.frames) writer.u32(number)
  for (let first = 0; first < order.length; first += blockRecords) {
    const at = order[first]! * recordLength
    writer.bytes(records.subarray(at, at + idLength))
  }
  return writer.finish()
}

interface Table {
  readonly class: PackClass
  readonly domain: number
  readonly packs: readonly SegmentPack[]
  /** Raw length of each frame. */
  readonly rawLengths: Uint32Array
  readonly fences: Fences
}

interface Fences {
  readonly records: number
  /** The first id of each block. */
  readonly ids: Uint8Array
}

function decodeTable(plaintext: Uint8Array): Table {
  const reader = new ByteReader(plaintext)
  const packClass = reader.u8()
  if (packClass !== 1 && packClass !== 2) throw new MalformedError('its class is unknown')
  const domain = reader.u16()
  const records = reader.u32()
  const packCount = reader.u32()
  const frameCount = reader.u32()
  const blocks = Math.ceil(records / blockRecords)
  if (records > mostRecords || packCount * packRow + frameCount * frameRow + blocks * idLength !== reader.left) {
    throw new MalformedError('its table has another length than its counts say')
  }
  const rows: { name: Bytes; size: number; frames: number }[] = []
  let counted = 0
  for (let i = 0; i < packCount; i++) {
    const row = { name: new Uint8Array(reader.bytes(idLength)), size: reader.u32(), frames: reader.u32() }
    if (row.size > limits.pack || row.frames > limits.frames) throw new MalformedError('a pack is too large')
    counted += row.frames
    rows.push(row)
  }
  if (counted !== frameCount) throw new MalformedError('its packs do not have the frames it counts')
  const rawLengths = new Uint32Array(frameCount)
  let frame = 0
  const packs = rows.map(({ name, size, frames: count }) => {
    const frames = new Uint32Array(3 * count)
    for (let i = 0; i < frames.length; i += 3) {
      const [offset, sealed, raw] = [reader.u32(), reader.u32(), reader.u32()]
      if (sealed > limits.sealedFrame || raw > limits.rawFrame) throw new MalformedError('a frame is too large')
      if (offset + sealed > size) throw new MalformedError('a frame reaches beyond its pack')
      frames.set([offset, sealed, raw], i)
      rawLengths[frame++] = raw
    }
    return { name, size, frames }
  })
  const fences = { records, ids: reader.bytes(blocks * idLength) }
  return { class: packClass === 1 ? 'data' : 'metadata', domain, packs, rawLengths, fences }
}

function openBlocks(parts: Sealer, reader: ByteReader, { records: count, ids }: Fences): Bytes {
  const blocks = ids.length / idLength
  // Before anything of this size is allocated: is it all there?
  if (reader.left !== count * recordLength + blocks * overhead)
    throw new MalformedError('it does not have the records it counts')
  const records = new Uint8Array(count * recordLength)
  for (let block = 0; block < blocks; block++) {
    const at = block * blockRecords * recordLength
    const length = Math.min(blockRecords * recordLength, records.length - at)
    parts.openInto(blockPart, block, reader.bytes(length + overhead), records.subarray(at))
    const fence = ids.subarray(block * idLength, (block + 1) * idLength)
    if (compareBytes(records.subarray(at, at + idLength), fence) !== 0)
      throw new MalformedError('a block starts with another id')
  }
  return records
}

function checkRecords(records: Uint8Array, rawLengths: Uint32Array): void {
  const view = new DataView(records.buffer, records.byteOffset, records.length)
  for (let i = 0; i < records.length / recordLength; i++) {
    const at = i * recordLength
    const frame = view.getUint32(at + recordFrame, true)
    if (frame >= rawLengths.length) throw new MalformedError('a record is in a frame that is not there')
    if (view.getUint32(at + recordOffset, true) + view.getUint32(at + recordSize, true) > rawLengths[frame]!) {
      throw new MalformedError('a record reaches beyond its frame')
    }
    if (i > 0 && compareIds(view, i - 1, i) > 0) throw new MalformedError('its records are not sorted')
  }
}

function gather(records: Uint8Array, order: Uint32Array, out: Uint8Array): number {
  let to = 0
  for (const record of order) {
    const from = record * recordLength
    out.set(records.subarray(from, from + recordLength), to)
    to += recordLength
  }
  return to
}
