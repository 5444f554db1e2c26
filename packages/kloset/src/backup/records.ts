import { ByteReader, type Bytes, ByteWriter } from '../bytes/index.js'
import type { Entry } from '../connector/index.js'
import { pathFromBytes, pathToBytes } from '../connector/index.js'
import { decodeStat, type EntryError, longXattrs, type Stat, writeStat } from '../tree/index.js'

/** An entry as it travels between threads: its key and its encoded stat, in one buffer with others. */
export interface EntryView {
  readonly key: Uint8Array
  readonly stat: Uint8Array
  /** The values of extended attributes that a stat does not hold itself, see {@link encodeValues}; undefined where there are none. */
  readonly values: Uint8Array | undefined
  /** The whole record. */
  readonly record: Uint8Array
}

/** Gathers entries as records: key length u32, stat length u32, length u32 of long values, key, stat, long values. */
export class RecordWriter {
  readonly #writer = new ByteWriter(256 * 1024)
  readonly #lengths = new ByteWriter(headLength)
  count = 0

  /** Encodes an entry; with `error`, one that could not be read. */
  add(entry: Entry, error?: EntryError): void {
    const start = this.#writer.length
    const { stat, long } = entry.xattrs === undefined ? { stat: entry, long: undefined } : divided(entry, entry.xattrs)
    for (let i = 0; i < headLength; i++) this.#writer.u8(0)
    this.#writer.bytes(pathToBytes(entry.path))
    const middle = this.#writer.length
    try {
      writeStat(this.#writer, error === undefined ? stat : { ...stat, error })
    } catch (thrown) {
      this.#writer.truncate(start)
      throw thrown
    }
    const end = this.#writer.length
    if (long !== undefined) this.#writer.bytes(encodeValues(long))
    this.#lengths.clear()
    this.#lengths.u32(middle - start - headLength)
    this.#lengths.u32(end - middle)
    this.#lengths.u32(this.#writer.length - end)
    this.#writer.view().set(this.#lengths.view(), start)
    this.count++
  }

  /** Adds an entry whose stat is encoded already. */
  addEncoded(key: Uint8Array, stat: Uint8Array, values?: Uint8Array): void {
    this.#writer.u32(key.length)
    this.#writer.u32(stat.length)
    this.#writer.u32(values?.length ?? 0)
    this.#writer.bytes(key)
    this.#writer.bytes(stat)
    if (values !== undefined) this.#writer.bytes(values)
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
    const middle = at + headLength + view.getUint32(at, true)
    const end = middle + view.getUint32(at + 4, true)
    const next = end + view.getUint32(at + 8, true)
    yield {
      key: records.subarray(at + headLength, middle),
      stat: records.subarray(middle, end),
      values: next === end ? undefined : records.subarray(end, next),
      record: records.subarray(at, next),
    }
    at = next
  }
}

/** The entry in a view, with all its extended attributes. */
export function entryOf(view: EntryView): Entry & Stat {
  const stat = decodeStat(view.stat)
  const path = pathFromBytes(view.key)
  if (view.values === undefined) return Object.assign(stat, { path })
  const { storedXattrs: _, ...others } = stat
  return { ...others, path, xattrs: { ...stat.xattrs, ...decodeValues(view.values) } }
}

/** A record for a message of its own. */
export function recordOf(key: Uint8Array, stat: Uint8Array, values?: Uint8Array): Bytes {
  const writer = new RecordWriter()
  writer.addEncoded(key, stat, values)
  return writer.finish()
}

/** Values of extended attributes as they travel between threads: one after the other, names and values with their lengths. */
export function encodeValues(values: Readonly<Record<string, Uint8Array>>): Bytes {
  const writer = new ByteWriter()
  for (const [name, value] of Object.entries(values)) {
    writer.sized(pathToBytes(name))
    writer.sized(value)
  }
  return writer.finish()
}

/** What {@link encodeValues} encoded; the values are views. */
export function decodeValues(bytes: Uint8Array): Record<string, Uint8Array> {
  const reader = new ByteReader(bytes)
  const values: [string, Uint8Array][] = []
  while (reader.left > 0) values.push([pathFromBytes(reader.sized(bytes.length)), reader.sized(bytes.length)])
  return Object.fromEntries(values)
}

const headLength = 12

/** An entry as a stat can hold it, and what that leaves out. */
function divided(
  entry: Entry,
  xattrs: NonNullable<Entry['xattrs']>,
): { readonly stat: Entry; readonly long: Record<string, Uint8Array> | undefined } {
  const long = new Set(longXattrs(xattrs))
  if (long.size === 0) return { stat: entry, long: undefined }
  const those = (wanted: boolean): Record<string, Uint8Array> =>
    Object.fromEntries(Object.entries(xattrs).filter(([name]) => long.has(name) === wanted))
  return { stat: { ...entry, xattrs: those(false) }, long: those(true) }
}
