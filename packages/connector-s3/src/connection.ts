import { lookup } from 'node:dns'
import {
  type AgentOptions,
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { LookupFunction, Socket } from 'node:net'
import { onAbort, type Paced } from 'kloset/connector'
import { largestObject } from './object-names.js'

/** How a {@link Connection} is made. */
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
}

/** An answer that arrived whole. */
export interface HttpAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** In memory that nothing else shares. */
  readonly body: Uint8Array<ArrayBuffer>
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

/**
 * Requests over connections that stay open. Each is made once, and comes back whole or not at all. Whatever way it ends, nothing
 * reads from its body any more once the promise is settled; and nothing that it asked for happens later, unless the server is slow.
 */
export class Connection {
  readonly #options: ConnectionOptions
  readonly #agent: HttpAgent
  readonly #request: typeof httpRequest

  constructor(options: ConnectionOptions) {
    const { secure, ca, sockets } = options
    this.#options = options
    this.#request = secure ? httpsRequest : httpRequest
    const keeping = {
      keepAlive: true,
      maxSockets: sockets,
      maxFreeSockets: sockets,
      timeout: keptOpen,
      noDelay: true,
      lookup: lookUp,
      // Where a name has several addresses, Node gives each a quarter of a second by default: too little for some lines.
      autoSelectFamilyAttemptTimeout: 1_500,
    }
    this.#agent = secure
      ? new HttpsAgent({ ...keeping, ...(ca && { ca: [...ca] }) })
      : new HttpAgent(keeping as AgentOptions)
  }

  /** @throws ConnectionError, the system's errors, and the signal's reason */
  send(request: HttpRequest): Promise<HttpAnswer> {
    const { method, host, port, path, headers, body, pace, signal } = request
    const { idleTimeout, connectTimeout, secure } = this.#options
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const sent = this.#request({ method, host, port, path, headers, agent: this.#agent, timeout: idleTimeout })
      let patience: NodeJS.Timeout | undefined
      const settle = (outcome: () => void): void => {
        forget()
        clearTimeout(patience)
        outcome()
      }
      const fail = (error: unknown): void => {
        // First of all: whoever hears of the failure may use the memory of the body for something else.
        sent.destroy()
        settle(() => reject(signal.aborted ? signal.reason : error))
      }
      const forget = onAbort(signal, () => {
        // What was sent whole happens, whether anybody waits or not: what is settled should not change any more.
        if (changing.has(method) && sent.writableFinished) patience = setTimeout(fail, longestPatience)
        else fail(signal.reason)
      })
      sent.on('error', fail)
      sent.on('timeout', () => fail(new ConnectionError('idle', `nothing moved for ${idleTimeout / 1000} s`)))
      sent.on('socket', (socket: Socket) => limitConnecting(socket, secure, connectTimeout, fail))
      sent.on('response', (response: IncomingMessage) => {
        receive(response, method, idleTimeout, pace, fail, (answer) => {
          // The server may have said no before it had read everything.
          if (!sent.writableFinished) sent.destroy()
          settle(() => (signal.aborted ? reject(signal.reason) : resolve(answer)))
        })
      })
      transmit(sent, body, pace)
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}

const changing = new Set(['PUT', 'POST', 'DELETE'])

// How long an aborted call waits for the answer to what it cannot take back (milliseconds).
const longestPatience = 5_000

// Shorter than servers keep idle connections, so that a request seldom meets one that is being closed (milliseconds).
const keptOpen = 10_000

function limitConnecting(socket: Socket, secure: boolean, limit: number, fail: (error: unknown) => void): void {
  if (!socket.connecting) return
  const timer = setTimeout(() => {
    fail(new ConnectionError('connect-timeout', `no connection within ${limit / 1000} s`))
  }, limit)
  const done = (): void => clearTimeout(timer)
  socket.once(secure ? 'secureConnect' : 'connect', done).once('close', done)
}

/** Sends `body` slice by slice, so that a slow one neither holds the thread nor fills memory with what waits to be encrypted. */
function transmit(sent: ClientRequest, body: Uint8Array | undefined, pace: Paced['pace']): void {
  if (body === undefined || body.length === 0) return void sent.end()
  const size = pace === undefined ? slice : pacedSlice
  let at = 0
  const send = (): void => {
    const end = at + size
    if (end >= body.length) return void sent.end(body.subarray(at))
    const room = sent.write(body.subarray(at, end))
    at = end
    if (room) next()
    else sent.once('drain', next)
  }
  const next = (): void => {
    if (pace === undefined) {
      send()
      return
    }
    // Where it rejects, the request was aborted.
    pace(Math.min(size, body.length - at)).then(
      () => sent.destroyed || send(),
      () => undefined,
    )
  }
  next()
}

const slice = 1024 * 1024

// Small, so that a slow line is filled evenly.
const pacedSlice = 16 * 1024

function receive(
  response: IncomingMessage,
  method: string,
  idleTimeout: number,
  pace: Paced['pace'],
  fail: (error: unknown) => void,
  done: (answer: HttpAnswer) => void,
): void {
  const { statusCode: status = 0, headers } = response
  const declared = method === 'HEAD' ? 0 : Number(headers['content-length'] ?? Number.NaN)
  const into = Number.isNaN(declared) ? new Pieces() : new Exactly(declared)
  const watch = new Watch(idleTimeout)
  response.on('data', (piece: Buffer) => {
    if (!watch.keeps(piece.length)) return fail(new ConnectionError('trickle', 'the answer comes in drops'))
    if (!into.add(piece)) return fail(new ConnectionError('too-large', 'the answer is larger than any object'))
    if (pace === undefined) return
    response.pause()
    pace(piece.length).then(() => response.resume(), fail)
  })
  response.on('end', () => {
    if (!response.complete) return fail(new ConnectionError('cut-off', 'the answer was cut off'))
    done({ status, headers, body: into.bytes() })
  })
  response.on('error', fail)
}

// No answer is larger than the largest object with some room for what surrounds it.
const largestAnswer = largestObject + 1024 * 1024

/** A body whose length was announced. */
class Exactly {
  readonly #bytes: Uint8Array<ArrayBuffer>
  #at = 0

