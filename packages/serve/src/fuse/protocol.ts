/**
 * The part of the kernel's protocol that a read-only file system needs, from <linux/fuse.h>, version 7.31. The comment beside each encoder lists
 * the structure's fields with their bytes. Numbers are little-endian, as those of all machines that Node runs Linux on but the big mainframes.
 */
export const version = { major: 7, minor: 31, oldestMinor: 23 } as const

/** What the kernel asks for: `enum fuse_opcode`. */
export const operation = {
  lookup: 1,
  forget: 2,
  getattr: 3,
  readlink: 5,
  open: 14,
  read: 15,
  statfs: 17,
  getxattr: 22,
  listxattr: 23,
  init: 26,
  opendir: 27,
  readdir: 28,
  releasedir: 29,
  interrupt: 36,
  destroy: 38,
  batchForget: 42,
  readdirplus: 44,
} as const

/** Abilities that are agreed on at the beginning: `FUSE_…` flags of INIT. */
export const ability = {
  asyncRead: 0x1,
  doReaddirplus: 0x2000,
  noOpenSupport: 0x20000,
  parallelDirops: 0x40000,
  cacheSymlinks: 0x800000,
} as const

/** How the kernel may treat what was opened: `FOPEN_…`. */
export const opened = { keepCache: 0x2, cacheDir: 0x8 } as const

/** Error numbers of Linux. */
export const errno = {
  noEntry: 2,
  interrupted: 4,
  io: 5,
  again: 11,
  notDirectory: 20,
  isDirectory: 21,
  invalid: 22,
  tooSmall: 34,
  noSystemCall: 38,
  noData: 61,
  protocol: 71,
} as const

/** The longest name that a file system may have: `FUSE_NAME_MAX`. */
export const longestName = 1_024

/** The most that a request can be, where nothing is written: `FUSE_MIN_READ_BUFFER` is 8 KiB; lists of what is forgotten fill what there is. */
export const requestBytes = 65_536

/** What is in front of each request. */
export interface Request {
  readonly operation: number
  /** Names the request, for its answer. */
  readonly unique: bigint
  /** The node it is about. */
  readonly node: number
  /** What follows. */
  readonly body: Buffer
}

/** `fuse_in_header`: len 4, opcode 4, unique 8, nodeid 8, uid 4, gid 4, pid 4, total_extlen 2, padding 2. */
export function decodeRequest(bytes: Buffer): Request {
  return {
    operation: bytes.readUInt32LE(4),
    unique: bytes.readBigUInt64LE(8),
    node: Number(bytes.readBigUInt64LE(16)),
    body: bytes.subarray(40, bytes.readUInt32LE(0)),
  }
}

/** `fuse_out_header`: len 4, error 4, unique 8. `error` is a positive number of `errno`, or 0. */
export function answerHeader(unique: bigint, error: number, bodyBytes: number): Buffer {
  const header = Buffer.allocUnsafe(16)
  header.writeUInt32LE(16 + bodyBytes, 0)
  header.writeInt32LE(-error, 4)
  header.writeBigUInt64LE(unique, 8)
  return header
}

/** `fuse_init_in`: major 4, minor 4, max_readahead 4, flags 4, … */
export function decodeInit(body: Buffer): {
  readonly major: number
  readonly minor: number
  readonly readAhead: number
  readonly abilities: number
} {
  return {
    major: body.readUInt32LE(0),
    minor: body.readUInt32LE(4),
    readAhead: body.readUInt32LE(8),
    abilities: body.readUInt32LE(12),
  }
}

/**
 * `fuse_init_out`: major 4, minor 4, max_readahead 4, flags 4, max_background 2, congestion_threshold 2, max_write 4, time_gran 4, max_pages 2,
 * map_alignment 2, flags2 4, unused 28.
 */
export function encodeInit({
  readAhead,
  abilities,
}: {
  readonly readAhead: number
  readonly abilities: number
}): Buffer {
  const body = Buffer.alloc(64)
  body.writeUInt32LE(version.major, 0)
  body.writeUInt32LE(version.minor, 4)
  body.writeUInt32LE(readAhead, 8)
  body.writeUInt32LE(abilities, 12)
  body.writeUInt16LE(64, 16)
  body.writeUInt16LE(48, 18)
  body.writeUInt32LE(4_096, 20)
  body.writeUInt32LE(1, 24)
  return body
}

