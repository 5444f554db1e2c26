import { ByteReader, type Bytes, ByteWriter, equalBytes, MalformedError, utf8 } from '../../bytes/index.js'
import type { Keyring } from '../../crypto/index.js'
import { keyedBlake3 } from '../../hash/index.js'

// A sorted file, as it lies on this machine. It is no part of a store: any version may change it, with its number below.
//
//   blocks of packs        rows sorted by name
//   blocks of frames       12 bytes each, those of the first pack, of the second, …: offset in the pack, sealed length, raw length
//   blocks of records      rows sorted by id
//   directory              names of the segments (32 each); fences of the packs' blocks, fences of the records' blocks (u32 each)
//   filter                 64 bytes for each block of records
//   trailer                counts, and the MACs of directory, filter and itself
//
// A block has 2 KiB, so that it never straddles two pages: rows, its number among all blocks u32, how many rows it has u32, the first 16
// bytes of keyed BLAKE3 of all that. The key of all MACs follows from the store's secret and a nonce in the trailer, so what was damaged,
// forged, or taken from another file or store is noticed whenever it is read. Little-endian, except fences: the first four bytes of
// a block's first row as a big-endian number, in the order that bytes compare in.

/** Bytes of a block. */
export const blockSize = 2_048

/** Bytes of a block that hold rows. */
export const rowsSize = 2_024

/** Where in a block its number, its count of rows and its MAC are. */
export const blockNumber: number = rowsSize
export const blockCount: number = rowsSize + 4
export const blockMac: number = rowsSize + 8

/** Bytes of a MAC. */
export const macLength = 16

/**
 * Bytes of a row. Of a record: id (32), number of its pack u32, ordinal of its frame in the pack u16, offset u32, length u32. Of a pack:
 * name (32), number of its first frame u32, how many frames u16, bytes of the file u32, class u32.
 */
export const rowLength = 46

/** Where in a row what comes after its id or name starts. */
export const rowPack = 32
export const rowOrdinal = 36
export const rowOffset = 38
export const rowSize = 42

/** How many rows fit into a block, and how many frames. */
export const blockRows: number = rowsSize / rowLength
export const frameLength = 12
export const blockFrames: number = Math.floor(rowsSize / frameLength)

/** 32-bit words of the filter for one block of records. */
export const filterWords = 16

/** What a trailer says. */
export interface Trailer {
  readonly nonce: Bytes
  /** The position of the log whose segments these were. */
  readonly position: number
  readonly packs: number
  readonly frames: number
  readonly records: number
  readonly segments: number
  readonly directoryMac: Bytes
  readonly filterMac: Bytes
}

/** Where in a file everything is; the first blocks of each kind by number, the rest in bytes. */
export interface Layout {
  readonly packs: number
  readonly frames: number
  readonly records: number
  readonly packBlocks: number
  readonly recordBlocks: number
  readonly directory: number
  readonly filter: number
  readonly trailer: number
}

export function layoutOf(counts: Pick<Trailer, 'packs' | 'frames' | 'records' | 'segments'>): Layout {
  const { packs, frames, records, segments } = counts
  const packBlocks = Math.ceil(packs / blockRows)
  const frameBlocks = Math.ceil(frames / blockFrames)
  const recordBlocks = Math.ceil(records / blockRows)
  const directory = (packBlocks + frameBlocks + recordBlocks) * blockSize
  const filter = directory + 32 * segments + 4 * (packBlocks + recordBlocks)
  const trailer = filter + 4 * filterWords * recordBlocks
  return {
    packs: 0,
    frames: packBlocks,
    records: packBlocks + frameBlocks,
    packBlocks,
    recordBlocks,
    directory,
    filter,
    trailer,
  }
}

/** The key of a file's MACs. */
export function fileKey(keyring: Keyring, nonce: Uint8Array): Bytes {
  const writer = new ByteWriter(64)
  writer.bytes(magic)
  writer.bytes(keyring.material.storeId)
  writer.bytes(nonce)
  return keyedBlake3(keyring.localKey, writer.view())
}

/** The trailer as bytes. Where directory and filter are follows from the counts. */
export function encodeTrailer(key: Uint8Array, trailer: Trailer): Bytes {
  const writer = new ByteWriter(trailerLength)
  writer.bytes(magic)
  writer.bytes(trailer.nonce)
  for (const number of [trailer.position, trailer.packs, trailer.frames, trailer.records, trailer.segments])
    writer.u64(number)
  writer.bytes(trailer.directoryMac)
  writer.bytes(trailer.filterMac)
  writer.bytes(keyedBlake3(key, writer.view()).subarray(0, macLength))
  return writer.finish()
}

/** What a trailer says, and the key of its file. @throws MalformedError where it is none of this store, or damaged */
export function decodeTrailer(keyring: Keyring, bytes: Uint8Array): { trailer: Trailer; key: Bytes } {
  const reader = new ByteReader(bytes)
  if (!equalBytes(reader.bytes(magic.length), magic)) throw new MalformedError('it is of another version')
  const nonce = reader.bytes(nonceLength).slice() as Bytes
  const [position, packs, frames, records, segments] = Array.from({ length: 5 }, () => reader.u64())
  const directoryMac = reader.bytes(macLength).slice() as Bytes
  const filterMac = reader.bytes(macLength).slice() as Bytes
  const key = fileKey(keyring, nonce)
  const mac = keyedBlake3(key, bytes.subarray(0, trailerLength - macLength)).subarray(0, macLength)
  if (!equalBytes(reader.bytes(macLength), mac)) throw new MalformedError('its trailer is damaged')
  return {
    trailer: {
      nonce,
      position: position!,
      packs: packs!,
      frames: frames!,
      records: records!,
      segments: segments!,
      directoryMac,
      filterMac,
    },
    key,
  }
}

/** The number that a fence is, of the row at `at`. */
export function fenceOf(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}

/** Order of the 32 bytes of two rows: negative, zero or positive. */
export function compareRows(a: Uint8Array, at: number, b: Uint8Array, from: number): number {
  for (let i = 0; i < 32; i++) {
    const difference = a[at + i]! - b[from + i]!
    if (difference !== 0) return difference
  }
  return 0
}

/** The little-endian numbers in bytes at any address. */
export function u16At(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8)
}

export function u32At(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
}

const magic = utf8('kloset sorted index 1\n\n\n')

/** Bytes of the nonce. */
export const nonceLength = 32

/** Bytes of a trailer. */
export const trailerLength: number = magic.length + nonceLength + 5 * 8 + 3 * macLength
