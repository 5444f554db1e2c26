import { type Bytes, ByteWriter, concatBytes } from '../bytes/index.js'
import { pathToBytes } from '../connector/index.js'
import { runtime } from '../runtime/index.js'
import type { Deflater } from '../runtime/types.js'
import { crc32 } from './crc32.js'
import { type ArchiveFormat, isText, type Member, secondsOf, usualMode } from './format.js'

/**
 * Zip as PKWARE's APPNOTE 6.3.10 describes it, with the fields of Info-ZIP for times and owners; beyond 4 GiB and 65,535 members with zip64.
 * What is in memory at the end is the directory: about 150 bytes a member.
 */
export function zipFormat(): ArchiveFormat {
  return new ZipFormat()
}

/** A member as the directory at the end has it. */
interface Listed {
  readonly name: Bytes
  readonly flags: number
  readonly method: number
  readonly stat: Member['stat']
  readonly offset: number
  /** Its sizes may not fit into 32 bits. */
  readonly large: boolean
  crc: number
  stored: number
  size: number
}

class ZipFormat implements ArchiveFormat {
  readonly capabilities: ArchiveFormat['capabilities'] = {
    keeps: ['directories', 'symlinks', 'mode', 'owner', 'mtime'],
    order: 'path',
    concurrency: 1,
    // The length of a name has 16 bits.
    names: { caseSensitive: true, maxBytes: 65_000 },
  }
  readonly links = false
  // They are written, but readers take them for some code page of DOS.
  readonly anyBytes = false
  readonly #directory = new ByteWriter(64 * 1024)
  #members = 0
  #offset = 0
  #open: Listed | undefined
  #deflater: Deflater | undefined

  whole(member: Member, content: readonly Bytes[]): readonly Bytes[] {
    // Where it is extracted to is a directory already.
    if (member.path === '') return []
    const raw = member.stat.type === 'symlink' ? pathToBytes(member.stat.target ?? '') : concatBytes(...content)
    const deflated = raw.length === 0 || member.stat.type === 'symlink' ? raw : runtime.deflate(raw, level)
    const stored = deflated.length < raw.length ? deflated : raw
    const listed = this.#listed(member, { method: stored === raw ? methodStored : methodDeflated, streamed: false })
    listed.crc = crc32(0, raw)
    listed.size = raw.length
    listed.stored = stored.length
    const parts = [localHeader(listed), stored]
    this.#list(listed, parts)
    return parts
  }

