import type { Bytes } from '../bytes/index.js'
import { type Extent, encodeContent, ListBuilder, type ListBuilderOptions } from '../tree/index.js'

/** Bytes of a chunk in an answer of a worker: id, length. A hole has an id of zeros, which no chunk has. */
export const chunkLength = 36

/** The content of an empty file. */
export const emptyContent: Bytes = encodeContent({ form: 'extents', extents: [] })

/** The most chunks that an entry holds itself. */
const inline = 16

/** The content of a file that consists of `chunks`, 36 bytes each. */
export function contentOf(chunks: Uint8Array, lists: ListBuilderOptions): Bytes | Promise<Bytes> {
  const count = chunks.length / chunkLength
  if (count > inline) return listOf(chunks, lists)
  return encodeContent({ form: 'extents', extents: extentsOf(chunks) })
}

/** The extents in `chunks`, 36 bytes each. */
export function extentsOf(chunks: Uint8Array): Extent[] {
  return Array.from({ length: chunks.length / chunkLength }, (_, i) => chunkAt(chunks, i))
}

/** Adds chunks, 36 bytes each, to a list. */
export async function addChunks(list: ListBuilder, chunks: Uint8Array): Promise<void> {
  for (let i = 0; i < chunks.length / chunkLength; i++) {
    const { id, length } = chunkAt(chunks, i)
    const wait = id === undefined ? list.hole(length) : list.chunk(id, length)
    if (wait !== undefined) await wait
  }
}

async function listOf(chunks: Uint8Array, lists: ListBuilderOptions): Promise<Bytes> {
  const list = new ListBuilder(lists)
  await addChunks(list, chunks)
  return list.finish()
}

function chunkAt(chunks: Uint8Array, i: number): Extent {
  const at = i * chunkLength
  const low = chunks[at + 32]! | (chunks[at + 33]! << 8) | (chunks[at + 34]! << 16) | (chunks[at + 35]! << 24)
  return { id: isHole(chunks, at) ? undefined : chunks.subarray(at, at + 32), length: low >>> 0 }
}

function isHole(chunks: Uint8Array, at: number): boolean {
  for (let i = at; i < at + 32; i++) if (chunks[i] !== 0) return false
  return true
}

/** Bytes in chunks, 36 bytes each. */
export function lengthOfChunks(chunks: Uint8Array): number {
  let length = 0
  for (let i = 0; i < chunks.length / chunkLength; i++) length += chunkAt(chunks, i).length
  return length
}