/** What `stat` shows of a node. Times are nanoseconds since 1970. */
export interface Attributes {
  readonly inode: bigint
  readonly size: number
  readonly atime: bigint
  readonly mtime: bigint
  readonly ctime: bigint
  /** With the bits of its kind. */
  readonly mode: number
  readonly links: number
  readonly uid: number
  readonly gid: number
  readonly device: number
}

const attributesBytes = 88

/**
 * `fuse_attr`: ino 8, size 8, blocks 8, atime 8, mtime 8, ctime 8, atimensec 4, mtimensec 4, ctimensec 4, mode 4, nlink 4, uid 4, gid 4, rdev 4,
 * blksize 4, flags 4.
 */
function writeAttributes(into: Buffer, at: number, attributes: Attributes): void {
  const { inode, size, mode, links, uid, gid, device } = attributes
  into.writeBigUInt64LE(inode, at)
  into.writeBigUInt64LE(BigInt(size), at + 8)
  into.writeBigUInt64LE(BigInt(Math.ceil(size / 512)), at + 16)
  for (const [index, time] of [attributes.atime, attributes.mtime, attributes.ctime].entries()) {
    const nanoseconds = ((time % second) + second) % second
    into.writeBigInt64LE((time - nanoseconds) / second, at + 24 + index * 8)
    into.writeUInt32LE(Number(nanoseconds), at + 48 + index * 4)
  }
  into.writeUInt32LE(mode, at + 60)
  into.writeUInt32LE(links, at + 64)
  into.writeUInt32LE(uid, at + 68)
  into.writeUInt32LE(gid, at + 72)
  into.writeUInt32LE(device, at + 76)
  into.writeUInt32LE(blockBytes, at + 80)
  into.writeUInt32LE(0, at + 84)
}

const second = 1_000_000_000n
const blockBytes = 4_096

/** A node as the kernel is to know it, and for how many seconds that holds. */
export interface Known {
  readonly node: number
  readonly attributes: Attributes
  readonly seconds: number
}

const knownBytes = 40 + attributesBytes

/** `fuse_entry_out`: nodeid 8, generation 8, entry_valid 8, attr_valid 8, entry_valid_nsec 4, attr_valid_nsec 4, attr. */
export function encodeKnown(known: Known): Buffer {
  const body = Buffer.alloc(knownBytes)
  writeKnown(body, 0, known)
  return body
}

function writeKnown(into: Buffer, at: number, { node, attributes, seconds }: Known): void {
  into.writeBigUInt64LE(BigInt(node), at)
  into.writeBigUInt64LE(BigInt(seconds), at + 16)
  into.writeBigUInt64LE(BigInt(seconds), at + 24)
  writeAttributes(into, at + 40, attributes)
}

/** `fuse_attr_out`: attr_valid 8, attr_valid_nsec 4, dummy 4, attr. */
export function encodeAttributes(attributes: Attributes, seconds: number): Buffer {
  const body = Buffer.alloc(16 + attributesBytes)
  body.writeBigUInt64LE(BigInt(seconds), 0)
  writeAttributes(body, 16, attributes)
  return body
}

/** `fuse_open_out`: fh 8, open_flags 4, padding 4. */
export function encodeOpened(handle: number, flags: number): Buffer {
  const body = Buffer.alloc(16)
  body.writeBigUInt64LE(BigInt(handle), 0)
  body.writeUInt32LE(flags, 8)
  return body
}

/** `fuse_read_in`: fh 8, offset 8, size 4, read_flags 4, lock_owner 8, flags 4, padding 4. */
export function decodeRead(body: Buffer): { readonly handle: number; readonly offset: number; readonly size: number } {
  return {
    handle: Number(body.readBigUInt64LE(0)),
    offset: Number(body.readBigUInt64LE(8)),
    size: body.readUInt32LE(16),
  }
}

