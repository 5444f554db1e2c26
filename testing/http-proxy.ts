import { once } from 'node:events'
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'

/** Something that goes wrong with HTTP requests, and with which. Exactly one of the faults is given. */
export interface HttpFault {
  /** Only requests of this method. */
  readonly method?: string
  /** Only requests whose target, with its query, is like this. */
  readonly path?: RegExp
  /** How many requests it concerns; default 1. */
  readonly times?: number

  /** Answered so, without asking the server. `retryAfter` as the header has it: seconds, or a date. */
  readonly answer?: { readonly status: number; readonly retryAfter?: string; readonly body?: string }
  /** Only so many bytes of the answer's body come, though its Content-Length promises all. */
  readonly truncate?: number
  /** The byte at this offset of the answer's body has a bit turned over; a negative offset counts from the end. */
  readonly flip?: number
  /**
   * `request`: the connection is reset before the server hears of the request, after so much of its body as has come; `answer`: the server
   * does what it is asked, and then the connection is reset.
   */
  readonly lose?: 'request' | 'answer'
  /** Nothing is ever answered; the connection stays open. */
  readonly stall?: true
}

/** A proxy between an HTTP client and a real server, which knows requests. */
export interface HttpProxy {
  /** `http://127.0.0.1:PORT`. */
  readonly endpoint: string
  /** What was asked so far, oldest first: method and target; and the fault it met. */
  readonly requests: readonly {
    readonly method: string
    readonly path: string
    readonly at: number
    readonly fault?: HttpFault
  }[]
  /** Adds faults: the first that fits a request and is not used up is the one it meets. */
  fault(...faults: readonly HttpFault[]): void
  /** Nothing goes wrong any more. */
  clear(): void
  stop(): Promise<void>
}

/** Starts a proxy on a free port of the loopback. Host and all other headers pass as they are, so that signatures hold. */
export async function startHttpProxy(to: string): Promise<HttpProxy> {
  const target = new URL(to)
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  const faults: { readonly fault: HttpFault; left: number }[] = []
  const requests: { method: string; path: string; at: number; fault?: HttpFault }[] = []

  const server = createServer((incoming, answer) => {
    const { method = '', url: path = '' } = incoming
    const found = faults.find(({ fault, left }) => left > 0 && fits(fault, method, path))
    if (found) found.left--
    requests.push({ method, path, at: Date.now(), ...(found && { fault: found.fault }) })
    // Whoever is gone is gone: faults are made of that.
    serve(incoming, answer, found?.fault ?? {}).catch(() => answer.destroy())
  })
  const serve = async (incoming: IncomingMessage, answer: ServerResponse, fault: HttpFault): Promise<void> => {
    if (fault.stall) return void incoming.resume()
    if (fault.lose === 'request') return void incoming.socket.resetAndDestroy()
    if (fault.answer) {
      incoming.resume()
      const { status, retryAfter, body = '' } = fault.answer
      answer.writeHead(status, retryAfter === undefined ? {} : { 'retry-after': retryAfter })
      return void answer.end(body)
    }
    const { method, url, headers } = incoming
    const asked = request({ host: target.hostname, port: target.port, method, path: url, headers, agent })
    const [response] = (await Promise.all([
      once(asked, 'response'),
      incoming.headers.expect === '100-continue' ? undefined : pipeline(incoming, asked),
    ])) as [[IncomingMessage], unknown]
    const got = response[0]
    if (fault.lose === 'answer') {
      for await (const _ of got);
      return void incoming.socket.resetAndDestroy()
    }
    answer.writeHead(got.statusCode ?? 502, got.rawHeaders)
    const size = Number(got.headers['content-length'])
    await pipeline(got, spoil(fault, size), answer, { end: fault.truncate === undefined })
    if (fault.truncate !== undefined) incoming.socket.destroy()
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    fault: (...more) => void faults.push(...more.map((fault) => ({ fault, left: fault.times ?? 1 }))),
    clear: () => void faults.splice(0),
    stop: async () => {
      server.closeAllConnections()
      server.close()
      agent.destroy()
      await once(server, 'close')
    },
  }
}

function fits({ method, path }: HttpFault, asked: string, target: string): boolean {
  return (method === undefined || method === asked) && (path?.test(target) ?? true)
}

/** The body of an answer with what the fault does to it; `size` is what it should have. */
function spoil({ truncate, flip }: HttpFault, size: number) {
  return async function* (body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    const end = truncate ?? Number.POSITIVE_INFINITY
    const bad = flip !== undefined && flip < 0 ? size + flip : flip
    let at = 0
    for await (const part of body) {
      if (bad !== undefined && bad >= at && bad < at + part.length) part[bad - at]! ^= 1
      const room = Math.max(0, Math.min(part.length, end - at))
      at += part.length
      if (room > 0) yield part.subarray(0, room)
    }
  }
}
