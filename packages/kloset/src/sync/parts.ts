import { alone } from '../store/read-memory.js'
import type { PackRead, Placed, ReadFrames } from '../store/reads.js'
import type { FrameParts } from './messages.js'

/** What was read of a pack, for a worker. */
export function framesOf(
  read: PackRead<Placed & { readonly length: number; readonly id: Uint8Array }>,
  { header, bytes, from }: ReadFrames,
): FrameParts {
  const { pack, frames, wanted } = read
  const numbers = new Map(frames.map((frame, i) => [frame.number, i]))
  const blobs = new Uint32Array(3 * wanted.length)
  const ids = new Uint8Array(32 * wanted.length)
  for (const [i, { frame, offset, length, id }] of wanted.entries()) {
    blobs.set([numbers.get(frame.number)!, offset, length], 3 * i)
    ids.set(id, 32 * i)
  }
  const places = frames.flatMap(({ ordinal, offset, sealedLength, rawLength }) => [
    ordinal,
    offset - from,
    sealedLength,
    rawLength,
  ])
  return { pack, header, bytes: alone(bytes), frames: Uint32Array.from(places), blobs, ids }
}
