import type { Bytes } from '../bytes/index.js'
import { ByteReader, ByteWriter, equalBytes, MalformedError, textOf, utf8 } from '../bytes/index.js'
import type { Entry, EntryType } from '../connector/contract.js'
import { pathFromBytes, pathToBytes } from '../connector/paths.js'
import { KlosetError } from '../errors.js'
import { orCorrupt } from './corrupt.js'
import type { Extent } from './extent.js'
import { maxKeyBytes, maxStatBytes } from './limits.js'
import { exactText, readAttributes, readXattrs, writeAttributes, writeXattrs } from './named.js'

/** Why an entry could not be backed up, as it is kept with the entry. */
export interface EntryError {
  readonly code: string
  readonly message: string
}

/** What an entry is besides its path and content. */
export interface Stat extends Omit<Entry, 'path' | 'ref'> {
  /** Extended attributes whose values are chunks, because they are too long to be in `xattrs`. */
  readonly storedXattrs?: Readonly<Record<string, readonly Extent[]>> | undefined
  readonly error?: EntryError | undefined
}

/** The kinds of entries; the place of each is its number in a stat. */
export const entryTypes: readonly EntryType[] = ['file', 'directory', 'symlink', 'fifo', 'socket', 'block', 'character']

/** The bit of a stat's flags that tells of extended attributes. */
export const xattrsFlag: number = 1 << 12

/** The bit of a stat's flags that tells of an error. */
export const errorFlag: number = 1 << 15

/** The encoding of a stat. See {@link writeStat}. */
export function encodeStat(stat: Stat): Bytes {
  const writer = new ByteWriter()
  writeStat(writer, stat)
  return writer.finish()
}

/**
 * Writes a stat. Equal stats have equal encodings, so that comparing bytes compares stats. Names of owners and the text of an error
 * are kept as far as they are text; everything else is kept exactly.
 * @throws TypeError, RangeError for values that a stat cannot hold, such as a size below zero
 * @throws KlosetError KLOSET_LIMIT for more than fits into an entry, such as 126 KiB of attributes
 */
export function writeStat(writer: ByteWriter, stat: Stat): void {
  const start = writer.length
  const type = entryTypes.indexOf(stat.type)
  if (type < 0) throw new TypeError(`an entry cannot be a ${JSON.stringify(stat.type)}`)
  const flags = flagsOf(stat)
  writer.u8(type)
  writer.varint(flags)
  if (stat.size !== undefined) writer.varint(natural('size', stat.size))
  if (stat.mode !== undefined) writer.varint(natural('mode', stat.mode, 0o7777))
  if (stat.mtime !== undefined) writer.i64(time('mtime', stat.mtime))
  if (stat.ctime !== undefined) writer.i64(time('ctime', stat.ctime))
  if (stat.birthtime !== undefined) writer.i64(time('birthtime', stat.birthtime))
  if (stat.owner !== undefined) {
    const { uid, gid, user, group } = stat.owner
    if (uid !== undefined) writer.varint(natural('uid', uid))
    if (gid !== undefined) writer.varint(natural('gid', gid))
    if (user !== undefined) writer.sized(ownerName(user))
    if (group !== undefined) writer.sized(ownerName(group))
  }
  if (stat.inode !== undefined) {
    writer.i64(inodeNumber(stat.inode.device))
    writer.i64(inodeNumber(stat.inode.number))
    writer.varint(natural('links', stat.inode.links))
  }
  if (stat.target !== undefined) writer.sized(targetBytes(stat.target))
  if (stat.device !== undefined) {
    writer.varint(natural('major', stat.device.major))
    writer.varint(natural('minor', stat.device.minor))
  }
  if ((flags & flag.xattrs) !== 0) writeXattrs(writer, stat.xattrs ?? {}, stat.storedXattrs ?? {})
  if ((flags & flag.attributes) !== 0) writeAttributes(writer, stat.attributes ?? {})
  if (stat.version !== undefined) writer.sized(exactText('version', stat.version))
  if (stat.error !== undefined) {
    writer.text(stat.error.code.slice(0, maxErrorText))
    writer.text(stat.error.message.slice(0, maxErrorText))
  }
  const length = writer.length - start
  if (length > maxStatBytes) throw tooLong('its metadata has', length, maxStatBytes)
}

/** Whether an encoded stat has an error: its entry never counts as unchanged. */
export function hasError(stat: Uint8Array): boolean {
  // The error is bit 15 of the flags: the second bit of their third byte, which is there only where bits above 13 are set.
  return (stat[1]! & stat[2]! & 0x80) !== 0 && (stat[3]! & 2) !== 0
}

/** Whether an encoded stat has extended attributes: only then can it refer to chunks. */
export function hasXattrs(stat: Uint8Array): boolean {
  // Bit 12 of the flags: in their second byte, which is there only where bits above 6 are set.
  return (stat[1]! & 0x80) !== 0 && (stat[2]! & 0x20) !== 0
}

/** What {@link writeStat} wrote. Nothing of it shares memory with `bytes`. @throws KlosetError KLOSET_TREE_CORRUPT */
export function decodeStat(bytes: Uint8Array): Stat {
  return orCorrupt('the metadata of an entry is damaged', undefined, () => readStat(new ByteReader(bytes)))
}

const flag = {
  size: 1 << 0,
  mode: 1 << 1,
  mtime: 1 << 2,
  ctime: 1 << 3,
  birthtime: 1 << 4,
  uid: 1 << 5,
  gid: 1 << 6,
  user: 1 << 7,
  group: 1 << 8,
  inode: 1 << 9,
  target: 1 << 10,
  device: 1 << 11,
  xattrs: xattrsFlag,
  attributes: 1 << 13,
  version: 1 << 14,
  error: errorFlag,
}
const knownFlags = 0xffff
const maxErrorText = 2_000

