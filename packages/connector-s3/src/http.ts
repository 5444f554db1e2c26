import { lookup } from 'node:dns'
import type { IncomingHttpHeaders } from 'node:http'
import type { LookupFunction, Socket } from 'node:net'
import type { Lent, Paced } from 'kloset/connector'
import { largestObject } from './object-names.js'

/** How requests are made. */
export interface ConnectionOptions {
  readonly secure: boolean
  /** Certificates of authorities, PEM, trusted besides the runtime's own. */
  readonly ca: readonly string[] | undefined
  /** Sockets at most; what is beyond them waits. */
  readonly sockets: number
  /** Milliseconds until a connection must be there. */
  readonly connectTimeout: number
  /** Milliseconds in which something must move, one way or the other. */
  readonly idleTimeout: number
}

/** A request as it goes over the wire. */
export interface HttpRequest {
  readonly method: string
  readonly host: string
  readonly port: number | undefined
  /** With the query. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array | undefined
  /** Asked before each piece of either body passes. */
  readonly pace?: Paced['pace']
  readonly signal: AbortSignal
  readonly large?: Large | undefined
}

/** That much is expected in the answer. */
export interface Large extends Lent {
  /** Whether its CRC-32 will be asked for: that costs least as the bytes arrive. */
  readonly crc: boolean
}

/** An answer that arrived whole. */
export interface HttpAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** In memory that nothing else shares, or that was lent for it. */
  readonly body: Uint8Array
  /** The CRC-32 of the body, where it was computed on the way. */
  readonly crc?: number | undefined
}

/** Why there is no answer although the network has no error to tell of. */
export class ConnectionError extends Error {
  readonly code: 'connect-timeout' | 'idle' | 'trickle' | 'cut-off' | 'too-large'

  constructor(code: ConnectionError['code'], message: string) {
    super(message)
    this.name = 'ConnectionError'
    this.code = code
  }
}

// Shorter than servers keep idle connections, so that a request seldom meets one that is being closed (milliseconds).
export const keptOpen: number = 10_000

// Names below `localhost` are the loopback (RFC 6761 §6.3), which not every system's resolver knows: buckets in the host's name
// need it with servers on the same machine.
const lookUp: LookupFunction = (name, options, done) =>
  lookup(name.endsWith('.localhost') ? 'localhost' : name, options, done)

/** How every connection is made. */
export const connecting: { noDelay: true; lookup: LookupFunction; autoSelectFamilyAttemptTimeout: number } = {
  noDelay: true,
  lookup: lookUp,
  // Where a name has several addresses, Node gives each a quarter of a second by default: too little for some lines.
  autoSelectFamilyAttemptTimeout: 1_500,
}

/** So many bytes go at once where they are paced: few, so that a slow line is filled evenly. */
export const pacedSlice: number = 16 * 1024

export function limitConnecting(socket: Socket, secure: boolean, limit: number, fail: (error: unknown) => void): void {
  if (!socket.connecting) return
  const timer = setTimeout(() => {
    fail(new ConnectionError('connect-timeout', `no connection within ${limit / 1000} s`))
  }, limit)
  const done = (): void => clearTimeout(timer)
  socket.once(secure ? 'secureConnect' : 'connect', done).once('close', done)
}

// No answer is larger than the largest object with some room for what surrounds it.
export const largestAnswer: number = largestObject + 1024 * 1024

/** Memory that nothing else shares, not zeroed: every byte is written before anyone sees it. */
export function unshared(length: number): Uint8Array<ArrayBuffer> {
  const buffer = Buffer.allocUnsafeSlow(length)
  return new Uint8Array(buffer.buffer as ArrayBuffer, buffer.byteOffset, length)
}

/** Tells a slow line from one that gives a byte now and then, which no timeout between two bytes ever ends. */
export class Watch {
  readonly #window: number
  #since = performance.now()
  #bytes = 0

  constructor(window: number) {
    this.#window = window
  }

  /** Counts what came; whether that is enough. */
  keeps(bytes: number): boolean {
    this.#bytes += bytes
    const now = performance.now()
    if (now - this.#since < this.#window) return true
    const enough = this.#bytes >= leastPerWindow
    this.#since = now
    this.#bytes = 0
    return enough
  }
}

// 17 bytes a second with the usual window of a minute.
const leastPerWindow = 1024
