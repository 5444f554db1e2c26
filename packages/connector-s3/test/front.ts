import { createServer, type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'

/** A request that came through a {@link Front}. */
export interface Seen {
  readonly method: string
  /** With the query. */
  readonly path: string
  readonly headers: IncomingHttpHeaders
}

/** What a front answers by itself. */
export interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** Something in front of an S3 server that sees every request, and may answer in its place. */
export interface Front {
  readonly endpoint: string
  readonly requests: Seen[]
  /** Asked before a request is passed on; undefined passes it on. */
  answer: (request: Seen) => Answer | undefined
  stop(): Promise<void>
}

/** Starts a front on a free port of the loopback; with `tls`, clients speak TLS to it. */
export async function startFront(
  to: { readonly endpoint: string } | undefined,
  tls?: { readonly key: string; readonly cert: string },
): Promise<Front> {
  const handle = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    const seen = { method: incoming.method ?? '', path: incoming.url ?? '', headers: incoming.headers }
    front.requests.push(seen)
    const own = front.answer(seen)
    if (own !== undefined || to === undefined) {
      incoming.resume()
      outgoing.writeHead(own?.status ?? 500, own?.headers)
      outgoing.end(own?.body)
      return
    }
    const { hostname, port } = new URL(to.endpoint)
    const options = { hostname, port, method: seen.method, path: seen.path, headers: seen.headers }
    const asked = request(options, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 500, answer.rawHeaders)
      answer.pipe(outgoing)
    })
    asked.on('error', () => outgoing.destroy())
    incoming.on('error', () => asked.destroy())
    outgoing.on('close', () => asked.destroy())
    incoming.pipe(asked)
  }
  const server = tls ? createSecureServer(tls, handle) : createServer(handle)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const front: Front = {
    endpoint: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    requests: [],
    answer: () => undefined,
    stop: () => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
  return front
}

/** An error as S3 answers it. */
export function refusal(
  status: number,
  code: string,
  more: { headers?: Record<string, string>; inner?: string } = {},
): Answer {
  const xml = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>said the server</Message>${more.inner ?? ''}</Error>`
  return { status, headers: { 'content-type': 'application/xml', ...more.headers }, body: xml }
}
