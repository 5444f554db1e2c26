/**
 * The packets of SFTP version 3 (draft-ietf-secsh-filexfer-02) and of OpenSSH's extensions to it (its file PROTOCOL, section 4).
 * Version 3 is what OpenSSH speaks, and so what every server does.
 */

/** The kinds of packets, §3. */
export const packets = {
  init: 1,
  version: 2,
  open: 3,
  close: 4,
  read: 5,
  write: 6,
  lstat: 7,
  fstat: 8,
  opendir: 11,
  readdir: 12,
  remove: 13,
  mkdir: 14,
  rmdir: 15,
  stat: 17,
  rename: 18,
  extended: 200,
  status: 101,
  handle: 102,
  data: 103,
  name: 104,
  attributes: 105,
  extendedReply: 201,
} as const

/** What a status packet says, §7. From 9 on they are of later versions, and used by servers that should not. */
export const statuses = {
  ok: 0,
  eof: 1,
  noSuchFile: 2,
  permissionDenied: 3,
  failure: 4,
  badMessage: 5,
  noConnection: 6,
  connectionLost: 7,
  unsupported: 8,
  noSuchPath: 10,
  exists: 11,
  writeProtected: 12,
  noSpace: 14,
  quotaExceeded: 15,
} as const

/** How a file is opened, §6.3. */
export const opening = { read: 1, write: 2, create: 8, exclusive: 32 } as const

/** The extensions used here, each with the version it must have. */
export const extensions = {
  hardlink: { name: 'hardlink@openssh.com', version: '1' },
  posixRename: { name: 'posix-rename@openssh.com', version: '1' },
  fsync: { name: 'fsync@openssh.com', version: '1' },
  statvfs: { name: 'statvfs@openssh.com', version: '2' },
  limits: { name: 'limits@openssh.com', version: '1' },
} as const

/** A path, name or handle, as bytes; or a 32-bit number. */
export type Field = Uint8Array | number

/** A packet: its length, its kind and the fields, of which strings carry their length. */
export function packet(kind: number, ...fields: readonly Field[]): Buffer {
  let length = 1
  for (const field of fields) length += typeof field === 'number' ? 4 : 4 + field.length
  const bytes = Buffer.allocUnsafe(4 + length)
  let at = bytes.writeUInt8(kind, bytes.writeUInt32BE(length, 0))
  for (const field of fields) {
    if (typeof field === 'number') at = bytes.writeUInt32BE(field, at)
    else {
      at = bytes.writeUInt32BE(field.length, at)
      bytes.set(field, at)
      at += field.length
    }
  }
  return bytes
}

/** A request for `length` bytes at `offset` of an open file. */
export function readPacket(id: number, handle: Uint8Array, offset: number, length: number): Buffer {
  return packet(packets.read, id, handle, ...uint64(offset), length)
}

/** A request to write `bytes` at `offset` of an open file. They are copied. */
export function writePacket(id: number, handle: Uint8Array, offset: number, bytes: Uint8Array): Buffer {
  return packet(packets.write, id, handle, ...uint64(offset), bytes)
}

/** Attributes that say nothing but the permissions, §5. */
export function permissions(mode: number): Field[] {
  return [attributeFlags.permissions, mode]
}

/** No attributes. */
export const noAttributes: readonly Field[] = [0]

/** What is known of a file. A server may leave out anything. */
export interface Attributes {
  readonly size: number | undefined
  readonly type: 'file' | 'folder' | 'link' | 'other' | undefined
  /** Seconds since 1970, by the clock of the server. */
  readonly mtime: number | undefined
}

/** A name in a folder. */
export interface Named {
  readonly name: string
  readonly attributes: Attributes
}

/** The room of a file system, in bytes, and the ways in which it refuses to take more. */
export interface Room {
  readonly used: number
  readonly free: number
  /** How many more files it takes. */
  readonly files: number
  readonly readOnly: boolean
}

/** What a packet does not hold that its kind promises. */
export class MalformedPacket extends Error {
  override readonly name = 'MalformedPacket'
}

/** Takes fields out of a packet, in their order. */
export class Fields {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  uint32(): number {
    return this.#take(4).readUInt32BE()
  }

  /** As a number, which is exact for all sizes there are. */
  uint64(): number {
    return Number(this.#take(8).readBigUInt64BE())
  }

  bytes(): Buffer {
    return this.#take(this.uint32())
  }

  text(): string {
    return this.bytes().toString()
  }

  attributes(): Attributes {
    const flags = this.uint32()
    const size = flags & attributeFlags.size ? this.uint64() : undefined
    if (flags & attributeFlags.owner) this.#take(8)
    const mode = flags & attributeFlags.permissions ? this.uint32() : undefined
    if (flags & attributeFlags.times) this.#take(4)
    const mtime = flags & attributeFlags.times ? this.uint32() : undefined
    if (flags & attributeFlags.extended) for (let count = this.uint32(); count > 0; count--) this.#skipPair()
    return { size, type: mode === undefined ? undefined : (types.get(mode & 0o170000) ?? 'other'), mtime }
  }

  names(): Named[] {
    const names: Named[] = []
    for (let count = this.uint32(); count > 0; count--) {
      const name = this.text()
      // The line that `ls -l` would show.
      this.bytes()
      names.push({ name, attributes: this.attributes() })
    }
    return names
  }

  /** The answer to `statvfs@openssh.com`. */
  room(): Room {
    this.uint64()
    const unit = this.uint64()
    const [blocks, free, available] = [this.uint64(), this.uint64(), this.uint64()]
    const [all, , files] = [this.uint64(), this.uint64(), this.uint64()]
    this.uint64()
    const flags = this.uint64()
    // Btrfs has no number of files, and says 0.
    const left = all === 0 ? Number.POSITIVE_INFINITY : files
    return { used: (blocks - free) * unit, free: available * unit, files: left, readOnly: flags % 2 === 1 }
  }

  #skipPair(): void {
    this.bytes()
    this.bytes()
  }

  #take(length: number): Buffer {
    if (length > this.left) throw new MalformedPacket('a packet ends too early')
    const from = this.#at
    this.#at += length
    return this.#bytes.subarray(from, this.#at)
  }
}

const attributeFlags = { size: 1, owner: 2, permissions: 4, times: 8, extended: 0x80000000 } as const

const types = new Map([
  [0o100000, 'file' as const],
  [0o040000, 'folder' as const],
  [0o120000, 'link' as const],
])

function uint64(value: number): [number, number] {
  return [Math.floor(value / 2 ** 32), value % 2 ** 32]
}
