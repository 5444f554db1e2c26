import type { ByteReader, ByteWriter } from '../bytes/index.js'
import { MalformedError } from '../bytes/index.js'
import { idBytes, maxChunkBytes, maxInlineExtents } from './limits.js'

/** A run of a file's bytes: a chunk, or a hole. */
export interface Extent {
  /** Bytes, at least 1. */
  readonly length: number
  /** The chunk's id; undefined for a hole. */
  readonly id: Uint8Array | undefined
}

/** An extent and where in the file it starts. */
export interface PlacedExtent extends Extent {
  readonly offset: number
}

/** The longest hole that can be written as one extent. */
export const maxHoleBytes: number = 2 ** 52 - 1

/** Writes one extent. @throws RangeError for a length that no extent can have, and for an id that is not 32 bytes. */
export function writeExtent(writer: ByteWriter, length: number, id: Uint8Array | undefined): void {
  const most = id === undefined ? maxHoleBytes : maxChunkBytes
  if (!(Number.isInteger(length) && length > 0 && length <= most)) throw new RangeError(`an extent of ${length} bytes`)
  if (id === undefined) {
    writer.varint(length * 2 + 1)
    return
  }
  if (id.length !== idBytes) throw new RangeError('an id has 32 bytes')
  writer.varint(length * 2)
  writer.bytes(id)
}

/** Writes a count and that many extents, at most 16. */
export function writeExtents(writer: ByteWriter, extents: readonly Extent[]): void {
  if (extents.length > maxInlineExtents) throw new RangeError(`${extents.length} extents where at most 16 fit`)
  writer.varint(extents.length)
  for (const extent of extents) writeExtent(writer, extent.length, extent.id)
}

/** Reads one extent; its id is a view of what is read. */
export function readExtent(reader: ByteReader): Extent {
  const value = reader.varint()
  const hole = value % 2 === 1
  const length = (value - (hole ? 1 : 0)) / 2
  if (length === 0) throw new MalformedError('an extent is empty')
  if (hole) return { length, id: undefined }
  if (length > maxChunkBytes) throw new MalformedError(`a chunk of ${length} bytes`)
  return { length, id: reader.bytes(idBytes) }
}

/** Reads what {@link writeExtents} wrote. */
export function readExtents(reader: ByteReader): Extent[] {
  const count = reader.count(1)
  if (count > maxInlineExtents) throw new MalformedError(`${count} extents where at most 16 are allowed`)
  const extents: Extent[] = []
  for (let i = 0; i < count; i++) extents.push(readExtent(reader))
  return extents
}

/** `a + b` as lengths. @throws MalformedError above 2^53 − 1. */
export function addLengths(a: number, b: number): number {
  const sum = a + b
  if (!Number.isSafeInteger(sum)) throw new MalformedError('lengths add up to too much')
  return sum
}
