import { type Bytes, concatBytes, toHex } from '../bytes/index.js'
import { recordLength, type Segment, type SegmentPack } from '../index/index.js'
import { recordFrame } from '../index/record.js'

/**
 * Makes one segment of several of one class, of the packs that are `kept`; undefined where none is. A pack that several of them name the same
 * way is in it once.
 */
export function mergeSegments(segments: readonly Segment[], kept: (pack: string) => boolean): Segment | undefined {
  const packs: SegmentPack[] = []
  const records: Bytes[] = []
  const taken = new Map<string, Uint32Array>()
  let frameCount = 0
  for (const segment of segments) {
    const frames = segment.packs.flatMap((pack) => {
      const name = toHex(pack.name)
      const count = pack.frames.length / 3
      const before = taken.get(name)
      if (!kept(name) || (before !== undefined && sameNumbers(before, pack.frames)))
        return new Array<number>(count).fill(-1)
      taken.set(name, pack.frames)
      packs.push(pack)
      const first = frameCount
      frameCount += count
      return Array.from({ length: count }, (_, i) => first + i)
    })
    records.push(renumbered(segment.records, frames))
  }
  const [first] = segments
  if (first === undefined || packs.length === 0) return undefined
  return { class: first.class, domain: first.domain, packs, records: concatBytes(...records) }
}

/** The records of frames that are kept, with the frames' new numbers; −1 stands for a frame that is not. */
function renumbered(records: Uint8Array, frames: readonly number[]): Bytes {
  const result = new Uint8Array(records.length)
  const from = new DataView(records.buffer, records.byteOffset, records.length)
  const to = new DataView(result.buffer)
  let end = 0
  for (let at = 0; at < records.length; at += recordLength) {
    const frame = frames[from.getUint32(at + recordFrame, true)]!
    if (frame < 0) continue
    result.set(records.subarray(at, at + recordLength), end)
    to.setUint32(end + recordFrame, frame, true)
    end += recordLength
  }
  return result.subarray(0, end)
}

function sameNumbers(a: Uint32Array, b: Uint32Array): boolean {
  return a.length === b.length && a.every((number, i) => number === b[i])
}