  constructor(length: number) {
    this.#bytes = unshared(length <= largestAnswer ? length : 0)
  }

  add(piece: Buffer): boolean {
    if (this.#at + piece.length > this.#bytes.length) return false
    this.#bytes.set(piece, this.#at)
    this.#at += piece.length
    return true
  }

  bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes
  }
}

/** A body whose length shows only at its end. */
class Pieces {
  readonly #pieces: Buffer[] = []
  #length = 0

  add(piece: Buffer): boolean {
    this.#pieces.push(piece)
    this.#length += piece.length
    return this.#length <= largestAnswer
  }

  bytes(): Uint8Array<ArrayBuffer> {
    const bytes = unshared(this.#length)
    let at = 0
    for (const piece of this.#pieces) {
      bytes.set(piece, at)
      at += piece.length
    }
    return bytes
  }
}

/** Memory that nothing else shares, not zeroed: every byte is written before anyone sees it. */
function unshared(length: number): Uint8Array<ArrayBuffer> {
  const buffer = Buffer.allocUnsafeSlow(length)
  return new Uint8Array(buffer.buffer as ArrayBuffer, buffer.byteOffset, length)
}

/** Tells a slow line from one that gives a byte now and then, which no timeout between two bytes ever ends. */
class Watch {
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

// Names below `localhost` are the loopback (RFC 6761 §6.3), which not every system's resolver knows: buckets in the host's name
// need it with servers on the same machine.
const lookUp: LookupFunction = (name, options, done) =>
  lookup(name.endsWith('.localhost') ? 'localhost' : name, options, done)
