import type { Duplex } from 'node:stream'
import { pathToBytes } from 'kloset/connector'
import {
  type Attributes,
  extensions,
  type Field,
  Fields,
  MalformedPacket,
  type Named,
  noAttributes,
  opening,
  packet,
  packets,
  permissions,
  type Room,
  readPacket,
  statuses,
  writePacket,
} from './protocol.js'
import { Replies, type Reply } from './replies.js'

/** An open file or folder, as the server calls it. */
export type Handle = Uint8Array

/** What a server says that did not do what it was asked. */
export class StatusError extends Error {
  override readonly name = 'StatusError'
  readonly status: number

  constructor(status: number, message: string) {
    super(message === '' ? `status ${status}` : message)
    this.status = status
  }
}

/** What a server can do, and how much of it at a time. */
export interface Server {
  /** The most bytes that one request reads and writes. */
  readonly largestRead: number
  readonly largestWrite: number
  has(extension: keyof typeof extensions): boolean
}

/** Where a {@link Session} gets its bytes from and how it lets go of it. */
export interface SessionChannel extends Duplex {
  close(): void
}

/**
 * A conversation with an SFTP server, on a channel of its own. Each method sends a request before it returns, and requests are answered in the
 * order in which they were sent as far as they are about the same file (§6 of the draft): so they can be sent one behind the other without
 * waiting, as long as the later ones harm nobody when the earlier fail.
 *
 * A request rejects with a {@link StatusError}, or with the error the session ended with. None waits for ever: see `quietSince`.
 */
export class Session {
  /** What the server told about itself; set once it has greeted. */
  server: Server = modest
  readonly #channel: SessionChannel
  readonly #replies: Replies
  readonly #waiting = new Map<number, Waiting>()
  readonly #lost: () => Error
  #greeting: { resolve(version: Reply): void; reject(error: Error): void } | undefined
  #ended: Error | undefined
  #nextId = 0
  #lastHeard = 0

