import { idLength, recordFrame, recordLength, recordOffset, recordSize } from './record.js'

/**
 * The numbers of packed records in the order of their ids; those of one id by frame and place. Ids are hashes, so their first 16 bits
 * spread them evenly over buckets that are then short: a million records take a few tenths of a second.
 */
export function sortedOrder(records: Uint8Array): Uint32Array {
  const count = records.length / recordLength
  const view = new DataView(records.buffer, records.byteOffset, records.length)
  const ends = bucketEnds(records)
  const order = new Uint32Array(count)
  // Filling each bucket from its end leaves in `ends` where it starts.
  for (let i = count - 1; i >= 0; i--) order[--ends[bucketOf(records, i)]!] = i
  for (let bucket = 0; bucket < buckets; bucket++) {
    const start = ends[bucket]!
    const end = bucket + 1 < buckets ? ends[bucket + 1]! : count
    if (end - start > 1) sortBucket(view, order.subarray(start, end))
  }
  return order
}

/** Order of the ids of two records of `view`, by number: negative, zero or positive. */
export function compareIds(view: DataView, a: number, b: number): number {
  const first = a * recordLength
  const second = b * recordLength
  for (let at = 0; at < idLength; at += 4) {
    // Big-endian, so that numbers compare as the bytes do.
    const difference = view.getUint32(first + at) - view.getUint32(second + at)
    if (difference !== 0) return difference
  }
  return 0
}

const buckets = 65_536

function bucketOf(records: Uint8Array, record: number): number {
  const at = record * recordLength
  return (records[at]! << 8) | records[at + 1]!
}

function bucketEnds(records: Uint8Array): Uint32Array {
  const ends = new Uint32Array(buckets)
  for (let i = 0; i < records.length / recordLength; i++) ends[bucketOf(records, i)]!++
  for (let bucket = 1; bucket < buckets; bucket++) ends[bucket]! += ends[bucket - 1]!
  return ends
}

function sortBucket(view: DataView, order: Uint32Array): void {
  if (order.length > 64) {
    order.sort((a, b) => compareRecords(view, a, b))
    return
  }
  for (let i = 1; i < order.length; i++) {
    const record = order[i]!
    let at = i
    while (at > 0 && compareRecords(view, order[at - 1]!, record) > 0) {
      order[at] = order[at - 1]!
      at--
    }
    order[at] = record
  }
}

function compareRecords(view: DataView, a: number, b: number): number {
  const difference = compareIds(view, a, b)
  if (difference !== 0) return difference
  for (const field of [recordFrame, recordOffset, recordSize]) {
    const of = view.getUint32(a * recordLength + field, true) - view.getUint32(b * recordLength + field, true)
    if (of !== 0) return of
  }
  return a - b
}