/** `fuse_release_in` begins with fh 8. */
export function decodeHandle(body: Buffer): number {
  return Number(body.readBigUInt64LE(0))
}

/** `fuse_forget_in`: nlookup 8. */
export function decodeForget({ node, body }: Request): [node: number, times: number][] {
  return [[node, Number(body.readBigUInt64LE(0))]]
}

/** `fuse_batch_forget_in`: count 4, dummy 4; then for each `fuse_forget_one`: nodeid 8, nlookup 8. */
export function decodeForgets({ body }: Request): [node: number, times: number][] {
  return Array.from({ length: body.readUInt32LE(0) }, (_, index) => {
    const at = 8 + index * 16
    return [Number(body.readBigUInt64LE(at)), Number(body.readBigUInt64LE(at + 8))]
  })
}

/** `fuse_interrupt_in`: unique 8. */
export function decodeInterrupt(body: Buffer): bigint {
  return body.readBigUInt64LE(0)
}

/** A name that ends in NUL. */
export function decodeName(body: Buffer): Buffer {
  return body.subarray(0, body.indexOf(0))
}

/** `fuse_getxattr_in`: size 4, padding 4; then for one attribute its name. */
export function decodeXattr(body: Buffer): { readonly size: number; readonly name: string } {
  return { size: body.readUInt32LE(0), name: body.length > 8 ? decodeName(body.subarray(8)).toString() : '' }
}

/** `fuse_getxattr_out`: size 4, padding 4. What is answered where only the size was asked for. */
export function encodeXattrSize(size: number): Buffer {
  const body = Buffer.alloc(8)
  body.writeUInt32LE(size, 0)
  return body
}

/** `fuse_statfs_out`: blocks 8, bfree 8, bavail 8, files 8, ffree 8, bsize 4, namelen 4, frsize 4, padding 4, spare 24. Nothing is free. */
export function encodeStatfs({ bytes, files }: { readonly bytes: number; readonly files: number }): Buffer {
  const body = Buffer.alloc(80)
  body.writeBigUInt64LE(BigInt(Math.ceil(bytes / blockBytes)), 0)
  body.writeBigUInt64LE(BigInt(files), 24)
  body.writeUInt32LE(blockBytes, 40)
  body.writeUInt32LE(longestName, 44)
  body.writeUInt32LE(blockBytes, 48)
  return body
}

/** One entry of a folder as a listing tells it. */
export interface Listed {
  readonly name: Buffer
  readonly inode: bigint
  /** `DT_…` */
  readonly kind: number
  /** From where to go on after it. */
  readonly next: number
}

/** A listing being filled: the kernel says how many bytes it takes. */
export class Listing {
  readonly #body: Buffer
  readonly #plus: boolean
  #length = 0

  constructor(size: number, { plus }: { readonly plus: boolean }) {
    this.#body = Buffer.alloc(size)
    this.#plus = plus
  }

  get body(): Buffer {
    return this.#body.subarray(0, this.#length)
  }

  /** Whether there is room for one more entry. */
  takes(name: Buffer): boolean {
    return this.#length + this.#bytesOf(name) <= this.#body.length
  }

  /**
   * `fuse_dirent`: ino 8, off 8, namelen 4, type 4, name, and zeros up to a multiple of 8. With `plus`, `fuse_entry_out` in front of it; where nothing is
   * `known`, its node is 0.
   */
  add({ name, inode, kind, next }: Listed, known: Known | undefined): void {
    let at = this.#length
    if (this.#plus) {
      if (known !== undefined) writeKnown(this.#body, at, known)
      at += knownBytes
    }
    this.#body.writeBigUInt64LE(inode, at)
    this.#body.writeBigUInt64LE(BigInt(next), at + 8)
    this.#body.writeUInt32LE(name.length, at + 16)
    this.#body.writeUInt32LE(kind, at + 20)
    name.copy(this.#body, at + 24)
    this.#length += this.#bytesOf(name)
  }

  #bytesOf(name: Buffer): number {
    return (this.#plus ? knownBytes : 0) + Math.ceil((24 + name.length) / 8) * 8
  }
}