  /** `lost` makes the error of requests that are cut off. */
  constructor(channel: SessionChannel, lost: () => Error) {
    this.#channel = channel
    this.#lost = lost
    this.#replies = new Replies(
      (reply) => this.#take(reply),
      (id) => this.#waiting.get(id)?.into,
    )
    channel.on('data', (bytes: Buffer) => this.#hear(bytes))
    channel.on('close', () => this.end(this.#lost()))
    // What ended the channel is told by the connection.
    channel.on('error', () => this.end(this.#lost()))
  }

  /** Whether it takes requests. */
  get open(): boolean {
    return this.#ended === undefined
  }

  /** Since when requests wait without any of them having been answered, by `performance.now()`; undefined where none waits. */
  get quietSince(): number | undefined {
    return this.#waiting.size > 0 || this.#greeting ? this.#lastHeard : undefined
  }

  /**
   * Agrees on the version. `known`: what the server told another session of the same client, which saves a round trip.
   * @throws MalformedPacket where what answers is no SFTP server
   */
  async greet(known?: Server): Promise<void> {
    this.#lastHeard = performance.now()
    const greeting = new Promise<Reply>((resolve, reject) => {
      this.#greeting = { resolve, reject }
    })
    this.#channel.write(packet(packets.init, 3))
    if (this.#ended) throw this.#ended
    const { body } = await greeting
    if (known) {
      this.server = known
      return
    }
    const offered = new Map<string, string>()
    for (const fields = new Fields(body!); fields.left > 0; ) offered.set(fields.text(), fields.text())
    const has: Server['has'] = (extension) => offered.get(extensions[extension].name) === extensions[extension].version
    this.server = { ...modest, has, ...(has('limits') && (await this.#limits())) }
  }

  /** Makes a new file for writing, readable by its owner only; fails where there is one. */
  create(path: string): Promise<Handle> {
    const flags = opening.write | opening.create | opening.exclusive
    return this.#handle(packets.open, pathToBytes(path), flags, ...permissions(0o600))
  }

  /** Opens a file for reading. OpenSSH opens folders so, too, whose handle can then be synced. */
  openFile(path: string): Promise<Handle> {
    return this.#handle(packets.open, pathToBytes(path), opening.read, ...noAttributes)
  }

  openFolder(path: string): Promise<Handle> {
    return this.#handle(packets.opendir, pathToBytes(path))
  }

  close(handle: Handle): Promise<void> {
    return this.#done(packets.close, handle)
  }

  /** Reads into all of `into`; returns how many bytes there were: any number, and 0 at the end. */
  async read(handle: Handle, offset: number, into: Uint8Array): Promise<number> {
    try {
      const reply = await this.#request((id) => readPacket(id, handle, offset, into.length), into)
      return expect(reply, packets.data).received
    } catch (error) {
      if (isStatus(error, statuses.eof)) return 0
      throw error
    }
  }

  /** Writes all of `bytes`, at most `largestWrite`. They are copied before it returns: nothing reads them afterwards. */
  async write(handle: Handle, offset: number, bytes: Uint8Array): Promise<void> {
    await this.#request((id) => writePacket(id, handle, offset, bytes))
  }

  /** The next names in a folder; undefined at its end. */
  async readFolder(handle: Handle): Promise<Named[] | undefined> {
    try {
      return body(await this.#ask(packets.readdir, handle), packets.name).names()
    } catch (error) {
      if (isStatus(error, statuses.eof)) return undefined
      throw error
    }
  }

  async stat(path: string): Promise<Attributes> {
    return body(await this.#ask(packets.stat, pathToBytes(path)), packets.attributes).attributes()
  }

  async statHandle(handle: Handle): Promise<Attributes> {
    return body(await this.#ask(packets.fstat, handle), packets.attributes).attributes()
  }

  /** Makes a folder that only its owner may use; fails where there is anything. */
  makeFolder(path: string): Promise<void> {
    return this.#done(packets.mkdir, pathToBytes(path), ...permissions(0o700))
  }

  /** Fails where there is anything in it. */
  removeFolder(path: string): Promise<void> {
    return this.#done(packets.rmdir, pathToBytes(path))
  }

  remove(path: string): Promise<void> {
    return this.#done(packets.remove, pathToBytes(path))
  }

  /** Gives a file another name; by the specification it fails where that is taken, and some servers replace. */
  rename(from: string, to: string): Promise<void> {
    return this.#done(packets.rename, pathToBytes(from), pathToBytes(to))
  }

  /** Gives a file another name, and replaces what has it. */
  replace(from: string, to: string): Promise<void> {
    return this.#extended('posixRename', pathToBytes(from), pathToBytes(to))
  }

  /** Gives a file one more name; fails where that is taken. */
  link(from: string, to: string): Promise<void> {
    return this.#extended('hardlink', pathToBytes(from), pathToBytes(to))
  }

  /** Waits until all that was written to the file is on the disk. */
  sync(handle: Handle): Promise<void> {
    return this.#extended('fsync', handle)
  }

  /** The room of the file system at `path`. */
  async room(path: string): Promise<Room> {
    const reply = await this.#ask(packets.extended, Buffer.from(extensions.statvfs.name), pathToBytes(path))
    return body(reply, packets.extendedReply).room()
  }

  /** Ends it: everything that waits rejects with `error`, and so does what is asked later. */
  end(error: Error): void {
    if (this.#ended) return
    this.#ended = error
    this.#channel.close()
    this.#greeting?.reject(error)
    this.#greeting = undefined
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }

  async #limits(): Promise<Partial<Server>> {
    try {
      const limits = body(await this.#ask(packets.extended, Buffer.from(extensions.limits.name)), packets.extendedReply)
      const [, read, write] = [limits.uint64(), limits.uint64(), limits.uint64()]
      return { largestRead: within(read), largestWrite: within(write) }
    } catch (error) {
      // It only makes transfers faster.
      if (error instanceof StatusError) return {}
      throw error
    }
  }

  #extended(extension: keyof typeof extensions, ...fields: readonly Field[]): Promise<void> {
    return this.#done(packets.extended, Buffer.from(extensions[extension].name), ...fields)
  }

  async #handle(kind: number, ...fields: readonly Field[]): Promise<Handle> {
    return body(await this.#ask(kind, ...fields), packets.handle).bytes()
  }

  async #done(kind: number, ...fields: readonly Field[]): Promise<void> {
    expect(await this.#ask(kind, ...fields), packets.status)
  }

  #ask(kind: number, ...fields: readonly Field[]): Promise<Reply> {
    return this.#request((id) => packet(kind, id, ...fields))
  }

  #request(encode: (id: number) => Buffer, into?: Uint8Array): Promise<Reply> {
    if (this.#ended) return Promise.reject(this.#ended)
    const id = this.#nextId
    this.#nextId = (id + 1) % 2 ** 32
    if (this.#waiting.size === 0) this.#lastHeard = performance.now()
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, into })
      this.#channel.write(encode(id))
    })
  }

  #hear(bytes: Buffer): void {
    if (this.#ended) return
    this.#lastHeard = performance.now()
    try {
      this.#replies.push(bytes)
    } catch (error) {
      this.end(error as Error)
    }
  }

  #take(reply: Reply): void {
    if (this.#greeting) {
      if (reply.kind !== packets.version) throw new MalformedPacket('what answers does not speak SFTP')
      this.#greeting.resolve(reply)
      this.#greeting = undefined
      return
    }
    const waiting = this.#waiting.get(reply.id)
    if (!waiting) throw new MalformedPacket('an answer to no question')
    this.#waiting.delete(reply.id)
    const error = reply.kind === packets.status ? statusError(reply) : undefined
    if (error) waiting.reject(error)
    else waiting.resolve(reply)
  }
}

/** Whether `error` is a server's answer of that status. */
export function isStatus(error: unknown, status: number): boolean {
  return error instanceof StatusError && error.status === status
}

interface Waiting {
  resolve(reply: Reply): void
  reject(error: Error): void
  /** Where the bytes go that are read. */
  readonly into: Uint8Array | undefined
}

// What every server takes: packets of 34,000 bytes, of which 32,768 are data (§3).
const modest: Server = { largestRead: 32_768, largestWrite: 32_768, has: () => false }

/** Servers may allow more than is good: what one request is about is buffered whole on both sides. */
function within(limit: number): number {
  return limit === 0 ? modest.largestRead : Math.max(4096, Math.min(limit, 255 * 1024))
}

function statusError(reply: Reply): StatusError | undefined {
  const fields = new Fields(reply.body!)
  const status = fields.uint32()
  if (status === statuses.ok) return undefined
  // Some servers leave the message out.
  return new StatusError(status, fields.left >= 4 ? fields.text() : '')
}

function expect(reply: Reply, kind: number): Reply {
  if (reply.kind !== kind) throw new MalformedPacket(`an answer of kind ${reply.kind}, not ${kind}`)
  return reply
}

function body(reply: Reply, kind: number): Fields {
  return new Fields(expect(reply, kind).body!)
}
