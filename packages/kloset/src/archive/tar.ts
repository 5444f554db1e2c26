import { type Bytes, ByteWriter, concatBytes, utf8 } from '../bytes/index.js'
import { pathToBytes } from '../connector/index.js'
import { aclText } from './acl.js'
import { type ArchiveFormat, isText, type Member, second, secondsOf, usualMode } from './format.js'

/**
 * The pax interchange format (POSIX.1-2017, pax, "pax Interchange Format"): a ustar header for each member, and before it, where that cannot
 * hold something, records that do. Extended attributes and access lists are in the records that star introduced and GNU tar, bsdtar
 * and Python read.
 */
export function tarFormat(): ArchiveFormat {
  let left = 0
  const begin = (member: Member): readonly Bytes[] => {
    const size = sizeOf(member)
    left = (block - (size % block)) % block
    return headersOf(member, size)
  }
  const end = (): readonly Bytes[] => (left === 0 ? [] : [zeros.subarray(0, left)])
  return {
    capabilities: {
      keeps: ['directories', 'symlinks', 'special', 'devices', 'mode', 'owner', 'mtime', 'xattrs'],
      order: 'path',
      concurrency: 1,
      names: { caseSensitive: true },
    },
    links: true,
    anyBytes: true,
    whole: (member, content) => [...begin(member), ...content, ...end()],
    begin,
    part: (bytes) => [bytes],
    end,
    // Two blocks of zeros end an archive; readers expect whole records of 20 blocks only on tapes.
    finish: () => [zeros.subarray(0, 2 * block)],
  }
}

const block = 512
const zeros: Bytes = new Uint8Array(2 * block)

type Field = readonly [keyword: string, value: Bytes]

function headersOf(member: Member, size: number): readonly Bytes[] {
  const { stat, linkTo } = member
  const name = pathToBytes(nameOf(member))
  const link = pathToBytes(linkTo === undefined ? (stat.target ?? '') : named(linkTo))
  const { uid = 0, gid = 0 } = stat.owner ?? {}
  const [user, group] = [utf8(stat.owner?.user ?? ''), utf8(stat.owner?.group ?? '')]
  const { major = 0, minor = 0 } = stat.device ?? {}
  const time = stat.mtime ?? 0n
  const seconds = secondsOf(time)
  const fields: Field[] = []
  const beyond = (keyword: string, value: Bytes, fits: boolean): void => {
    if (!fits) fields.push([keyword, value])
  }
  const [isNameText, isLinkText] = [isText(member.path), isText(linkTo ?? stat.target ?? '')]
  // A header has bytes of any kind; in records, names are taken for UTF-8 unless it is said otherwise, and before.
  const isBinary = (!isNameText && name.length > 100) || (!isLinkText && link.length > 100)
  if (isBinary) fields.push(['hdrcharset', utf8('BINARY')])
  beyond('path', name, name.length <= 100 && (isAscii(name) || !isNameText))
  beyond('linkpath', link, link.length <= 100 && (isAscii(link) || !isLinkText))
  beyond('size', utf8(`${size}`), size <= most(11))
  beyond('uid', utf8(`${uid}`), uid <= most(7))
  beyond('gid', utf8(`${gid}`), gid <= most(7))
  beyond('uname', user, user.length <= 31 && isAscii(user))
  beyond('gname', group, group.length <= 31 && isAscii(group))
  beyond('mtime', utf8(decimal(time)), time === seconds * second && seconds >= 0n && seconds <= BigInt(most(11)))
  beyond('SCHILY.devmajor', utf8(`${major}`), major <= most(7))
  beyond('SCHILY.devminor', utf8(`${minor}`), minor <= most(7))
  for (const [key, value] of Object.entries(stat.xattrs ?? {})) fields.push(attribute(key, value))
  const type = linkTo === undefined ? types[stat.type] : '1'
  const mode = stat.mode ?? usualMode(stat.type)
  const own = header({ name, link, mode, uid, gid, size, seconds, type, user, group, major, minor })
  if (fields.length === 0) return [own]
  const records = concatBytes(...fields.map(record))
  const root = { mode: 0o644, uid: 0, gid: 0, seconds: 0n, link: none, user: none, group: none, major: 0, minor: 0 }
  const before = header({ ...root, name: utf8('PaxHeaders/member'), size: records.length, type: 'x' })
  return [before, records, zeros.subarray(0, (block - (records.length % block)) % block), own]
}

const none: Bytes = new Uint8Array(0)

const types: Readonly<Record<Member['stat']['type'], string>> = {
  file: '0',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
  socket: '0',
}

function sizeOf({ stat, linkTo }: Member): number {
  return stat.type === 'file' && linkTo === undefined ? (stat.size ?? 0) : 0
}

function nameOf({ path, stat }: Member): string {
  return stat.type === 'directory' ? `${named(path)}/` : named(path)
}

function named(path: string): string {
  return path === '' ? '.' : path
}

/** The largest number with so many octal digits. */
function most(digits: number): number {
  return 8 ** digits - 1
}

/** Seconds with as many decimals as it takes. */
function decimal(time: bigint): string {
  const [sign, positive] = time < 0n ? ['-', -time] : ['', time]
  const digits = `${positive % second}`.padStart(9, '0').replace(/0+$/, '')
  return `${sign}${positive / second}${digits === '' ? '' : `.${digits}`}`
}

function attribute(name: string, value: Uint8Array): Field {
  const acl = aclText(name, value)
  if (acl !== undefined) return [acl.keyword, utf8(acl.text)]
  // As GNU tar does: `=` ends a keyword.
  return [`SCHILY.xattr.${name.replace(/[%=]/g, (sign) => (sign === '%' ? '%25' : '%3D'))}`, value as Bytes]
}

/** A record tells its own length, digits included. */
function record([keyword, value]: Field): Bytes {
  const rest = concatBytes(utf8(` ${keyword}=`), value, utf8('\n'))
  let length = rest.length
  while (length !== rest.length + `${length}`.length) length = rest.length + `${length}`.length
  return concatBytes(utf8(`${length}`), rest)
}

interface Header {
  readonly name: Bytes
  readonly link: Bytes
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly size: number
  readonly seconds: bigint
  readonly type: string
  readonly user: Bytes
  readonly group: Bytes
  readonly major: number
  readonly minor: number
}

/** What does not fit into its place is in a record, and here as far as it fits. */
function header(of: Header): Bytes {
  const writer = new ByteWriter(block)
  const text = (value: Bytes, length: number): void => {
    writer.bytes(value.subarray(0, length))
    writer.bytes(zeros.subarray(0, Math.max(0, length - value.length)))
  }
  const number = (value: number, digits: number): void =>
    text(utf8(`${(value <= most(digits) ? value : 0).toString(8).padStart(digits, '0')}\0`), digits + 1)
  text(of.name, 100)
  number(of.mode, 7)
  number(of.uid, 7)
  number(of.gid, 7)
  number(of.size, 11)
  number(of.seconds < 0n ? 0 : Number(of.seconds), 11)
  text(utf8(' '.repeat(8)), 8)
  text(utf8(of.type), 1)
  text(of.link, 100)
  text(utf8('ustar\x0000'), 8)
  text(of.user, 32)
  text(of.group, 32)
  number(of.major, 7)
  number(of.minor, 7)
  text(none, 167)
  const bytes = writer.finish()
  const sum = bytes.reduce((total, byte) => total + byte, 0)
  bytes.set(utf8(`${sum.toString(8).padStart(6, '0')}\0 `), 148)
  return bytes
}

function isAscii(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte < 0x80)
}
