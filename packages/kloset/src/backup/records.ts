import { type Bytes, ByteWriter } from '../bytes/index.js'
import type { Entry } from '../connector/index.js'
import { pathFromBytes, pathToBytes } from '../connector/index.js'
import { decodeStat, type EntryError, type Stat, writeStat } from '../tree/index.js'

/** An entry as it travels between threads: its key and its encoded stat, in one buffer with others. */
export interface EntryView {
  readonly key: Uint8Array
  readonly stat: Uint8Array
  /** The whole record. */
  readonly record: Uint8Array
}

/** Gathers entries as records: key length u32, stat length u32, key, stat. */
export class RecordWriter {
  readonly #writer = new ByteWriter(256 * 1024)
  readonly #lengths = new ByteWriter(8)
  count = 0

  /** Encodes an entry; with `error`, one that could not be read. */
  add(entry: Entry, error?: EntryError): void {
    const start = this.#writer.length
    this.#writer.u32(0)
    this.#writer.u32(0)
    this.#writer.bytes(pathToBytes(entry.path))
    const middle = this.#writer.length
    writeStat(this.#writer, error === undefined ? entry : { ...entry, error })
    const end = this.#writer.length
    this.#lengths.clear()
    this.#lengths.u32(middle - start - 8)
    this.#lengths.u32(end - middle)
    this.#writer.view().set(this.#lengths.view(), start)
    this.count++
  }

  /** Adds an entry whose stat is encoded already. */
  addEncoded(key: Uint8Array, stat: Uint8Array): void {
    this.#writer.u32(key.length)
    this.#writer.u32(stat.length)
    this.#writer.bytes(key)
    this.#writer.bytes(stat)
    this.count++
  }

  /** Adds a record as it is. */
  copy(record: Uint8Array): void {
    this.#writer.bytes(record)
    this.count++
  }

  get length(): number {
    return this.#writer.length
  }

  finish(): Bytes {
    return this.#writer.finish()
  }
}

/** The entries in records, as views. */
export function* entryViews(records: Uint8Array): Generator<EntryView> {
  const view = new DataView(records.buffer, records.byteOffset, records.length)
  for (let at = 0; at < records.length; ) {
    const middle = at + 8 + view.getUint32(at, true)
    const end = middle + view.getUint32(at + 4, true)
    yield {
      key: records.subarray(at + 8, middle),
      stat: records.subarray(middle, end),
      record: records.subarray(at, end),
    }
    at = end
  }
}

/** The entry in a view. */
export function entryOf(view: EntryView): Entry & Stat {
  return Object.assign(decodeStat(view.stat), { path: pathFromBytes(view.key) })
}

/** A record for a message of its own. */
export function recordOf(key: Uint8Array, stat: Uint8Array): Bytes {
  const writer = new RecordWriter()
  writer.addEncoded(key, stat)
  return writer.finish()
}
