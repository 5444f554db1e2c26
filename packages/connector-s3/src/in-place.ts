import type { IncomingHttpHeaders } from 'node:http'
import { connect, isIP, type Socket, type TcpNetConnectOpts } from 'node:net'
import { createSecureContext, type SecureContext, connect as secureConnect } from 'node:tls'
import { type Lent, lentRoom, onAbort, type Paced } from 'kloset/connector'
import pLimit from 'p-limit'
import { crc32 } from './checksums.js'
import {
  ConnectionError,
  type ConnectionOptions,
  connecting,
  type HttpAnswer,
  type HttpRequest,
  keptOpen,
  largestAnswer,
  limitConnecting,
  pacedSlice,
  unshared,
  Watch,
} from './http.js'

/**
 * Requests without a body, whose answers are read by the system straight into the memory that is given out. Node's own client
 * allocates and copies each piece of 64 KiB twice on the way, which costs a restore more than decryption does. In exchange only plain
 * answers of HTTP/1.1 are understood, those with a length (RFC 9112 §6.2): whatever else a server says is for Node's client to ask
 * for again.
 */
export class InPlace {
  readonly #options: ConnectionOptions
  readonly #limit: ReturnType<typeof pLimit>
  readonly #lines = new Set<Line>()
  #context: SecureContext | undefined
  #useless = false

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.#limit = pLimit(options.sockets)
  }

  /** The answer; undefined: not of this kind. @throws ConnectionError, the system's errors, and the signal's reason */
  async get(request: HttpRequest): Promise<HttpAnswer | undefined> {
    const head = headOf(request)
    if (this.#useless || head === undefined) return undefined
    const outcome = await this.#limit(() => this.#ask(head, request))
    if ('body' in outcome) return outcome
    // What a server does for objects it does for all of them; errors may well come in another way.
    if (outcome.status === undefined || outcome.status < 300) this.#useless = true
    return undefined
  }

  close(): void {
    for (const line of this.#lines) line.close()
  }

  async #ask(head: string, request: HttpRequest): Promise<HttpAnswer | Unlike> {
    const { host, port = this.#options.secure ? 443 : 80, signal } = request
    signal.throwIfAborted()
    const place = `${host}:${port}`
    const idle = [...this.#lines].find((line) => line.place === place && line.isIdle)
    return (idle ?? this.#connect(host, port, place)).ask(head, request)
  }

  #connect(host: string, port: number, place: string): Line {
    const line = new Line(this.#options, place, (onread) => {
      const how = { ...connecting, host, port, onread }
      const socket = this.#options.secure ? this.#secure(how) : connect(how)
      return socket.on('close', () => this.#lines.delete(line))
    })
    this.#lines.add(line)
    return line
  }

  #secure(how: TcpNetConnectOpts & { readonly host: string }): Socket {
    const { ca } = this.#options
    // Reading some hundred certificates again for each connection takes long.
    this.#context ??= createSecureContext(ca && { ca: [...ca] })
    const name = isIP(how.host) === 0 ? { servername: how.host } : {}
    return secureConnect({ ...how, ...name, secureContext: this.#context })
  }
}

/** An answer that {@link InPlace} does not read. */
interface Unlike {
  readonly status: number | undefined
}

/** How a socket reads into memory that it is told. */
interface Reading {
  buffer(): Uint8Array
  callback(length: number): boolean
}

/** Longer heads are not read. */
const mostHead = 16 * 1024

/** One connection; a request at a time. */
class Line {
  /** What it is connected to. */
  readonly place: string
  readonly #options: ConnectionOptions
  readonly #socket: Socket
  // The head of an answer, and what of its body comes with it.
  readonly #start = Buffer.allocUnsafeSlow(mostHead)
  #length = 0
  #answer: HttpAnswer | undefined
  #at = 0
  #keep = true
  #asked: Asked | undefined

  constructor(options: ConnectionOptions, place: string, open: (reading: Reading) => Socket) {
    this.place = place
    this.#options = options
    this.#socket = open({ buffer: () => this.#room(), callback: (length) => this.#arrived(length) })
    const cutOff = () => {
      // All of it may be there, and wait for its pace.
      if (!this.#isWhole) this.#asked?.fail(new ConnectionError('cut-off', 'the answer was cut off'))
    }
    this.#socket
      .on('error', (error) => this.#asked?.fail(error))
      .on('end', cutOff)
      .on('close', cutOff)
      .on('timeout', () => this.#idled())
  }

  /** Whether it can take a request. */
  get isIdle(): boolean {
    return this.#asked === undefined && !this.#socket.destroyed
  }

  /** @throws ConnectionError, the system's errors, and the signal's reason */
  ask(head: string, { pace, large, signal }: HttpRequest): Promise<HttpAnswer | Unlike> {
    const { idleTimeout, connectTimeout, secure } = this.#options
    return new Promise((resolve, reject) => {
      const asked: Asked = {
        pace,
        memory: large?.memory,
        crc: large?.crc ? 0 : undefined,
        watch: new Watch(idleTimeout),
        end: (settle) => {
          this.#asked = undefined
          forget()
          settle()
        },
        done: (outcome) => asked.end(() => (signal.aborted ? reject(signal.reason) : resolve(outcome))),
        fail: (error) => {
          this.close()
          asked.end(() => reject(signal.aborted ? signal.reason : error))
        },
      }
      this.#asked = asked
      const forget = onAbort(signal, () => asked.fail(signal.reason))
      limitConnecting(this.#socket, secure, connectTimeout, (error) => this.#asked?.fail(error))
      this.#socket.ref().setTimeout(idleTimeout).write(head, 'latin1')
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #idled(): void {
    const { idleTimeout } = this.#options
    if (this.#asked === undefined) this.close()
    else this.#asked.fail(new ConnectionError('idle', `nothing moved for ${idleTimeout / 1000} s`))
  }

  get #isWhole(): boolean {
    return this.#answer !== undefined && this.#at === this.#answer.body.length
  }

  /** Where what comes next belongs: never nothing, which would be taken for an error. */
  #room(): Uint8Array {
    if (this.#answer === undefined) return this.#start.subarray(this.#length)
    if (this.#isWhole) return this.#start
    const { body } = this.#answer
    return this.#asked?.pace === undefined ? body.subarray(this.#at) : body.subarray(this.#at, this.#at + pacedSlice)
  }

  /** Takes what came into the room for it; whether more may come now. */
  #arrived(length: number): boolean {
    const asked = this.#asked
    if (asked === undefined) {
      // Nobody asked for it.
      this.close()
      return true
    }
    const before = this.#at
    if (!asked.watch.keeps(length)) asked.fail(new ConnectionError('trickle', 'the answer comes in drops'))
    else if (this.#answer !== undefined) this.#add(asked, this.#answer.body, length)
    else this.#begin(asked, length)
    // It may have ended with that.
    if (this.#asked !== asked) return true
    const { pace } = asked
    const bytes = this.#at - before
    if (pace === undefined || bytes === 0) {
      if (this.#isWhole) this.#finish(asked)
      return true
    }
    const goOn = (): void => {
      if (this.#isWhole) this.#finish(asked)
      this.#socket.resume()
    }
    pace(bytes).then(
      () => this.#asked === asked && goOn(),
      (error: unknown) => this.#asked === asked && asked.fail(error),
    )
    return false
  }

  #begin(asked: Asked, length: number): void {
    this.#length += length
    const start = this.#start.subarray(0, this.#length)
    const end = start.indexOf('\r\n\r\n')
    const full = this.#length === mostHead
    if (end < 0 && !full) return
    const { status, headers, length: expected } = parseHead(start.toString('latin1', 0, Math.max(0, end)))
    const early = start.subarray(end + 4)
    const body = expected === 'chunks' ? joinChunks(early) : early
    if (body === 'more' && !full) return
    const size = expected === 'chunks' ? body?.length : expected
    if (status === undefined || size === undefined || body === undefined || body === 'more' || body.length > size) {
      this.close()
      asked.done({ status })
    } else if (size > largestAnswer) {
      asked.fail(new ConnectionError('too-large', 'the answer is larger than any object'))
    } else {
      this.#answer = { status, headers, body: lentRoom(size, asked.memory) ?? unshared(size) }
      this.#answer.body.set(body)
      this.#add(asked, this.#answer.body, body.length)
      // What may follow the last chunk is not looked at.
      this.#keep = expected !== 'chunks' && !/\bclose\b/i.test(headers.connection ?? '')
    }
  }

  /** Counts what was put into the body. */
  #add(asked: Asked, body: Uint8Array, length: number): void {
    if (asked.crc !== undefined) asked.crc = crc32(body.subarray(this.#at, this.#at + length), asked.crc)
    this.#at += length
  }

  #finish(asked: Asked): void {
    const answer = { ...this.#answer!, crc: asked.crc }
    this.#answer = undefined
    this.#length = 0
    this.#at = 0
    if (this.#keep) this.#socket.unref().setTimeout(keptOpen)
    else this.close()
    asked.done(answer)
  }
}

/** What a connection is busy with. */
interface Asked {
  readonly pace: Paced['pace']
  readonly memory: Lent['memory']
  /** That of what arrived, where it is wanted. */
  crc: number | undefined
  readonly watch: Watch
  end(settle: () => void): void
  done(outcome: HttpAnswer | Unlike): void
  fail(error: unknown): void
}

/** The head of a request; undefined where something in it could be taken for more than it is. */
function headOf({ method, path, headers }: HttpRequest): string | undefined {
  const lines = [`${method} ${path} HTTP/1.1`, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)]
  return lines.every((line) => /^[\x21-\x7e][\x20-\x7e]*$/.test(line)) && !/\s/.test(path)
    ? `${lines.join('\r\n')}\r\n\r\n`
    : undefined
}

/** The head of an answer. */
interface Head {
  readonly status: number | undefined
  readonly headers: IncomingHttpHeaders
  /** Of the body; undefined where it has none, or it is not clear. */
  readonly length?: number | 'chunks'
}

function parseHead(text: string): Head {
  const [first = '', ...lines] = text.split('\r\n')
  const status = Number(/^HTTP\/1\.1 ([2-5]\d\d)(?: |$)/.exec(first)?.[1])
  const headers: IncomingHttpHeaders = Object.create(null)
  if (Number.isNaN(status)) return { status: undefined, headers }
  for (const line of lines) {
    const [, name, value] = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? []
    if (name === undefined || value === undefined) return { status, headers }
    const key = name.toLowerCase()
    headers[key] = key in headers ? `${headers[key]}, ${value}` : value
  }
  const { 'content-length': length, 'transfer-encoding': encoding } = headers
  // Answers that never have a body.
  if (status === 204 || status === 304) return { status, headers }
  if (encoding === undefined && /^\d{1,15}$/.test(length ?? '')) return { status, headers, length: Number(length) }
  // Errors often come in chunks, objects hardly ever.
  const error = status >= 300 && length === undefined && encoding?.toLowerCase() === 'chunked'
  return error ? { status, headers, length: 'chunks' } : { status, headers }
}

/** What is in the chunks of a body (RFC 9112 §7.1); undefined where that is not clear. */
function joinChunks(coded: Buffer): Buffer | 'more' | undefined {
  const chunks: Buffer[] = []
  for (let at = 0; ; ) {
    const end = coded.indexOf('\r\n', at)
    if (end < 0) return 'more'
    const size = /^([\da-f]{1,6})(?:[ \t]*;.*)?$/i.exec(coded.toString('latin1', at, end))?.[1]
    if (size === undefined) return undefined
    const from = end + 2
    const next = from + Number.parseInt(size, 16)
    if (next === from) return Buffer.concat(chunks)
    if (coded.length < next + 2) return 'more'
    if (coded.toString('latin1', next, next + 2) !== '\r\n') return undefined
    chunks.push(coded.subarray(from, next))
    at = next + 2
  }
}
