import { type Bytes, concatBytes } from '../bytes/index.js'
import type { Keyring } from '../crypto/index.js'
import type { PackClass } from '../pack/footer.js'
import { recordLength as footerRecord } from '../pack/limits.js'
import { idLength, mostBytes, mostRecords, recordFrame, recordLength, recordOffset } from './record.js'
import { type EncodedSegment, encodeSegment, type Segment, type SegmentPack } from './segment.js'

/** A sealed pack as its writer or its footer tells of it. */
export interface IndexedContents {
  /** BLAKE3 of the file, 32 bytes. */
  readonly name: Bytes
  /** The file; only its length is asked. */
  readonly file: { readonly length: number }
  /** Three numbers a frame: sealed length, raw length, record count. */
  readonly frames: Uint32Array
  /** 40 bytes a record, in frame order: id, offset in the raw frame, length. */
  readonly records: Uint8Array
  /** Where in the file the first frame starts. */
  readonly headerLength: number
}

/** Gathers what is in sealed packs of one class, and makes index segments of it that stay within the format's caps. */
export class SegmentBuilder {
  readonly #keyring: Keyring
  readonly #class: PackClass
  #gathered: Gathered[] = []

  constructor(keyring: Keyring, ofClass: PackClass) {
    this.#keyring = keyring
    this.#class = ofClass
  }

  /** How many records wait to be taken. */
  get records(): number {
    return this.#gathered.reduce((sum, { recordCount }) => sum + recordCount, 0)
  }

  add(pack: IndexedContents): void {
    const last = this.#gathered.at(-1)
    if (last?.takes(pack)) {
      last.add(pack)
      return
    }
    const next = new Gathered()
    next.add(pack)
    this.#gathered.push(next)
  }

  /** The segments of everything added since the last call; usually one, none where there was nothing. */
  take(): EncodedSegment[] {
    const gathered = this.#gathered
    this.#gathered = []
    return gathered.map((each) =>
      encodeSegment(this.#keyring, { class: this.#class, domain: 0, packs: each.packs, records: each.records() }),
    )
  }
}

/** What a segment of one pack says: for packs that no segment names. */
export function segmentOf(pack: IndexedContents, ofClass: PackClass): Segment {
  const gathered = new Gathered()
  gathered.add(pack)
  return { class: ofClass, domain: 0, packs: gathered.packs, records: gathered.records() }
}

/** The packs of one segment to be. */
class Gathered {
  readonly packs: SegmentPack[] = []
  readonly #records: Uint8Array[] = []
  recordCount = 0
  #frameCount = 0

  /** Whether a segment with this pack too stays within the caps. */
  takes(pack: IndexedContents): boolean {
    const records = this.recordCount + pack.records.length / footerRecord
    const frames = this.#frameCount + pack.frames.length / 3
    // A block's fence and tag come to less than a byte a record.
    const bytes = records * (recordLength + 1) + frames * 12 + (this.packs.length + 1) * 40 + 1_024
    return records <= mostRecords && bytes <= mostBytes
  }

  add({ name, file, frames, records, headerLength }: IndexedContents): void {
    const own = new Uint8Array((records.length / footerRecord) * recordLength)
    const view = new DataView(own.buffer)
    const places = new Uint32Array(frames.length)
    let offset = headerLength
    let from = 0
    let to = 0
    for (let i = 0; i < frames.length; i += 3) {
      const [sealedLength, rawLength, count] = frames.subarray(i, i + 3)
      places.set([offset, sealedLength!, rawLength!], i)
      offset += sealedLength!
      for (let left = count!; left > 0; left--) {
        own.set(records.subarray(from, from + idLength), to)
        view.setUint32(to + recordFrame, this.#frameCount, true)
        own.set(records.subarray(from + idLength, from + footerRecord), to + recordOffset)
        from += footerRecord
        to += recordLength
      }
      this.#frameCount++
    }
    this.packs.push({ name, size: file.length, frames: places })
    this.#records.push(own)
    this.recordCount += own.length / recordLength
  }

  records(): Bytes {
    return concatBytes(...this.#records)
  }
}
