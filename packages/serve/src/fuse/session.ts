import { read, writevSync } from 'node:fs'
import { type Filesystem, numberOf, SystemError } from './filesystem.js'
import {
  ability,
  answerHeader,
  decodeForget,
  decodeForgets,
  decodeInit,
  decodeInterrupt,
  decodeRequest,
  encodeInit,
  encodeOpened,
  errno,
  opened,
  operation,
  type Request,
  requestBytes,
  version,
} from './protocol.js'

/** How long a program that wants to stop waiting for an answer waits for it after all, in milliseconds. */
const patience = 1_000

/** What a session needs to know of its surroundings. */
export interface SessionOptions {
  /** Whether reading can still begin, because the device is about to be mounted. */
  mounting(): boolean
  /** Told of each request that failed in a way that is the store's fault, with the path that it was about. */
  onFailed(path: string, error: unknown): void
}

/**
 * Talks with the kernel over `/dev/fuse` until the file system is unmounted. One read waits for the next request at any time, on a thread of its own as all
 * reads of Node; answers are written at once as they are ready.
 */
export class Session {
  readonly #device: number
  readonly #filesystem: Filesystem
  readonly #options: SessionOptions
  readonly #pending = new Set<bigint>()
  readonly #buffer = Buffer.allocUnsafe(requestBytes)
  #abilities = 0

  constructor(device: number, filesystem: Filesystem, options: SessionOptions) {
    this.#device = device
    this.#filesystem = filesystem
    this.#options = options
  }

  /** Resolves when the file system was unmounted. @throws what reading the device throws */
  async run(): Promise<void> {
    for (;;) {
      const bytes = await this.#next()
      if (bytes === undefined) return
      this.#take(decodeRequest(bytes))
    }
  }

  /** The next request; undefined once the file system is unmounted. */
  async #next(): Promise<Buffer | undefined> {
    for (;;) {
      try {
        const length = await readFrom(this.#device, this.#buffer)
        return length === 0 ? undefined : Buffer.from(this.#buffer.subarray(0, length))
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        // Unmounted, or aborted through /sys/fs/fuse.
        if (code === 'ENODEV' || code === 'ECONNABORTED') return undefined
        // Until the device is mounted there is nothing to read from it.
        if (code === 'EPERM' && this.#options.mounting()) await new Promise((resolve) => setTimeout(resolve, 2))
        // The request was taken back while it was read (ENOENT).
        else if (code !== 'ENOENT' && code !== 'EINTR' && code !== 'EAGAIN') throw error
      }
    }
  }

  #take(request: Request): void {
    switch (request.operation) {
      case operation.init:
        this.#initialize(request)
        break
      case operation.forget:
        this.#filesystem.forget(decodeForget(request))
        break
      case operation.batchForget:
        this.#filesystem.forget(decodeForgets(request))
        break
      case operation.interrupt:
        this.#interrupt(decodeInterrupt(request.body))
        break
      case operation.destroy:
        this.#write(request.unique, 0, [])
        break
      default:
        void this.#answer(request)
    }
  }

  #initialize({ unique, body }: Request): void {
    const { major, minor, readAhead, abilities } = decodeInit(body)
    if (major !== version.major || minor < version.oldestMinor) {
      this.#write(unique, errno.protocol, [])
      return
    }
    this.#abilities = abilities & Object.values(ability).reduce((all, one) => all | one, 0)
    this.#write(unique, 0, [encodeInit({ readAhead, abilities: this.#abilities })])
  }

  async #answer(request: Request): Promise<void> {
    const { unique } = request
    this.#pending.add(unique)
    try {
      if (request.operation === operation.open && (this.#abilities & ability.noOpenSupport) === 0)
        this.#reply(unique, [alwaysOpen])
      else this.#reply(unique, await this.#filesystem.answer(request))
    } catch (error) {
      if (!(error instanceof SystemError)) this.#options.onFailed(this.#filesystem.pathOf(request.node), error)
      this.#fail(unique, numberOf(error))
    }
  }

  /**
   * A program was told to stop while it waits. It is let go soon, so that it can be ended also where a storage does not answer; but not at once: most answers
   * are on their way, and many programs do not expect that reading a file can be interrupted.
   */
  #interrupt(unique: bigint): void {
    setTimeout(() => this.#fail(unique, errno.interrupted), patience).unref()
  }

  #reply(unique: bigint, body: readonly Uint8Array[]): void {
    if (this.#pending.delete(unique)) this.#write(unique, 0, body)
  }

  #fail(unique: bigint, error: number): void {
    if (this.#pending.delete(unique)) this.#write(unique, error, [])
  }

  #write(unique: bigint, error: number, body: readonly Uint8Array[]): void {
    const bytes = body.reduce((sum, { length }) => sum + length, 0)
    try {
      writevSync(this.#device, [answerHeader(unique, error, bytes), ...body])
    } catch (failure) {
      const { code } = failure as NodeJS.ErrnoException
      // More than the kernel takes, such as a link's target of many thousand bytes.
      if (code === 'EINVAL' && error === 0) this.#write(unique, errno.io, [])
      // Nobody waits for it any more, or the file system was unmounted.
      else if (code !== 'ENOENT' && code !== 'ENODEV') this.#options.onFailed('', failure)
    }
  }
}

function readFrom(device: number, into: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    read(device, into, 0, into.length, null, (error, length) => (error === null ? resolve(length) : reject(error)))
  })
}

const alwaysOpen = encodeOpened(0, opened.keepCache)