  begin(member: Member): readonly Bytes[] {
    this.#open = this.#listed(member, { method: methodDeflated, streamed: true })
    this.#deflater = runtime.deflater(level)
    const parts = [localHeader(this.#open)]
    this.#offset += lengthOf(parts)
    return parts
  }

  part(bytes: Bytes): readonly Bytes[] {
    const open = this.#open!
    open.crc = crc32(open.crc, bytes)
    open.size += bytes.length
    return [this.#deflated(this.#deflater!.push(bytes))]
  }

  end(): readonly Bytes[] {
    const last = this.#deflated(this.#deflater!.end())
    const descriptor = descriptorOf(this.#open!)
    this.#list(this.#open!, [descriptor])
    return [last, descriptor]
  }

  finish(): readonly Bytes[] {
    const directory = this.#directory.view()
    return [directory, endOf({ members: this.#members, size: directory.length, offset: this.#offset })]
  }

  #deflated(bytes: Bytes): Bytes {
    this.#open!.stored += bytes.length
    this.#offset += bytes.length
    return bytes
  }

  #listed({ path, stat }: Member, { method, streamed }: { method: number; streamed: boolean }): Listed {
    const name = pathToBytes(stat.type === 'directory' ? `${path}/` : path)
    const flags = (streamed ? flagStreamed : 0) | (isText(path) ? flagUtf8 : 0)
    // What does not become smaller becomes larger, by 5 bytes in 64 KiB.
    const large = (stat.size ?? 0) > 0xff00_0000
    return { name, flags, method, stat, offset: this.#offset, large, crc: 0, stored: 0, size: 0 }
  }

  #list(listed: Listed, parts: readonly Bytes[]): void {
    this.#offset += lengthOf(parts)
    this.#directory.bytes(directoryEntry(listed))
    this.#members++
  }
}

const level = 6
const methodStored = 0
const methodDeflated = 8
/** Checksum and sizes come after the content. */
const flagStreamed = 1 << 3
const flagUtf8 = 1 << 11
const most32 = 0xffff_ffff
const most16 = 0xffff

function lengthOf(parts: readonly Bytes[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0)
}

function localHeader(listed: Listed): Bytes {
  const { name, flags, method, stat, crc, stored, size, large } = listed
  const streamed = (flags & flagStreamed) !== 0
  const extra = concatBytes(large ? zip64([0, 0]) : none, unixFields(stat))
  const sizes = large ? [most32, most32] : streamed ? [0, 0] : [stored, size]
  const version = large ? 45 : 20
  const fixed = [0x04034b50, version, flags, method, dosTime(stat.mtime), streamed ? 0 : crc, ...sizes]
  return concatBytes(packed('4222444422', ...fixed, name.length, extra.length), name, extra)
}

function descriptorOf({ crc, stored, size, large }: Listed): Bytes {
  return packed(large ? '4488' : '4444', 0x08074b50, crc, stored, size)
}

function directoryEntry({ name, flags, method, stat, crc, stored, size, large, offset }: Listed): Bytes {
  const far = offset >= most32
  const wide = [...(large ? [size, stored] : []), ...(far ? [offset] : [])]
  const extra = concatBytes(wide.length > 0 ? zip64(wide) : none, unixFields(stat))
  const version = wide.length > 0 ? 45 : 20
  const sizes = large ? [most32, most32] : [stored, size]
  const fixed = [0x02014b50, madeByUnix, version, flags, method, dosTime(stat.mtime), crc, ...sizes]
  const rest = [name.length, extra.length, 0, 0, 0, attributesOf(stat), far ? most32 : offset]
  return concatBytes(packed('4222244442222244', ...fixed, ...rest), name, extra)
}

/** Version 4.5 of the format, and attributes as Unix has them. */
const madeByUnix = (3 << 8) | 45

function endOf({ members, size, offset }: { members: number; size: number; offset: number }): Bytes {
  const counts = [Math.min(members, most16), Math.min(members, most16)]
  const end = packed('42222442', 0x06054b50, 0, 0, ...counts, Math.min(size, most32), Math.min(offset, most32), 0)
  if (members < most16 && size < most32 && offset < most32) return end
  const wide = packed('4822448888', 0x06064b50, 44, madeByUnix, 45, 0, 0, members, members, size, offset)
  return concatBytes(wide, packed('4484', 0x07064b50, 0, offset + size, 1), end)
}

function zip64(values: readonly number[]): Bytes {
  return packed(`22${'8'.repeat(values.length)}`, 1, 8 * values.length, ...values)
}

/** Info-ZIP's `UT`, the time in seconds since 1970, and `ux`, who owns it. */
function unixFields({ mtime, owner }: Member['stat']): Bytes {
  const seconds = Number(secondsOf(mtime ?? 0n))
  const time = mtime === undefined || seconds !== (seconds | 0) ? none : packed('2214', 0x5455, 5, 1, seconds)
  const { uid, gid } = owner ?? {}
  if (uid === undefined || gid === undefined || uid > most32 || gid > most32) return time
  return concatBytes(time, packed('2211414', 0x7875, 11, 1, 4, uid, 4, gid))
}

const none: Bytes = new Uint8Array(0)

function attributesOf({ type, mode }: Member['stat']): number {
  const kind = type === 'directory' ? 0o040000 : type === 'symlink' ? 0o120000 : 0o100000
  const dosDirectory = type === 'directory' ? 0x10 : 0
  return ((kind | (mode ?? usualMode(type))) << 16) | dosDirectory
}

/** Date and time as DOS has them, in UTC: for readers that know no other. */
function dosTime(mtime: bigint | undefined): number {
  const date = new Date(Number(secondsOf(mtime ?? 0n)) * 1000)
  const year = date.getUTCFullYear()
  if (!(year >= 1980 && year <= 2107)) return (1 << 21) | (1 << 16)
  const day = ((year - 1980) << 9) | ((date.getUTCMonth() + 1) << 5) | date.getUTCDate()
  return (day << 16) | (date.getUTCHours() << 11) | (date.getUTCMinutes() << 5) | (date.getUTCSeconds() >> 1)
}

/** Numbers one after the other, of as many bytes as the digits of `layout` say. */
function packed(layout: string, ...values: readonly number[]): Bytes {
  const writer = new ByteWriter(64)
  for (const [i, value] of values.entries()) {
    if (layout[i] === '8') writer.u64(value)
    else if (layout[i] === '4') writer.u32(value)
    else if (layout[i] === '2') writer.u16(value)
    else writer.u8(value)
  }
  return writer.finish()
}