function flagsOf(stat: Stat): number {
  const { owner } = stat
  return (
    (stat.size === undefined ? 0 : flag.size) |
    (stat.mode === undefined ? 0 : flag.mode) |
    (stat.mtime === undefined ? 0 : flag.mtime) |
    (stat.ctime === undefined ? 0 : flag.ctime) |
    (stat.birthtime === undefined ? 0 : flag.birthtime) |
    (owner?.uid === undefined ? 0 : flag.uid) |
    (owner?.gid === undefined ? 0 : flag.gid) |
    (owner?.user === undefined ? 0 : flag.user) |
    (owner?.group === undefined ? 0 : flag.group) |
    (stat.inode === undefined ? 0 : flag.inode) |
    (stat.target === undefined ? 0 : flag.target) |
    (stat.device === undefined ? 0 : flag.device) |
    // None and absent are the same, so that equal stats have equal encodings.
    (isEmpty(stat.xattrs) && isEmpty(stat.storedXattrs) ? 0 : flag.xattrs) |
    (isEmpty(stat.attributes) ? 0 : flag.attributes) |
    (stat.version === undefined ? 0 : flag.version) |
    (stat.error === undefined ? 0 : flag.error)
  )
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

function readStat(reader: ByteReader): Stat {
  const type = entryTypes[reader.u8()]
  if (type === undefined) throw new MalformedError('an unknown type of entry')
  const flags = reader.varint()
  if (flags > knownFlags) throw new MalformedError('unknown flags')
  const has = (bit: number): boolean => (flags & bit) !== 0
  const stat: Mutable<Stat> = { type }
  if (has(flag.size)) stat.size = reader.varint()
  if (has(flag.mode)) stat.mode = readMode(reader)
  if (has(flag.mtime)) stat.mtime = reader.i64()
  if (has(flag.ctime)) stat.ctime = reader.i64()
  if (has(flag.birthtime)) stat.birthtime = reader.i64()
  if (has(flag.uid | flag.gid | flag.user | flag.group)) {
    const owner: Mutable<NonNullable<Stat['owner']>> = {}
    if (has(flag.uid)) owner.uid = reader.varint()
    if (has(flag.gid)) owner.gid = reader.varint()
    if (has(flag.user)) owner.user = users.read(reader)
    if (has(flag.group)) owner.group = groups.read(reader)
    stat.owner = owner
  }
  if (has(flag.inode)) {
    const device = BigInt.asUintN(64, reader.i64())
    const number = BigInt.asUintN(64, reader.i64())
    stat.inode = { device, number, links: reader.varint() }
  }
  if (has(flag.target)) stat.target = pathFromBytes(reader.sized(maxKeyBytes))
  if (has(flag.device)) stat.device = { major: reader.varint(), minor: reader.varint() }
  if (has(flag.xattrs)) Object.assign(stat, readXattrs(reader))
  if (has(flag.attributes)) Object.assign(stat, readAttributes(reader))
  if (has(flag.version)) stat.version = reader.text(maxStatBytes)
  if (has(flag.error)) stat.error = { code: reader.text(maxStatBytes), message: reader.text(maxStatBytes) }
  reader.end()
  return stat
}

/** Reads names of which the next one is mostly the same as the last: then it need not be decoded. */
class NameReader {
  #bytes: Uint8Array = new Uint8Array(0)
  #name = ''

  read(reader: ByteReader): string {
    const bytes = reader.sized(maxStatBytes)
    if (!equalBytes(bytes, this.#bytes)) {
      this.#name = textOf(bytes)
      this.#bytes = bytes.slice()
    }
    return this.#name
  }
}

const users = new NameReader()
const groups = new NameReader()

function readMode(reader: ByteReader): number {
  const mode = reader.varint()
  if (mode > 0o7777) throw new MalformedError('a mode has more than permission bits')
  return mode
}

function targetBytes(target: string): Bytes {
  const bytes = pathToBytes(target)
  if (bytes.length > maxKeyBytes) throw tooLong('the target of a symlink has', bytes.length, maxKeyBytes)
  return bytes
}

function tooLong(what: string, length: number, most: number): KlosetError {
  return new KlosetError('KLOSET_LIMIT', `the entry cannot be kept: ${what} ${length} bytes where ${most} fit`, {
    context: { length, most },
  })
}

function natural(name: string, value: number, most: number = Number.MAX_SAFE_INTEGER): number {
  if (Number.isSafeInteger(value) && value >= 0 && value <= most) return value
  throw new RangeError(`${name} must be a whole number from 0 to ${most}, not ${value}`)
}

function time(name: string, value: bigint): bigint {
  if (BigInt.asIntN(64, value) !== value) throw new RangeError(`${name} is beyond 64 bits of nanoseconds`)
  return value
}

function inodeNumber(value: bigint): bigint {
  if (BigInt.asUintN(64, value) !== value) throw new RangeError('an inode has unsigned 64-bit numbers')
  return value
}

// Most files belong to a few owners: their names are encoded once.
const ownerNames = new Map<string, Bytes>()

function ownerName(name: string): Bytes {
  const known = ownerNames.get(name)
  if (known !== undefined) return known
  if (ownerNames.size >= 256) ownerNames.clear()
  const encoded = utf8(name)
  ownerNames.set(name, encoded)
  return encoded
}

function isEmpty(record: Readonly<Record<string, unknown>> | undefined): boolean {
  if (record === undefined) return true
  for (const _ in record) return false
  return true
}
