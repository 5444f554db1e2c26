import {
  type AgentOptions,
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
} from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { Socket } from 'node:net'
import { onAbort, type Paced } from 'kloset/connector'
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
import { InPlace } from './in-place.js'

/**
 * Requests over connections that stay open. Each is made once, and comes back whole or not at all. Whatever way it ends, nothing
 * reads from its body any more once the promise is settled; and nothing that it asked for happens later, unless the server is slow.
 */
export class Connection {
  readonly #options: ConnectionOptions
  readonly #agent: HttpAgent
  readonly #request: typeof httpRequest
  readonly #inPlace: InPlace

  constructor(options: ConnectionOptions) {
    const { secure, ca, sockets } = options
    this.#options = options
    this.#request = secure ? httpsRequest : httpRequest
    this.#inPlace = new InPlace(options)
    const keeping = {
      keepAlive: true,
      maxSockets: sockets,
      maxFreeSockets: sockets,
      timeout: keptOpen,
      ...connecting,
    }
    this.#agent = secure
      ? new HttpsAgent({ ...keeping, ...(ca && { ca: [...ca] }) })
      : new HttpAgent(keeping as AgentOptions)
  }

  /** @throws ConnectionError, the system's errors, and the signal's reason */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    const answer = request.large !== undefined ? await this.#inPlace.get(request) : undefined
    return answer ?? this.#send(request)
  }

  close(): void {
    this.#inPlace.close()
    this.#agent.destroy()
  }

  #send(request: HttpRequest): Promise<HttpAnswer> {
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
}

const changing = new Set(['PUT', 'POST', 'DELETE'])

// How long an aborted call waits for the answer to what it cannot take back (milliseconds).
const longestPatience = 5_000

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
