import type { Bytes } from '../bytes/index.js'
import { type ByteReader, type ByteWriter, compareBytes, MalformedError, text, utf8 } from '../bytes/index.js'
import { pathFromBytes, pathToBytes } from '../connector/paths.js'
import { KlosetError } from '../errors.js'
import { type Extent, readExtents, writeExtents } from './extent.js'
import { maxInlineExtents, maxInlineXattrBytes, maxStatBytes, maxXattrBytes } from './limits.js'

/**
 * Which of an entry's extended attributes have to be stored as chunks: in the order of their names, each that does not fit into what
 * is left of the 1 KiB an entry holds itself.
 */
export function longXattrs(xattrs: Readonly<Record<string, Uint8Array>>): string[] {
  let left = maxInlineXattrBytes
  return ascending(Object.keys(xattrs).map((name) => ({ name, key: pathToBytes(name) })))
    .map(({ name }) => name)
    .filter((name) => {
      const { length } = xattrs[name]!
      if (length > left) return true
      left -= length
      return false
    })
}

/**
 * How long the chunks are that the value of an extended attribute is stored as: one where it fits, so that equal values are one chunk, and
 * never more than an entry can name. `most`: the longest chunks of the store.
 * @throws KlosetError KLOSET_LIMIT for more than 64 MiB
 */
export function xattrPieces(length: number, most: number): number[] {
  if (length > maxXattrBytes) {
    const message = `an extended attribute of ${length} bytes cannot be kept: at most ${maxXattrBytes} can`
    throw new KlosetError('KLOSET_LIMIT', message, { context: { length, most: maxXattrBytes } })
  }
  const piece = Math.max(most, Math.ceil(length / maxInlineExtents))
  return Array.from({ length: Math.ceil(length / piece) }, (_, i) => Math.min(piece, length - i * piece))
}

/** Writes extended attributes: those the entry holds itself and those stored as chunks, ascending by name. */
export function writeXattrs(
  writer: ByteWriter,
  xattrs: Readonly<Record<string, Uint8Array>>,
  stored: Readonly<Record<string, readonly Extent[]>>,
): void {
  const both = [
    ...Object.entries(xattrs).map(([name, value]) => ({ key: pathToBytes(name), value, extents: undefined })),
    ...Object.entries(stored).map(([name, extents]) => ({ key: pathToBytes(name), value: undefined, extents })),
  ]
  let length = 0
  writer.varint(both.length)
  for (const { key, value, extents } of ascending(both)) {
    writer.sized(key)
    writer.u8(extents === undefined ? inline : asExtents)
    if (extents !== undefined) {
      writeExtents(writer, extents)
      continue
    }
    length += value.length
    writer.sized(value)
  }
  if (length > maxInlineXattrBytes)
    throw new RangeError(`${length} bytes of xattrs where at most 1024 are held in an entry`)
}

/** Reads what {@link writeXattrs} wrote; nothing of it shares memory with what is read. */
export function readXattrs(reader: ByteReader): {
  xattrs?: Record<string, Uint8Array>
  storedXattrs?: Record<string, Extent[]>
} {
  const held: [string, Uint8Array][] = []
  const stored: [string, Extent[]][] = []
  let length = 0
  readNamed(reader, pathFromBytes, (name) => {
    const place = reader.u8()
    if (place === inline) {
      const value = reader.sized(maxInlineXattrBytes - length)
      length += value.length
      held.push([name, value.slice()])
    } else if (place === asExtents) {
      stored.push([name, readExtents(reader).map((extent) => ({ ...extent, id: extent.id?.slice() }))])
    } else throw new MalformedError('an unknown place of an xattr')
  })
  // From entries, because assigning a hostile name such as __proto__ would do something else.
  return {
    ...(held.length === 0 ? {} : { xattrs: Object.fromEntries(held) }),
    ...(stored.length === 0 ? {} : { storedXattrs: Object.fromEntries(stored) }),
  }
}

/** Writes attributes, ascending by name. */
export function writeAttributes(writer: ByteWriter, attributes: Readonly<Record<string, string>>): void {
  const named = Object.entries(attributes).map(([name, value]) => ({ key: exactText('attribute', name), name, value }))
  writer.varint(named.length)
  for (const { key, name, value } of ascending(named)) {
    writer.sized(key)
    writer.sized(exactText(name, value))
  }
}

/** Reads what {@link writeAttributes} wrote. */
export function readAttributes(reader: ByteReader): { attributes?: Record<string, string> } {
  const attributes: [string, string][] = []
  readNamed(reader, asText, (name) => attributes.push([name, reader.text(maxStatBytes)]))
  return attributes.length === 0 ? {} : { attributes: Object.fromEntries(attributes) }
}

/** The UTF-8 of `value`. @throws TypeError where it is not text: a lone surrogate would come back as something else. */
export function exactText(what: string, value: string): Bytes {
  if (/\p{Surrogate}/u.test(value)) throw new TypeError(`${what} holds a lone surrogate: it cannot be kept as text`)
  return utf8(value)
}

const inline = 0
const asExtents = 1

function asText(bytes: Uint8Array): string {
  try {
    return text(bytes)
  } catch (cause) {
    throw new MalformedError('a name is not UTF-8', { cause })
  }
}

function readNamed(reader: ByteReader, decode: (key: Uint8Array) => string, read: (name: string) => void): void {
  // Each takes a length and a byte at least.
  const count = reader.count(2)
  let before: Uint8Array | undefined
  for (let i = 0; i < count; i++) {
    const key = reader.sized(maxStatBytes)
    if (before !== undefined && compareBytes(before, key) >= 0) throw new MalformedError('names are not ascending')
    before = key
    read(decode(key))
  }
}

function ascending<T extends { readonly key: Uint8Array }>(named: T[]): T[] {
  named.sort((a, b) => compareBytes(a.key, b.key))
  for (let i = 1; i < named.length; i++) {
    if (compareBytes(named[i - 1]!.key, named[i]!.key) === 0) throw new RangeError('an xattr is given twice')
  }
  return named
}
